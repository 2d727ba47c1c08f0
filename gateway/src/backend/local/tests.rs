//! The embedded backend through [`Backend::call`], with requests as they come over the wire.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;

use super::{LocalBackend, LocalError, LocalOptions};
use crate::backend::{Backend, BackendError, BackendRequest, Payload, Signer};
use crate::body::{self, Body, BoxError};

const MIB: usize = 1024 * 1024;

/// An answer, read whole.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("an XML answer")
    }

    /// The texts of every element of this name, unescaped.
    fn all(&self, element: &str) -> Vec<String> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        self.text()
            .split(&open)
            .skip(1)
            .map(|rest| {
                let text = rest.split(&close).next().expect("a closing tag");
                quick_xml::escape::unescape(text)
                    .expect("escaped")
                    .into_owned()
            })
            .collect()
    }

    fn one(&self, element: &str) -> String {
        let mut all = self.all(element);
        assert_eq!(all.len(), 1, "one {element} in {}", self.text());
        all.remove(0)
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
            .to_str()
            .expect("ASCII")
    }

    fn etag(&self) -> String {
        self.header("etag").trim_matches('"').to_owned()
    }

    /// Is it this error?
    #[track_caller]
    fn fails(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.one("Code"), code);
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {:?}", self.status, self.body);
        self
    }
}

struct Vault {
    backend: Arc<LocalBackend>,
    dir: TempDir,
}

impl Vault {
    async fn new(options: LocalOptions) -> Self {
        let dir = TempDir::new().expect("a directory");
        let backend = LocalBackend::open(&dir.path().join("data"), options)
            .await
            .expect("a new directory opens");
        Self {
            backend: Arc::new(backend),
            dir,
        }
    }

    /// With a bucket of the old naming rules.
    async fn with_bucket(options: LocalOptions) -> Self {
        let vault = Self::new(options).await;
        vault.send("PUT", "/Old_Bucket", &[], "").await.ok();
        vault
    }

    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        payload: Payload,
    ) -> Result<Reply, BackendError> {
        send(&self.backend, method, path, headers, payload).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.try_send(method, path, headers, Payload::Bytes(body.into()))
            .await
            .expect("an answer")
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    async fn enable_versioning(&self, status: &str) {
        let xml = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></VersioningConfiguration>"
        );
        self.send("PUT", "/Old_Bucket?versioning", &[], xml)
            .await
            .ok();
    }

    async fn upload(&self, key: &str, parts: &[Bytes]) -> Reply {
        let path = format!("/Old_Bucket/{key}");
        let id = self
            .send("POST", &format!("{path}?uploads"), &[], "")
            .await
            .ok()
            .one("UploadId");
        let mut listed = Vec::new();
        for (number, part) in (1..).zip(parts) {
            let query = format!("{path}?partNumber={number}&uploadId={id}");
            listed.push((
                number,
                self.send("PUT", &query, &[], part.clone())
                    .await
                    .ok()
                    .etag(),
            ));
        }
        self.complete(&path, &id, &listed, &[]).await
    }

    async fn complete(
        &self,
        path: &str,
        id: &str,
        parts: &[(i32, String)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut xml = "<CompleteMultipartUpload>".to_owned();
        for (number, etag) in parts {
            xml +=
                &format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>");
        }
        xml += "</CompleteMultipartUpload>";
        self.send("POST", &format!("{path}?uploadId={id}"), headers, xml)
            .await
    }

    /// Blobs and temporary files on disk, once they are `expected` or after a while: an unlink follows its answer.
    async fn files(&self, expected: usize) -> usize {
        for _ in 0..200 {
            if files(&self.data()) == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        files(&self.data())
    }
}

async fn send(
    backend: &LocalBackend,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    payload: Payload,
) -> Result<Reply, BackendError> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = BackendRequest {
        method: Method::from_bytes(method.as_bytes()).expect("a method"),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
                    HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
                )
            })
            .collect(),
        payload,
        signer: Signer::Gateway,
    };
    let (parts, body) = backend.call(request).await?.into_parts();
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body: body::collect(body, 1 << 30).await.expect("a whole body"),
    })
}

fn files(data: &Path) -> usize {
    fn count(dir: &Path) -> usize {
        fs::read_dir(dir)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&data.join("blobs")) + count(&data.join("tmp"))
}

