//! The S3 operations that the embedded backend has. Any other is answered `NotImplemented` by `s3s`.

use std::sync::Arc;

use s3s::{S3, S3Request, S3Response, S3Result, dto};

use super::Store;

/// The service behind [`super::LocalBackend`].
pub struct Service(pub Arc<Store>);

/// Each operation is a method of [`Store`], in the file of its subject.
macro_rules! operations {
    ($($method:ident: $input:ident -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(async fn $method(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                self.0.$method(request).await
            })*
        }
    };
}

operations! {
    put_object: PutObjectInput -> PutObjectOutput;
    get_object: GetObjectInput -> GetObjectOutput;
    head_object: HeadObjectInput -> HeadObjectOutput;
    copy_object: CopyObjectInput -> CopyObjectOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output;
    list_object_versions: ListObjectVersionsInput -> ListObjectVersionsOutput;
    list_buckets: ListBucketsInput -> ListBucketsOutput;
    create_bucket: CreateBucketInput -> CreateBucketOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput;
    put_bucket_versioning: PutBucketVersioningInput -> PutBucketVersioningOutput;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
    list_parts: ListPartsInput -> ListPartsOutput;
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput;
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput;
    put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput;
    delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput;
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput;
    put_bucket_tagging: PutBucketTaggingInput -> PutBucketTaggingOutput;
    delete_bucket_tagging: DeleteBucketTaggingInput -> DeleteBucketTaggingOutput;
    get_bucket_acl: GetBucketAclInput -> GetBucketAclOutput;
    get_object_acl: GetObjectAclInput -> GetObjectAclOutput;
}
