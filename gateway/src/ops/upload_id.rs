//! The `UploadId` that clients are given: the state of the upload, sealed under the bucket's KEK for this very key, so that any
//! replica serves any part, in any order, and no database is asked for it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keys::Oid;
use keys::hierarchy::Kek;
use keys::object::{ChecksumAlgorithm, ChecksumKind, ObjectKey};
use s3s::S3ErrorCode;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::EtagPolicy;
use crate::s3::{Error, checksum};
use crate::vault::Vault;

/// Longer strings are none of ours.
const MAX_TOKEN: usize = 4096;

/// What every request of an upload needs to know.
#[derive(Clone)]
pub struct Upload {
    /// The backend's own id.
    pub backend_id: String,
    /// DEK and oid of the object being made.
    pub object: Arc<ObjectKey>,
    /// Under which KEK its header is wrapped.
    pub kek_id: uuid::Uuid,
    /// The checksum that was asked for.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// `ETag` policy at its creation, kept to its end.
    pub etag: EtagPolicy,
}

#[derive(Serialize, Deserialize)]
struct State {
    v: u8,
    id: String,
    dek: Zeroizing<String>,
    oid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<(String, String)>,
    opaque: bool,
}

impl Upload {
    /// The string for the client.
    pub fn seal(&self, kek: &Kek, key: &str) -> Result<String, Error> {
        let state = State {
            v: 1,
            id: self.backend_id.clone(),
            dek: Zeroizing::new(hex::encode(self.object.expose())),
            oid: self.object.oid().to_string(),
            checksum: self
                .checksum
                .map(|(a, k)| (checksum::algorithm_name(a).to_owned(), checksum::kind_name(k).to_owned())),
            opaque: self.etag == EtagPolicy::Opaque,
        };
        // Room for all of it, so that no buffer with the DEK in it is outgrown and left behind unwiped.
        let mut json = Zeroizing::new(Vec::with_capacity(2 * MAX_TOKEN));
        serde_json::to_writer(&mut *json, &state).map_err(|_| Error::Internal("upload state".into()))?;
        Ok(URL_SAFE_NO_PAD.encode(kek.seal_upload(key, &json)?))
    }

    /// Opens it again. Whatever is not ours, for this bucket and key, is `NoSuchUpload`.
    pub async fn open(vault: &Vault, bucket: &str, key: &str, token: &str) -> Result<Self, Error> {
        let Some((kek_id, sealed)) = decode(token) else { return Err(no_such_upload()) };
        let kek = match vault.keys.by_id(bucket, kek_id).await {
            Ok(kek) => kek,
            Err(keys::Error::MissingKek { .. } | keys::Error::KekOfAnotherBucket { .. }) => {
                return Err(no_such_upload());
            }
            Err(e) => return Err(e.into()),
        };
        Self::unseal(&kek, key, &sealed)
    }

    /// Opens what [`decode`] gave, with the KEK that it names.
    pub fn unseal(kek: &Kek, key: &str, sealed: &[u8]) -> Result<Self, Error> {
        let Ok(state) = kek.open_upload(key, sealed) else { return Err(no_such_upload()) };
        let state: State = serde_json::from_slice(&state).map_err(|_| no_such_upload())?;
        let mut dek = Zeroizing::new([0; 32]);
        let mut oid = [0; 16];
        hex::decode_to_slice(state.dek.as_bytes(), &mut *dek).map_err(|_| no_such_upload())?;
        hex::decode_to_slice(&state.oid, &mut oid).map_err(|_| no_such_upload())?;
        let checksum = match &state.checksum {
            None => None,
            Some((a, k)) => {
                Some(checksum::parse_algorithm(a).ok().zip(checksum::parse_kind(k)).ok_or_else(no_such_upload)?)
            }
        };
        Ok(Self {
            backend_id: state.id,
            object: Arc::new(ObjectKey::new(dek, Oid(oid))),
            kek_id: kek.id(),
            checksum,
            etag: if state.opaque { EtagPolicy::Opaque } else { EtagPolicy::Md5 },
        })
    }
}

/// The KEK that a token names, and what is sealed under it; none where it cannot be one of ours.
pub fn decode(token: &str) -> Option<(uuid::Uuid, Vec<u8>)> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    Some((Kek::named_in(&sealed).ok()?, sealed))
}

/// `NoSuchUpload`.
pub fn no_such_upload() -> Error {
    Error::client(
        S3ErrorCode::NoSuchUpload,
        "The specified upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.",
    )
}