/// Bytes that tell where they are from.
fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|i| (i * 31 + i / 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

fn framed(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

const MD5: LocalOptions = LocalOptions { cheap_etag: false };

#[tokio::test]
async fn objects_of_every_size_come_back() {
    for options in [LocalOptions::default(), MD5] {
        let cheap = options.cheap_etag;
        let vault = Vault::with_bucket(options).await;
        for size in [
            0,
            1,
            65_535,
            65_536,
            65_537,
            256 * 1024,
            256 * 1024 + 1,
            3 * MIB + 7,
        ] {
            let bytes = pattern(size);
            let frames = bytes
                .chunks(10_000)
                .map(|c| Ok(Frame::data(Bytes::copy_from_slice(c))));
            let payload = Payload::Stream {
                body: framed(frames.collect()),
                length: size as u64,
            };
            let put = vault
                .try_send("PUT", "/Old_Bucket/k", &[], payload)
                .await
                .expect("put")
                .ok();
            let got = vault.get("/Old_Bucket/k").await.ok();
            assert!(got.body == bytes, "{size} bytes");
            assert_eq!(got.header("content-length"), size.to_string());
            assert_eq!(got.etag(), put.etag());
            assert_eq!(put.etag().len(), 32);
            assert_eq!(put.etag() == md5_hex(&bytes), !cheap);
            let head = vault.send("HEAD", "/Old_Bucket/k", &[], "").await.ok();
            assert_eq!(head.header("content-length"), size.to_string());
            assert!(head.body.is_empty());
        }
        assert_eq!(
            vault.files(1).await,
            1,
            "an overwrite frees what it replaces"
        );
    }
}

#[tokio::test]
async fn ranges_are_cut() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let bytes = pattern(700_000);
    vault
        .send("PUT", "/Old_Bucket/k", &[], bytes.clone())
        .await
        .ok();
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=5-", 5, 700_000),
        ("bytes=-3", 699_997, 700_000),
        ("bytes=-900000", 0, 700_000),
        ("bytes=699999-800000", 699_999, 700_000),
    ] {
        for method in ["GET", "HEAD"] {
            let got = vault
                .send(method, "/Old_Bucket/k", &[("range", range)], "")
                .await;
            assert_eq!(got.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(
                got.header("content-range"),
                format!("bytes {first}-{}/700000", end - 1)
            );
            assert_eq!(got.header("content-length"), (end - first).to_string());
            assert!(method == "HEAD" || got.body == bytes[first..end]);
        }
    }
    let whole = vault
        .send("GET", "/Old_Bucket/k", &[("range", "lines=1-2")], "")
        .await;
    assert_eq!(whole.status, StatusCode::OK, "no byte range: ignored");
    let past = vault
        .send("GET", "/Old_Bucket/k", &[("range", "bytes=700000-")], "")
        .await;
    past.fails(416, "InvalidRange");
    assert_eq!(past.header("content-range"), "bytes */700000");
    vault.send("PUT", "/Old_Bucket/empty", &[], "").await.ok();
    let empty = vault
        .send("GET", "/Old_Bucket/empty", &[("range", "bytes=-1")], "")
        .await;
    empty.fails(416, "InvalidRange");
}

#[tokio::test]
async fn a_body_that_fails_leaves_nothing() {
    #[derive(Debug, thiserror::Error)]
    #[error("checksum mismatch")]
    struct Ours;
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let id = vault
        .send("POST", "/Old_Bucket/k?uploads", &[], "")
        .await
        .ok()
        .one("UploadId");
    let part = format!("/Old_Bucket/k?partNumber=1&uploadId={id}");
    for path in ["/Old_Bucket/k", part.as_str()] {
        // Before the first byte, in the first batch, and after several.
        for good in [0, 1000, 2 * MIB] {
            let frames = vec![Ok(Frame::data(pattern(good))), Err(Ours.into())];
            let payload = Payload::Stream {
                body: framed(frames),
                length: good as u64 + 1,
            };
            let failed = vault.try_send("PUT", path, &[], payload).await;
            let Err(BackendError::Body(cause)) = failed else {
                panic!("the body failed");
            };
            assert!(cause.is::<Ours>(), "the cause itself comes back");
        }
        // Shorter and longer than declared.
        for length in [999, 1001] {
            let payload = Payload::Stream {
                body: framed(vec![Ok(Frame::data(pattern(1000)))]),
                length,
            };
            let failed = vault.try_send("PUT", path, &[], payload).await;
            assert!(matches!(failed, Err(BackendError::Body(_))));
        }
    }
    vault.get("/Old_Bucket/k").await.fails(404, "NoSuchKey");
    assert!(
        vault
            .get(&format!("/Old_Bucket/k?uploadId={id}"))
            .await
            .ok()
            .all("Part")
            .is_empty()
    );
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let first = stream::iter([Ok::<_, BoxError>(Frame::data(pattern(MIB)))]);
    let body = StreamBody::new(futures_util::StreamExt::chain(first, stream::pending()));
    let payload = Payload::Stream {
        body: body.boxed_unsync(),
        length: 2 * MIB as u64,
    };
    let put = vault.try_send("PUT", "/Old_Bucket/k", &[], payload);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), put)
            .await
            .is_err()
    );
    assert_eq!(vault.files(0).await, 0);
    vault.get("/Old_Bucket/k").await.fails(404, "NoSuchKey");
}

