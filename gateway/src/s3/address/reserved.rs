//! Bucket names that clients may not use: the system bucket, and the names under which backends keep their own APIs. Without
//! this our credential would be lent to them (`DELETE /minio/admin/…` parses as `DeleteObject`).

use s3s::S3ErrorCode;

use super::Error;
use crate::s3::xml::Document;

/// The names.
#[derive(Clone, Debug)]
pub struct Reserved {
    system_bucket: String,
    names: Vec<String>,
}

impl Reserved {
    /// The bucket that holds our own records, and the backend's reserved names (`minio`, `admin`, `swift`).
    pub fn new(system_bucket: impl Into<String>, names: Vec<String>) -> Self {
        Self { system_bucket: system_bucket.into(), names }
    }

    /// The bucket that holds our own records.
    pub fn system_bucket(&self) -> &str {
        &self.system_bucket
    }

    /// Whether a bucket name is one of them, in any case of letters and of whatever tenant: behind the last `:`.
    pub fn contains(&self, bucket: &str) -> bool {
        let bucket = bucket.rsplit(':').next().unwrap_or(bucket);
        std::iter::once(&self.system_bucket).chain(&self.names).any(|name| name.eq_ignore_ascii_case(bucket))
    }

    /// `AccessDenied` for one of them, as for any bucket that one may not see.
    pub fn check(&self, bucket: &str) -> Result<(), Error> {
        if self.contains(bucket) {
            return Err(Error::client(S3ErrorCode::AccessDenied, "Access Denied"));
        }
        Ok(())
    }

    /// Checks every bucket that a configuration document names as a target: `TargetBucket` of logging, `Bucket` of inventory,
    /// analytics and replication (an ARN there), `BucketName` of a restore. Errors: `AccessDenied`, `MalformedXML`. A body of no
    /// bytes names none.
    pub fn check_xml_targets(&self, body: &[u8]) -> Result<(), Error> {
        if body.is_empty() {
            return Ok(());
        }
        let document = Document::parse(body).map_err(|error| error.of_client())?;
        for element in document.iter() {
            if ["bucket", "bucketname", "bucketarn", "targetbucket"]
                .iter()
                .any(|name| element.name().eq_ignore_ascii_case(name))
            {
                let text = element.text().map_err(|error| error.of_client())?;
                self.check(bucket_of_target(text.trim()))?;
            }
        }
        Ok(())
    }
}

/// `arn:aws:s3:::bucket/prefix` or `bucket` → `bucket`.
fn bucket_of_target(target: &str) -> &str {
    let name = match target.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("arn:") => target.rsplit(':').next().unwrap_or(target),
        _ => target,
    };
    name.split('/').find(|piece| !piece.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved() -> Reserved {
        Reserved::new("vault-system", vec!["minio".into(), "admin".into()])
    }

    #[test]
    fn names() {
        for bucket in ["vault-system", "minio", "Admin", ":vault-system", "t:minio", "vault:ADMIN", "a:b:vault-system"]
        {
            assert_eq!(reserved().check(bucket).unwrap_err().s3().0, "AccessDenied");
        }
        reserved().check("minio-data").unwrap();
    }

    #[test]
    fn targets() {
        for body in [
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>vault-system</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
            "<R><Rule><Destination><Bucket>arn:aws:s3:::vault-system</Bucket></Destination></Rule></R>",
            "<R><Rule><Destination><Bucket>arn:aws:s3::testx:vault-system</Bucket></Destination></Rule></R>",
            "<R><TargetBucket>testx:vault-system</TargetBucket></R>",
            "<R><TargetBucket>:vault-system/x</TargetBucket></R>",
            "<R><Rule><Destination><Bucket> arn:aws:s3:::vault-system/x </Bucket></Destination></Rule></R>",
            "<s:R xmlns:s='u'><s:Bucket>vault&#45;system</s:Bucket></s:R>",
            "<R><Bucket><![CDATA[minio]]></Bucket></R>",
            "<R><OutputLocation><S3><BucketName>admin</BucketName></S3></OutputLocation></R>",
        ] {
            let error = reserved().check_xml_targets(body.as_bytes()).unwrap_err();
            assert_eq!(error.s3().0, "AccessDenied", "{body}");
        }
        reserved().check_xml_targets(b"<R><TargetBucket>logs</TargetBucket><Prefix>minio</Prefix></R>").unwrap();
        reserved().check_xml_targets(b"").unwrap();
        let error = reserved().check_xml_targets(b"<R><Bucket>").unwrap_err();
        assert_eq!(error.s3().0, "MalformedXML");
    }
}
