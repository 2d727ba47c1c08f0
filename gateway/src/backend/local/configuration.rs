//! Configurations of buckets that are kept and given back, and the answers of those that the embedded backend does not have: S3's
//! own where nothing is configured, and `NotImplemented` for what would promise something that nobody does.
//!
//! | Configuration | Here |
//! |---|---|
//! | public access block | kept; `BlockPublicAcls` is enforced in [`super::acl`], and nothing else is public in the first place |
//! | ownership controls | kept; `BucketOwnerEnforced` is enforced in [`super::acl`], and everything has one owner |
//! | policy | refused: nobody would evaluate it |
//! | website, replication, logging, notification, requester pays, acceleration | refused, but for turning them off |

use s3s::dto::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput, DeleteBucketPolicyInput,
    DeleteBucketPolicyOutput, DeleteBucketReplicationInput, DeleteBucketReplicationOutput, DeleteBucketWebsiteInput,
    DeleteBucketWebsiteOutput, DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput,
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput, GetBucketLoggingInput,
    GetBucketLoggingOutput, GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, GetBucketReplicationInput, GetBucketReplicationOutput,
    GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput, GetBucketWebsiteInput, GetBucketWebsiteOutput,
    GetPublicAccessBlockInput, GetPublicAccessBlockOutput, NotificationConfiguration, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, Payer, PolicyStatus, PutBucketLoggingInput, PutBucketLoggingOutput,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput, PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput, PutBucketRequestPaymentInput, PutBucketRequestPaymentOutput,
    PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Store;
use super::documents::{Document, malformed, set, to_xml, with_status};
use super::index::{BucketRow, Index};

