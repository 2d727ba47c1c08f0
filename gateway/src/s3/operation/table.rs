//! The rows. The list is the "Actions" of the Amazon S3 API reference, the browser-form POST and the CORS preflight.
//!
//! `GetBucketLifecycle`, `PutBucketLifecycle`, `GetBucketNotification` and `PutBucketNotification` of that list are deprecated
//! names for the same requests as the `…Configuration` rows.

use http::Method;

use super::Treatment::{Forwarded, Refused, Sealed, Translated};
use super::{Operation, Scope, Selector, Treatment};

const SERVICE: &[Scope] = &[Scope::Service];
const BUCKET: &[Scope] = &[Scope::Bucket];
const OBJECT: &[Scope] = &[Scope::Object];

const GET: Method = Method::GET;
const HEAD: Method = Method::HEAD;
const PUT: Method = Method::PUT;
const POST: Method = Method::POST;
const DELETE: Method = Method::DELETE;

/// Parameters of GET and HEAD of an object.
const READ: &[&str] = &[
    "versionId",
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];
const VERSION: &[&str] = &["versionId"];
/// `allow-unordered` is Ceph RGW's: the same rows in the order of its shards.
const LIST: &[&str] = &["delimiter", "encoding-type", "marker", "max-keys", "prefix", "allow-unordered"];
const LIST_V2: &[&str] = &[
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "max-keys",
    "prefix",
    "start-after",
    "allow-unordered",
];
const LIST_VERSIONS: &[&str] =
    &["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker", "allow-unordered"];
const LIST_UPLOADS: &[&str] =
    &["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"];
/// `usage` is Ceph RGW's: what the account stores and may store, in place of the list.
const LIST_BUCKETS: &[&str] = &["bucket-region", "continuation-token", "max-buckets", "prefix", "usage"];
const TOKEN: &[&str] = &["continuation-token"];

const DIRECTORY: &str = "directory buckets (S3 Express One Zone) are not supported";
// Ceph RGW and MinIO read a bucket DELETE or an object PUT with a sub-resource that they do not know as one without.
const MISTAKEN_DELETE: &str = "an object store that does not know this configuration takes the request for DeleteBucket; \
    send it to the object store directly";
const MISTAKEN_PUT: &str = "an object store that does not know it takes the request for PutObject and overwrites the object; \
    send it to the object store directly";
const RENAME: &str = "a sealed object is bound to its key; copy and delete instead";
const LAMBDA: &str = "object lambda functions answer to Amazon S3 directly, not through a gateway";
const SELECT: &str = "the query would have to run where the plaintext is, and the object store holds ciphertext only";
const TORRENT: &str = "a torrent hands out the stored bytes, which are ciphertext, past the gateway";
const ANNOTATION: &str = "annotations would be stored unsealed";
const ANNOTATION_NONE: &str = "annotations cannot be written through this gateway, since they would be stored unsealed";

/// A parameter that must be there, with any value.
const fn has(name: &'static str) -> Selector {
    Selector { name, value: None }
}

/// A parameter that must have this value.
const fn is(name: &'static str, value: &'static str) -> Selector {
    Selector { name, value: Some(value) }
}

/// A row without its name, which [`operations`] puts in.
const fn row(
    method: Method,
    scopes: &'static [Scope],
    query: &'static [Selector],
    action: &'static str,
    treatment: Treatment,
    params: &'static [&'static str],
) -> Operation {
    Operation {
        op: Op::AbortMultipartUpload,
        method,
        scopes,
        query,
        header: None,
        action: Some(action),
        version_action: None,
        treatment,
        params,
    }
}

impl Operation {
    const fn named(mut self, op: Op) -> Self {
        self.op = op;
        self
    }

    const fn header(mut self, name: &'static str, piece: &'static str) -> Self {
        self.header = Some((name, piece));
        self
    }