#[tokio::test]
async fn one_of_many_creators_wins() {
    let vault = Arc::new(Vault::with_bucket(LocalOptions::default()).await);
    let creators: Vec<_> = (0..100)
        .map(|i| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move {
                let reply = vault
                    .send(
                        "PUT",
                        "/Old_Bucket/k",
                        &[("if-none-match", "*")],
                        format!("writer {i}"),
                    )
                    .await;
                (i, reply.status)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for creator in creators {
        let (i, status) = creator.await.expect("no panic");
        match status {
            StatusCode::OK => winners.push(i),
            status => assert_eq!(status, StatusCode::PRECONDITION_FAILED),
        }
    }
    let [winner] = winners[..] else {
        panic!("winners: {winners:?}");
    };
    let got = vault.get("/Old_Bucket/k").await.ok();
    assert_eq!(got.text(), format!("writer {winner}"));
    assert_eq!(vault.files(1).await, 1, "the losers' blobs are gone");
}

#[tokio::test]
async fn conditions_decide() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let absent = vault
        .send("PUT", "/Old_Bucket/k", &[("if-match", "*")], "x")
        .await;
    absent.fails(404, "NoSuchKey");
    let etag = vault
        .send("PUT", "/Old_Bucket/k", &[], "one")
        .await
        .ok()
        .etag();
    let quoted = format!("\"{etag}\"");
    vault
        .send("PUT", "/Old_Bucket/k", &[("if-match", "\"other\"")], "x")
        .await
        .fails(412, "PreconditionFailed");
    let unchanged = vault
        .send("GET", "/Old_Bucket/k", &[("if-none-match", &quoted)], "")
        .await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.etag(), etag);
    let modified = vault
        .get("/Old_Bucket/k")
        .await
        .header("last-modified")
        .to_owned();
    let since = vault
        .send(
            "GET",
            "/Old_Bucket/k",
            &[("if-modified-since", &modified)],
            "",
        )
        .await;
    assert_eq!(since.status, StatusCode::NOT_MODIFIED);
    vault
        .send(
            "GET",
            "/Old_Bucket/k",
            &[("if-unmodified-since", &modified)],
            "",
        )
        .await
        .ok();
    let old = ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT");
    vault
        .send("GET", "/Old_Bucket/k", &[old], "")
        .await
        .fails(412, "PreconditionFailed");
    vault
        .send("DELETE", "/Old_Bucket/k", &[("if-match", "\"other\"")], "")
        .await
        .fails(412, "PreconditionFailed");
    let source = ("x-amz-copy-source", "Old_Bucket/k");
    vault
        .send(
            "PUT",
            "/Old_Bucket/copy",
            &[source, ("x-amz-copy-source-if-none-match", &quoted)],
            "",
        )
        .await
        .fails(412, "PreconditionFailed");
    vault
        .send(
            "PUT",
            "/Old_Bucket/k",
            &[
                source,
                ("if-match", "\"other\""),
                ("x-amz-metadata-directive", "REPLACE"),
            ],
            "",
        )
        .await
        .fails(412, "PreconditionFailed");
    vault
        .send("PUT", "/Old_Bucket/k", &[("if-match", &quoted)], "two")
        .await
        .ok();
    assert_eq!(vault.get("/Old_Bucket/k").await.text(), "two");
}

#[tokio::test]
async fn metadata_is_kept_byte_for_byte() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let given = [
        ("x-amz-meta-odd", "=?UTF-8?Q?=C3=A4?= ä"),
        ("x-amz-meta-empty", ""),
        ("content-type", "text/x-odd; a=\"b\""),
        ("content-encoding", "zstd"),
        ("content-disposition", "attachment; filename=\"a b\""),
        ("content-language", "de"),
        ("cache-control", "no-store"),
        ("expires", "0"),
    ];
    vault.send("PUT", "/Old_Bucket/k", &given, "x").await.ok();
    let source = ("x-amz-copy-source", "/Old_Bucket/k");
    vault
        .send("PUT", "/Old_Bucket/same", &[source], "")
        .await
        .ok();
    for path in ["/Old_Bucket/k", "/Old_Bucket/same"] {
        for method in ["GET", "HEAD"] {
            let got = vault.send(method, path, &[], "").await.ok();
            for (name, value) in given {
                assert_eq!(
                    got.headers[name].as_bytes(),
                    value.as_bytes(),
                    "{method} {path} {name}"
                );
            }
        }
    }
    let replace = [
        source,
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-new", "1"),
    ];
    vault.send("PUT", "/Old_Bucket/k", &replace, "").await.ok();
    let got = vault.get("/Old_Bucket/k").await.ok();
    assert_eq!(got.header("x-amz-meta-new"), "1");
    assert!(!got.headers.contains_key("x-amz-meta-odd"));
    assert_eq!(got.text(), "x");
    vault
        .send("PUT", "/Old_Bucket/k", &[source], "")
        .await
        .fails(400, "InvalidRequest");
    let long = "x".repeat(17 * 1024);
    vault
        .send("PUT", "/Old_Bucket/k", &[("x-amz-meta-long", &long)], "")
        .await
        .fails(400, "MetadataTooLarge");
}

