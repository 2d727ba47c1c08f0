//! `CopyObject` and `UploadPartCopy`: one more reference to each blob, and no byte moved.

use std::ops::Range;

use futures_util::StreamExt;
use http::HeaderMap;
use keys::now_ms;
use s3s::dto::{
    self, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, ETag, UploadPartCopyInput,
    UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tokio::task::spawn_blocking;

use super::Store;
use super::buckets::timestamp;
use super::conditions::Conditions;
use super::digest::{Algorithm, Checksum, Claims, Sums, with_sums};
use super::encryption::CustomerKey;
use super::failure::{Failure, Result};
use super::index::{Index, Version};
use super::kept::Kept;
use super::multipart::{NewPart, part_number};
use super::put::storage_class;
use super::read::{Found, cut};
use super::tags::Tags;
use super::wire::{Source, Taken};
use super::writer::Draft;

/// Before the names of conditions on the source.
const SOURCE: &str = "x-amz-copy-source-";

impl Store {
    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let taken = Taken::of(&request);
        let source = taken.source()?;
        let source_customer = taken.source_customer.key()?;
        let (kept, customer) = Kept::asked(&request.headers, &taken)?;
        let conditions = Conditions::from_headers(&request.headers, "")?;
        let source_conditions = Conditions::from_headers(&request.headers, SOURCE)?;
        let input = request.input;
        let new = Replacement::of(&input, &taken, kept)?;
        let same = source.bucket == input.bucket && source.key == input.key;
        if same && source.version_id.is_none() && new.changes_nothing() {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let wanted = input.checksum_algorithm.as_ref().and_then(|a| Algorithm::named(a.as_str()));
        let summed = match wanted {
            None => None,
            Some(algorithm) => self.checksum_of(&source, algorithm).await?,
        };
        let (bucket, key) = (input.bucket, input.key);
        let source_version = source.version_id.clone();
        let (written, copied, checksum) = self
            .index
            .write(move |txn| {
                Box::pin(async move {
                    let found = source.found(txn.conn(), &source_conditions, source_customer.as_ref()).await?;
                    let versioned = found.version_id();
                    let from = found.version;
                    let checksum = match summed {
                        Some((seq, checksum)) => {
                            unchanged(&from, seq)?;
                            Some(checksum)
                        }
                        None => from.checksum(),
                    };
                    let seq = txn.seq();
                    sqlx::query(
                        "INSERT INTO extents (owner, n, part, blob, start, length)
                         SELECT ?, n, part, blob, start, length FROM extents WHERE owner = ?",
                    )
                    .bind(seq)
                    .bind(from.seq)
                    .execute(txn.conn())
                    .await?;
                    let etag = from.etag.clone();
                    let draft = new.draft(from, checksum.as_ref());
                    let written = txn.put_version(seq, &bucket, &key, &conditions, Some(draft)).await?;
                    Ok((written, (etag, versioned), checksum))
                })
            })
            .await?;
        let (etag, copied_version) = copied;
        let sums = checksum.map(|c| c.to_dto()).unwrap_or_default();
        let mut headers = HeaderMap::new();
        written.kept.encryption().add_to(&mut headers, customer.as_ref());
        let output = CopyObjectOutput {
            copy_object_result: Some(with_sums!(
                sums,
                CopyObjectResult {
                    checksum_type: sums.checksum_type,
                    e_tag: Some(ETag::Strong(etag)),
                    last_modified: Some(timestamp(written.modified_ms)),
                }
            )),
            copy_source_version_id: source_version.or(copied_version),
            version_id: written.version_id,
            ..CopyObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let taken = Taken::of(&request);
        let source = taken.source()?;
        let (source_customer, customer) = (taken.source_customer.key()?, taken.customer.key()?);
        let conditions = Conditions::from_headers(&request.headers, SOURCE)?;
        let input = request.input;
        let number = part_number(input.part_number)?;
        let range = input.copy_source_range.as_deref().map(source_range).transpose()?;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        upload.kept.encryption().check(customer.as_ref())?;
        // Read only where a digest is asked for.
        let algorithm = upload.algorithm();
        let summed = if self.options.cheap_etag && algorithm.is_none() {
            None
        } else {
            Some(self.sums_of(&source, range.clone(), algorithm).await?)
        };
        let etag = match &summed {
            Some((_, sums)) => self.etag(sums),
            None => self.etag(&Sums::default()),
        };
        let source_version = source.version_id.clone();
        let (bucket, key, upload_id) = (input.bucket, input.key, input.upload_id);
        let new_etag = etag.clone();
        let (versioned, checksum) = self
            .index
            .write(move |txn| {
                Box::pin(async move {
                    let found = source.found(txn.conn(), &conditions, source_customer.as_ref()).await?;
                    let checksum = match summed {
                        Some((seq, sums)) => {
                            unchanged(&found.version, seq)?;
                            sums.checksum
                        }
                        None => None,
                    };
                    let bytes = within(range, found.version.size)?;
                    let extents = Index::extents(txn.conn(), found.version.seq).await?;
                    let seq = txn.seq();
                    for (n, extent) in (0_i64..).zip(cut(&extents, &bytes)) {
                        txn.attach(seq, n, &extent).await?;
                    }
                    let part = NewPart {
                        number,
                        size: bytes.end - bytes.start,
                        etag: new_etag,
                        checksum: checksum.as_ref().map(Checksum::to_column),
                    };
                    txn.put_part(seq, &bucket, &key, &upload_id, part).await?;
                    Ok((found.version_id(), checksum))
                })
            })
            .await?;
        let sums = checksum.map(|c| c.to_dto()).unwrap_or_default();
        let mut headers = HeaderMap::new();
        upload.kept.encryption().add_to(&mut headers, customer.as_ref());
        let output = UploadPartCopyOutput {
            copy_part_result: Some(with_sums!(
                sums,
                CopyPartResult { e_tag: Some(ETag::Strong(etag)), last_modified: Some(timestamp(now_ms())) }
            )),
            copy_source_version_id: source_version.or(versioned),
            ..UploadPartCopyOutput::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    /// The checksum of a whole source by another algorithm than the one it is kept with, and the version that has it; none
    /// where it is kept already.
    async fn checksum_of(&self, source: &Source, algorithm: Algorithm) -> S3Result<Option<(i64, Checksum)>> {
        let found = self.find(&source.bucket, &source.key, source.version_id.as_deref()).await?;
        let kept = found.version.checksum();
        if kept.is_some_and(|c| c.algorithm == algorithm && !c.composite) {
            return Ok(None);
        }
        let (seq, sums) = self.sums_of(source, None, Some(algorithm)).await?;
        Ok(sums.checksum.map(|checksum| (seq, checksum)))
    }

    /// Digests of (a range of) a source, read through, and the version that they are of.
    async fn sums_of(
        &self,
        source: &Source,
        range: Option<Range<i64>>,
        algorithm: Option<Algorithm>,
    ) -> S3Result<(i64, Sums)> {
        let opened = self.open(&source.bucket, &source.key, source.version_id.as_deref()).await?;
        let seq = opened.found.version.seq;
        let bytes = within(range, opened.found.version.size)?;
        let mut digests = Claims::read(&HeaderMap::new(), algorithm)?.digests(!self.options.cheap_etag);
        let mut body = opened.stream(bytes).await?;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| Failure::Io(std::io::Error::other(e)))?;
            digests = spawn_blocking(move || {
                digests.update(&chunk);
                digests
            })
            .await
            .map_err(|e| Failure::Io(std::io::Error::other(e)))?;
        }
        Ok((seq, digests.finish()))
    }
}

/// What a copy has otherwise than its source.
struct Replacement {
    headers: Option<Vec<u8>>,
    tags: Option<Tags>,
    storage_class: Option<String>,
    kept: Kept,
}

impl Replacement {
    fn of(input: &CopyObjectInput, taken: &Taken, kept: Kept) -> S3Result<Self> {
        let metadata = input.metadata_directive.as_ref();
        let tagging = input.tagging_directive.as_ref();
        Ok(Self {
            headers: metadata
                .filter(|d| d.as_str() == dto::MetadataDirective::REPLACE)
                .map(|_| taken.checked_headers())
                .transpose()?,
            tags: tagging
                .filter(|d| d.as_str() == dto::TaggingDirective::REPLACE)
                .map(|_| Tags::from_header(input.tagging.as_deref()))
                .transpose()?,
            storage_class: input.storage_class.as_ref().map(|c| c.as_str().to_owned()),
            kept,
        })
    }

    fn changes_nothing(&self) -> bool {
        self.headers.is_none() && self.tags.is_none() && self.storage_class.is_none() && self.kept.encryption.is_none()
    }

    /// Storage class, lock, encryption and access list are never the source's.
    fn draft(self, from: Version, checksum: Option<&Checksum>) -> Draft {
        Draft {
            size: from.size,
            etag: from.etag,
            headers: self.headers.unwrap_or(from.headers),
            parts: from.parts,
            checksum: checksum.map(Checksum::to_column),
            tags: self.tags.unwrap_or_else(|| Tags::from_column(from.tags.as_deref())),
            storage_class: storage_class(self.storage_class.as_deref()),
            kept: self.kept,
        }
    }
}

impl Source {
    /// The version that is copied, its key shown and its conditions met.
    async fn found(
        &self,
        conn: &mut sqlx::SqliteConnection,
        conditions: &Conditions,
        key: Option<&CustomerKey>,
    ) -> Result<Found> {
        let found = Found::query(conn, &self.bucket, &self.key, self.version_id.as_deref()).await?;
        found.version.kept.encryption().check(key)?;
        conditions.check_source(&found.version)?;
        Ok(found)
    }
}

/// A digest is worth nothing once the source is another version.
fn unchanged(version: &Version, seq: i64) -> S3Result<()> {
    if version.seq != seq {
        return Err(s3_error!(OperationAborted, "The source was overwritten during the copy. Please try again."));
    }
    Ok(())
}

/// `x-amz-copy-source-range: bytes=first-last`, both of them given.
fn source_range(header: &str) -> S3Result<Range<i64>> {
    match dto::Range::parse(header) {
        Ok(dto::Range::Int {
            first,
            last: Some(last),
        }) if first <= last => i64::try_from(first)
            .ok()
            .zip(i64::try_from(last).ok().and_then(|last| last.checked_add(1)))
            .map(|(first, end)| first..end),
        _ => None,
    }
    .ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        )
    })
}

/// S3 does not cut a copy range that reaches past the end.
fn within(range: Option<Range<i64>>, size: i64) -> S3Result<Range<i64>> {
    let range = range.unwrap_or(0..size);
    if range.end > size {
        return Err(s3_error!(InvalidRange, "Range specified is not valid for source object of size: {size}"));
    }
    Ok(range)
}
