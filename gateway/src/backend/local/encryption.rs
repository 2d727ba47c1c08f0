//! Server-side encryption as clients ask for it.
//!
//! The bytes that come here are sealed already, with AES-256 under keys that the gateway manages. So SSE-S3 (`AES256`) holds of every
//! object, and who asks for it is told so. SSE-C promises that nobody reads the object who does not show the key again: a salted MAC of
//! the key is kept, and the key itself is not. SSE-KMS names a key of a service that is not there, and is refused.

use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, HeaderValue};
use md5::{Digest, Md5};
use s3s::dto::{
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    PutBucketEncryptionInput, PutBucketEncryptionOutput, ServerSideEncryption,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use zeroize::Zeroizing;

use super::Store;
use super::documents::{Document, malformed, to_xml};
use super::failure::internal;

const AES256: &str = "AES256";
/// Before the hexadecimal fingerprint in a column.
const CUSTOMER: &str = "SSE-C ";
const SALT: usize = 16;
const HEADER: &str = "x-amz-server-side-encryption";
const KMS: [&str; 3] = [
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-bucket-key-enabled",
];

/// How an object is encrypted, for all that its clients know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Nobody asked.
    #[default]
    Unasked,
    /// SSE-S3.
    Managed,
    /// SSE-C.
    Customer(Fingerprint),
}

/// Tells whether a key is the one that an object was written with: hex of salt(16) ‖ HMAC-SHA256(salt, key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

/// A key of a client, valid.
pub struct CustomerKey {
    key: Zeroizing<Vec<u8>>,
    md5: HeaderValue,
}

/// The SSE-C headers of a request, taken off it so that no key is logged on the way.
#[derive(Clone, Default)]
pub struct CustomerHeaders {
    algorithm: Option<HeaderValue>,
    key: Option<Zeroizing<Vec<u8>>>,
    md5: Option<HeaderValue>,
}

impl CustomerHeaders {
    /// Takes them off. `prefix`: `x-amz-copy-source-` for the key of the source of a copy, or `x-amz-`.
    pub fn off(headers: &mut HeaderMap, prefix: &str) -> Self {
        let mut off = |name| headers.remove(format!("{prefix}server-side-encryption-customer-{name}"));
        Self {
            algorithm: off("algorithm"),
            key: off("key").map(|key| Zeroizing::new(key.as_bytes().to_vec())),
            md5: off("key-md5"),
        }
    }

    /// The key, if one was sent.
    pub fn key(&self) -> S3Result<Option<CustomerKey>> {
        let invalid = |message: &'static str| Err(s3_error!(InvalidArgument, "{message}"));
        let (algorithm, key, md5) = match (&self.algorithm, &self.key, &self.md5) {
            (None, None, None) => return Ok(None),
            (None, _, _) => {
                return invalid(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
                );
            }
            (Some(_), None, _) => {
                return invalid(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.",
                );
            }
            (Some(_), Some(_), None) => {
                return invalid(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.",
                );
            }
            (Some(algorithm), Some(key), Some(md5)) => (algorithm, key, md5),
        };
        if algorithm != AES256 {
            return Err(s3_error!(
                InvalidEncryptionAlgorithmError,
                "The Encryption request you specified is not valid. Supported value: AES256."
            ));
        }
        let key = Zeroizing::new(BASE64.decode(key).unwrap_or_default());
        if key.len() != 32 {
            return invalid("The secret key was invalid for the specified algorithm.");
        }
        if BASE64.decode(md5).ok().as_deref() != Some(Md5::digest(&*key).as_slice()) {
            return invalid("The calculated MD5 hash of the key did not match the hash that was provided.");
        }
        Ok(Some(CustomerKey { key, md5: md5.clone() }))
    }
}

impl Fingerprint {
    fn of(key: &CustomerKey) -> S3Result<Self> {
        let mut salt = [0; SALT];
        rand::fill(&mut salt).map_err(|_| internal("No random bytes could be had."))?;
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), &key.key);
        Ok(Self(format!("{}{}", hex::encode(salt), hex::encode(mac))))
    }

    /// In constant time.
    fn is_of(&self, key: &CustomerKey) -> bool {
        let Ok(bytes) = hex::decode(&self.0) else { return false };
        bytes
            .split_at_checked(SALT)
            .is_some_and(|(salt, mac)| hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, salt), &key.key, mac).is_ok())
    }
}

