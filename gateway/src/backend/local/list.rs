//! Listings: objects (both forms), versions, uploads, parts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ETag, EncodingType, Initiator, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload, Object, ObjectVersion,
    Part,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use sqlx::FromRow;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::Store;
use super::buckets::{owner, timestamp};
use super::digest::with_sums;
use super::failure::{Failure, Result};
use super::index::{Index, Version};
use super::multipart::{PartRow, Upload, checksum_fields};
use super::page::{Last, Page, Query, Row, Start, Table, collect};

/// S3's bound on a page.
const MAX_PAGE: i32 = 1000;

const OBJECTS: Order = Order::NewestFirst(
    "SELECT * FROM versions WHERE bucket = ?1 AND latest = 1 AND marker = 0 AND key >= ?2 AND key < ?4
         AND (key > ?2 OR seq < ?3)
     ORDER BY key LIMIT ?5",
);
const VERSIONS: Order = Order::NewestFirst(
    "SELECT * FROM versions WHERE bucket = ?1 AND key >= ?2 AND key < ?4 AND (key > ?2 OR seq < ?3)
     ORDER BY key, seq DESC LIMIT ?5",
);
const UPLOADS: Order = Order::OldestFirst(
    "SELECT * FROM uploads WHERE bucket = ?1 AND key >= ?2 AND key < ?4 AND (key > ?2 OR seq > ?3)
     ORDER BY key, seq LIMIT ?5",
);

/// A query for rows in order: bucket, key and seq to begin at, key to end before, limit.
enum Order {
    NewestFirst(&'static str),
    OldestFirst(&'static str),
}

/// The rows of a bucket.
struct Rows<'a> {
    pool: &'a SqlitePool,
    bucket: &'a str,
    order: Order,
}

impl<R> Table<R> for Rows<'_>
where
    R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    async fn fetch(&self, start: &Start, end: &[u8], want: usize) -> Result<Vec<R>> {
        let (query, (key, seq)) = match self.order {
            Order::NewestFirst(query) => (query, start.newest_first()),
            Order::OldestFirst(query) => (query, start.oldest_first()),
        };
        Ok(sqlx::query_as(query)
            .bind(self.bucket)
            .bind(key)
            .bind(seq)
            .bind(end)
            .bind(i64::try_from(want).unwrap_or(i64::MAX))
            .fetch_all(self.pool)
            .await?)
    }
}

impl Row for Version {
    fn key(&self) -> &[u8] {
        &self.key
    }
    fn seq(&self) -> i64 {
        self.seq
    }
}

impl Row for Upload {
    fn key(&self) -> &[u8] {
        &self.key
    }
    fn seq(&self) -> i64 {
        self.seq
    }
}