    const fn version(mut self, action: &'static str) -> Self {
        self.version_action = Some(action);
        self
    }

    const fn free(mut self) -> Self {
        self.action = None;
        self
    }
}

macro_rules! operations {
    ($($name:ident: $row:expr;)*) => {
        /// The name of an S3 operation, as the Amazon S3 API reference has it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Op {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name,
            )*
        }

        impl Op {
            /// Every operation, in the order of the table.
            pub const ALL: &'static [Op] = &[$(Op::$name,)*];

            /// Its name, for policies, metrics and logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Op::$name => stringify!($name),)*
                }
            }
        }

        /// The operation table: one row an operation.
        pub static TABLE: &[Operation] = &[$($row.named(Op::$name),)*];
    };
}

operations! {
    AbortMultipartUpload: row(DELETE, OBJECT, &[has("uploadId")], "s3:AbortMultipartUpload", Translated, &[]);
    CompleteMultipartUpload: row(POST, OBJECT, &[has("uploadId")], "s3:PutObject", Sealed, &[]);
    CopyObject: row(PUT, OBJECT, &[], "s3:PutObject", Sealed, &[]).header("x-amz-copy-source", "");
    CorsPreflight: row(Method::OPTIONS, &[Scope::Bucket, Scope::Object], &[], "", Forwarded, &[]).free();
    CreateBucket: row(PUT, BUCKET, &[], "s3:CreateBucket", Translated, &[]);
    CreateBucketMetadataConfiguration: row(POST, BUCKET, &[has("metadataConfiguration")], "s3:CreateBucketMetadataTableConfiguration", Forwarded, &[]);
    CreateBucketMetadataTableConfiguration: row(POST, BUCKET, &[has("metadataTable")], "s3:CreateBucketMetadataTableConfiguration", Forwarded, &[]);
    CreateMultipartUpload: row(POST, OBJECT, &[has("uploads")], "s3:PutObject", Sealed, &[]);
    CreateSession: row(GET, BUCKET, &[has("session")], "s3express:CreateSession", Refused(DIRECTORY), &[]);
    DeleteBucket: row(DELETE, BUCKET, &[], "s3:DeleteBucket", Translated, &[]);
    DeleteBucketAnalyticsConfiguration: row(DELETE, BUCKET, &[has("analytics"), has("id")], "s3:PutAnalyticsConfiguration", Refused(MISTAKEN_DELETE), &[]);
    DeleteBucketCors: row(DELETE, BUCKET, &[has("cors")], "s3:PutBucketCORS", Forwarded, &[]);
    DeleteBucketEncryption: row(DELETE, BUCKET, &[has("encryption")], "s3:PutEncryptionConfiguration", Forwarded, &[]);
    DeleteBucketIntelligentTieringConfiguration: row(DELETE, BUCKET, &[has("intelligent-tiering"), has("id")], "s3:PutIntelligentTieringConfiguration", Refused(MISTAKEN_DELETE), &[]);
    DeleteBucketInventoryConfiguration: row(DELETE, BUCKET, &[has("inventory"), has("id")], "s3:PutInventoryConfiguration", Refused(MISTAKEN_DELETE), &[]);
    DeleteBucketLifecycle: row(DELETE, BUCKET, &[has("lifecycle")], "s3:PutLifecycleConfiguration", Forwarded, &[]);
    DeleteBucketMetadataConfiguration: row(DELETE, BUCKET, &[has("metadataConfiguration")], "s3:DeleteBucketMetadataTableConfiguration", Refused(MISTAKEN_DELETE), &[]);
    DeleteBucketMetadataTableConfiguration: row(DELETE, BUCKET, &[has("metadataTable")], "s3:DeleteBucketMetadataTableConfiguration", Refused(MISTAKEN_DELETE), &[]);
    DeleteBucketMetricsConfiguration: row(DELETE, BUCKET, &[has("metrics"), has("id")], "s3:PutMetricsConfiguration", Refused(MISTAKEN_DELETE), &[]);
    DeleteBucketOwnershipControls: row(DELETE, BUCKET, &[has("ownershipControls")], "s3:PutBucketOwnershipControls", Forwarded, &[]);
    DeleteBucketPolicy: row(DELETE, BUCKET, &[has("policy")], "s3:DeleteBucketPolicy", Forwarded, &[]);
    DeleteBucketReplication: row(DELETE, BUCKET, &[has("replication")], "s3:PutReplicationConfiguration", Forwarded, &[]);
    DeleteBucketTagging: row(DELETE, BUCKET, &[has("tagging")], "s3:PutBucketTagging", Forwarded, &[]);
    DeleteBucketWebsite: row(DELETE, BUCKET, &[has("website")], "s3:DeleteBucketWebsite", Forwarded, &[]);
    DeleteObject: row(DELETE, OBJECT, &[], "s3:DeleteObject", Translated, VERSION).version("s3:DeleteObjectVersion");
    DeleteObjectAnnotation: row(DELETE, OBJECT, &[has("annotation"), has("annotationName")], "s3:DeleteObjectAnnotation", Refused(ANNOTATION_NONE), VERSION);
    DeleteObjectTagging: row(DELETE, OBJECT, &[has("tagging")], "s3:DeleteObjectTagging", Forwarded, VERSION).version("s3:DeleteObjectVersionTagging");
    DeleteObjects: row(POST, BUCKET, &[has("delete")], "s3:DeleteObject", Translated, &[]);
    DeletePublicAccessBlock: row(DELETE, BUCKET, &[has("publicAccessBlock")], "s3:PutBucketPublicAccessBlock", Forwarded, &[]);
    GetBucketAbac: row(GET, BUCKET, &[has("abac")], "s3:GetBucketAbac", Forwarded, &[]);
    GetBucketAccelerateConfiguration: row(GET, BUCKET, &[has("accelerate")], "s3:GetAccelerateConfiguration", Forwarded, &[]);
    GetBucketAcl: row(GET, BUCKET, &[has("acl")], "s3:GetBucketAcl", Forwarded, &[]);
    GetBucketAnalyticsConfiguration: row(GET, BUCKET, &[has("analytics"), has("id")], "s3:GetAnalyticsConfiguration", Forwarded, &[]);
    GetBucketCors: row(GET, BUCKET, &[has("cors")], "s3:GetBucketCORS", Forwarded, &[]);
    GetBucketEncryption: row(GET, BUCKET, &[has("encryption")], "s3:GetEncryptionConfiguration", Forwarded, &[]);
    GetBucketIntelligentTieringConfiguration: row(GET, BUCKET, &[has("intelligent-tiering"), has("id")], "s3:GetIntelligentTieringConfiguration", Forwarded, &[]);
    GetBucketInventoryConfiguration: row(GET, BUCKET, &[has("inventory"), has("id")], "s3:GetInventoryConfiguration", Forwarded, &[]);
    GetBucketLifecycleConfiguration: row(GET, BUCKET, &[has("lifecycle")], "s3:GetLifecycleConfiguration", Forwarded, &[]);
    GetBucketLocation: row(GET, BUCKET, &[has("location")], "s3:GetBucketLocation", Forwarded, &[]);
    GetBucketLogging: row(GET, BUCKET, &[has("logging")], "s3:GetBucketLogging", Forwarded, &[]);
    GetBucketMetadataConfiguration: row(GET, BUCKET, &[has("metadataConfiguration")], "s3:GetBucketMetadataTableConfiguration", Forwarded, &[]);
    GetBucketMetadataTableConfiguration: row(GET, BUCKET, &[has("metadataTable")], "s3:GetBucketMetadataTableConfiguration", Forwarded, &[]);
    GetBucketMetricsConfiguration: row(GET, BUCKET, &[has("metrics"), has("id")], "s3:GetMetricsConfiguration", Forwarded, &[]);
    GetBucketNotificationConfiguration: row(GET, BUCKET, &[has("notification")], "s3:GetBucketNotification", Forwarded, &[]);
    GetBucketOwnershipControls: row(GET, BUCKET, &[has("ownershipControls")], "s3:GetBucketOwnershipControls", Forwarded, &[]);
    GetBucketPolicy: row(GET, BUCKET, &[has("policy")], "s3:GetBucketPolicy", Forwarded, &[]);
    GetBucketPolicyStatus: row(GET, BUCKET, &[has("policyStatus")], "s3:GetBucketPolicyStatus", Forwarded, &[]);
    GetBucketReplication: row(GET, BUCKET, &[has("replication")], "s3:GetReplicationConfiguration", Forwarded, &[]);
    GetBucketRequestPayment: row(GET, BUCKET, &[has("requestPayment")], "s3:GetBucketRequestPayment", Forwarded, &[]);
    GetBucketTagging: row(GET, BUCKET, &[has("tagging")], "s3:GetBucketTagging", Forwarded, &[]);
    GetBucketVersioning: row(GET, BUCKET, &[has("versioning")], "s3:GetBucketVersioning", Forwarded, &[]);
    GetBucketWebsite: row(GET, BUCKET, &[has("website")], "s3:GetBucketWebsite", Forwarded, &[]);
    GetObject: row(GET, OBJECT, &[], "s3:GetObject", Sealed, READ).version("s3:GetObjectVersion");
    GetObjectAcl: row(GET, OBJECT, &[has("acl")], "s3:GetObjectAcl", Forwarded, VERSION).version("s3:GetObjectVersionAcl");
    GetObjectAnnotation: row(GET, OBJECT, &[has("annotation"), has("annotationName")], "s3:GetObjectAnnotation", Refused(ANNOTATION_NONE), VERSION);
    GetObjectAttributes: row(GET, OBJECT, &[has("attributes")], "s3:GetObjectAttributes", Translated, VERSION).version("s3:GetObjectVersionAttributes");
    GetObjectLegalHold: row(GET, OBJECT, &[has("legal-hold")], "s3:GetObjectLegalHold", Forwarded, VERSION);
    GetObjectLockConfiguration: row(GET, BUCKET, &[has("object-lock")], "s3:GetBucketObjectLockConfiguration", Forwarded, &[]);
    GetObjectRetention: row(GET, OBJECT, &[has("retention")], "s3:GetObjectRetention", Forwarded, VERSION);
    GetObjectTagging: row(GET, OBJECT, &[has("tagging")], "s3:GetObjectTagging", Forwarded, VERSION).version("s3:GetObjectVersionTagging");
    GetObjectTorrent: row(GET, OBJECT, &[has("torrent")], "s3:GetObjectTorrent", Refused(TORRENT), VERSION).version("s3:GetObjectVersionTorrent");
    GetPublicAccessBlock: row(GET, BUCKET, &[has("publicAccessBlock")], "s3:GetBucketPublicAccessBlock", Forwarded, &[]);
    HeadBucket: row(HEAD, BUCKET, &[], "s3:ListBucket", Translated, &["read-stats"]);
    HeadObject: row(HEAD, OBJECT, &[], "s3:GetObject", Sealed, READ).version("s3:GetObjectVersion");
    ListBucketAnalyticsConfigurations: row(GET, BUCKET, &[has("analytics")], "s3:GetAnalyticsConfiguration", Forwarded, TOKEN);
    ListBucketIntelligentTieringConfigurations: row(GET, BUCKET, &[has("intelligent-tiering")], "s3:GetIntelligentTieringConfiguration", Forwarded, TOKEN);
    ListBucketInventoryConfigurations: row(GET, BUCKET, &[has("inventory")], "s3:GetInventoryConfiguration", Forwarded, TOKEN);
    ListBucketMetricsConfigurations: row(GET, BUCKET, &[has("metrics")], "s3:GetMetricsConfiguration", Forwarded, TOKEN);
    ListBuckets: row(GET, SERVICE, &[], "s3:ListAllMyBuckets", Translated, LIST_BUCKETS);
    ListDirectoryBuckets: row(GET, SERVICE, &[is("x-id", "ListDirectoryBuckets")], "s3express:ListAllMyDirectoryBuckets", Refused(DIRECTORY), &["continuation-token", "max-directory-buckets"]);
    ListMultipartUploads: row(GET, BUCKET, &[has("uploads")], "s3:ListBucketMultipartUploads", Translated, LIST_UPLOADS);
    ListObjectAnnotations: row(GET, OBJECT, &[has("annotation")], "s3:ListObjectAnnotations", Refused(ANNOTATION_NONE), &["annotation-prefix", "continuation-token", "max-annotation-results", "versionId"]);
    ListObjectVersions: row(GET, BUCKET, &[has("versions")], "s3:ListBucketVersions", Translated, LIST_VERSIONS);
    ListObjects: row(GET, BUCKET, &[], "s3:ListBucket", Translated, LIST);
    ListObjectsV2: row(GET, BUCKET, &[is("list-type", "2")], "s3:ListBucket", Translated, LIST_V2);
    ListParts: row(GET, OBJECT, &[has("uploadId")], "s3:ListMultipartUploadParts", Translated, &["encoding-type", "max-parts", "part-number-marker"]);
    PostObject: row(POST, BUCKET, &[], "s3:PutObject", Sealed, &[]).header("content-type", "multipart/form-data");
    PutBucketAbac: row(PUT, BUCKET, &[has("abac")], "s3:PutBucketAbac", Forwarded, &[]);
    PutBucketAccelerateConfiguration: row(PUT, BUCKET, &[has("accelerate")], "s3:PutAccelerateConfiguration", Forwarded, &[]);
    PutBucketAcl: row(PUT, BUCKET, &[has("acl")], "s3:PutBucketAcl", Forwarded, &[]);
    PutBucketAnalyticsConfiguration: row(PUT, BUCKET, &[has("analytics"), has("id")], "s3:PutAnalyticsConfiguration", Forwarded, &[]);
    PutBucketCors: row(PUT, BUCKET, &[has("cors")], "s3:PutBucketCORS", Forwarded, &[]);
    PutBucketEncryption: row(PUT, BUCKET, &[has("encryption")], "s3:PutEncryptionConfiguration", Forwarded, &[]);
    PutBucketIntelligentTieringConfiguration: row(PUT, BUCKET, &[has("intelligent-tiering"), has("id")], "s3:PutIntelligentTieringConfiguration", Forwarded, &[]);
    PutBucketInventoryConfiguration: row(PUT, BUCKET, &[has("inventory"), has("id")], "s3:PutInventoryConfiguration", Forwarded, &[]);
    PutBucketLifecycleConfiguration: row(PUT, BUCKET, &[has("lifecycle")], "s3:PutLifecycleConfiguration", Forwarded, &[]);
    PutBucketLogging: row(PUT, BUCKET, &[has("logging")], "s3:PutBucketLogging", Forwarded, &[]);
    PutBucketMetricsConfiguration: row(PUT, BUCKET, &[has("metrics"), has("id")], "s3:PutMetricsConfiguration", Forwarded, &[]);
    PutBucketNotificationConfiguration: row(PUT, BUCKET, &[has("notification")], "s3:PutBucketNotification", Forwarded, &[]);
    PutBucketOwnershipControls: row(PUT, BUCKET, &[has("ownershipControls")], "s3:PutBucketOwnershipControls", Forwarded, &[]);
    PutBucketPolicy: row(PUT, BUCKET, &[has("policy")], "s3:PutBucketPolicy", Forwarded, &[]);
    PutBucketReplication: row(PUT, BUCKET, &[has("replication")], "s3:PutReplicationConfiguration", Forwarded, &[]);
    PutBucketRequestPayment: row(PUT, BUCKET, &[has("requestPayment")], "s3:PutBucketRequestPayment", Forwarded, &[]);
    PutBucketTagging: row(PUT, BUCKET, &[has("tagging")], "s3:PutBucketTagging", Forwarded, &[]);
    PutBucketVersioning: row(PUT, BUCKET, &[has("versioning")], "s3:PutBucketVersioning", Forwarded, &[]);
    PutBucketWebsite: row(PUT, BUCKET, &[has("website")], "s3:PutBucketWebsite", Forwarded, &[]);
    PutObject: row(PUT, OBJECT, &[], "s3:PutObject", Sealed, &[]);
    PutObjectAcl: row(PUT, OBJECT, &[has("acl")], "s3:PutObjectAcl", Forwarded, VERSION).version("s3:PutObjectVersionAcl");
    PutObjectAnnotation: row(PUT, OBJECT, &[has("annotation"), has("annotationName")], "s3:PutObjectAnnotation", Refused(ANNOTATION), VERSION);
    PutObjectLegalHold: row(PUT, OBJECT, &[has("legal-hold")], "s3:PutObjectLegalHold", Forwarded, VERSION);
    PutObjectLockConfiguration: row(PUT, BUCKET, &[has("object-lock")], "s3:PutBucketObjectLockConfiguration", Forwarded, &[]);
    PutObjectRetention: row(PUT, OBJECT, &[has("retention")], "s3:PutObjectRetention", Forwarded, VERSION);
    PutObjectTagging: row(PUT, OBJECT, &[has("tagging")], "s3:PutObjectTagging", Forwarded, VERSION).version("s3:PutObjectVersionTagging");
    PutPublicAccessBlock: row(PUT, BUCKET, &[has("publicAccessBlock")], "s3:PutBucketPublicAccessBlock", Forwarded, &[]);
    RenameObject: row(PUT, OBJECT, &[has("renameObject")], "s3express:RenameObject", Refused(RENAME), &[]);
    RestoreObject: row(POST, OBJECT, &[has("restore")], "s3:RestoreObject", Forwarded, VERSION);
    SelectObjectContent: row(POST, OBJECT, &[has("select")], "s3:GetObject", Refused(SELECT), &["select-type", "versionId"]).version("s3:GetObjectVersion");
    UpdateBucketMetadataAnnotationTableConfiguration: row(PUT, BUCKET, &[has("metadataAnnotationTable")], "s3:UpdateBucketMetadataAnnotationTableConfiguration", Forwarded, &[]);
    UpdateBucketMetadataInventoryTableConfiguration: row(PUT, BUCKET, &[has("metadataInventoryTable")], "s3:UpdateBucketMetadataInventoryTableConfiguration", Forwarded, &[]);
    UpdateBucketMetadataJournalTableConfiguration: row(PUT, BUCKET, &[has("metadataJournalTable")], "s3:UpdateBucketMetadataJournalTableConfiguration", Forwarded, &[]);
    UpdateObjectEncryption: row(PUT, OBJECT, &[has("encryption")], "s3:UpdateObjectEncryption", Refused(MISTAKEN_PUT), VERSION);
    UploadPart: row(PUT, OBJECT, &[has("partNumber"), has("uploadId")], "s3:PutObject", Sealed, &[]);
    UploadPartCopy: row(PUT, OBJECT, &[has("partNumber"), has("uploadId")], "s3:PutObject", Sealed, &[]).header("x-amz-copy-source", "");
    WriteGetObjectResponse: row(POST, BUCKET, &[], "s3-object-lambda:WriteGetObjectResponse", Refused(LAMBDA), &[]).header("x-amz-request-route", "");
}