impl Encryption {
    /// What a write asks for, by its headers and its key.
    pub fn of_write(headers: &HeaderMap, key: Option<&CustomerKey>) -> S3Result<Self> {
        let invalid = |message: &'static str| Err(s3_error!(InvalidArgument, "{message}"));
        let asked = headers.get(HEADER).map(HeaderValue::as_bytes);
        let kms = KMS.iter().any(|name| headers.contains_key(*name));
        match (asked, key) {
            (Some(_), Some(_)) => invalid(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            ),
            (Some(b"aws:kms" | b"aws:kms:dsse"), None) => Err(no_kms()),
            (Some(b"AES256") | None, _) if kms => invalid(
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            ),
            (Some(b"AES256"), None) => Ok(Self::Managed),
            (Some(_), None) => invalid("The encryption method specified is not supported"),
            (None, Some(key)) => Ok(Self::Customer(Fingerprint::of(key)?)),
            (None, None) => Ok(Self::Unasked),
        }
    }

    /// From a column. What cannot be read opens to no key.
    pub fn from_column(column: Option<&str>) -> Self {
        match column {
            None => Self::Unasked,
            Some(AES256) => Self::Managed,
            Some(other) => Self::Customer(Fingerprint(other.strip_prefix(CUSTOMER).unwrap_or_default().to_owned())),
        }
    }

    /// For a column.
    pub fn to_column(&self) -> Option<String> {
        match self {
            Self::Unasked => None,
            Self::Managed => Some(AES256.to_owned()),
            Self::Customer(Fingerprint(hex)) => Some(format!("{CUSTOMER}{hex}")),
        }
    }

    /// May who shows this key, or none, read the object, or add to the upload?
    pub fn check(&self, key: Option<&CustomerKey>) -> S3Result<()> {
        match (self, key) {
            (Self::Customer(fingerprint), Some(key)) if fingerprint.is_of(key) => Ok(()),
            (Self::Customer(_), Some(_)) => Err(s3_error!(
                InvalidRequest,
                "The provided encryption parameters did not match the ones used originally."
            )),
            (Self::Customer(_), None) => Err(s3_error!(
                InvalidRequest,
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
            )),
            (_, Some(_)) => {
                Err(s3_error!(InvalidRequest, "The encryption parameters are not applicable to this object."))
            }
            (_, None) => Ok(()),
        }
    }

    /// Into an answer to who showed this key.
    pub fn add_to(&self, headers: &mut HeaderMap, key: Option<&CustomerKey>) {
        match (self, key) {
            (Self::Managed, _) => {
                headers.insert(HEADER, HeaderValue::from_static(AES256));
            }
            (Self::Customer(_), Some(key)) => {
                headers.insert("x-amz-server-side-encryption-customer-algorithm", HeaderValue::from_static(AES256));
                headers.insert("x-amz-server-side-encryption-customer-key-md5", key.md5.clone());
            }
            (Self::Unasked | Self::Customer(_), _) => {}
        }
    }
}

impl Store {
    pub(super) async fn get_bucket_encryption(
        &self,
        request: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let configuration = self.document(&request.input.bucket, Document::Encryption).await?;
        Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }))
    }

    pub(super) async fn put_bucket_encryption(
        &self,
        request: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        let input = request.input;
        let configuration = input.server_side_encryption_configuration;
        let [rule] = configuration.rules.as_slice() else { return Err(malformed()) };
        let default = rule.apply_server_side_encryption_by_default.as_ref().ok_or_else(malformed)?;
        match default.sse_algorithm.as_str() {
            ServerSideEncryption::AES256 if default.kms_master_key_id.is_none() => {}
            ServerSideEncryption::AES256 => {
                return Err(s3_error!(
                    InvalidArgument,
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms"
                ));
            }
            ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE => return Err(no_kms()),
            _ => return Err(malformed()),
        }
        self.set_document(input.bucket, Document::Encryption, Some(to_xml(&configuration)?)).await?;
        Ok(S3Response::new(PutBucketEncryptionOutput {}))
    }

    pub(super) async fn delete_bucket_encryption(
        &self,
        request: S3Request<DeleteBucketEncryptionInput>,
    ) -> S3Result<S3Response<DeleteBucketEncryptionOutput>> {
        self.set_document(request.input.bucket, Document::Encryption, None).await?;
        Ok(S3Response::new(DeleteBucketEncryptionOutput {}))
    }
}