impl Store {
    pub(super) async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let limit = page_size(input.max_keys)?;
        let names = Names::of(input.encoding_type);
        let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        let marker = input.marker.unwrap_or_default();
        let page = self.objects(&input.bucket, &prefix, &delimiter, limit, &marker).await?;
        let next = page.last.as_ref().filter(|_| !delimiter.is_empty());
        Ok(S3Response::new(ListObjectsOutput {
            next_marker: next.map(|last| names.show(last.key())),
            is_truncated: Some(page.last.is_some()),
            contents: Some(page.rows.iter().map(|row| names.object(row, true)).collect()),
            common_prefixes: Some(names.prefixes(&page.prefixes)),
            name: Some(input.bucket),
            prefix: Some(names.show_prefix_v1(prefix)),
            marker: Some(names.show(marker.as_bytes())),
            max_keys: Some(limit),
            delimiter: names.given(&delimiter),
            encoding_type: names.encoding_type,
            request_charged: None,
        }))
    }

    pub(super) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let limit = page_size(input.max_keys)?;
        let names = Names::of(input.encoding_type);
        let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        let after = match &input.continuation_token {
            Some(token) => untoken(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let page = self.objects(&input.bucket, &prefix, &delimiter, limit, &after).await?;
        let fetch_owner = input.fetch_owner == Some(true);
        Ok(S3Response::new(ListObjectsV2Output {
            next_continuation_token: page.last.as_ref().map(|last| BASE64.encode(last.key())),
            is_truncated: Some(page.last.is_some()),
            key_count: i32::try_from(page.rows.len() + page.prefixes.len()).ok(),
            contents: Some(page.rows.iter().map(|row| names.object(row, fetch_owner)).collect()),
            common_prefixes: Some(names.prefixes(&page.prefixes)),
            name: Some(input.bucket),
            prefix: Some(names.show(prefix.as_bytes())),
            max_keys: Some(limit),
            continuation_token: input.continuation_token,
            start_after: input.start_after.map(|key| names.show(key.as_bytes())),
            delimiter: names.given(&delimiter),
            encoding_type: names.encoding_type,
            request_charged: None,
        }))
    }

    pub(super) async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let limit = page_size(input.max_keys)?;
        let names = Names::of(input.encoding_type);
        let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        Index::bucket(self.index.readers(), &input.bucket).await?;
        let start =
            self.version_marker(&input.bucket, input.key_marker.as_deref(), input.version_id_marker.as_deref()).await?;
        let query = Query { prefix: &prefix, delimiter: &delimiter, limit: limit.unsigned_abs() as usize };
        let page: Page<Version> = collect(&query, start, &self.rows(&input.bucket, VERSIONS)).await?;
        let next_version = match (&page.last, page.rows.last()) {
            (Some(Last::Row(_)), Some(row)) => Some(row.version_id.clone()),
            _ => None,
        };
        let (markers, versions): (Vec<_>, Vec<_>) = page.rows.iter().partition(|row| row.marker);
        Ok(S3Response::new(ListObjectVersionsOutput {
            next_key_marker: page.last.as_ref().map(|last| names.show(last.key())),
            next_version_id_marker: next_version,
            is_truncated: Some(page.last.is_some()),
            versions: Some(versions.into_iter().map(|row| names.version(row)).collect()),
            delete_markers: Some(
                markers
                    .into_iter()
                    .map(|row| DeleteMarkerEntry {
                        is_latest: Some(row.latest),
                        key: Some(names.show(&row.key)),
                        last_modified: Some(timestamp(row.modified_ms)),
                        owner: Some(owner()),
                        version_id: Some(row.version_id.clone()),
                    })
                    .collect(),
            ),
            common_prefixes: Some(names.prefixes(&page.prefixes)),
            prefix: Some(names.show(prefix.as_bytes())),
            key_marker: Some(names.show(input.key_marker.unwrap_or_default().as_bytes())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            max_keys: Some(limit),
            delimiter: names.given(&delimiter),
            encoding_type: names.encoding_type,
            name: Some(input.bucket),
            request_charged: None,
        }))
    }

    pub(super) async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        let limit = page_size(input.max_uploads)?;
        let names = Names::of(input.encoding_type);
        let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        Index::bucket(self.index.readers(), &input.bucket).await?;
        let start = self.upload_marker(input.key_marker.as_deref(), input.upload_id_marker.as_deref()).await?;
        let query = Query { prefix: &prefix, delimiter: &delimiter, limit: limit.unsigned_abs() as usize };
        let page: Page<Upload> = collect(&query, start, &self.rows(&input.bucket, UPLOADS)).await?;
        let next_id = match (&page.last, page.rows.last()) {
            (Some(Last::Row(_)), Some(row)) => Some(row.id.clone()),
            _ => None,
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            next_key_marker: page.last.as_ref().map(|last| names.show(last.key())),
            next_upload_id_marker: next_id,
            is_truncated: Some(page.last.is_some()),
            uploads: Some(page.rows.iter().map(|row| names.upload(row)).collect()),
            common_prefixes: Some(names.prefixes(&page.prefixes)),
            prefix: Some(names.show(prefix.as_bytes())),
            key_marker: Some(names.show(input.key_marker.unwrap_or_default().as_bytes())),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            max_uploads: Some(limit),
            delimiter: names.given(&delimiter),
            encoding_type: names.encoding_type,
            bucket: Some(input.bucket),
            request_charged: None,
        }))
    }

    pub(super) async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        let limit = page_size(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or_default();
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let mut rows: Vec<PartRow> =
            sqlx::query_as("SELECT * FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?")
                .bind(upload.seq)
                .bind(after)
                .bind(i64::from(limit) + 1)
                .fetch_all(self.index.readers())
                .await
                .map_err(Failure::from)?;
        let shown = limit.unsigned_abs() as usize;
        let more = rows.len() > shown;
        rows.truncate(shown);
        let (checksum_algorithm, checksum_type) = checksum_fields(&upload);
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            checksum_algorithm,
            checksum_type,
            initiator: Some(initiator()),
            owner: Some(owner()),
            storage_class: Some(upload.storage_class.into()),
            part_number_marker: Some(after),
            next_part_number_marker: rows.last().and_then(|row| i32::try_from(row.number).ok()),
            max_parts: Some(limit),
            is_truncated: Some(more),
            parts: Some(rows.into_iter().map(part).collect()),
            ..ListPartsOutput::default()
        }))
    }

    async fn objects(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
        limit: i32,
        after: &str,
    ) -> S3Result<Page<Version>> {
        Index::bucket(self.index.readers(), bucket).await?;
        let query = Query { prefix, delimiter, limit: limit.unsigned_abs() as usize };
        let start = if after.is_empty() { Start::At(Vec::new()) } else { Start::AfterKey(after.as_bytes().to_vec()) };
        let page = collect(&query, start, &self.rows(bucket, OBJECTS)).await?;
        Ok(page)
    }

    fn rows<'a>(&'a self, bucket: &'a str, order: Order) -> Rows<'a> {
        Rows { pool: self.index.readers(), bucket, order }
    }

    async fn version_marker(&self, bucket: &str, key: Option<&str>, version_id: Option<&str>) -> S3Result<Start> {
        let version_id = version_id.filter(|id| !id.is_empty());
        match (key.filter(|key| !key.is_empty()), version_id) {
            (None, None) => Ok(Start::At(Vec::new())),
            (None, Some(_)) => {
                Err(s3_error!(InvalidArgument, "A version-id marker cannot be specified without a key marker."))
            }
            (Some(key), None) => Ok(Start::AfterKey(key.as_bytes().to_vec())),
            (Some(key), Some(id)) => {
                let version = Index::version(self.index.readers(), bucket, key, Some(id)).await?;
                // One that was deleted meanwhile, as by whoever deletes page by page: its key is gone on with from its newest version,
                // since nothing tells any more where in it the page had ended.
                Ok(match version {
                    Some(version) => Start::After(version.key, version.seq),
                    None => Start::At(key.as_bytes().to_vec()),
                })
            }
        }
    }

    /// An upload that has ended meanwhile is a marker still: its key is gone on with, not its place in it.
    async fn upload_marker(&self, key: Option<&str>, id: Option<&str>) -> S3Result<Start> {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Ok(Start::At(Vec::new()));
        };
        let key = key.as_bytes().to_vec();
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return Ok(Start::AfterKey(key));
        };
        let seq: Option<i64> = sqlx::query_scalar("SELECT seq FROM uploads WHERE id = ? AND key = ?")
            .bind(id)
            .bind(&key)
            .fetch_optional(self.index.readers())
            .await
            .map_err(Failure::from)?;
        Ok(match seq {
            Some(seq) => Start::After(key, seq),
            None => Start::AfterKey(key),
        })
    }
}

