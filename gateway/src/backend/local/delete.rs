//! `DeleteObject` and `DeleteObjects`.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    Error, ObjectIdentifier,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::conditions::Conditions;
use super::failure::{Failure, Result};
use super::index::{BucketRow, Index};
use super::writer::Txn;

/// S3's bound on one request.
const MAX_KEYS: usize = 1000;

impl Store {
    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let deleted = self
            .index
            .free(move |txn| {
                Box::pin(async move {
                    let bucket = Index::bucket(txn.conn(), &input.bucket).await?;
                    let conditions = Conditions::on_write(input.if_match, None);
                    let bypass = input.bypass_governance_retention == Some(true);
                    txn.delete(&bucket, &input.key, input.version_id.as_deref(), &conditions, bypass).await
                })
            })
            .await?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            request_charged: None,
            version_id: deleted.version_id,
        }))
    }

    /// All in one transaction; a condition that fails, or a lock, is that key's error alone.
    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        if input.delete.objects.is_empty() || input.delete.objects.len() > MAX_KEYS {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let quiet = input.delete.quiet == Some(true);
        let bypass = input.bypass_governance_retention == Some(true);
        let (deleted, errors) = self
            .index
            .free(move |txn| {
                Box::pin(async move {
                    let bucket = Index::bucket(txn.conn(), &input.bucket).await?;
                    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
                    for object in input.delete.objects {
                        match txn.delete_one(&bucket, &object, bypass).await {
                            Ok(done) => deleted.push(done),
                            Err(Failure::S3(e)) => errors.push(Error {
                                code: Some(e.code().as_str().to_owned()),
                                key: Some(object.key),
                                message: e.message().map(str::to_owned),
                                version_id: object.version_id,
                            }),
                            Err(e) => return Err(e),
                        }
                    }
                    Ok((deleted, errors))
                })
            })
            .await?;
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            request_charged: None,
        }))
    }
}

/// What a delete did.
pub(super) struct Deleted {
    /// It removed, or made, a delete marker.
    marker: bool,
    /// Of the version removed or the marker made.
    version_id: Option<String>,
}

impl Txn {
    /// Removes a version, or puts a delete marker on top, or removes the object of an unversioned bucket. Conditions and locks
    /// are checked before anything is changed.
    pub(super) async fn delete(
        &mut self,
        bucket: &BucketRow,
        key: &str,
        version_id: Option<&str>,
        conditions: &Conditions,
        bypass: bool,
    ) -> Result<Deleted> {
        if let Some(version_id) = version_id {
            let found = Index::version(self.conn(), &bucket.name, key, Some(version_id)).await?;
            conditions.check_write(found.as_ref())?;
            if let Some(found) = &found {
                self.remove_version(found, bypass).await?;
                if found.latest {
                    sqlx::query(
                        "UPDATE versions SET latest = 1 WHERE seq =
                             (SELECT max(seq) FROM versions WHERE bucket = ? AND key = ?)",
                    )
                    .bind(&bucket.name)
                    .bind(key.as_bytes())
                    .execute(self.conn())
                    .await?;
                }
            }
            return Ok(Deleted {
                marker: found.is_some_and(|found| found.marker),
                version_id: Some(version_id.to_owned()),
            });
        }
        if !bucket.versioning.is_empty() {
            let seq = self.seq();
            let written = self.put_version(seq, &bucket.name, key, conditions, None).await?;
            return Ok(Deleted { marker: written.marker, version_id: written.version_id });
        }
        let current = Index::version(self.conn(), &bucket.name, key, None).await?;
        conditions.check_write(current.as_ref())?;
        if let Some(current) = current {
            self.remove_version(&current, bypass).await?;
        }
        Ok(Deleted { marker: false, version_id: None })
    }

    async fn delete_one(
        &mut self,
        bucket: &BucketRow,
        object: &ObjectIdentifier,
        bypass: bool,
    ) -> Result<DeletedObject> {
        let conditions = Conditions::on_write(object.e_tag.clone().map(ETagCondition::ETag), None);
        let version_id = object.version_id.as_deref();
        let done = self.delete(bucket, &object.key, version_id, &conditions, bypass).await?;
        Ok(DeletedObject {
            delete_marker: done.marker.then_some(true),
            delete_marker_version_id: done.version_id.filter(|_| done.marker),
            key: Some(object.key.clone()),
            version_id: object.version_id.clone(),
        })
    }
}
