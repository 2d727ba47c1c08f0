//! Selection of an operation: what is sent on selects the same row again, so the backend understands what we did.
//! First byte: method; second: scope; then a line of query and lines of `name:value`.
#![no_main]

use gateway::s3::address::Query;
use gateway::s3::operation::{Scope, select};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &str)| {
    let (method, scope, text) = input;
    let mut lines = text.split('\n');
    let query = lines.next().unwrap_or_default();
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS];
    let scopes = [Scope::Service, Scope::Bucket, Scope::Object];
    let method = &methods[usize::from(method) % methods.len()];
    let scope = scopes[usize::from(scope) % scopes.len()];
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let Ok(query) = Query::parse(query) else {
        return;
    };
    if let Ok(row) = select(method, scope, &query, &headers)
        && row.refusal().is_none()
    {
        let passed = Query::parse(&row.passed_query(&query)).expect("a part of a query");
        let again = select(method, scope, &passed, &headers).expect("selected again");
        assert_eq!(again.op, row.op);
    }
});