impl Last {
    fn key(&self) -> &[u8] {
        match self {
            Self::Row(key) | Self::Prefix(key) => key,
        }
    }
}

/// How names are written: as they are, or `encoding-type=url`.
struct Names {
    encoding_type: Option<EncodingType>,
}

impl Names {
    fn of(encoding_type: Option<EncodingType>) -> Self {
        Self { encoding_type }
    }

    fn show(&self, name: &[u8]) -> String {
        const ENCODED: &AsciiSet =
            &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*').remove(b'/');
        let name = String::from_utf8_lossy(name);
        match &self.encoding_type {
            Some(kind) if kind.as_str() == EncodingType::URL => utf8_percent_encode(&name, ENCODED).to_string(),
            _ => name.into_owned(),
        }
    }

    /// Stock clients (botocore) do not decode the prefix of a V1 listing, so it is written as it is where XML can hold it.
    fn show_prefix_v1(&self, prefix: String) -> String {
        let plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
        if prefix.chars().all(plain) { prefix } else { self.show(prefix.as_bytes()) }
    }

    fn given(&self, name: &str) -> Option<String> {
        (!name.is_empty()).then(|| self.show(name.as_bytes()))
    }

    fn prefixes(&self, prefixes: &[Vec<u8>]) -> Vec<CommonPrefix> {
        prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.show(prefix)) }).collect()
    }

    fn object(&self, row: &Version, with_owner: bool) -> Object {
        let checksum = row.checksum();
        Object {
            checksum_algorithm: checksum.as_ref().map(|c| vec![c.algorithm.name().to_owned().into()]),
            checksum_type: checksum.map(|c| c.kind().to_owned().into()),
            e_tag: Some(ETag::Strong(row.etag.clone())),
            key: Some(self.show(&row.key)),
            last_modified: Some(timestamp(row.modified_ms)),
            owner: with_owner.then(owner),
            restore_status: None,
            size: Some(row.size),
            storage_class: Some(row.storage_class.clone().into()),
        }
    }

    fn version(&self, row: &Version) -> ObjectVersion {
        let checksum = row.checksum();
        ObjectVersion {
            checksum_algorithm: checksum.as_ref().map(|c| vec![c.algorithm.name().to_owned().into()]),
            checksum_type: checksum.map(|c| c.kind().to_owned().into()),
            e_tag: Some(ETag::Strong(row.etag.clone())),
            is_latest: Some(row.latest),
            key: Some(self.show(&row.key)),
            last_modified: Some(timestamp(row.modified_ms)),
            owner: Some(owner()),
            restore_status: None,
            size: Some(row.size),
            storage_class: Some(row.storage_class.clone().into()),
            version_id: Some(row.version_id.clone()),
        }
    }

    fn upload(&self, row: &Upload) -> MultipartUpload {
        let (checksum_algorithm, checksum_type) = checksum_fields(row);
        MultipartUpload {
            checksum_algorithm,
            checksum_type,
            initiated: Some(timestamp(row.started_ms)),
            initiator: Some(initiator()),
            key: Some(self.show(&row.key)),
            owner: Some(owner()),
            storage_class: Some(row.storage_class.clone().into()),
            upload_id: Some(row.id.clone()),
        }
    }
}

fn part(row: PartRow) -> Part {
    let sums = row.checksum().map(|c| c.to_dto()).unwrap_or_default();
    with_sums!(
        sums,
        Part {
            e_tag: Some(ETag::Strong(row.etag)),
            last_modified: Some(timestamp(row.modified_ms)),
            part_number: i32::try_from(row.number).ok(),
            size: Some(row.size),
        }
    )
}

fn initiator() -> Initiator {
    let owner = owner();
    Initiator { display_name: owner.display_name, id: owner.id }
}

/// A page size as S3 takes it: at most 1,000, whatever is asked.
fn page_size(asked: Option<i32>) -> S3Result<i32> {
    let asked = asked.unwrap_or(MAX_PAGE);
    if asked < 0 {
        return Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"));
    }
    Ok(asked.min(MAX_PAGE))
}

fn untoken(token: &str) -> S3Result<String> {
    BASE64
        .decode(token)
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}