#[tokio::test]
async fn versions_and_delete_markers() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let unversioned = vault.send("PUT", "/Old_Bucket/k", &[], "null").await.ok();
    assert!(!unversioned.headers.contains_key("x-amz-version-id"));
    vault.enable_versioning("Enabled").await;
    assert_eq!(
        vault.get("/Old_Bucket?versioning").await.one("Status"),
        "Enabled"
    );
    let put = |body: &'static str| vault.send("PUT", "/Old_Bucket/k", &[], body);
    let one = put("one").await.ok().header("x-amz-version-id").to_owned();
    let two = put("two").await.ok().header("x-amz-version-id").to_owned();
    assert_eq!(vault.get("/Old_Bucket/k").await.text(), "two");
    let version = |id: &str| format!("/Old_Bucket/k?versionId={id}");
    assert_eq!(vault.get(&version(&one)).await.text(), "one");
    assert_eq!(vault.get(&version("null")).await.text(), "null");

    let deleted = vault.send("DELETE", "/Old_Bucket/k", &[], "").await.ok();
    assert_eq!(deleted.header("x-amz-delete-marker"), "true");
    let marker = deleted.header("x-amz-version-id").to_owned();
    let gone = vault.get("/Old_Bucket/k").await;
    gone.fails(404, "NoSuchKey");
    assert_eq!(gone.header("x-amz-delete-marker"), "true");
    vault
        .get(&version(&marker))
        .await
        .fails(405, "MethodNotAllowed");
    assert!(
        vault
            .get("/Old_Bucket?list-type=2")
            .await
            .all("Key")
            .is_empty()
    );

    let listed = vault.get("/Old_Bucket?versions").await.ok();
    assert_eq!(listed.all("Version").len(), 3);
    assert_eq!(listed.all("DeleteMarker").len(), 1);
    assert_eq!(
        listed
            .all("IsLatest")
            .iter()
            .filter(|l| *l == "true")
            .count(),
        1
    );
    // Page by page: newest first.
    let (mut seen, mut query) = (Vec::new(), "versions&max-keys=1".to_owned());
    loop {
        let page = vault.get(&format!("/Old_Bucket?{query}")).await.ok();
        seen.extend(page.all("VersionId"));
        if page.one("IsTruncated") == "false" {
            break;
        }
        query = format!(
            "versions&max-keys=1&key-marker={}&version-id-marker={}",
            page.one("NextKeyMarker"),
            page.one("NextVersionIdMarker")
        );
    }
    assert_eq!(
        seen,
        [marker.clone(), two.clone(), one.clone(), "null".to_owned()]
    );

    vault.send("DELETE", &version(&marker), &[], "").await.ok();
    assert_eq!(vault.get("/Old_Bucket/k").await.text(), "two");
    vault.send("DELETE", &version(&two), &[], "").await.ok();
    assert_eq!(vault.get("/Old_Bucket/k").await.text(), "one");

    vault.enable_versioning("Suspended").await;
    let suspended = put("null again").await.ok();
    assert_eq!(suspended.header("x-amz-version-id"), "null");
    assert_eq!(vault.get(&version("null")).await.text(), "null again");
    let listed = vault.get("/Old_Bucket?versions").await.ok();
    assert_eq!(listed.all("VersionId"), ["null".to_owned(), one.clone()]);
    assert_eq!(vault.files(2).await, 2);
    vault
        .send("DELETE", "/Old_Bucket", &[], "")
        .await
        .fails(409, "BucketNotEmpty");
    vault.send("DELETE", &version("null"), &[], "").await.ok();
    vault.send("DELETE", &version(&one), &[], "").await.ok();
    vault.send("DELETE", "/Old_Bucket", &[], "").await.ok();
    vault.send("HEAD", "/Old_Bucket", &[], "").await;
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn multipart_uploads() {
    let vault = Vault::with_bucket(MD5).await;
    let parts = [pattern(5 * MIB), pattern(5 * MIB + 1), pattern(7)];
    let done = vault.upload("big", &parts).await.ok();
    let whole = parts.concat();
    let sums: Vec<u8> = parts
        .iter()
        .flat_map(|part| Md5::digest(part).to_vec())
        .collect();
    assert_eq!(done.one("ETag"), format!("\"{}-3\"", md5_hex(&sums)));
    let got = vault.get("/Old_Bucket/big").await.ok();
    assert!(got.body == whole);
    let across = ("range", "bytes=5242870-10485770");
    let got = vault.send("GET", "/Old_Bucket/big", &[across], "").await;
    assert!(got.body == whole[5_242_870..=10_485_770]);
    let second = vault.get("/Old_Bucket/big?partNumber=2").await;
    assert_eq!(second.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(second.header("x-amz-mp-parts-count"), "3");
    assert!(second.body == parts[1]);
    assert_eq!(vault.files(3).await, 3, "part bytes are not copied");

    // Copies of ranges, of which no byte moves either.
    let path = "/Old_Bucket/copy";
    let id = vault
        .send("POST", "/Old_Bucket/copy?uploads", &[], "")
        .await
        .ok()
        .one("UploadId");
    let query = |number| format!("{path}?partNumber={number}&uploadId={id}");
    let source = ("x-amz-copy-source", "Old_Bucket/big");
    let range = ("x-amz-copy-source-range", "bytes=1-6000000");
    let one = vault
        .send("PUT", &query(1), &[source, range], "")
        .await
        .ok()
        .one("ETag");
    assert_eq!(one.trim_matches('"'), md5_hex(&whole[1..=6_000_000]));
    let two = vault
        .send("PUT", &query(2), &[source], "")
        .await
        .ok()
        .one("ETag");
    let past = ("x-amz-copy-source-range", "bytes=1-60000000");
    vault
        .send("PUT", &query(3), &[source, past], "")
        .await
        .fails(416, "InvalidRange");
    let listed = [(1, one), (2, two)].map(|(n, e)| (n, e.trim_matches('"').to_owned()));
    vault.complete(path, &id, &listed, &[]).await.ok();
    vault.send("DELETE", "/Old_Bucket/big", &[], "").await.ok();
    let got = vault.get(path).await.ok();
    assert!(got.body == [&whole[1..=6_000_000], &whole].concat());
    assert_eq!(vault.files(3).await, 3, "what is still referenced stays");
    vault.send("DELETE", path, &[], "").await.ok();
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn multipart_errors() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let path = "/Old_Bucket/k";
    let id = vault
        .send("POST", "/Old_Bucket/k?uploads", &[], "")
        .await
        .ok()
        .one("UploadId");
    let query = |number: i32| format!("{path}?partNumber={number}&uploadId={id}");
    vault
        .send("PUT", &query(0), &[], "x")
        .await
        .fails(400, "InvalidArgument");
    vault
        .send("PUT", &query(10_001), &[], "x")
        .await
        .fails(400, "InvalidArgument");
    vault
        .send("PUT", "/Old_Bucket/k?partNumber=1&uploadId=none", &[], "x")
        .await
        .fails(404, "NoSuchUpload");
    let replaced = vault
        .send("PUT", &query(5), &[], pattern(10))
        .await
        .ok()
        .etag();
    let five = vault
        .send("PUT", &query(5), &[], pattern(5 * MIB))
        .await
        .ok()
        .etag();
    let nine = vault
        .send("PUT", &query(9), &[], pattern(9))
        .await
        .ok()
        .etag();
    let unlisted = vault
        .send("PUT", &query(10), &[], pattern(5))
        .await
        .ok()
        .etag();
    assert_eq!(
        vault.files(3).await,
        3,
        "a part uploaded again replaces the first"
    );
    let listed = vault
        .get(&format!("{path}?uploadId={id}&max-parts=2"))
        .await
        .ok();
    assert_eq!(listed.all("PartNumber"), ["5", "9"]);
    assert_eq!(listed.one("IsTruncated"), "true");
    let more = vault
        .get(&format!("{path}?uploadId={id}&part-number-marker=9"))
        .await
        .ok();
    assert_eq!(more.all("PartNumber"), ["10"]);
    assert_eq!(
        vault.get("/Old_Bucket?uploads").await.ok().all("UploadId"),
        [id.clone()]
    );

    let complete =
        |parts: Vec<(i32, String)>| async { vault.complete(path, &id, &parts, &[]).await };
    complete(vec![]).await.fails(400, "MalformedXML");
    complete(vec![(9, nine.clone()), (5, five.clone())])
        .await
        .fails(400, "InvalidPartOrder");
    complete(vec![(5, replaced)])
        .await
        .fails(400, "InvalidPart");
    complete(vec![(4, five.clone())])
        .await
        .fails(400, "InvalidPart");
    complete(vec![(9, nine.clone()), (10, unlisted)])
        .await
        .fails(400, "EntityTooSmall");
    let parts = [(5, five), (9, nine)];
    vault
        .complete(path, &id, &parts, &[("if-match", "*")])
        .await
        .fails(404, "NoSuchKey");
    vault
        .complete(path, &id, &parts, &[("x-amz-mp-object-size", "1")])
        .await
        .fails(400, "InvalidRequest");
    vault
        .complete(path, &id, &parts, &[("if-none-match", "*")])
        .await
        .ok();
    assert_eq!(
        vault.files(2).await,
        2,
        "the part that was not listed is gone"
    );
    assert_eq!(vault.get(path).await.ok().body.len(), 5 * MIB + 9);
    vault
        .complete(path, &id, &parts, &[])
        .await
        .fails(404, "NoSuchUpload");

    let id = vault
        .send("POST", "/Old_Bucket/a?uploads", &[], "")
        .await
        .ok()
        .one("UploadId");
    let part = format!("/Old_Bucket/a?partNumber=1&uploadId={id}");
    vault.send("PUT", &part, &[], "x").await.ok();
    vault
        .send("DELETE", &format!("/Old_Bucket/a?uploadId={id}"), &[], "")
        .await
        .ok();
    vault
        .send("PUT", &part, &[], "x")
        .await
        .fails(404, "NoSuchUpload");
    assert_eq!(vault.files(2).await, 2);
}

#[tokio::test]
async fn checksums_are_verified_and_kept() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let crc = ("x-amz-checksum-crc32", "y/Q5Jg=="); // of "123456789"
    let bad = ("x-amz-checksum-crc32", "AAAAAA==");
    vault
        .send("PUT", "/Old_Bucket/k", &[bad], "123456789")
        .await
        .fails(400, "BadDigest");
    let md5 = ("content-md5", "CY9rzUYh03PK3k6DJie09g=="); // of "test"
    vault
        .send("PUT", "/Old_Bucket/k", &[md5], "123456789")
        .await
        .fails(400, "BadDigest");
    vault
        .send("PUT", "/Old_Bucket/k", &[("content-md5", "x")], "")
        .await
        .fails(400, "InvalidDigest");
    assert_eq!(vault.files(0).await, 0);
    vault
        .send("PUT", "/Old_Bucket/md5", &[md5], "test")
        .await
        .ok();
    let put = vault
        .send("PUT", "/Old_Bucket/k", &[crc], "123456789")
        .await
        .ok();
    assert_eq!(put.header(crc.0), crc.1);
    let mode = ("x-amz-checksum-mode", "ENABLED");
    let head = vault.send("HEAD", "/Old_Bucket/k", &[mode], "").await.ok();
    assert_eq!(
        (head.header(crc.0), head.header("x-amz-checksum-type")),
        (crc.1, "FULL_OBJECT")
    );
    assert!(!vault.get("/Old_Bucket/k").await.headers.contains_key(crc.0));

    // In a trailer.
    for (value, good) in [(crc.1, true), (bad.1, false)] {
        let mut trailers = HeaderMap::new();
        trailers.insert(crc.0, HeaderValue::from_str(value).expect("ASCII"));
        let frames = vec![
            Ok(Frame::data(Bytes::from_static(b"123456789"))),
            Ok(Frame::trailers(trailers)),
        ];
        let payload = Payload::Stream {
            body: framed(frames),
            length: 9,
        };
        let put = vault
            .try_send("PUT", "/Old_Bucket/t", &[("x-amz-trailer", crc.0)], payload)
            .await
            .expect("an answer");
        assert_eq!(put.status.is_success(), good);
    }

    // Of a multipart upload: of the whole from its parts.
    let create = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let path = "/Old_Bucket/m";
    let id = vault
        .send("POST", "/Old_Bucket/m?uploads", &create, "")
        .await
        .ok()
        .one("UploadId");
    let first = pattern(5 * MIB);
    let one = vault.send(
        "PUT",
        &format!("{path}?partNumber=1&uploadId={id}"),
        &[],
        first.clone(),
    );
    let one = one.await.ok().etag();
    let two = vault.send(
        "PUT",
        &format!("{path}?partNumber=2&uploadId={id}"),
        &[crc],
        "123456789",
    );
    let two = two.await.ok().etag();
    let whole = [&first[..], b"123456789"].concat();
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &whole) as u32;
    let expected = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        sum.to_be_bytes(),
    );
    let parts = [(1, one), (2, two)];
    vault
        .complete(path, &id, &parts, &[bad])
        .await
        .fails(400, "BadDigest");
    let done = vault
        .complete(path, &id, &parts, &[(crc.0, &expected)])
        .await
        .ok();
    assert_eq!(done.one("ChecksumCRC32"), expected);
    let copied = vault
        .send(
            "PUT",
            "/Old_Bucket/c",
            &[
                ("x-amz-copy-source", "Old_Bucket/k"),
                ("x-amz-checksum-algorithm", "CRC32C"),
            ],
            "",
        )
        .await
        .ok();
    assert_eq!(copied.one("ChecksumCRC32C"), "4waSgw==", "of \"123456789\"");
}

