//! Buckets.

use keys::now_ms;
use s3s::dto::{
    Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner,
    PutBucketVersioningInput, PutBucketVersioningOutput, Timestamp,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::acl::Acl;
use super::configuration;
use super::index::{BucketRow, Index};
use super::lock;

/// The one owner of everything here: access is decided in front of the backend.
pub(super) const OWNER: &str = "data-vault";
/// S3's bound on a page of buckets.
const MAX_BUCKETS: i32 = 10_000;

impl Store {
    pub(super) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let limit = input.max_buckets.unwrap_or(MAX_BUCKETS);
        if !(1..=MAX_BUCKETS).contains(&limit) {
            return Err(s3_error!(InvalidArgument, "max-buckets must be between 1 and {MAX_BUCKETS}"));
        }
        let after = input.continuation_token.unwrap_or_default();
        let limit = usize::try_from(limit).unwrap_or_default();
        let mut rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT name, created_ms FROM buckets WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name LIMIT ?3",
        )
        .bind(after)
        .bind(&prefix)
        .bind((limit + 1).cast_signed() as i64)
        .fetch_all(self.index.readers())
        .await
        .map_err(super::failure::Failure::from)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok(S3Response::new(ListBucketsOutput {
            continuation_token: rows.last().filter(|_| more).map(|(name, _)| name.clone()),
            buckets: Some(
                rows.into_iter()
                    .map(|(name, created_ms)| Bucket {
                        bucket_region: None,
                        creation_date: Some(timestamp(created_ms)),
                        name: Some(name),
                    })
                    .collect(),
            ),
            owner: Some(owner()),
            prefix: (!prefix.is_empty()).then_some(prefix),
        }))
    }

    pub(super) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let acl = Acl::of_headers(&request.headers)?.map(|acl| acl.to_column()).transpose()?.flatten();
        let input = request.input;
        let lock = (input.object_lock_enabled_for_bucket == Some(true)).then(lock::enabled).transpose()?;
        let ownership =
            input.object_ownership.map(|asked| configuration::ownership(asked, acl.is_some())).transpose()?;
        let region = input
            .create_bucket_configuration
            .and_then(|c| c.location_constraint)
            .map(|region| region.as_str().to_owned())
            .unwrap_or_default();
        let name = input.bucket;
        if !s3s::path::check_bucket_name(&name) {
            return Err(s3_error!(InvalidBucketName, "The specified bucket is not valid."));
        }
        let location = format!("/{name}");
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let made = sqlx::query(
                        "INSERT INTO buckets (name, region, created_ms, versioning, object_lock, ownership, acl)
                         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    )
                    .bind(&name)
                    .bind(&region)
                    .bind(now_ms())
                    // Versions are what is locked.
                    .bind(if lock.is_some() { "Enabled" } else { "" })
                    .bind(&lock)
                    .bind(&ownership)
                    .bind(&acl)
                    .execute(txn.conn())
                    .await?;
                    if made.rows_affected() == 0 {
                        let row = Index::bucket(txn.conn(), &name).await?;
                        return Ok(made_again(&row, &region, acl.as_deref(), lock.is_some() || ownership.is_some())?);
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(location) }))
    }

    pub(super) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let row = Index::bucket(self.index.readers(), &request.input.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(if row.region.is_empty() { "us-east-1".to_owned() } else { row.region }),
            ..HeadBucketOutput::default()
        }))
    }

    /// Uploads under way go with their bucket, as in S3.
    pub(super) async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let name = request.input.bucket;
        self.index
            .free(move |txn| {
                Box::pin(async move {
                    Index::bucket(txn.conn(), &name).await?;
                    let full: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM versions WHERE bucket = ?)")
                        .bind(&name)
                        .fetch_one(txn.conn())
                        .await?;
                    if full {
                        return Err(s3_error!(
                            BucketNotEmpty,
                            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
                        )
                        .into());
                    }
                    let uploads: Vec<i64> = sqlx::query_scalar("SELECT seq FROM uploads WHERE bucket = ?")
                        .bind(&name)
                        .fetch_all(txn.conn())
                        .await?;
                    for upload in uploads {
                        txn.end_upload(upload).await?;
                    }
                    sqlx::query("DELETE FROM buckets WHERE name = ?").bind(&name).execute(txn.conn()).await?;
                    Ok(())
                })
            })
            .await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    pub(super) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let row = Index::bucket(self.index.readers(), &request.input.bucket).await?;
        Ok(S3Response::new(GetBucketLocationOutput {
            location_constraint: (!row.region.is_empty()).then(|| BucketLocationConstraint::from(row.region)),
        }))
    }

    pub(super) async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let row = Index::bucket(self.index.readers(), &request.input.bucket).await?;
        Ok(S3Response::new(GetBucketVersioningOutput {
            mfa_delete: None,
            status: (!row.versioning.is_empty()).then(|| BucketVersioningStatus::from(row.versioning)),
        }))
    }

    pub(super) async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let input = request.input;
        let status = input
            .versioning_configuration
            .status
            .filter(|s| matches!(s.as_str(), "Enabled" | "Suspended"))
            .ok_or_else(|| {
                s3_error!(
                    IllegalVersioningConfigurationException,
                    "The Versioning element must be Enabled or Suspended"
                )
            })?;
        let name = input.bucket;
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let row = Index::bucket(txn.conn(), &name).await?;
                    if row.object_lock.is_some() && status.as_str() != "Enabled" {
                        return Err(lock::never_suspended().into());
                    }
                    sqlx::query("UPDATE buckets SET versioning = ? WHERE name = ?")
                        .bind(status.as_str())
                        .bind(&name)
                        .execute(txn.conn())
                        .await?;
                    Ok(())
                })
            })
            .await?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }
}

/// A bucket that is there already. In `us-east-1` S3 answers its owner as if it had been made; here only where the request would
/// have made the same.
fn made_again(row: &BucketRow, region: &str, acl: Option<&str>, more: bool) -> S3Result<()> {
    let in_default = |region: &str| matches!(region, "" | "us-east-1");
    if row.acl.as_deref() != acl {
        return Err(s3_error!(
            BucketAlreadyExists,
            "The requested bucket name is not available, and its access list is another one."
        ));
    }
    if more || !in_default(&row.region) || !in_default(region) {
        return Err(owned_by_you());
    }
    Ok(())
}

fn owned_by_you() -> S3Error {
    s3_error!(
        BucketAlreadyOwnedByYou,
        "Your previous request to create the named bucket succeeded and you already own it."
    )
}

/// The owner of everything.
pub(super) fn owner() -> Owner {
    Owner { display_name: Some(OWNER.to_owned()), id: Some(OWNER.to_owned()) }
}

/// Milliseconds since the Unix epoch as S3 writes time.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms.max(0).cast_unsigned());
    Timestamp::from(at)
}
