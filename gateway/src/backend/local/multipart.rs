//! Multipart uploads. Part bytes are never copied: Complete hands the extents of the parts to the object.

use http::HeaderMap;
use keys::now_ms;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::conditions::Conditions;
use super::digest::{Algorithm, Checksum, Claims, of_parts, with_sums};
use super::failure::Result;
use super::index::Index;
use super::kept::Kept;
use super::put::storage_class;
use super::tags::Tags;
use super::wire::Taken;
use super::writer::{Draft, Txn};

/// S3's least size of a part that is not the last.
const MIN_PART: i64 = 5 * 1024 * 1024;
/// S3's greatest part number.
const MAX_PART: i32 = 10_000;

/// A row of `uploads`.
#[derive(sqlx::FromRow)]
#[allow(missing_docs, reason = "documented in the schema")]
pub struct Upload {
    pub seq: i64,
    pub id: String,
    pub key: Vec<u8>,
    pub started_ms: i64,
    pub headers: Vec<u8>,
    pub tags: Option<String>,
    pub storage_class: String,
    pub checksum_algorithm: Option<String>,
    pub checksum_type: Option<String>,
    #[sqlx(flatten)]
    pub kept: Kept,
}

impl Upload {
    /// The checksum that its parts are kept with.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.checksum_algorithm.as_deref().and_then(Algorithm::named)
    }

    /// Or `NoSuchUpload`.
    pub async fn query<'c, E>(executor: E, bucket: &str, key: &str, id: &str) -> Result<Self>
    where
        E: sqlx::SqliteExecutor<'c>,
    {
        sqlx::query_as("SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?")
            .bind(id)
            .bind(bucket)
            .bind(key.as_bytes())
            .fetch_optional(executor)
            .await?
            .ok_or_else(|| {
                s3_error!(
                    NoSuchUpload,
                    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
                )
                .into()
            })
    }
}

/// A row of `parts`.
#[derive(sqlx::FromRow)]
#[allow(missing_docs, reason = "documented in the schema")]
pub struct PartRow {
    pub seq: i64,
    pub number: i64,
    pub size: i64,
    pub etag: String,
    pub checksum: Option<String>,
    pub modified_ms: i64,
}

impl PartRow {
    /// The checksum that is kept with it.
    pub fn checksum(&self) -> Option<Checksum> {
        self.checksum.as_deref().and_then(Checksum::from_column)
    }
}

/// A part about to be written.
pub struct NewPart {
    /// 1 to 10,000.
    pub number: i64,
    /// Bytes.
    pub size: i64,
    /// Without quotes.
    pub etag: String,
    /// As [`Checksum::to_column`] writes it.
    pub checksum: Option<String>,
}

