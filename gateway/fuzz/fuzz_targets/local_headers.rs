//! What the embedded backend reads of a request's headers: kept ones come back byte for byte, keys are told apart, and a lock or an
//! access list is the same after it was written down. Lines of `name:value`.
#![no_main]

use gateway::backend::local::acl::{Acl, grantees};
use gateway::backend::local::encryption::Encryption;
use gateway::backend::local::lock::Lock;
use gateway::backend::local::tags::Tags;
use gateway::backend::local::wire::{Taken, stored_headers};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut headers = gateway_fuzz::headers(data.split(|b| *b == b'\n'));
    let sent = headers.clone();
    let taken = Taken::off(&mut headers);
    let back = stored_headers(&taken.stored);
    let customer = |name: &str| name.contains("server-side-encryption-customer-");
    assert!(!headers.keys().any(|name| name.as_str() == "x-amz-server-side-encryption-customer-key"));
    for name in sent.keys().filter(|name| !headers.contains_key(*name) && name.as_str() != "range" && !customer(name.as_str())) {
        let values: Vec<_> = sent.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(back[name].as_bytes(), values.join(&b','));
    }
    if let Ok(source) = taken.source() {
        assert!(!source.bucket.is_empty() && (1..=1024).contains(&source.key.len()));
    }
    if let Ok(tags) = Tags::from_header(sent.get("x-amz-tagging").and_then(|v| v.to_str().ok())) {
        assert!(tags.len() <= 10);
        assert_eq!(Tags::from_column(tags.to_column().as_deref()), tags);
    }
    if let Ok(key) = taken.customer.key()
        && let Ok(encryption) = Encryption::of_write(&headers, key.as_ref())
    {
        let kept = Encryption::from_column(encryption.to_column().as_deref());
        assert_eq!(kept, encryption);
        assert!(kept.check(key.as_ref()).is_ok());
    }
    if let Ok(lock) = Lock::of_headers(&sent) {
        let mut answer = HeaderMap::new();
        lock.add_to(&mut answer);
        assert_eq!(Lock::of_headers(&answer).ok(), Some(lock));
    }
    if let Ok(Some(acl)) = Acl::of_headers(&sent) {
        let column = acl.to_column().expect("a list can be written");
        assert_eq!(Acl::from_column(column.as_deref()).ok(), Some(acl));
    }
    let _ = grantees(&String::from_utf8_lossy(data));
});
