//! Copies in a store whose policy demands `x-amz-metadata-directive: COPY` of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tempfile::TempDir;

use super::*;
use crate::authorize::authorize;
use crate::backend::local::{LocalBackend, LocalOptions};
use crate::backend::{Backend, BackendError};
use crate::body::{self, Body};
use crate::identity::Principal;
use crate::ops::{self, Call, rebuild};
use crate::s3::address::{Address, CopySource, Query};
use crate::s3::operation;
use crate::s3::sigv4::Authentication;
use crate::server::Client;

/// Longer than what is opened in memory.
const LARGE: usize = 3 << 20;

/// The embedded store, with a bucket `into` into which only copies that say COPY may be written, and `copies`, which takes any copy and nothing else; in
/// `closed` nothing may.
struct Demanding {
    store: LocalBackend,
    /// Before how many of these copies `from/later` is yet to replace `from/k`.
    disturb: AtomicU32,
}

#[async_trait::async_trait]
impl Backend for Demanding {
    async fn call(&self, request: BackendRequest) -> Result<Response<Body>, BackendError> {
        let says_copy = request.headers.get("x-amz-metadata-directive").is_some_and(|v| v == "COPY");
        let copies = request.headers.contains_key("x-amz-copy-source");
        let denied = request.path.starts_with("/closed/")
            || request.path.starts_with("/into/") && !says_copy
            || (request.path.starts_with("/copies/") || request.path.starts_with("/open/exports/")) && !copies;
        // Nobody may read tags in `from`, and there are none.
        let tags = request.path.starts_with("/from/") && request.query.starts_with("tagging");
        if request.method == Method::PUT && denied || tags {
            let mut answer = Response::new(body::full("<Error><Code>AccessDenied</Code></Error>"));
            *answer.status_mut() = StatusCode::FORBIDDEN;
            return Ok(answer);
        }
        // Not the copy that only asks whether it may be made.
        let none = |v: &HeaderValue| v.as_bytes().starts_with(b"\"00000000");
        let asks = request.headers.get("x-amz-copy-source-if-match").is_some_and(none);
        if says_copy
            && !asks
            && self.disturb.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
        {
            let mut touched = request.again(Payload::Empty);
            touched.path = "/from/k".to_owned();
            touched.headers.insert("x-amz-copy-source", HeaderValue::from_static("from/later"));
            touched.headers.remove("x-amz-copy-source-if-match");
            assert!(self.store.call(touched).await?.status().is_success());
        }
        self.store.call(request).await
    }
}