impl Store {
    pub(super) async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let configuration = self.document(&request.input.bucket, Document::AccessBlock).await?;
        Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) }))
    }

    /// A setting that is not given is off.
    pub(super) async fn put_public_access_block(
        &self,
        request: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let mut block = request.input.public_access_block_configuration;
        for setting in [
            &mut block.block_public_acls,
            &mut block.block_public_policy,
            &mut block.ignore_public_acls,
            &mut block.restrict_public_buckets,
        ] {
            setting.get_or_insert(false);
        }
        self.set_document(request.input.bucket, Document::AccessBlock, Some(to_xml(&block)?)).await?;
        Ok(S3Response::new(PutPublicAccessBlockOutput {}))
    }

    pub(super) async fn delete_public_access_block(
        &self,
        request: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        self.set_document(request.input.bucket, Document::AccessBlock, None).await?;
        Ok(S3Response::new(DeletePublicAccessBlockOutput {}))
    }

    pub(super) async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
        let controls = self.document(&request.input.bucket, Document::Ownership).await?;
        Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) }))
    }

    pub(super) async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        let input = request.input;
        let [rule] = input.ownership_controls.rules.as_slice() else { return Err(malformed()) };
        let enforced = is_enforced(&rule.object_ownership)?;
        let xml = to_xml(&input.ownership_controls)?;
        let name = input.bucket;
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    let row = Index::bucket(txn.conn(), &name).await?;
                    if enforced {
                        row.check_private()?;
                    }
                    set(txn.conn(), &name, Document::Ownership, Some(xml)).await
                })
            })
            .await?;
        Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
    }

    pub(super) async fn delete_bucket_ownership_controls(
        &self,
        request: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
        self.set_document(request.input.bucket, Document::Ownership, None).await?;
        Ok(S3Response::new(DeleteBucketOwnershipControlsOutput {}))
    }

    pub(super) async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        self.exists(&request.input.bucket).await?;
        Err(s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))
    }

    pub(super) async fn get_bucket_policy_status(
        &self,
        request: S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        self.exists(&request.input.bucket).await?;
        let status = PolicyStatus { is_public: Some(false) };
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status: Some(status) }))
    }

    pub(super) async fn delete_bucket_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        self.exists(&request.input.bucket).await?;
        Ok(S3Response::new(DeleteBucketPolicyOutput {}))
    }

    pub(super) async fn get_bucket_website(
        &self,
        request: S3Request<GetBucketWebsiteInput>,
    ) -> S3Result<S3Response<GetBucketWebsiteOutput>> {
        self.exists(&request.input.bucket).await?;
        Err(s3_error!(NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration"))
    }

    pub(super) async fn delete_bucket_website(
        &self,
        request: S3Request<DeleteBucketWebsiteInput>,
    ) -> S3Result<S3Response<DeleteBucketWebsiteOutput>> {
        self.exists(&request.input.bucket).await?;
        Ok(S3Response::new(DeleteBucketWebsiteOutput {}))
    }

    pub(super) async fn get_bucket_replication(
        &self,
        request: S3Request<GetBucketReplicationInput>,
    ) -> S3Result<S3Response<GetBucketReplicationOutput>> {
        self.exists(&request.input.bucket).await?;
        Err(s3_error!(ReplicationConfigurationNotFoundError, "The replication configuration was not found"))
    }

    pub(super) async fn delete_bucket_replication(
        &self,
        request: S3Request<DeleteBucketReplicationInput>,
    ) -> S3Result<S3Response<DeleteBucketReplicationOutput>> {
        self.exists(&request.input.bucket).await?;
        Ok(S3Response::new(DeleteBucketReplicationOutput {}))
    }

    pub(super) async fn get_bucket_logging(
        &self,
        request: S3Request<GetBucketLoggingInput>,
    ) -> S3Result<S3Response<GetBucketLoggingOutput>> {
        self.exists(&request.input.bucket).await?;
        Ok(S3Response::new(GetBucketLoggingOutput::default()))
    }

    pub(super) async fn put_bucket_logging(
        &self,
        request: S3Request<PutBucketLoggingInput>,
    ) -> S3Result<S3Response<PutBucketLoggingOutput>> {
        self.exists(&request.input.bucket).await?;
        if request.input.bucket_logging_status.logging_enabled.is_some() {
            return Err(not_done("server access logging"));
        }
        Ok(S3Response::new(PutBucketLoggingOutput {}))
    }

    pub(super) async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        self.exists(&request.input.bucket).await?;
        Ok(S3Response::new(GetBucketNotificationConfigurationOutput::default()))
    }

    pub(super) async fn put_bucket_notification_configuration(
        &self,
        request: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        self.exists(&request.input.bucket).await?;
        if request.input.notification_configuration != NotificationConfiguration::default() {
            return Err(not_done("event notifications"));
        }
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput {}))
    }

    pub(super) async fn get_bucket_request_payment(
        &self,
        request: S3Request<GetBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
        self.exists(&request.input.bucket).await?;
        let payer = Some(Payer::from_static(Payer::BUCKET_OWNER));
        Ok(S3Response::new(GetBucketRequestPaymentOutput { payer }))
    }

    pub(super) async fn put_bucket_request_payment(
        &self,
        request: S3Request<PutBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<PutBucketRequestPaymentOutput>> {
        self.exists(&request.input.bucket).await?;
        match request.input.request_payment_configuration.payer.as_str() {
            Payer::BUCKET_OWNER => Ok(S3Response::new(PutBucketRequestPaymentOutput {})),
            Payer::REQUESTER => Err(not_done("requester pays")),
            _ => Err(malformed()),
        }
    }

    pub(super) async fn get_bucket_accelerate_configuration(
        &self,
        request: S3Request<GetBucketAccelerateConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketAccelerateConfigurationOutput>> {
        self.exists(&request.input.bucket).await?;
        Ok(S3Response::new(GetBucketAccelerateConfigurationOutput::default()))
    }

    async fn exists(&self, bucket: &str) -> S3Result<()> {
        Index::bucket(self.index.readers(), bucket).await?;
        Ok(())
    }
}

impl BucketRow {
    /// Access lists cannot be turned off while the bucket has one that grants something.
    fn check_private(&self) -> S3Result<()> {
        if self.acl.is_some() {
            return Err(invalid_with_acl());
        }
        Ok(())
    }
}

/// The ownership controls that a bucket is made with.
pub fn ownership(asked: ObjectOwnership, has_acl: bool) -> S3Result<String> {
    if is_enforced(&asked)? && has_acl {
        return Err(invalid_with_acl());
    }
    to_xml(&OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership: asked }] })
}

/// Are access lists turned off?
fn is_enforced(ownership: &ObjectOwnership) -> S3Result<bool> {
    match ownership.as_str() {
        ObjectOwnership::BUCKET_OWNER_ENFORCED => Ok(true),
        ObjectOwnership::BUCKET_OWNER_PREFERRED | ObjectOwnership::OBJECT_WRITER => Ok(false),
        _ => Err(malformed()),
    }
}

fn invalid_with_acl() -> S3Error {
    with_status(
        "InvalidBucketAclWithObjectOwnership",
        http::StatusCode::BAD_REQUEST,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    )
}

fn not_done(what: &str) -> S3Error {
    s3_error!(NotImplemented, "The embedded backend has no {what}.")
}