impl Store {
    pub(super) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let taken = Taken::of(&request);
        let (kept, customer) = Kept::asked(&request.headers, &taken)?;
        let headers = taken.checked_headers()?;
        let input = request.input;
        let algorithm = input.checksum_algorithm.as_ref().map(|a| a.as_str().to_owned());
        let kind = input.checksum_type.as_ref().map(|t| t.as_str().to_owned());
        if algorithm.as_deref().is_some_and(|a| Algorithm::named(a).is_none()) {
            return Err(s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported."));
        }
        let tags = Tags::from_header(input.tagging.as_deref())?;
        let class = storage_class(input.storage_class.as_ref().map(StorageClass::as_str));
        let id = uuid::Uuid::new_v4().simple().to_string();
        let (upload_id, bucket, key) = (id.clone(), input.bucket.clone(), input.key.clone());
        let encryption = self
            .index
            .write(move |txn| {
                Box::pin(async move {
                    let kept = kept.in_bucket(&Index::bucket(txn.conn(), &bucket).await?)?;
                    let seq = txn.seq();
                    sqlx::query(
                        "INSERT INTO uploads (seq, id, bucket, key, started_ms, headers, tags, storage_class,
                                              checksum_algorithm, checksum_type, acl, encryption, lock_mode,
                                              lock_until_ms, legal_hold)
                         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    )
                    .bind(seq)
                    .bind(id)
                    .bind(bucket)
                    .bind(key.as_bytes())
                    .bind(now_ms())
                    .bind(headers)
                    .bind(tags.to_column())
                    .bind(class)
                    .bind(algorithm)
                    .bind(kind)
                    .bind(&kept.acl)
                    .bind(&kept.encryption)
                    .bind(&kept.lock.lock_mode)
                    .bind(kept.lock.lock_until_ms)
                    .bind(kept.lock.legal_hold)
                    .execute(txn.conn())
                    .await?;
                    Ok(kept.encryption())
                })
            })
            .await?;
        let mut headers = HeaderMap::new();
        encryption.add_to(&mut headers, customer.as_ref());
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let taken = Taken::of(&request);
        let customer = taken.customer.key()?;
        let number = part_number(request.input.part_number)?;
        let headers = request.headers;
        let input = request.input;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        upload.kept.encryption().check(customer.as_ref())?;
        let claims = Claims::read(&headers, upload.algorithm())?;
        let mut body = input.body.ok_or_else(|| s3_error!(IncompleteBody, "The request has no body."))?;
        let received = self.blobs.receive(&mut body, claims.digests(!self.options.cheap_etag)).await?;
        claims.verify(&received.sums, &taken.trailers())?;
        let etag = self.etag(&received.sums);
        let checksum = received.sums.checksum;
        let part = NewPart {
            number,
            size: received.length,
            etag: etag.clone(),
            checksum: checksum.as_ref().map(Checksum::to_column),
        };
        let (blob, length) = (received.blob, received.length);
        let (bucket, key, upload_id) = (input.bucket, input.key, input.upload_id);
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let seq = txn.seq();
                    txn.adopt(seq, blob, length).await?;
                    txn.put_part(seq, &bucket, &key, &upload_id, part).await
                })
            })
            .await?;
        let mut headers = HeaderMap::new();
        upload.kept.encryption().add_to(&mut headers, customer.as_ref());
        if let Some(checksum) = checksum {
            checksum.add_to(&mut headers);
            // A part has no type of its own.
            headers.remove("x-amz-checksum-type");
        }
        Ok(S3Response::with_headers(
            UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..UploadPartOutput::default() },
            headers,
        ))
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let claimed = Algorithm::claimed(&request.headers);
        let customer = Taken::of(&request).customer.key()?;
        let input = request.input;
        let (bucket, key, upload_id) = (input.bucket, input.key, input.upload_id);
        let listed =
            input.multipart_upload.and_then(|list| list.parts).filter(|parts| !parts.is_empty()).ok_or_else(|| {
                s3_error!(
                    MalformedXML,
                    "The XML you provided was not well-formed or did not validate against our published schema"
                )
            })?;
        let conditions = Conditions::on_write(input.if_match, input.if_none_match);
        let size = input.mpu_object_size;
        let cheap = self.options.cheap_etag;
        let (location, names) = (format!("/{bucket}/{key}"), (bucket.clone(), key.clone()));
        let (written, etag, checksum, customer) = self
            .index
            .write(move |txn| {
                Box::pin(async move {
                    let upload = Upload::query(txn.conn(), &bucket, &key, &upload_id).await?;
                    upload.kept.encryption().check(customer.as_ref())?;
                    let parts = txn.listed_parts(&upload, &listed).await?;
                    let total = parts.iter().map(|part| part.size).sum();
                    if size.is_some_and(|size| size != total) {
                        return Err(s3_error!(
                            InvalidRequest,
                            "The provided 'x-amz-mp-object-size' header value does not match what was computed."
                        )
                        .into());
                    }
                    let checksum = checksum_of(&upload, &parts, claimed)?;
                    let etag = super::put::etag_of_parts(cheap, parts.iter().map(|p| p.etag.as_str()));
                    let seq = txn.seq();
                    txn.hand_over(&upload, &parts, seq).await?;
                    let draft = Draft {
                        size: total,
                        etag: etag.clone(),
                        headers: upload.headers,
                        parts: (parts.len() as u64).cast_signed(),
                        checksum: checksum.as_ref().map(Checksum::to_column),
                        tags: Tags::from_column(upload.tags.as_deref()),
                        storage_class: upload.storage_class,
                        kept: upload.kept,
                    };
                    let written = txn.put_version(seq, &bucket, &key, &conditions, Some(draft)).await?;
                    Ok((written, etag, checksum, customer))
                })
            })
            .await?;
        let sums = checksum.map(|c| c.to_dto()).unwrap_or_default();
        let mut headers = HeaderMap::new();
        written.kept.encryption().add_to(&mut headers, customer.as_ref());
        let output = with_sums!(
            sums,
            CompleteMultipartUploadOutput {
                bucket: Some(names.0),
                key: Some(names.1),
                location: Some(location),
                checksum_type: sums.checksum_type,
                e_tag: Some(ETag::Strong(etag)),
                version_id: written.version_id,
            }
        );
        Ok(S3Response::with_headers(output, headers))
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.index
            .free(move |txn| {
                Box::pin(async move {
                    Index::bucket(txn.conn(), &input.bucket).await?;
                    let upload = Upload::query(txn.conn(), &input.bucket, &input.key, &input.upload_id).await?;
                    txn.end_upload(upload.seq).await
                })
            })
            .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    /// An upload under way.
    pub(super) async fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        Index::bucket(self.index.readers(), bucket).await?;
        Ok(Upload::query(self.index.readers(), bucket, key, id).await?)
    }
}

