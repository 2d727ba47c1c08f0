//! Tags of objects and buckets.

use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::index::Index;
use super::read::Found;
use super::tags::Tags;

impl Store {
    pub(super) async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let input = request.input;
        let found = self.find(&input.bucket, &input.key, input.version_id.as_deref()).await?;
        Ok(S3Response::new(GetObjectTaggingOutput {
            tag_set: Tags::from_column(found.version.tags.as_deref()).to_set(),
            version_id: found.version_id(),
        }))
    }

    pub(super) async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let input = request.input;
        let tags = Tags::of_object(input.tagging.tag_set)?;
        let version_id = self.tag_object(input.bucket, input.key, input.version_id, tags).await?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    pub(super) async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let input = request.input;
        let version_id = self.tag_object(input.bucket, input.key, input.version_id, Tags::default()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
    }

    pub(super) async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let row = Index::bucket(self.index.readers(), &request.input.bucket).await?;
        let tags = Tags::from_column(row.tags.as_deref());
        if tags.is_empty() {
            return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
        }
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tags.to_set() }))
    }

    pub(super) async fn put_bucket_tagging(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let input = request.input;
        let tags = Tags::of_bucket(input.tagging.tag_set)?;
        self.tag_bucket(input.bucket, tags).await?;
        Ok(S3Response::new(PutBucketTaggingOutput {}))
    }

    pub(super) async fn delete_bucket_tagging(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.tag_bucket(request.input.bucket, Tags::default()).await?;
        Ok(S3Response::new(DeleteBucketTaggingOutput {}))
    }

    async fn tag_object(
        &self,
        bucket: String,
        key: String,
        version_id: Option<String>,
        tags: Tags,
    ) -> S3Result<Option<String>> {
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let found = Found::query(txn.conn(), &bucket, &key, version_id.as_deref()).await?;
                    sqlx::query("UPDATE versions SET tags = ? WHERE seq = ?")
                        .bind(tags.to_column())
                        .bind(found.version.seq)
                        .execute(txn.conn())
                        .await?;
                    Ok(found.version_id())
                })
            })
            .await
    }

    async fn tag_bucket(&self, bucket: String, tags: Tags) -> S3Result<()> {
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    Index::bucket(txn.conn(), &bucket).await?;
                    sqlx::query("UPDATE buckets SET tags = ? WHERE name = ?")
                        .bind(tags.to_column())
                        .bind(&bucket)
                        .execute(txn.conn())
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}
