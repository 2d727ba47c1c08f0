//! What several fuzz targets read of their input.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers from lines of `name:value`; what is none is left out.
pub fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let mut halves = line.splitn(2, |b| *b == b':');
        let name = halves.next().and_then(|n| HeaderName::from_bytes(n).ok());
        let value = halves.next().and_then(|v| HeaderValue::from_bytes(v).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}
