//! `x-amz-copy-source`.

use s3s::S3ErrorCode;

use super::{BucketNames, Error, check_bucket_name, check_key, decode, encode, encode_key, tenant};

/// The source of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Bucket. As it was written, until [`Self::identified`].
    pub bucket: String,
    /// The bucket as it was written.
    pub written: String,
    /// Key, decoded, never empty.
    pub key: String,
    /// The version asked for; none for the current one.
    pub version_id: Option<String>,
}

impl CopySource {
    /// Parses `[/]bucket/key[?versionId=…]`, percent-encoded. `+` is a plus.
    ///
    /// Errors: `InvalidArgument` for anything else, `NotImplemented` for an access point (ARN), `InvalidBucketName`, and
    /// `KeyTooLongError` or `InvalidURI` as for a path.
    pub fn parse(value: &[u8], names: BucketNames) -> Result<Self, Error> {
        let text = std::str::from_utf8(value).map_err(|_| malformed())?;
        if text.trim_start_matches('/').get(..4).is_some_and(|start| start.eq_ignore_ascii_case("arn:")) {
            return Err(Error::client(
                S3ErrorCode::NotImplemented,
                "Copying from an access point is not available through this gateway: name the source as bucket/key.",
            ));
        }
        let (path, version_id) = match text.split_once('?') {
            None => (text, None),
            Some((path, query)) => {
                let id = query.strip_prefix("versionId=").ok_or_else(malformed)?;
                let id = decode(id).map_err(|_| malformed())?;
                if id.is_empty() {
                    return Err(malformed());
                }
                (path, Some(id))
            }
        };
        // The slash between bucket and key may itself be encoded, as some SDKs do.
        let path = decode(path).map_err(|_| malformed())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(malformed)?;
        check_bucket_name(bucket, names)?;
        if key.is_empty() {
            return Err(malformed());
        }
        check_key(key)?;
        Ok(Self { bucket: bucket.to_owned(), written: bucket.to_owned(), key: key.to_owned(), version_id })
    }

    /// The bucket by its identity, where a user of this tenant asks.
    #[must_use]
    pub fn identified(mut self, tenant: &str) -> Self {
        self.bucket = tenant::identity(&self.written, tenant);
        self
    }

    /// The header value for the backend, in the form that SDKs send and bucket policies are written for: no slash in front.
    pub fn to_header(&self) -> String {
        let mut out = format!("{}/{}", self.written, encode_key(&self.key));
        if let Some(id) = &self.version_id {
            out.push_str("?versionId=");
            out.push_str(&encode(id));
        }
        out
    }

    /// Path of the source at the backend, percent-encoded.
    pub fn raw_path(&self) -> String {
        format!("/{}/{}", tenant::in_path(&self.written), encode_key(&self.key))
    }
}

fn malformed() -> Error {
    Error::client(
        S3ErrorCode::InvalidArgument,
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey, percent-encoded.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(bucket: &str, key: &str, version_id: Option<&str>) -> CopySource {
        CopySource {
            bucket: bucket.to_owned(),
            written: bucket.to_owned(),
            key: key.to_owned(),
            version_id: version_id.map(str::to_owned),
        }
    }

    #[test]
    fn forms() {
        for (value, expected) in [
            ("bucket/key", source("bucket", "key", None)),
            ("/bucket/key", source("bucket", "key", None)),
            ("bucket%2Fa%2fb", source("bucket", "a/b", None)),
            ("%2Fbucket%2Fkey", source("bucket", "key", None)),
            ("bucket//key", source("bucket", "/key", None)),
            ("b/a+b%3F%25?versionId=v%2B1", source("b", "a+b?%", Some("v+1"))),
            ("b/k?versionId=null", source("b", "k", Some("null"))),
        ] {
            assert_eq!(CopySource::parse(value.as_bytes(), BucketNames::Plain).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn refused() {
        let code = |value: &[u8]| CopySource::parse(value, BucketNames::Plain).unwrap_err().s3().0.into_owned();
        for value in ["", "/", "bucket", "bucket/", "b/k?versionId=", "b/k?other=1", "b/%zz", "//b/k?"] {
            assert_eq!(code(value.as_bytes()), "InvalidArgument", "{value}");
        }
        assert_eq!(code(b"b/\xff"), "InvalidArgument");
        assert_eq!(code(b"//b/k"), "InvalidBucketName");
        assert_eq!(code(b"b/../admin"), "InvalidURI");
        assert_eq!(code(b"arn:aws:s3:eu-west-1:1:accesspoint/a/object/k"), "NotImplemented");
    }

    #[test]
    fn a_source_of_another_tenant() {
        for value in ["testx:bucket/k", "/testx%3Abucket%2Fk"] {
            let code = CopySource::parse(value.as_bytes(), BucketNames::Plain).unwrap_err().s3().0.into_owned();
            assert_eq!(code, "InvalidBucketName", "{value}");
            let source = CopySource::parse(value.as_bytes(), BucketNames::Tenanted).unwrap().identified("other");
            assert_eq!(source.bucket, "testx:bucket");
            assert_eq!(
                (source.to_header().as_str(), source.raw_path().as_str()),
                ("testx:bucket/k", "/testx%3Abucket/k")
            );
        }
        let of = |value: &str| CopySource::parse(value.as_bytes(), BucketNames::Tenanted).unwrap().identified("testx");
        assert_eq!((of("bucket/k").bucket, of("bucket/k").to_header()), ("testx:bucket".into(), "bucket/k".into()));
        assert_eq!((of(":bucket/k").bucket, of(":bucket/k").to_header()), ("bucket".into(), ":bucket/k".into()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bucket in "([a-z0-9_]{0,4}:)?[a-z0-9][a-z0-9.-]{2,20}", key in "\\PC{1,60}", version in proptest::option::of("\\PC{1,20}")) {
            prop_assume!(check_key(&key).is_ok());
            let source = source(&bucket, &key, version.as_deref());
            prop_assert_eq!(CopySource::parse(source.to_header().as_bytes(), BucketNames::Tenanted).unwrap(), source);
        }

        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = CopySource::parse(&value, BucketNames::Tenanted);
        }
    }
}