#[tokio::test]
async fn tags() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault
        .get("/Old_Bucket?tagging")
        .await
        .fails(404, "NoSuchTagSet");
    let tagged = ("x-amz-tagging", "a=1&b=x%20y");
    vault
        .send("PUT", "/Old_Bucket/k", &[tagged], "x")
        .await
        .ok();
    assert_eq!(
        vault
            .get("/Old_Bucket/k")
            .await
            .header("x-amz-tagging-count"),
        "2"
    );
    let source = ("x-amz-copy-source", "Old_Bucket/k");
    vault
        .send("PUT", "/Old_Bucket/copy", &[source], "")
        .await
        .ok();
    let replace = [
        source,
        ("x-amz-tagging-directive", "REPLACE"),
        ("x-amz-tagging", "c=3"),
    ];
    vault
        .send("PUT", "/Old_Bucket/other", &replace, "")
        .await
        .ok();
    let keys = async |key: &str| {
        vault
            .get(&format!("/Old_Bucket/{key}?tagging"))
            .await
            .ok()
            .all("Key")
    };
    assert_eq!(keys("copy").await, ["a", "b"]);
    assert_eq!(keys("other").await, ["c"]);
    let xml = "<Tagging><TagSet><Tag><Key>z</Key><Value>9</Value></Tag></TagSet></Tagging>";
    vault
        .send("PUT", "/Old_Bucket/k?tagging", &[], xml)
        .await
        .ok();
    assert_eq!(keys("k").await, ["z"]);
    vault
        .send("DELETE", "/Old_Bucket/k?tagging", &[], "")
        .await
        .ok();
    assert!(keys("k").await.is_empty());
    vault
        .send("PUT", "/Old_Bucket?tagging", &[], xml)
        .await
        .ok();
    assert_eq!(
        vault.get("/Old_Bucket?tagging").await.ok().one("Value"),
        "9"
    );
}

