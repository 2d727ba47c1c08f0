//! The embedded backend through [`Backend::call`], with requests as they come over the wire.

mod configuration;
mod durability;
mod lifecycle;
mod lock;
mod multipart;
mod names;
mod objects;

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
                quick_xml::escape::unescape(text).expect("escaped").into_owned()
            })
            .collect()
    }

    fn one(&self, element: &str) -> String {
        let mut all = self.all(element);
        assert_eq!(all.len(), 1, "one {element} in {}", self.text());
        all.remove(0)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().expect("ASCII")
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
        let backend = LocalBackend::open(&dir.path().join("data"), options).await.expect("a new directory opens");
        Self { backend: Arc::new(backend), dir }
    }

    /// With a bucket.
    async fn with_bucket(options: LocalOptions) -> Self {
        let vault = Self::new(options).await;
        vault.send("PUT", "/some-bucket", &[], "").await.ok();
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

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        self.try_send(method, path, headers, Payload::Bytes(body.into())).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    async fn enable_versioning(&self, status: &str) {
        let xml = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></VersioningConfiguration>"
        );
        self.send("PUT", "/some-bucket?versioning", &[], xml).await.ok();
    }

    async fn upload(&self, key: &str, parts: &[Bytes]) -> Reply {
        let path = format!("/some-bucket/{key}");
        let id = self.send("POST", &format!("{path}?uploads"), &[], "").await.ok().one("UploadId");
        let mut listed = Vec::new();
        for (number, part) in (1..).zip(parts) {
            let query = format!("{path}?partNumber={number}&uploadId={id}");
            listed.push((number, self.send("PUT", &query, &[], part.clone()).await.ok().etag()));
        }
        self.complete(&path, &id, &listed, &[]).await
    }

    async fn complete(&self, path: &str, id: &str, parts: &[(i32, String)], headers: &[(&str, &str)]) -> Reply {
        let parts: Vec<_> =
            parts.iter().map(|(n, etag)| format!("<PartNumber>{n}</PartNumber><ETag>\"{etag}\"</ETag>")).collect();
        let parts = parts.join("</Part><Part>");
        let parts = if parts.is_empty() { parts } else { format!("<Part>{parts}</Part>") };
        let xml = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        self.send("POST", &format!("{path}?uploadId={id}"), headers, xml).await
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

pub(super) fn map_of(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
        )
    };
    headers.iter().map(pair).collect()
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
        headers: map_of(headers),
        payload,
        sender: Signer::Gateway.into(),
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
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect::<Vec<_>>().into()
}

fn framed(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

const MD5: LocalOptions = LocalOptions { cheap_etag: false };
