//! Configuration documents of buckets. Each is a column of its bucket: the XML that S3 gives for it.

use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::Store;
use super::failure::{Failure, Result, internal};
use super::index::Index;

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// `PublicAccessBlockConfiguration`.
    AccessBlock,
    /// `AccessControlPolicy`.
    Acl,
    /// `CORSConfiguration`.
    Cors,
    /// `ServerSideEncryptionConfiguration`.
    Encryption,
    /// `LifecycleConfiguration`.
    Lifecycle,
    /// `ObjectLockConfiguration`.
    Lock,
    /// `OwnershipControls`.
    Ownership,
}

impl Document {
    fn read(self) -> &'static str {
        match self {
            Self::AccessBlock => "SELECT access_block FROM buckets WHERE name = ?",
            Self::Acl => "SELECT acl FROM buckets WHERE name = ?",
            Self::Cors => "SELECT cors FROM buckets WHERE name = ?",
            Self::Encryption => "SELECT encryption FROM buckets WHERE name = ?",
            Self::Lifecycle => "SELECT lifecycle FROM buckets WHERE name = ?",
            Self::Lock => "SELECT object_lock FROM buckets WHERE name = ?",
            Self::Ownership => "SELECT ownership FROM buckets WHERE name = ?",
        }
    }

    fn write(self) -> &'static str {
        match self {
            Self::AccessBlock => "UPDATE buckets SET access_block = ? WHERE name = ?",
            Self::Acl => "UPDATE buckets SET acl = ? WHERE name = ?",
            Self::Cors => "UPDATE buckets SET cors = ? WHERE name = ?",
            Self::Encryption => "UPDATE buckets SET encryption = ? WHERE name = ?",
            Self::Lifecycle => "UPDATE buckets SET lifecycle = ? WHERE name = ?",
            Self::Lock => "UPDATE buckets SET object_lock = ? WHERE name = ?",
            Self::Ownership => "UPDATE buckets SET ownership = ? WHERE name = ?",
        }
    }

    /// What S3 says where it was never put.
    fn missing(self) -> S3Error {
        match self {
            Self::AccessBlock => {
                not_found("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
            }
            Self::Acl => internal("A bucket has no access list."),
            Self::Cors => s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"),
            Self::Encryption => not_found(
                "ServerSideEncryptionConfigurationNotFoundError",
                "The server side encryption configuration was not found",
            ),
            Self::Lifecycle => {
                s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist")
            }
            Self::Lock => s3_error!(
                ObjectLockConfigurationNotFoundError,
                "Object Lock configuration does not exist for this bucket"
            ),
            Self::Ownership => {
                s3_error!(OwnershipControlsNotFoundError, "The bucket ownership controls were not found")
            }
        }
    }
}

impl Store {
    /// A document, or what S3 says where there is none.
    pub(super) async fn document<T>(&self, bucket: &str, document: Document) -> S3Result<T>
    where
        T: for<'x> Deserialize<'x>,
    {
        self.document_if_any(bucket, document).await?.ok_or_else(|| document.missing())
    }

    /// The same where none is an answer too.
    pub(super) async fn document_if_any<T>(&self, bucket: &str, document: Document) -> S3Result<Option<T>>
    where
        T: for<'x> Deserialize<'x>,
    {
        let column: Option<Option<String>> = sqlx::query_scalar(document.read())
            .bind(bucket)
            .fetch_optional(self.index.readers())
            .await
            .map_err(Failure::from)?;
        let column = column.ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))?;
        column.as_deref().map(from_xml).transpose()
    }

    /// Puts a document, or takes it away.
    pub(super) async fn set_document(&self, bucket: String, document: Document, xml: Option<String>) -> S3Result<()> {
        self.index
            .write(move |txn| {
                Box::pin(async move {
                    Index::bucket(txn.conn(), &bucket).await?;
                    set(txn.conn(), &bucket, document, xml).await
                })
            })
            .await
    }
}

/// Puts a document, or takes it away, in an open transaction.
pub async fn set(
    conn: &mut sqlx::SqliteConnection,
    bucket: &str,
    document: Document,
    xml: Option<String>,
) -> Result<()> {
    sqlx::query(document.write()).bind(xml).bind(bucket).execute(conn).await?;
    Ok(())
}

/// As a column holds it.
pub fn to_xml<T: Serialize>(document: &T) -> S3Result<String> {
    let mut xml = Vec::new();
    document
        .serialize(&mut Serializer::new(&mut xml))
        .map_err(|e| s3_error!(e, InternalError, "A configuration cannot be written down."))?;
    String::from_utf8(xml).map_err(|e| s3_error!(e, InternalError, "A configuration cannot be written down."))
}

/// From a column.
pub fn from_xml<T: for<'x> Deserialize<'x>>(xml: &str) -> S3Result<T> {
    let mut reader = Deserializer::new(xml.as_bytes());
    T::deserialize(&mut reader).map_err(|e| {
        tracing::error!(error = %e, "a configuration in the index cannot be read");
        internal("A configuration in the index cannot be read.")
    })
}

/// 400 for a document that says something it cannot.
pub fn malformed() -> S3Error {
    s3_error!(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema")
}

/// 404 with a code that `s3s` does not know, or knows with another status.
fn not_found(code: &'static str, message: &'static str) -> S3Error {
    with_status(code, http::StatusCode::NOT_FOUND, message)
}

/// An error whose code `s3s` does not know, or knows with another status.
pub fn with_status(code: &'static str, status: http::StatusCode, message: &'static str) -> S3Error {
    let Ok(code) = code.parse::<S3ErrorCode>();
    let mut e = S3Error::with_message(code, message);
    e.set_status_code(status);
    e
}