#[tokio::test]
async fn listings_go_through_odd_keys_page_by_page() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let keys = [
        "a",
        "a/",
        "a//b",
        "a/b",
        "a/b/c",
        "a b",
        "a+b",
        "a%2Fb",
        "b?x=1&y",
        "é",
        "日本",
        "\u{10ffff}",
        "~",
        "..",
        "./x",
        "/lead",
        "<&>\"'",
        "A",
        "Z/1",
        "Z/2",
    ];
    for key in keys {
        let path = format!("/Old_Bucket/{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
        vault.send("PUT", &path, &[], key.to_owned()).await.ok();
        assert_eq!(vault.get(&path).await.ok().text(), key);
    }
    let expected: BTreeSet<String> = keys.map(str::to_owned).into();
    for size in [1, 3, 1000] {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let query = format!("/Old_Bucket?list-type=2&max-keys={size}{token}");
            let page = vault.get(&query).await.ok();
            assert_eq!(page.one("KeyCount"), page.all("Contents").len().to_string());
            seen.extend(page.all("Key"));
            if page.one("IsTruncated") == "false" {
                break;
            }
            token = format!("&continuation-token={}", page.one("NextContinuationToken"));
        }
        assert_eq!(
            seen,
            Vec::from_iter(expected.clone()),
            "in the order of UTF-8 bytes"
        );
    }
    let rolled = vault
        .get("/Old_Bucket?delimiter=/&max-keys=3&encoding-type=url")
        .await
        .ok();
    assert_eq!(rolled.one("NextMarker"), "A");
    let rolled = vault
        .get("/Old_Bucket?delimiter=/&prefix=a/&encoding-type=url")
        .await
        .ok();
    assert_eq!(rolled.all("Key"), ["a/", "a/b"]);
    assert_eq!(
        rolled.all("CommonPrefixes"),
        ["<Prefix>a//</Prefix>", "<Prefix>a/b/</Prefix>"]
    );
    let encoded = vault
        .get("/Old_Bucket?list-type=2&encoding-type=url&start-after=~")
        .await
        .ok();
    assert_eq!(
        encoded.all("Key"),
        ["%C3%A9", "%E6%97%A5%E6%9C%AC", "%F4%8F%BF%BF"]
    );
    vault
        .get("/Old_Bucket?list-type=2&continuation-token=%21")
        .await
        .fails(400, "InvalidArgument");

    let mut delete = "<Delete>".to_owned();
    for key in keys {
        delete += &format!(
            "<Object><Key>{}</Key></Object>",
            quick_xml::escape::escape(key)
        );
    }
    let deleted = vault
        .send("POST", "/Old_Bucket?delete", &[], delete + "</Delete>")
        .await
        .ok();
    assert_eq!(deleted.all("Deleted").len(), keys.len());
    assert!(vault.get("/Old_Bucket").await.ok().all("Key").is_empty());
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn buckets() {
    let vault = Vault::new(LocalOptions::default()).await;
    for path in ["/ab", "/a%20bucket", "/a%2f"] {
        vault
            .send("PUT", path, &[], "")
            .await
            .fails(400, "InvalidBucketName");
    }
    vault.get("/none/k").await.fails(404, "NoSuchBucket");
    vault
        .send("PUT", "/none/k", &[], "x")
        .await
        .fails(404, "NoSuchBucket");
    for name in ["three", "one", "two"] {
        vault.send("PUT", &format!("/{name}"), &[], "").await.ok();
    }
    vault
        .send("PUT", "/one", &[], "")
        .await
        .fails(409, "BucketAlreadyOwnedByYou");
    assert_eq!(
        vault.get("/").await.ok().all("Name"),
        ["one", "three", "two"]
    );
    let page = vault.get("/?max-buckets=1&prefix=t").await.ok();
    assert_eq!(page.all("Name"), ["three"]);
    let rest = format!(
        "/?prefix=t&continuation-token={}",
        page.one("ContinuationToken")
    );
    assert_eq!(vault.get(&rest).await.ok().all("Name"), ["two"]);
    vault.send("HEAD", "/one", &[], "").await.ok();
    vault.get("/one?location").await.ok();
    assert_eq!(
        vault.get("/one?acl").await.ok().one("Permission"),
        "FULL_CONTROL"
    );
    vault.send("DELETE", "/one", &[], "").await.ok();
    vault
        .send("DELETE", "/one", &[], "")
        .await
        .fails(404, "NoSuchBucket");
    let anonymous = BackendRequest {
        method: Method::GET,
        path: "/two".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        payload: Payload::Empty,
        signer: Signer::Anonymous,
    };
    let denied = vault.backend.call(anonymous).await.expect("an answer");
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn blobs_live_as_long_as_their_references() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    let bytes = pattern(2 * MIB);
    let etag = vault
        .send("PUT", "/Old_Bucket/k", &[], bytes.clone())
        .await
        .ok()
        .etag();
    let source = ("x-amz-copy-source", "Old_Bucket/k");
    let copied = vault
        .send("PUT", "/Old_Bucket/copy", &[source], "")
        .await
        .ok();
    assert_eq!(copied.one("ETag").trim_matches('"'), etag);
    assert_eq!(vault.files(1).await, 1);
    vault.send("DELETE", "/Old_Bucket/k", &[], "").await.ok();
    assert!(vault.get("/Old_Bucket/copy").await.ok().body == bytes);

    // A reader that began before the delete goes on to the end.
    let request = BackendRequest {
        method: Method::GET,
        path: "/Old_Bucket/copy".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        payload: Payload::Empty,
        signer: Signer::Gateway,
    };
    let reading = vault.backend.call(request).await.expect("an answer");
    vault.send("DELETE", "/Old_Bucket/copy", &[], "").await.ok();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let read = body::collect(reading.into_body(), 3 * MIB)
        .await
        .expect("whole");
    assert!(read == bytes);
    assert_eq!(vault.files(0).await, 0);
}

