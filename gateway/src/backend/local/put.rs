//! `PutObject`.

use http::HeaderMap;
use md5::{Digest, Md5};
use s3s::dto::{ETag, PutObjectInput, PutObjectOutput, StorageClass};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::conditions::Conditions;
use super::digest::{Checksum, Claims, Sums};
use super::index::Index;
use super::kept::Kept;
use super::tags::Tags;
use super::wire::Taken;
use super::writer::Draft;

impl Store {
    pub(super) async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let taken = Taken::of(&request);
        let (kept, customer) = Kept::asked(&request.headers, &taken)?;
        let claims = Claims::read(&request.headers, None)?;
        let input = request.input;
        if input.write_offset_bytes.is_some() {
            return Err(s3_error!(NotImplemented, "Appending to an object is not supported."));
        }
        let (bucket, key) = (input.bucket, input.key);
        let conditions = Conditions::on_write(input.if_match, input.if_none_match);
        let mut draft = Draft {
            size: 0,
            etag: String::new(),
            headers: taken.checked_headers()?,
            parts: 0,
            checksum: None,
            tags: Tags::from_header(input.tagging.as_deref())?,
            storage_class: storage_class(input.storage_class.as_ref().map(StorageClass::as_str)),
            kept,
        };
        // Asked again in the transaction; here so that no body is stored in vain.
        draft.kept.clone().in_bucket(&Index::bucket(self.index.readers(), &bucket).await?)?;

        // 1. The bytes, in place under a random name.
        let mut body = input.body.ok_or_else(|| s3_error!(IncompleteBody, "The request has no body."))?;
        let received = self.blobs.receive(&mut body, claims.digests(!self.options.cheap_etag)).await?;
        claims.verify(&received.sums, &taken.trailers())?;
        draft.size = received.length;
        draft.etag = self.etag(&received.sums);
        let checksum = received.sums.checksum;
        draft.checksum = checksum.as_ref().map(Checksum::to_column);
        let etag = draft.etag.clone();

        // 2. The commit that gives them their name, with what it replaces and the conditions in one transaction.
        let (blob, length) = (received.blob, received.length);
        let written = self
            .index
            .write(move |txn| {
                Box::pin(async move {
                    let seq = txn.seq();
                    txn.adopt(seq, blob, length).await?;
                    txn.put_version(seq, &bucket, &key, &conditions, Some(draft)).await
                })
            })
            .await?;
        let mut headers = HeaderMap::new();
        written.kept.encryption().add_to(&mut headers, customer.as_ref());
        if let Some(checksum) = checksum {
            checksum.add_to(&mut headers);
        }
        Ok(S3Response::with_headers(
            PutObjectOutput {
                e_tag: Some(ETag::Strong(etag)),
                version_id: written.version_id,
                ..PutObjectOutput::default()
            },
            headers,
        ))
    }

    /// The `ETag` of a body that was put whole or as a part.
    pub(super) fn etag(&self, sums: &Sums) -> String {
        match sums.md5 {
            Some(md5) if !self.options.cheap_etag => hex::encode(md5),
            _ => random_etag(),
        }
    }
}

/// The `ETag` of a multipart object from those of its parts: `md5-of-md5s-N`, or random where `cheap`.
pub(super) fn etag_of_parts<'a>(cheap: bool, parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = parts.len();
    if cheap {
        return format!("{}-{count}", random_etag());
    }
    let mut md5 = Md5::new();
    for part in parts {
        // A part written while `cheap_etag` was on has a random ETag of the same shape, which serves as well.
        md5.update(hex::decode(part).unwrap_or_default());
    }
    format!("{}-{count}", hex::encode(md5.finalize()))
}

/// 32 hex digits, unique.
pub(super) fn random_etag() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The storage class to be kept: echoed, nothing more.
pub(super) fn storage_class(asked: Option<&str>) -> String {
    asked.unwrap_or("STANDARD").to_owned()
}
