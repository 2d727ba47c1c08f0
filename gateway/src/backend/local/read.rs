//! `GetObject` and `HeadObject`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue};
use s3s::dto::{self, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Error, S3Request, S3Response, S3Result, StdError, s3_error};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Store;
use super::blobs::{BlobId, Blobs, Pins, joined};
use super::buckets::timestamp;
use super::conditions::Conditions;
use super::documents::with_status;
use super::encryption::CustomerKey;
use super::failure::Failure;
use super::index::{Extent, Index, Version};
use super::tags::Tags;
use super::wire::{Taken, stored_headers};

/// Bytes of one read. A reader holds two: the one that is being sent and the one that is being read.
const READ_CHUNK: i64 = 256 * 1024;

impl Store {
    pub(super) async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let conditions = Conditions::from_headers(&request.headers, "")?;
        let key = Taken::of(&request).customer.key()?;
        let input = request.input;
        let opened = self.open(&input.bucket, &input.key, input.version_id.as_deref()).await?;
        let found = &opened.found;
        found.version.kept.encryption().check(key.as_ref())?;
        conditions.check_read(&found.version)?;
        let slice = Slice::of(found, &opened.extents, input.range, input.part_number)?;
        let answer = Answer::of(found, &slice, input.checksum_mode.is_some(), key.as_ref())?;
        let (version_id, etag) = (found.version_id(), found.version.etag.clone());
        let (modified, length) = (timestamp(found.version.modified_ms), slice.bytes.end - slice.bytes.start);
        let body = opened.stream(slice.bytes).await?;
        Ok(S3Response::with_headers(
            GetObjectOutput {
                accept_ranges: Some("bytes".to_owned()),
                body: Some(body),
                content_length: Some(length),
                content_range: answer.content_range,
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(modified),
                parts_count: answer.parts_count,
                version_id,
                ..GetObjectOutput::default()
            },
            answer.headers,
        ))
    }

    pub(super) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let conditions = Conditions::from_headers(&request.headers, "")?;
        let key = Taken::of(&request).customer.key()?;
        let input = request.input;
        let found = self.find(&input.bucket, &input.key, input.version_id.as_deref()).await?;
        found.version.kept.encryption().check(key.as_ref())?;
        conditions.check_read(&found.version)?;
        let extents = match input.part_number {
            Some(_) => Index::extents(self.index.readers(), found.version.seq).await?,
            None => Vec::new(),
        };
        let slice = Slice::of(&found, &extents, input.range, input.part_number)?;
        let answer = Answer::of(&found, &slice, input.checksum_mode.is_some(), key.as_ref())?;
        Ok(S3Response::with_headers(
            HeadObjectOutput {
                accept_ranges: Some("bytes".to_owned()),
                content_length: Some(slice.bytes.end - slice.bytes.start),
                content_range: answer.content_range,
                last_modified: Some(timestamp(found.version.modified_ms)),
                parts_count: answer.parts_count,
                version_id: found.version_id(),
                e_tag: Some(ETag::Strong(found.version.etag)),
                ..HeadObjectOutput::default()
            },
            answer.headers,
        ))
    }

    /// An object version that is there and is no delete marker.
    pub(super) async fn find(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<Found> {
        let mut conn = self.index.readers().acquire().await.map_err(Failure::from)?;
        Ok(Found::query(&mut conn, bucket, key, version_id).await?)
    }

    /// The same with its bytes, which stay as long as the result does.
    pub(super) async fn open(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<Opened> {
        let gate = self.blobs.gate().await;
        // One snapshot for both queries.
        let mut txn = self.index.readers().begin().await.map_err(Failure::from)?;
        let found = Found::query(&mut txn, bucket, key, version_id).await?;
        let extents = Index::extents(&mut *txn, found.version.seq).await?;
        txn.commit().await.map_err(Failure::from)?;
        let pins = self.blobs.pin(extents.iter().map(|extent| extent.blob).collect(), gate);
        Ok(Opened { found, extents, blobs: Arc::clone(&self.blobs), pins })
    }
}

/// An object version.
pub(super) struct Found {
    /// Its row.
    pub version: Version,
    /// The bucket has, or had, versioning.
    pub versioned: bool,
}

impl Found {
    /// Or `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, or the errors that S3 gives for a delete marker.
    pub async fn query(
        conn: &mut sqlx::SqliteConnection,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> super::failure::Result<Self> {
        let row = Index::bucket(&mut *conn, bucket).await?;
        let version = Index::version(conn, bucket, key, version_id).await?;
        let version = match (version, version_id) {
            (Some(version), _) => version,
            (None, None) => {
                return Err(s3_error!(NoSuchKey, "The specified key does not exist.").into());
            }
            (None, Some(_)) => {
                return Err(s3_error!(NoSuchVersion, "The specified version does not exist.").into());
            }
        };
        if version.marker {
            let mut e = if version_id.is_some() {
                s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")
            } else {
                s3_error!(NoSuchKey, "The specified key does not exist.")
            };
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
            if let Ok(id) = HeaderValue::from_str(&version.version_id) {
                headers.insert("x-amz-version-id", id);
            }
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            e.set_headers(headers);
            return Err(e.into());
        }
        Ok(Self { version, versioned: !row.versioning.is_empty() })
    }

    /// For an answer: none where the bucket never had versioning.
    pub fn version_id(&self) -> Option<String> {
        self.versioned.then(|| self.version.version_id.clone())
    }
}

/// An object version and its bytes, pinned.
pub(super) struct Opened {
    /// The version.
    pub found: Found,
    /// Its bytes.
    pub extents: Vec<Extent>,
    blobs: Arc<Blobs>,
    pins: Pins,
}

impl Opened {
    /// Streams a range. The first chunk is read before this returns, so that a lost file is an error and not a broken body.
    pub async fn stream(self, bytes: Range<i64>) -> S3Result<StreamingBlob> {
        let length = bytes.end - bytes.start;
        if length == 0 {
            return Ok(s3s::Body::empty().into());
        }
        let cursor = Cursor { blobs: self.blobs, extents: cut(&self.extents, &bytes).into(), file: None };
        let first = spawn_blocking(move || cursor.read()).await;
        let (cursor, first) = joined(first).map_err(Failure::from)?;
        if cursor.extents.is_empty() {
            return Ok(s3s::Body::from(first).into());
        }
        Ok(StreamingBlob::new(Reader {
            first: Some(first),
            cursor: Some(cursor),
            reading: None,
            left: length,
            _pins: self.pins,
        }))
    }
}

/// What part of an object is asked for.
struct Slice {
    bytes: Range<i64>,
    /// Answered as a range.
    partial: bool,
    /// By `partNumber`.
    by_part: bool,
}

impl Slice {
    fn of(found: &Found, extents: &[Extent], range: Option<dto::Range>, part: Option<i32>) -> S3Result<Self> {
        let size = found.version.size;
        if let Some(part) = part {
            return Self::of_part(found, extents, range, i64::from(part));
        }
        let Some(range) = range else {
            return Ok(Self { bytes: 0..size, partial: false, by_part: false });
        };
        match range.check(size.cast_unsigned()) {
            Ok(bytes) if !bytes.is_empty() => {
                Ok(Self { bytes: bytes.start.cast_signed()..bytes.end.cast_signed(), partial: true, by_part: false })
            }
            _ => Err(invalid_range(size)),
        }
    }

    fn of_part(found: &Found, extents: &[Extent], range: Option<dto::Range>, part: i64) -> S3Result<Self> {
        if range.is_some() {
            return Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"));
        }
        if found.version.parts == 0 && part == 1 {
            return Ok(Self { bytes: 0..found.version.size, partial: found.version.size > 0, by_part: true });
        }
        let before = |e: &&Extent| e.part < part;
        let start = extents.iter().filter(before).map(|e| e.length).sum();
        let length: i64 = extents.iter().filter(|e| e.part == part).map(|e| e.length).sum();
        if length == 0 {
            let status = http::StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(with_status("InvalidPartNumber", status, "The requested partnumber is not satisfiable"));
        }
        Ok(Self { bytes: start..start + length, partial: true, by_part: true })
    }
}

/// What GET and HEAD say alike.
struct Answer {
    headers: HeaderMap,
    content_range: Option<String>,
    parts_count: Option<i32>,
}

impl Answer {
    fn of(found: &Found, slice: &Slice, checksum_mode: bool, key: Option<&CustomerKey>) -> S3Result<Self> {
        let version = &found.version;
        let mut headers = stored_headers(&version.headers);
        headers.entry(http::header::CONTENT_TYPE).or_insert(HeaderValue::from_static("binary/octet-stream"));
        if version.storage_class != "STANDARD" {
            let class = HeaderValue::from_str(&version.storage_class).map_err(|e| s3_error!(e, InternalError))?;
            headers.insert("x-amz-storage-class", class);
        }
        version.kept.encryption().add_to(&mut headers, key);
        version.kept.lock.add_to(&mut headers);
        let tags = Tags::from_column(version.tags.as_deref());
        if !tags.is_empty() {
            headers.insert("x-amz-tagging-count", HeaderValue::from(tags.len()));
        }
        if checksum_mode
            && !slice.partial
            && let Some(checksum) = version.checksum()
        {
            checksum.add_to(&mut headers);
        }
        Ok(Self {
            headers,
            content_range: slice
                .partial
                .then(|| format!("bytes {}-{}/{}", slice.bytes.start, slice.bytes.end - 1, version.size)),
            parts_count: (slice.by_part && version.parts > 0).then(|| i32::try_from(version.parts).unwrap_or(i32::MAX)),
        })
    }
}

/// The extents of a range of an object.
pub(super) fn cut(extents: &[Extent], bytes: &Range<i64>) -> Vec<Extent> {
    let mut at = 0;
    let mut out = Vec::new();
    for extent in extents {
        let from = bytes.start.max(at);
        let to = bytes.end.min(at + extent.length);
        if from < to {
            out.push(Extent { start: extent.start + from - at, length: to - from, ..*extent });
        }
        at += extent.length;
    }
    out
}

fn invalid_range(size: i64) -> S3Error {
    let mut e = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
        headers.insert(http::header::CONTENT_RANGE, range);
    }
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    e.set_headers(headers);
    e
}

/// Where a reader is.
struct Cursor {
    blobs: Arc<Blobs>,
    extents: VecDeque<Extent>,
    file: Option<(BlobId, File)>,
}

impl Cursor {
    /// The next chunk, off the async threads.
    fn read(mut self) -> io::Result<(Self, Bytes)> {
        let Some(extent) = self.extents.front_mut() else {
            return Ok((self, Bytes::new()));
        };
        let file = match &mut self.file {
            Some((open, file)) if *open == extent.blob => file,
            file => {
                let opened = File::open(self.blobs.path(extent.blob))?;
                &mut file.insert((extent.blob, opened)).1
            }
        };
        let want = extent.length.min(READ_CHUNK);
        let mut chunk = Vec::with_capacity(usize::try_from(want).unwrap_or_default());
        file.seek(SeekFrom::Start(extent.start.cast_unsigned()))?;
        file.take(want.cast_unsigned()).read_to_end(&mut chunk)?;
        if chunk.len() as u64 != want.cast_unsigned() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a blob is shorter than the index says"));
        }
        extent.start += want;
        extent.length -= want;
        if extent.length == 0 {
            self.extents.pop_front();
        }
        Ok((self, chunk.into()))
    }
}