struct Case {
    vault: Arc<Vault>,
    store: Arc<Demanding>,
    _dir: TempDir,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Case {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With these settings.
    async fn with(settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let local = LocalBackend::open(&dir.path().join("objects"), LocalOptions::default()).await.unwrap();
        let store = Arc::new(Demanding { store: local, disturb: AtomicU32::new(0) });
        let vault = Vault::of_tests(dir.path(), settings, store.clone()).await;
        let case = Self { vault: Arc::new(vault), store, _dir: dir };
        for bucket in ["from", "into", "copies", "open", "closed"] {
            let made = case.behind(Method::PUT, &format!("/{bucket}"), &[], "").await;
            assert!(made.status().is_success());
        }
        case
    }

    /// In the store itself.
    async fn behind(&self, method: Method, path: &str, headers: &[(&'static str, &str)], body: &str) -> Response<Body> {
        let mut request = BackendRequest::new(method, path.to_owned(), Signer::Gateway);
        request.headers.extend(map(headers));
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.store.store.call(request.payload(Payload::Bytes(body))).await.unwrap()
    }

    async fn send(&self, method: Method, bucket: &str, key: &str, headers: &[(&'static str, &str)]) -> Reply {
        self.send_with(method, bucket, key, headers, b"").await
    }

    async fn send_with(
        &self,
        method: Method,
        bucket: &str,
        key: &str,
        headers: &[(&'static str, &str)],
        sent: &[u8],
    ) -> Reply {
        let mut headers = map(headers);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent.len()));
        let address = if key.is_empty() {
            Address { key: None, raw_path: format!("/{bucket}"), ..Address::object(bucket, "any").unwrap() }
        } else {
            Address::object(bucket, key).unwrap()
        };
        let query = Query::default();
        let operation = operation::select(&method, address.scope(), &query, &headers).unwrap();
        let source = headers
            .get("x-amz-copy-source")
            .map(|v| CopySource::parse(v.as_bytes(), self.vault.config.backend.bucket_names).unwrap());
        let principal = Principal { access_key: "tester".to_owned(), backend: Signer::Gateway };
        let rules = policy::Rules { anonymous_to_backend: false };
        let permit = authorize(rules, principal, operation, &address, &query, source.as_ref()).unwrap();
        let call = Call {
            vault: self.vault.clone(),
            operation,
            method,
            address,
            query,
            headers,
            authentication: Authentication::Anonymous,
            permit,
            client: Client::UNKNOWN,
            request_id: "test".to_owned(),
            policies: self.vault.scrubbing.newest(),
        };
        let response = match ops::run(call, body::full(Bytes::copy_from_slice(sent))).await {
            Ok(response) => response,
            Err(e) => e.into_response("/", "test", false),
        };
        let (parts, body) = response.into_parts();
        // A body that does not open breaks off.
        let (status, body) = match collect(body, 64 << 20).await {
            Ok(body) => (parts.status, body.to_vec()),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
        };
        Reply { status, headers: parts.headers, body }
    }

    async fn put(&self, key: &str, body: &[u8]) {
        let headers = [("content-type", "text/plain"), ("x-amz-meta-who", "me")];
        assert_eq!(self.send_with(Method::PUT, "from", key, &headers, body).await.status, StatusCode::OK);
    }

    /// Through the gateway, from `from`.
    async fn copy(&self, source: &str, bucket: &str, key: &str, directive: Option<&str>) -> StatusCode {
        let source = format!("from/{source}");
        let mut headers = vec![("x-amz-copy-source", source.as_str())];
        headers.extend(directive.map(|d| ("x-amz-metadata-directive", d)));
        self.send(Method::PUT, bucket, key, &headers).await.status
    }

    async fn get(&self, bucket: &str, key: &str) -> Reply {
        self.send(Method::GET, bucket, key, &[]).await
    }

    /// The names of all aliases.
    async fn aliases(&self) -> Vec<String> {
        let request = BackendRequest::new(Method::GET, "/data-vault-system".to_owned(), Signer::Gateway)
            .query("list-type=2&prefix=aliases%2F");
        let listing = collect(self.store.store.call(request).await.unwrap().into_body(), 1 << 20).await.unwrap();
        ops::documents::listed_keys(&listing).unwrap().into_iter().map(|(key, _)| key).collect()
    }
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn a_copy_that_must_keep_everything_opens_like_any_other() {
    let case = Case::new().await;
    for (key, length) in [("empty", 0), ("small", 9), ("large", LARGE)] {
        let data = noise(length);
        case.put(key, &data).await;
        assert_eq!(case.copy(key, "into", key, None).await, StatusCode::FORBIDDEN);
        assert_eq!(case.copy(key, "into", key, Some("REPLACE")).await, StatusCode::FORBIDDEN);
        assert_eq!(case.copy(key, "into", key, Some("COPY")).await, StatusCode::OK, "{key}");

        let copied = case.get("into", key).await;
        assert!(copied.status == StatusCode::OK && copied.body == data, "{key}: {}", copied.status);
        assert_eq!(
            (&copied.headers["content-type"], &copied.headers["x-amz-meta-who"]),
            (&HeaderValue::from_static("text/plain"), &HeaderValue::from_static("me"))
        );
        let etag = copied.headers["etag"].to_str().unwrap().trim_matches('"').to_owned();
        assert_eq!(case.get("from", key).await.headers["etag"], copied.headers["etag"]);
        assert_eq!(case.send(Method::HEAD, "into", key, &[]).await.headers["content-length"], length.to_string());
        let listed = String::from_utf8(case.send(Method::GET, "into", "", &[]).await.body).unwrap();
        assert!(listed.contains(&format!("<Size>{length}</Size>")) && listed.contains(&etag), "{listed}");
        if length > 0 {
            let ranged = case.send(Method::GET, "into", key, &[("range", "bytes=3-6")]).await;
            assert!(ranged.status == StatusCode::PARTIAL_CONTENT && ranged.body == data[3..7]);
        }

        // Onwards, where a header may be written, and in place.
        let source = format!("into/{key}");
        let onwards = case.send(Method::PUT, "open", key, &[("x-amz-copy-source", source.as_str())]).await;
        assert_eq!(onwards.status, StatusCode::OK);
        assert_eq!(case.get("open", key).await.body, data);
    }
    assert_eq!(case.aliases().await.len(), 3);
    assert_eq!(case.copy("small", "into", "small", Some("COPY")).await, StatusCode::OK);
    assert_eq!(case.aliases().await.len(), 3, "the same copy has the same alias");

    let found = rebuild::rebuild(&case.vault, |at, e| panic!("{at:?}: {e}")).await.unwrap();
    assert_eq!((found.objects, found.skipped), (9, 0));
}

/// What a policy of ours looks into can still be a copy to a policy of the store; what it would change cannot.
#[tokio::test]
async fn what_is_only_looked_into_can_be_a_copy() {
    const MAIL: &[u8] = b"Mail jane.doe@example.com about it.\n";
    let case = Case::with(
        "[buckets.default]\nscrub = \"detect\"\n[buckets.copies.prefixes.\"enforced/\"]\nscrub = \"enforce\"\n\
         [buckets.open.prefixes.\"clean/\"]\nscrub = \"enforce\"\non_unscrubbed = \"refuse\"\n",
    )
    .await;
    case.put("k", MAIL).await;
    assert_eq!(case.send_with(Method::PUT, "copies", "k", &[], MAIL).await.status, StatusCode::FORBIDDEN);
    for (bucket, directive) in
        [("copies", None), ("copies", Some("COPY")), ("copies", Some("REPLACE")), ("into", Some("COPY"))]
    {
        let mut headers = vec![("x-amz-copy-source", "from/k")];
        headers.extend(directive.map(|directive| ("x-amz-metadata-directive", directive)));
        let copied = case.send(Method::PUT, bucket, "k", &headers).await;
        assert_eq!(copied.status, StatusCode::OK, "{bucket}, {directive:?}");
        assert_eq!(copied.headers["x-data-vault-findings"], "EMAIL_ADDRESS=1");
        let got = case.get(bucket, "k").await;
        assert_eq!((got.status, &got.body[..]), (StatusCode::OK, MAIL));

        // The sidecar knows, and so does whoever makes it again.
        let at = ObjectAt { bucket: bucket.to_owned(), key: "k".to_owned(), version_id: None };
        let known = case.vault.sidecar.object(&at).await.unwrap().unwrap();
        assert_eq!(known.scrub, "detect llm-training/1");
        let kept = ops::scrubbed::find(&case.vault, bucket, known.oid).await.unwrap().unwrap();
        assert_eq!((kept.key.as_str(), kept.findings["EMAIL_ADDRESS"]), ("k", 1));
    }
    assert_eq!(case.aliases().await.len(), 1);

    assert_eq!(case.copy("k", "copies", "enforced/k", Some("COPY")).await, StatusCode::FORBIDDEN);
    // Of one bucket, where both would have one record.
    assert_eq!(case.send_with(Method::PUT, "open", "clean/x", &[], MAIL).await.status, StatusCode::OK);
    let denied = case.send(Method::PUT, "open", "exports/x", &[("x-amz-copy-source", "open/clean/x")]).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let clean = case.get("open", "clean/x").await;
    assert_eq!((clean.status, &clean.body[..]), (StatusCode::OK, &b"Mail <EMAIL_ADDRESS> about it.\n"[..]));
    assert_eq!(case.copy("k", "closed", "k", Some("COPY")).await, StatusCode::FORBIDDEN);
    let at = ObjectAt { bucket: "from".to_owned(), key: "k".to_owned(), version_id: None };
    let oid = case.vault.sidecar.object(&at).await.unwrap().unwrap().oid;
    assert_eq!(ops::scrubbed::find(&case.vault, "closed", oid).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_may_not_write_leaves_no_alias() {
    let case = Case::new().await;
    case.put("k", b"data").await;
    assert_eq!(case.copy("k", "closed", "k", Some("COPY")).await, StatusCode::FORBIDDEN);
    assert_eq!(case.copy("missing", "into", "k", Some("COPY")).await, StatusCode::NOT_FOUND);
    assert_eq!(case.copy("k", "open", "k", Some("COPY")).await, StatusCode::OK);
    assert_eq!(case.aliases().await, Vec::<String>::new());
    assert_eq!(case.get("open", "k").await.body, b"data");
}

/// Whoever owns the store copies as the gateway does, and moves aliases.
#[tokio::test]
async fn an_object_without_its_alias_stays_refused() {
    let case = Case::new().await;
    case.put("k", &noise(100)).await;
    case.put("other", &noise(100)).await;
    let copy = [("x-amz-copy-source", "from/k"), ("x-amz-metadata-directive", "COPY")];
    for (bucket, key) in [("into", "moved"), ("from", "moved")] {
        let copied = case.behind(Method::PUT, &format!("/{bucket}/{key}"), &copy, "").await;
        assert!(copied.status().is_success());
        assert_eq!(case.get(bucket, key).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    // An alias helps its own key only, in its own bucket, and to its own object.
    assert_eq!(case.copy("k", "into", "k", Some("COPY")).await, StatusCode::OK);
    let [ours] = &case.aliases().await[..] else { panic!("one alias") };
    let read = case.behind(Method::GET, &format!("/data-vault-system/{ours}"), &[], "").await;
    let alias = String::from_utf8(collect(read.into_body(), 4096).await.unwrap().to_vec()).unwrap();
    let stored = case.behind(Method::HEAD, "/from/k", &[], "").await;
    let header = Header::decode(stored.headers()[keys::object::HEADER_NAME].as_bytes()).unwrap();
    for (bucket, key) in [("into", "moved"), ("from", "moved")] {
        let at = ObjectAt { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None };
        let put = format!("/data-vault-system/{}", name(&at, &header));
        assert!(case.behind(Method::PUT, &put, &[], &alias).await.status().is_success());
        assert_eq!(case.get(bucket, key).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let other = case.behind(Method::HEAD, "/from/other", &[], "").await;
    let header = Header::decode(other.headers()[keys::object::HEADER_NAME].as_bytes()).unwrap();
    let at = ObjectAt { bucket: "into".to_owned(), key: "k".to_owned(), version_id: None };
    let put = format!("/data-vault-system/{}", name(&at, &header));
    assert!(case.behind(Method::PUT, &put, &[], &alias).await.status().is_success());
    assert_eq!(case.get("into", "k").await.status, StatusCode::OK);
    let swapped = [("x-amz-copy-source", "from/other"), ("x-amz-metadata-directive", "COPY")];
    assert!(case.behind(Method::PUT, "/into/k", &swapped, "").await.status().is_success());
    assert_eq!(case.get("into", "k").await.status, StatusCode::INTERNAL_SERVER_ERROR);

    // What is no header is refused, however long.
    for broken in ["", "AQE", &"A".repeat(100_000)] {
        assert!(case.behind(Method::PUT, &put, &[], broken).await.status().is_success());
        assert!(case.get("into", "k").await.status.is_server_error());
    }
}

/// Metadata replaced in place leave the store's `ETag` as it was, so no condition holds the copy to what was looked at.
#[tokio::test]
async fn a_source_whose_metadata_change_underneath_is_copied_again() {
    let case = Case::new().await;
    case.put("k", &noise(100)).await;
    let copy = async |from: &str, to: &str| {
        let headers = [("x-amz-copy-source", from), ("x-amz-metadata-directive", "COPY")];
        assert!(case.behind(Method::PUT, to, &headers, "").await.status().is_success());
    };
    copy("from/k", "/from/earlier").await;
    let replace = [("x-amz-copy-source", "from/k"), ("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-who", "you")];
    assert_eq!(case.send(Method::PUT, "from", "k", &replace).await.status, StatusCode::OK);
    copy("from/k", "/from/later").await;
    copy("from/earlier", "/from/k").await;
    assert_eq!(case.get("from", "k").await.headers["x-amz-meta-who"], "me");

    case.store.disturb.store(1, Ordering::Relaxed);
    assert_eq!(case.copy("k", "into", "k", Some("COPY")).await, StatusCode::OK);
    assert_eq!(case.store.disturb.load(Ordering::Relaxed), 0);
    let copied = case.get("into", "k").await;
    assert_eq!((copied.status, &copied.body), (StatusCode::OK, &noise(100)));
    assert_eq!(copied.headers["x-amz-meta-who"], "you");
    assert_eq!(case.aliases().await.len(), 2);
}
