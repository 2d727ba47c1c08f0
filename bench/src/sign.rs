//! Signature Version 4 in the Authorization header (AWS, *Signing process*), made here so that what is measured does not
//! sign its own examination.

use std::net::SocketAddr;

use aws_lc_rs::{digest, hmac};
use http::Request;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::body::Noise;

/// What `x-amz-content-sha256` says.
#[derive(Debug)]
pub enum Payload {
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The SHA-256 of the body, in hexadecimal.
    Sha256(String),
}

/// Makes signed requests to one endpoint.
pub struct Signer {
    access_key: String,
    secret_key: String,
    region: String,
    host: String,
    payload: Payload,
}

impl Signer {
    /// A signer of one credential.
    pub fn new(access_key: &str, secret_key: &str, region: &str, endpoint: SocketAddr, payload: Payload) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            region: region.to_owned(),
            host: endpoint.to_string(),
            payload,
        }
    }

    /// A request with a body of `length` bytes. `path` and `query` are in canonical form already.
    pub fn request(&self, method: &str, path: &str, query: &str, length: u64) -> Result<Request<Noise>, http::Error> {
        self.request_at(OffsetDateTime::now_utc(), method, path, query, length)
    }

    fn request_at(
        &self,
        at: OffsetDateTime,
        method: &str,
        path: &str,
        query: &str,
        length: u64,
    ) -> Result<Request<Noise>, http::Error> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        // Years of four digits only: the format cannot fail.
        let stamp = at.format(format).unwrap_or_default();
        let date = stamp.get(..8).unwrap_or_default();
        let hash = match &self.payload {
            Payload::Unsigned => "UNSIGNED-PAYLOAD",
            Payload::Sha256(hash) => hash,
        };
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{}\nx-amz-content-sha256:{hash}\nx-amz-date:{stamp}\n\n{signed}\n{hash}",
            self.host
        );
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let text = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
            hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
        );
        let secret = format!("AWS4{}", self.secret_key);
        let mut key = mac(secret.as_bytes(), date);
        for step in [self.region.as_str(), "s3", "aws4_request", text.as_str()] {
            key = mac(key.as_ref(), step);
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
            self.access_key,
            hex::encode(key)
        );
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", &self.host)
            .header("x-amz-date", stamp)
            .header("x-amz-content-sha256", hash)
            .header("authorization", authorization)
            .body(Noise::new(length))
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// Computed with botocore's `S3SigV4Auth` for the same request.
    #[test]
    fn signature_is_that_of_botocore() {
        let signer = Signer::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "us-east-1",
            ([127, 0, 0, 1], 9900).into(),
            Payload::Unsigned,
        );
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let request = signer.request_at(at, "GET", "/b", "list-type=2&max-keys=1000", 0).unwrap();
        assert_eq!(
            request.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=afa9d83ab7a1cc5492dd6ec1a74ef28889b4f5ff7691301b2c89d7fd23f7b4e6"
        );
    }
}
