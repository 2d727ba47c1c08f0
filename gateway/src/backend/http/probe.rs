//! Which checksums of ciphertext the backend checks: found out by sending right and wrong ones.

use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use keys::object::ChecksumAlgorithm;

use super::prepare::{Checksums, CiphertextChecksum, Identity, Outgoing, Prepared, sign, target};
use super::{HttpBackend, is_passing};
use crate::backend::{Backend, BackendError, BackendRequest, Payload, Signer, honoured};
use crate::body;
use crate::s3::checksum::header_name;
use crate::s3::sigv4;

const BODY: &[u8] = b"Does this store check what it is sent?";

impl HttpBackend {
    /// Finds out what the backend checks, with one object under `probe/` in `bucket`, which must exist, and uses it from
    /// then on. A store that takes a wrong checksum does not check it, and one that stores the framing of a trailer with the
    /// body does not know it: neither is used.
    pub async fn probe(&self, bucket: &str) -> Result<Checksums, BackendError> {
        let path = honoured::fresh(bucket);
        let mut found = Checksums::default();
        for kind in [CiphertextChecksum::Crc64Nvme, CiphertextChecksum::Crc32c, CiphertextChecksum::ContentMd5] {
            if self.checks(&path, kind).await? {
                found.bytes = kind;
                break;
            }
        }
        for algorithm in [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Crc32c] {
            if self.checks_trailer(&path, algorithm).await? {
                found.stream = Some(algorithm);
                break;
            }
        }
        honoured::remove(self, path).await?;
        *self.checksums.write().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(found)
    }

    async fn checks(&self, path: &str, kind: CiphertextChecksum) -> Result<bool, BackendError> {
        let right = Checksums { bytes: kind, stream: None };
        if !self.takes(self.put(path, right)?).await? {
            return Ok(false);
        }
        let mut wrong = self.put(path, right)?;
        // The checksum stays that of the right body. Same length: only the checksum can tell.
        wrong.body = Outgoing::Bytes(flipped().into());
        Ok(!self.takes(wrong).await?)
    }

    async fn checks_trailer(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<bool, BackendError> {
        let value = STANDARD.encode(crate::s3::checksum::checksum(algorithm, BODY).bytes());
        if !self.takes(self.put_framed(path, algorithm, BODY, &value)?).await? {
            return Ok(false);
        }
        let stored = self.call(request(Method::GET, path, Payload::Empty)).await?;
        let stored = body::collect(stored.into_body(), 4096).await.map_err(|e| BackendError::Broken(e.into()))?;
        if stored != BODY {
            return Ok(false);
        }
        Ok(!self.takes(self.put_framed(path, algorithm, &flipped(), &value)?).await?)
    }

    /// Sends, and says whether it was accepted. A failure that may pass is an error: it says nothing of what the store knows.
    async fn takes(&self, prepared: Prepared) -> Result<bool, BackendError> {
        let response = self.send(prepared, &self.identity()).await?;
        let status = response.status();
        // 501 is how stores say that they do not know a header; the other 5xx are trouble.
        if is_passing(status) && status != StatusCode::INTERNAL_SERVER_ERROR {
            return Err(BackendError::Broken(format!("the backend answered {status} to a probe").into()));
        }
        if matches!(status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND) {
            return Err(BackendError::Broken(
                format!("the backend answered {status} to a probe: check credential, region and system bucket").into(),
            ));
        }
        Ok(status.is_success())
    }

    fn identity(&self) -> Identity<'_> {
        Identity { credential: Some(&self.config.credential), region: &self.config.region }
    }

    fn put(&self, path: &str, checksums: Checksums) -> Result<Prepared, BackendError> {
        let request = request(Method::PUT, path, Payload::Bytes(Bytes::from_static(BODY)));
        super::prepare::prepare(request, self.config.authority.as_str(), &self.identity(), checksums)
    }

    fn put_framed(
        &self,
        path: &str,
        algorithm: ChecksumAlgorithm,
        content: &[u8],
        value: &str,
    ) -> Result<Prepared, BackendError> {
        let name = header_name(algorithm);
        let mut framed = format!("{:x}\r\n", content.len()).into_bytes();
        framed.extend_from_slice(content);
        framed.extend_from_slice(format!("\r\n0\r\n{name}:{value}\r\n\r\n").as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", HeaderValue::from_static("aws-chunked"));
        headers.insert("x-amz-decoded-content-length", content.len().into());
        headers.insert("x-amz-trailer", HeaderValue::from_name(name));
        headers.insert("content-length", framed.len().into());
        let hash = sigv4::STREAMING_UNSIGNED_PAYLOAD_TRAILER;
        let host = self.config.authority.as_str();
        sign(&Method::PUT, path, "", &mut headers, host, &self.identity(), hash)?;
        Ok(Prepared { method: Method::PUT, target: target(path, "")?, headers, body: Outgoing::Bytes(framed.into()) })
    }
}

fn request(method: Method, path: &str, payload: Payload) -> BackendRequest {
    BackendRequest::new(method, path.to_owned(), Signer::Gateway).payload(payload)
}

/// The body with one bit flipped.
fn flipped() -> Vec<u8> {
    let mut body = BODY.to_vec();
    body[0] ^= 1;
    body
}
