use std::collections::HashSet;
use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn ask(
    method: &Method,
    scope: Scope,
    query: &str,
    pairs: &[(&'static str, &str)],
) -> Result<&'static Operation, Error> {
    select(method, scope, &Query::parse(query)?, &headers(pairs))
}

fn op(method: &Method, scope: Scope, query: &str) -> Op {
    ask(method, scope, query, &[]).expect("selected").op
}

fn code(result: Result<&'static Operation, Error>) -> String {
    let error = result.expect_err("refused");
    error.s3().0.into_owned()
}

/// A query and headers that a row's selectors ask for.
fn example(row: &Operation) -> (String, HeaderMap) {
    let query = Query::build(row.query.iter().map(|selector| (selector.name, selector.value)));
    let headers = row
        .header
        .map(|(name, piece)| (HeaderName::from_static(name), HeaderValue::from_static(piece)))
        .into_iter()
        .collect();
    (query, headers)
}

#[test]
fn every_row_is_selected_by_its_example() {
    for row in TABLE {
        let (query, headers) = example(row);
        let params: Vec<_> = row.params.iter().map(|name| (*name, Some("1"))).collect();
        let with_params = [query.clone(), Query::build(params)].join("&");
        let with_common = format!("{query}&x-id=Anything&X-Amz-Signature=abc&X-Amz-Expires=60");
        for query in [query.as_str(), &with_params] {
            for scope in row.scopes {
                let selected = select(&row.method, *scope, &Query::parse(query).unwrap(), &headers).unwrap();
                assert_eq!(selected.op, row.op, "{query}");
            }
        }
        if row.op != Op::ListDirectoryBuckets {
            let query = Query::parse(&with_common).unwrap();
            for scope in row.scopes {
                assert_eq!(select(&row.method, *scope, &query, &headers).unwrap().op, row.op);
            }
        }
    }
}

#[test]
fn headers_that_signature_version_2_signs_may_stand_in_a_presigned_url() {
    let presigned = "AWSAccessKeyId=a&Signature=s&Expires=1&content-type=text%2Fx&content-md5=AAAA";
    let operation = ask(&Method::PUT, Scope::Object, presigned, &[]).expect("selected");
    assert_eq!(operation.op, Op::PutObject);
    assert_eq!(
        operation.passed_query(&Query::parse(presigned).unwrap()),
        "",
        "the headers count, and nothing is sent on"
    );
    for query in
        ["content-type=text%2Fx", "X-Amz-Signature=s&content-type=text%2Fx", "AWSAccessKeyId=a&content-length=1"]
    {
        assert_eq!(code(ask(&Method::PUT, Scope::Object, query, &[])), "NotImplemented", "{query}");
    }
}

#[test]
fn every_operation_has_one_row_and_no_two_rows_one_request() {
    let ops: HashSet<Op> = TABLE.iter().map(|row| row.op).collect();
    assert_eq!(ops.len(), TABLE.len());
    assert_eq!(Op::ALL.len(), TABLE.len());
    for (index, one) in TABLE.iter().enumerate() {
        for other in &TABLE[index + 1..] {
            let same_query =
                one.query.len() == other.query.len() && one.query.iter().all(|selector| other.query.contains(selector));
            let meet = one.scopes.iter().any(|scope| other.scopes.contains(scope));
            let ambiguous = one.method == other.method && meet && same_query;
            // Two rows may share a query where headers tell them apart.
            let apart = one.header.map(|header| header.0) != other.header.map(|header| header.0);
            assert!(!ambiguous || apart, "{:?} {:?}", one.op, other.op);
        }
    }
}

#[test]
fn the_ones_that_are_easily_mistaken() {
    use Scope::{Bucket, Object, Service};
    let (get, put, post, delete) = (&Method::GET, &Method::PUT, &Method::POST, &Method::DELETE);
    assert_eq!(op(get, Service, ""), Op::ListBuckets);
    assert_eq!(op(get, Bucket, "prefix=a&max-keys=1"), Op::ListObjects);
    assert_eq!(op(get, Bucket, "list-type=2&prefix"), Op::ListObjectsV2);
    assert_eq!(op(get, Bucket, "versions"), Op::ListObjectVersions);
    assert_eq!(op(get, Bucket, "versions="), Op::ListObjectVersions);
    assert_eq!(op(get, Bucket, "uploads"), Op::ListMultipartUploads);
    assert_eq!(op(get, Bucket, "%75ploads"), Op::ListMultipartUploads);
    assert_eq!(op(get, Bucket, "metrics"), Op::ListBucketMetricsConfigurations);
    assert_eq!(op(get, Bucket, "metrics&id=1"), Op::GetBucketMetricsConfiguration);
    assert_eq!(op(get, Object, "partNumber=1&versionId=v"), Op::GetObject);
    assert_eq!(op(get, Object, "uploadId=u"), Op::ListParts);
    assert_eq!(op(put, Object, "partNumber=1&uploadId=u"), Op::UploadPart);
    assert_eq!(op(post, Object, "uploadId=u"), Op::CompleteMultipartUpload);
    assert_eq!(op(post, Object, "uploads="), Op::CreateMultipartUpload);
    assert_eq!(op(post, Object, "select&select-type=2"), Op::SelectObjectContent);
    assert_eq!(op(delete, Object, "uploadId=u"), Op::AbortMultipartUpload);
    assert_eq!(op(delete, Object, "versionId=v"), Op::DeleteObject);
    let source = [("x-amz-copy-source", "/b/k")];
    assert_eq!(ask(put, Object, "", &source).unwrap().op, Op::CopyObject);
    let part = ask(put, Object, "uploadId=u&partNumber=1", &source);
    assert_eq!(part.unwrap().op, Op::UploadPartCopy);
    let form = [("content-type", "Multipart/Form-Data; boundary=x")];
    assert_eq!(ask(post, Bucket, "", &form).unwrap().op, Op::PostObject);
}

#[test]
fn a_write_with_anything_unknown_is_refused() {
    use Scope::{Bucket, Object};
    for (method, scope, query, expected) in [
        (Method::PUT, Object, "append&position=0", "NotImplemented"),
        (Method::PUT, Object, "unknown=1", "NotImplemented"),
        (Method::PUT, Object, "versionId=v", "InvalidArgument"),
        (Method::PUT, Object, "partNumber=1", "NotImplemented"),
        (Method::PUT, Object, "uploadId=1", "NotImplemented"),
        (Method::PUT, Object, "torrent", "NotImplemented"),
        (Method::PUT, Object, "rgwx-copy=1", "NotImplemented"),
        (Method::POST, Object, "uploads&format=json", "NotImplemented"),
        (Method::POST, Object, "", "MethodNotAllowed"),
        (Method::POST, Bucket, "", "MethodNotAllowed"),
        (Method::PUT, Bucket, "acl&policy", "NotImplemented"),
        (Method::DELETE, Bucket, "notification", "NotImplemented"),
        (Method::DELETE, Bucket, "location", "NotImplemented"),
        (Method::DELETE, Object, "acl", "NotImplemented"),
        (Method::PATCH, Object, "", "MethodNotAllowed"),
        (Method::PUT, Scope::Service, "", "MethodNotAllowed"),
        (Method::POST, Scope::Service, "Action=AssumeRole", "MethodNotAllowed"),
    ] {
        assert_eq!(code(ask(&method, scope, query, &[])), expected, "{method} {query}");
    }
}

#[test]
fn a_read_ignores_what_s3_ignores_and_refuses_other_sub_resources() {
    use Scope::{Bucket, Object};
    let get = &Method::GET;
    let row = ask(get, Object, "versionId=%76&cache-buster=1&marker=x&x-id=GetObject", &[]).unwrap();
    let query = Query::parse("versionId=%76&cache-buster=1&marker=x&x-id=GetObject&X-Amz-Date=d").unwrap();
    assert_eq!(row.passed_query(&query), "versionId=%76");
    for (method, scope, query) in [
        (get, Object, "metadata-search"),
        (get, Object, "uploads"),
        (get, Object, "lambdaArn=arn"),
        (get, Bucket, "events=s3:ObjectCreated:*"),
        (get, Bucket, "usage"),
        (&Method::HEAD, Object, "torrent"),
        (&Method::HEAD, Bucket, "versioning"),
    ] {
        assert_eq!(code(ask(method, scope, query, &[])), "NotImplemented", "{query}");
    }
    let torrent = ask(get, Object, "torrent", &[]).unwrap();
    assert_eq!(torrent.refusal().unwrap().s3().0, "NotImplemented");
    assert!(ask(get, Object, "", &[]).unwrap().refusal().is_none());
}

#[test]
fn what_a_backend_may_mistake_for_a_deletion_or_an_overwrite_is_refused() {
    for (method, scope, query) in [
        (Method::DELETE, Scope::Bucket, "metrics&id=1"),
        (Method::DELETE, Scope::Bucket, "metadataTable"),
        (Method::PUT, Scope::Object, "encryption"),
        (Method::PUT, Scope::Object, "annotation&annotationName=a"),
    ] {
        let row = ask(&method, scope, query, &[]).unwrap();
        assert_eq!(row.refusal().unwrap().s3().0, "NotImplemented", "{query}");
    }
    let known: Vec<&str> = TABLE
        .iter()
        .filter(|row| row.method == Method::PUT && row.scopes == [Scope::Object])
        .filter(|row| row.treatment == Treatment::Forwarded)
        .map(|row| row.op.name())
        .collect();
    // Each of these is known to MinIO, Ceph RGW and Garage. Check all three before adding one.
    assert_eq!(known, ["PutObjectAcl", "PutObjectLegalHold", "PutObjectRetention", "PutObjectTagging"]);
}

#[test]
fn a_parameter_given_twice_is_refused() {
    let twice = "partNumber=1&uploadId=u&partNumber=2";
    assert_eq!(code(ask(&Method::PUT, Scope::Object, twice, &[])), "InvalidArgument");
    let twice = "versionId=a&version%49d=b";
    assert_eq!(code(ask(&Method::GET, Scope::Object, twice, &[])), "InvalidArgument");
}

#[test]
fn headers_that_change_what_a_write_means_are_refused() {
    for header in [
        "x-amz-meta-dv1",
        "x-amz-write-offset-bytes",
        "x-amz-meta-snowball-auto-extract",
        "x-amz-meta-minio-snowball-prefix",
        "x-amz-replication-status",
        "x-minio-extract",
        "x-minio-force-delete",
        "x-rgw-acl",
        "rgwx-mtime",
    ] {
        for method in [Method::PUT, Method::DELETE, Method::GET] {
            let pairs = [(header, "true")];
            assert_eq!(code(ask(&method, Scope::Object, "", &pairs)), "NotImplemented", "{header}");
            let query = format!("{}=true", header.to_ascii_uppercase());
            assert_eq!(code(ask(&method, Scope::Object, &query, &[])), "NotImplemented", "{query}");
        }
    }
    let source = [("x-amz-copy-source", "/b/k")];
    for (method, query) in [(Method::PUT, "tagging"), (Method::POST, "uploads"), (Method::GET, "")] {
        assert_eq!(code(ask(&method, Scope::Object, query, &source)), "InvalidArgument");
    }
    let mut two = headers(&source);
    two.append("x-amz-copy-source", HeaderValue::from_static("/b/other"));
    let result = select(&Method::PUT, Scope::Object, &Query::default(), &two);
    assert_eq!(code(result), "InvalidArgument");
    // MinIO takes any POST of a form to a bucket for an upload.
    let form = [("content-type", "multipart/form-data; boundary=x")];
    assert_eq!(code(ask(&Method::POST, Scope::Bucket, "delete", &form)), "InvalidArgument");
}

#[test]
fn a_preflight_carries_any_query() {
    let row = ask(&Method::OPTIONS, Scope::Object, "partNumber=1&uploadId=u&append", &[]).unwrap();
    assert_eq!(row.op, Op::CorsPreflight);
    assert_eq!(row.passed_query(&Query::parse("partNumber=1").unwrap()), "");
    assert_eq!(row.action, None);
}

#[test]
fn a_version_needs_its_own_permission() {
    let row = ask(&Method::GET, Scope::Object, "", &[]).unwrap();
    assert_eq!(row.action_for(&Query::default()), Some("s3:GetObject"));
    let query = Query::parse("versionId=v").unwrap();
    assert_eq!(row.action_for(&query), Some("s3:GetObjectVersion"));
    for row in TABLE {
        assert!(row.version_action.is_none() || row.names("versionId"), "{:?}", row.op);
    }
}

#[test]
fn headers_of_a_sealed_request() {
    let map = headers(&[
        ("content-md5", "x"),
        ("content-type", "text/plain"),
        ("content-encoding", "aws-chunked, gzip"),
        ("content-length", "5"),
        ("x-amz-checksum-crc32", "x"),
        ("x-amz-checksum-algorithm", "x"),
        ("x-amz-checksum-mode", "x"),
        ("x-amz-checksum-type", "x"),
        ("x-amz-sdk-checksum-algorithm", "x"),
        ("x-amz-trailer", "x"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-content-sha256", "x"),
        ("x-amz-mp-object-size", "5"),
        ("x-amz-meta-a", "kept"),
        ("x-amz-tagging", "kept"),
        ("if-none-match", "*"),
    ]);
    let map = forwarded_headers(&map, |name| !describes_body(name));
    let expected = headers(&[
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("x-amz-meta-a", "kept"),
        ("x-amz-tagging", "kept"),
        ("if-none-match", "*"),
    ]);
    assert_eq!(map, expected);
}

#[test]
fn hop_headers() {
    let mut map = headers(&[
        ("connection", "close, X-Named"),
        ("x-named", "x"),
        ("keep-alive", "5"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("accept-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("forwarded", "for=1"),
        ("x-forwarded-for", "1"),
        ("x-forwarded-host", "h"),
        ("x-real-ip", "1"),
        ("content-encoding", "AWS-Chunked"),
        ("range", "bytes=0-1"),
    ]);
    strip_hop_headers(&mut map);
    assert_eq!(map, headers(&[("range", "bytes=0-1")]));
}

#[test]
fn authentication_and_answers() {
    let map = headers(&[
        ("authorization", "AWS4"),
        ("x-amz-date", "d"),
        ("date", "d"),
        ("x-amz-content-sha256", "x"),
        ("x-amz-security-token", "x"),
        ("x-amz-acl", "private"),
    ]);
    assert_eq!(forwarded_headers(&map, |_| true), headers(&[("x-amz-acl", "private")]));
    let mut map = headers(&[
        ("etag", "x"),
        ("content-length", "5"),
        ("content-range", "x"),
        ("x-amz-checksum-crc64nvme", "x"),
        ("x-amz-mp-parts-count", "2"),
        ("x-amz-meta-dv1", "x"),
        ("x-amz-missing-meta", "1"),
        ("x-amz-tagging-count", "1"),
        ("last-modified", "x"),
    ]);
    strip_owned_response_headers(&mut map);
    let kept = headers(&[("x-amz-missing-meta", "1"), ("x-amz-tagging-count", "1"), ("last-modified", "x")]);
    assert_eq!(map, kept);
}

#[test]
fn a_listing_has_two_versions() {
    for query in ["list-type=3", "list-type=1", "list-type=", "list-type", "list-type=02&prefix=a"] {
        assert_eq!(code(ask(&Method::GET, Scope::Bucket, query, &[])), "InvalidArgument", "{query}");
    }
    assert_eq!(op(&Method::GET, Scope::Bucket, "list-type=2"), Op::ListObjectsV2);
    assert_eq!(code(ask(&Method::GET, Scope::Bucket, "acl&list-type=2", &[])), "NotImplemented");
}

proptest! {
    #[test]
    fn what_is_selected_passes_only_what_the_row_names(
        method in proptest::sample::select(vec![Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS]),
        scope in proptest::sample::select(vec![Scope::Service, Scope::Bucket, Scope::Object]),
        names in proptest::collection::vec("uploads|uploadId|partNumber|versionId|acl|delete|append|x-id|list-type=2|prefix=[a%20]|[a-z]{1,3}=1|[%=+a]{0,4}", 0..5),
    ) {
        if let Ok(query) = Query::parse(&names.join("&"))
            && let Ok(row) = select(&method, scope, &query, &HeaderMap::new())
        {
            let passed = Query::parse(&row.passed_query(&query)).unwrap();
            for (name, _) in passed.iter() {
                prop_assert!(row.names(name));
            }
            // What is sent on selects the same row again, so the backend understands what we did.
            prop_assert_eq!(select(&method, scope, &passed, &HeaderMap::new()).unwrap().op, row.op);
        }
    }
}

/// `docs/s3-operations.md` is this table. `UPDATE_DOCS=1` writes it.
#[test]
fn documentation_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/s3-operations.md");
    let expected = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/s3-operations.md is stale: run UPDATE_DOCS=1 cargo test -p gateway documentation_is_up_to_date"
    );
}

fn markdown() -> String {
    let mut out = String::from(
        "# S3 operations\n\n\
        Written from the operation table (`gateway/src/s3/operation/table.rs`) by its own test; do not edit.\n\n\
        *sealed*: the gateway touches the bytes of the object. *translated*: it touches sizes, ETags, markers or names in the request or \
        the answer. *forwarded*: the backend answers; authentication and the headers that the gateway owns are edited, the rest passes. \
        *ours*: answered by the gateway alone. *refused*: `NotImplemented`, with the reason.\n\n\
        A request that no row selects is answered `MethodNotAllowed`. A sub-resource that is not in the table is refused, and so is any query \
        parameter on a write that its row does not name; on a read, S3 ignores such a parameter and the gateway does not pass it on. \
        Authentication parameters and `x-id` are accepted everywhere.\n\n",
    );
    for treatment in ["sealed", "translated", "forwarded", "ours", "refused"] {
        let count = TABLE.iter().filter(|row| row.treatment.name() == treatment).count();
        writeln!(out, "- {treatment}: {count}").unwrap();
    }
    out.push_str("\n| Operation | Request | IAM action | Treatment | Also accepts |\n|---|---|---|---|---|\n");
    for row in TABLE {
        let (query, _) = example(row);
        let target = match row.scopes {
            [Scope::Service] => "/",
            [Scope::Bucket] => "/bucket",
            [Scope::Object] => "/bucket/key",
            _ => "/bucket[/key]",
        };
        let mark = if query.is_empty() { "" } else { "?" };
        let header = match row.header {
            None => String::new(),
            Some((name, "")) => format!(" with `{name}`"),
            Some((name, piece)) => format!(" with `{name}: {piece}`"),
        };
        let action = match (row.action, row.version_action) {
            (None, _) => "none".to_owned(),
            (Some(action), None) => format!("`{action}`"),
            (Some(action), Some(version)) => format!("`{action}`, `{version}`"),
        };
        let treatment = match row.treatment {
            Treatment::Refused(reason) => format!("refused: {reason}"),
            other => other.name().to_owned(),
        };
        let params: Vec<String> = row.params.iter().map(|name| format!("`{name}`")).collect();
        writeln!(
            out,
            "| {} | `{} {target}{mark}{query}`{header} | {action} | {treatment} | {} |",
            row.op.name(),
            row.method,
            params.join(" ")
        )
        .unwrap();
    }
    out
}