/// Streams extents, one chunk read ahead of the one that is taken.
struct Reader {
    first: Option<Bytes>,
    cursor: Option<Cursor>,
    reading: Option<JoinHandle<io::Result<(Cursor, Bytes)>>>,
    left: i64,
    _pins: Pins,
}

impl Stream for Reader {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(cursor) = this.cursor.take()
            && !cursor.extents.is_empty()
        {
            this.reading = Some(spawn_blocking(move || cursor.read()));
        }
        let chunk = if let Some(first) = this.first.take() {
            first
        } else {
            let Some(reading) = &mut this.reading else {
                return Poll::Ready(None);
            };
            let read = joined(ready!(Pin::new(reading).poll(cx)));
            this.reading = None;
            let (cursor, chunk) = match read {
                Ok(read) => read,
                Err(e) => {
                    tracing::error!(error = %e, "a blob could not be read");
                    return Poll::Ready(Some(Err(e.into())));
                }
            };
            if !cursor.extents.is_empty() {
                this.reading = Some(spawn_blocking(move || cursor.read()));
            }
            chunk
        };
        this.left -= (chunk.len() as u64).cast_signed();
        Poll::Ready(Some(Ok(chunk)))
    }
}

impl ByteStream for Reader {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).unwrap_or_default())
    }
}