fn no_kms() -> S3Error {
    s3_error!(NotImplemented, "The embedded backend has no key management service.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::local::tests::map_of as headers;

    fn key(byte: u8) -> CustomerKey {
        let key = [byte; 32];
        let mut headers = headers(&[
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", &BASE64.encode(key)),
            ("x-amz-server-side-encryption-customer-key-md5", &BASE64.encode(Md5::digest(key))),
        ]);
        let taken = CustomerHeaders::off(&mut headers, "x-amz-");
        assert!(headers.is_empty());
        taken.key().expect("valid").expect("a key")
    }

    #[test]
    fn only_the_key_it_was_written_with_opens_an_object() {
        let (mine, other) = (key(1), key(2));
        let written = Encryption::of_write(&HeaderMap::new(), Some(&mine)).expect("a write");
        let column = written.to_column().expect("a column");
        assert!(!column.contains(&hex::encode([1; 32])));
        let kept = Encryption::from_column(Some(&column));
        assert_eq!(kept, written);
        assert!(kept.check(Some(&mine)).is_ok());
        assert!(kept.check(Some(&other)).is_err());
        assert!(kept.check(None).is_err());
        let again = Encryption::of_write(&HeaderMap::new(), Some(&mine)).expect("a write");
        assert_ne!(again, written, "salted");
        assert!(Encryption::Unasked.check(Some(&mine)).is_err());
        assert!(Encryption::Managed.check(None).is_ok());
        assert!(Encryption::from_column(Some("SSE-C ")).check(Some(&mine)).is_err());
        assert!(Encryption::from_column(Some("of a later release")).check(Some(&mine)).is_err());
    }

    #[test]
    fn keys_are_validated() {
        let good = BASE64.encode([1; 32]);
        let md5 = BASE64.encode(Md5::digest([1; 32]));
        let (short, short_md5) = (BASE64.encode([1; 16]), BASE64.encode(Md5::digest([1; 16])));
        for (algorithm, key, sum) in [
            (None, Some(&good), Some(&md5)),
            (Some("AES256"), None, Some(&md5)),
            (Some("AES256"), Some(&good), None),
            (Some("AES128"), Some(&good), Some(&md5)),
            (Some("AES256"), Some(&good), Some(&short_md5)),
            (Some("AES256"), Some(&short), Some(&short_md5)),
        ] {
            let taken = CustomerHeaders {
                algorithm: algorithm.map(HeaderValue::from_static),
                key: key.map(|k| Zeroizing::new(k.as_bytes().to_vec())),
                md5: sum.map(|m| HeaderValue::from_str(m).expect("a value")),
            };
            assert!(taken.key().is_err(), "{algorithm:?} {key:?} {sum:?}");
        }
    }

    #[test]
    fn what_a_write_may_ask_for() {
        let of = |pairs: &[(&'static str, &str)]| Encryption::of_write(&headers(pairs), None);
        assert_eq!(of(&[]).expect("none"), Encryption::Unasked);
        assert_eq!(of(&[(HEADER, "AES256")]).expect("SSE-S3"), Encryption::Managed);
        let code = |pairs: &[(&'static str, &str)]| of(pairs).expect_err("refused").code().as_str().to_owned();
        assert_eq!(code(&[(HEADER, "aws:kms")]), "NotImplemented");
        assert_eq!(code(&[(HEADER, "aes:kms")]), "InvalidArgument");
        assert_eq!(code(&[(HEADER, "AES256"), (KMS[0], "k")]), "InvalidArgument");
        assert_eq!(code(&[(KMS[0], "k")]), "InvalidArgument");
        let both = Encryption::of_write(&headers(&[(HEADER, "AES256")]), Some(&key(1)));
        assert_eq!(both.expect_err("refused").code().as_str(), "InvalidArgument");
    }
}