impl Txn {
    /// Writes a part, whose extents are attached to `seq` already, in place of an earlier one of its number.
    pub async fn put_part(&mut self, seq: i64, bucket: &str, key: &str, upload_id: &str, part: NewPart) -> Result<()> {
        let upload = Upload::query(self.conn(), bucket, key, upload_id).await?;
        let earlier: Option<i64> = sqlx::query_scalar("SELECT seq FROM parts WHERE upload = ? AND number = ?")
            .bind(upload.seq)
            .bind(part.number)
            .fetch_optional(self.conn())
            .await?;
        if let Some(earlier) = earlier {
            self.release(earlier).await?;
            sqlx::query("DELETE FROM parts WHERE seq = ?").bind(earlier).execute(self.conn()).await?;
        }
        sqlx::query(
            "INSERT INTO parts (seq, upload, number, size, etag, checksum, modified_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(upload.seq)
        .bind(part.number)
        .bind(part.size)
        .bind(part.etag)
        .bind(part.checksum)
        .bind(now_ms())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// The parts that a Complete names, in its order.
    async fn listed_parts(&mut self, upload: &Upload, listed: &[CompletedPart]) -> Result<Vec<PartRow>> {
        let rows: Vec<PartRow> = sqlx::query_as("SELECT * FROM parts WHERE upload = ? ORDER BY number")
            .bind(upload.seq)
            .fetch_all(self.conn())
            .await?;
        let numbers: Vec<i64> = listed.iter().map(|part| part.part_number.map_or(0, i64::from)).collect();
        if !numbers.is_sorted_by(|a, b| a < b) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. The parts list must be specified in order by part number."
            )
            .into());
        }
        let mut rows = rows.into_iter();
        let mut parts = Vec::with_capacity(listed.len());
        for (number, wanted) in numbers.iter().zip(listed) {
            let part = rows.find(|row| row.number >= *number);
            let part = part.filter(|row| row.number == *number && agrees(row, wanted));
            parts.push(part.ok_or_else(|| {
                s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
                )
            })?);
        }
        if parts.iter().rev().skip(1).any(|part| part.size < MIN_PART) {
            return Err(
                s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size").into()
            );
        }
        Ok(parts)
    }

    /// Gives the extents of the parts to an object, drops those of the other parts, and ends the upload.
    async fn hand_over(&mut self, upload: &Upload, parts: &[PartRow], owner: i64) -> Result<()> {
        for part in parts {
            // The place of a part's extents in the object: its number, then their order in the part.
            sqlx::query("UPDATE extents SET owner = ?1, n = (?2 << 32) + n, part = ?2 WHERE owner = ?3")
                .bind(owner)
                .bind(part.number)
                .bind(part.seq)
                .execute(self.conn())
                .await?;
        }
        self.end_upload(upload.seq).await
    }

    /// Forgets an upload and what parts it still has.
    pub async fn end_upload(&mut self, upload: i64) -> Result<()> {
        let parts: Vec<i64> = sqlx::query_scalar(
            "SELECT seq FROM parts WHERE upload = ? AND EXISTS (SELECT 1 FROM extents WHERE owner = parts.seq)",
        )
        .bind(upload)
        .fetch_all(self.conn())
        .await?;
        for part in parts {
            self.release(part).await?;
        }
        sqlx::query("DELETE FROM parts WHERE upload = ?").bind(upload).execute(self.conn()).await?;
        sqlx::query("DELETE FROM uploads WHERE seq = ?").bind(upload).execute(self.conn()).await?;
        Ok(())
    }
}

/// A part number, or `InvalidArgument`.
pub fn part_number(number: i32) -> S3Result<i64> {
    if (1..=MAX_PART).contains(&number) {
        return Ok(i64::from(number));
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {MAX_PART}, inclusive"))
}

/// For the answers that name them.
pub fn checksum_fields(upload: &Upload) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
    (upload.checksum_algorithm.clone().map(Into::into), upload.checksum_type.clone().map(Into::into))
}

/// Does a part have the `ETag` and the checksum that Complete says?
fn agrees(row: &PartRow, wanted: &CompletedPart) -> bool {
    let sums = row.checksum().map(|c| c.to_dto()).unwrap_or_default();
    let same = |wanted: &Option<String>, kept: &Option<String>| wanted.is_none() || wanted == kept;
    wanted.e_tag.as_ref().is_some_and(|e| e.value() == row.etag)
        && same(&wanted.checksum_crc32, &sums.checksum_crc32)
        && same(&wanted.checksum_crc32c, &sums.checksum_crc32c)
        && same(&wanted.checksum_crc64nvme, &sums.checksum_crc64nvme)
        && same(&wanted.checksum_sha1, &sums.checksum_sha1)
        && same(&wanted.checksum_sha256, &sums.checksum_sha256)
}

/// The checksum of the object, compared with what the client claims it to be.
fn checksum_of(upload: &Upload, parts: &[PartRow], claimed: Option<(Algorithm, String)>) -> S3Result<Option<Checksum>> {
    let composite = upload.checksum_type.as_deref().map(|t| t == "COMPOSITE");
    let Some(algorithm) = upload.algorithm().or(claimed.as_ref().map(|(a, _)| *a)) else {
        return Ok(None);
    };
    let sums: Vec<_> = parts.iter().map(|p| (p.checksum(), p.size)).collect();
    let checksum = of_parts(algorithm, composite, &sums);
    if let Some((claimed, value)) = claimed {
        let holds = checksum.as_ref().is_some_and(|c| c.algorithm == claimed && c.value == value);
        if !holds {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                claimed.name()
            ));
        }
    }
    Ok(checksum)
}