#[tokio::test]
async fn a_restart_keeps_all_and_sweeps_the_rest() {
    let vault = Vault::with_bucket(LocalOptions::default()).await;
    vault
        .send("PUT", "/Old_Bucket/k", &[("x-amz-meta-a", "b")], "kept")
        .await
        .ok();
    let id = vault
        .send("POST", "/Old_Bucket/m?uploads", &[], "")
        .await
        .ok()
        .one("UploadId");
    let part = format!("/Old_Bucket/m?partNumber=1&uploadId={id}");
    let etag = vault.send("PUT", &part, &[], "part").await.ok().etag();
    let again = LocalBackend::open(&vault.data(), LocalOptions::default()).await;
    assert!(
        matches!(again, Err(LocalError::InUse(_))),
        "one process at a time"
    );
    vault.backend.close().await;
    vault
        .send("PUT", "/Old_Bucket/late", &[], "x")
        .await
        .fails(500, "InternalError");

    // What a crash leaves: an unfinished write, and a blob whose commit did not happen.
    let shelf = vault.data().join("blobs/00/01");
    fs::create_dir_all(&shelf).expect("a folder");
    fs::write(shelf.join(format!("0001{}", "5".repeat(28))), "orphan").expect("a file");
    fs::write(vault.data().join("tmp/half"), "half").expect("a file");

    let backend = LocalBackend::open(&vault.data(), LocalOptions::default())
        .await
        .expect("the directory is free");
    let vault = Vault {
        backend: Arc::new(backend),
        dir: vault.dir,
    };
    let got = vault.get("/Old_Bucket/k").await.ok();
    assert_eq!((got.text(), got.header("x-amz-meta-a")), ("kept", "b"));
    assert_eq!(vault.files(2).await, 2, "the object and the part");
    vault
        .complete("/Old_Bucket/m", &id, &[(1, etag)], &[])
        .await
        .ok();
    assert_eq!(vault.get("/Old_Bucket/m").await.ok().text(), "part");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(vault.data()).expect("metadata").permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}
