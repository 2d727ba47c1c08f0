//! Path, host and query: an address keeps the client's raw key, a query the raw bytes of each parameter.
//! First line: target; second: host.
#![no_main]

use gateway::s3::address::{BucketNames, MAX_KEY, Query, decode, parse, tenant};
use http::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (uri, host) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(query) = Query::parse(uri) {
        let whole = query.without(|_| false);
        let again = Query::parse(&whole).expect("what was read can be read again");
        assert!(query.iter().eq(again.iter()));
    }
    let Ok(uri) = uri.parse::<Uri>() else { return };
    for (domain, names) in
        [(None, BucketNames::Plain), (Some("vault.example.com"), BucketNames::Plain), (None, BucketNames::Tenanted)]
    {
        let Ok(mut address) = parse(&uri, Some(host), domain, names) else {
            continue;
        };
        if let (Some(bucket), Some(key)) = (&address.bucket, &address.key) {
            assert!(!key.is_empty() && key.len() <= MAX_KEY);
            assert!(names == BucketNames::Tenanted || !bucket.contains(':'));
            let raw_key = address
                .raw_path
                .strip_prefix(&format!("/{}/", tenant::in_path(bucket)))
                .expect("the raw path begins with the bucket");
            assert!(uri.path().ends_with(raw_key));
            assert_eq!(&decode(raw_key).expect("a key that was decoded"), key);
        }
        let written = address.bucket.clone();
        address.identified("testx");
        address.spelled_out();
        if let (Some(written), Some(identity)) = (written, address.bucket) {
            assert!(!identity.starts_with(':') && tenant::split(&identity).1 == tenant::split(&written).1);
        }
    }
});
