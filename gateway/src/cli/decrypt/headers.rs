//! An object's headers, in the forms in which tools print them.

use serde_json::{Map, Value};

/// How `aws s3api head-object` and boto3 name the headers that the metadata digest covers. `ExpiresString` is the header as
/// it came; `Expires` is made of it, in another form.
const SDK_NAMES: [(&str, &str); 6] = [
    ("CacheControl", "cache-control"),
    ("ContentDisposition", "content-disposition"),
    ("ContentEncoding", "content-encoding"),
    ("ContentLanguage", "content-language"),
    ("ContentType", "content-type"),
    ("ExpiresString", "expires"),
];

/// Names and values; or what is wrong with the text.
pub fn parse(text: &[u8]) -> Result<Vec<(String, String)>, String> {
    // HTTP knows no encoding: what is no UTF-8 is read as ISO 8859-1, as the metadata digest does.
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|b| char::from(*b)).collect(),
    };
    if text.trim_start().starts_with('{') {
        return from_json(&text);
    }
    Ok(from_lines(&text))
}

/// Lines that are no `name: value` (the status line, an empty one) say nothing.
fn from_lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| !name.is_empty() && !name.contains(' '))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn from_json(text: &str) -> Result<Vec<(String, String)>, String> {
    let map: Map<String, Value> = serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))?;
    let Some(metadata) = map.get("Metadata") else {
        return strings(&map, "");
    };
    let metadata = metadata.as_object().ok_or("`Metadata` is not a map")?;
    let mut headers = strings(metadata, "x-amz-meta-")?;
    for (sdk, header) in SDK_NAMES {
        if let Some(value) = map.get(sdk).and_then(Value::as_str) {
            headers.push((header.to_owned(), value.to_owned()));
        }
    }
    if map.contains_key("Expires") && !map.contains_key("ExpiresString") {
        return Err("has `Expires` but no `ExpiresString`: take the headers with `curl -I` instead".into());
    }
    Ok(headers)
}

fn strings(map: &Map<String, Value>, prefix: &str) -> Result<Vec<(String, String)>, String> {
    map.iter()
        .map(|(name, value)| match value {
            Value::String(value) => Ok((format!("{prefix}{name}"), value.clone())),
            _ => Err(format!("`{name}` is not a string")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let mut pairs = parse(text.as_bytes()).unwrap();
        pairs.sort();
        pairs
    }

    #[test]
    fn every_form_gives_the_same() {
        let lines = pairs("HTTP/1.1 200 OK\r\nx-amz-meta-a: 1:2\r\ncontent-type: text/plain\r\n\r\n");
        assert_eq!(lines, pairs(r#"{"x-amz-meta-a": "1:2", "content-type": "text/plain"}"#));
        let sdk = r#"{"ContentLength": 5, "ContentType": "text/plain", "Metadata": {"a": "1:2"}}"#;
        assert_eq!(lines, pairs(sdk));
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        for text in ["{", r#"{"a": 1}"#, r#"{"Metadata": 1}"#, r#"{"Metadata": {}, "Expires": "2026-01-01"}"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse(b"x-amz-meta-a: \xe9").unwrap()[0].1, "\u{e9}");
    }
}
