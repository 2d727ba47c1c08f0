//! The stored form of a KEK: JSON, versioned.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::root::{KekName, ToUnwrap, WrappedKek};
use crate::Error;

const VERSION: u32 = 1;
/// Longest record that is read, in bytes. A bucket name has at most 255, a wrapped key a few hundred.
const MAX_LEN: usize = 16 << 10;

/// A wrapped KEK and all there is to know of it. Holds no secret: what it says of the name is bound into the wrapping;
/// `retired` and `created_at_ms` are not, and whoever can write the system bucket can change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KekRecord {
    /// Id, bucket and epoch.
    pub name: KekName,
    /// The root key that wraps it.
    pub root_key_id: String,
    /// The provider's bytes.
    pub wrapped_key: Vec<u8>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// No new object is sealed under it.
    pub retired: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    kek_id: String,
    bucket_uuid: String,
    bucket: String,
    epoch: u32,
    root_key_id: String,
    wrapped_key: String,
    created_at_ms: i64,
    retired: bool,
}

impl KekRecord {
    /// A new record of a wrapped KEK.
    pub fn new(name: KekName, wrapped: WrappedKek, created_at_ms: i64) -> Self {
        Self { name, root_key_id: wrapped.root_key_id, wrapped_key: wrapped.wrapped, created_at_ms, retired: false }
    }

    /// The JSON document.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec_pretty(&Document {
            version: VERSION,
            kek_id: self.name.kek_id.to_string(),
            bucket_uuid: self.name.bucket_uuid.to_string(),
            bucket: self.name.bucket.clone(),
            epoch: self.name.epoch,
            root_key_id: self.root_key_id.clone(),
            wrapped_key: STANDARD.encode(&self.wrapped_key),
            created_at_ms: self.created_at_ms,
            retired: self.retired,
        })
        .map_err(|_| Error::Invalid("KEK record"))
    }

    /// Reads a JSON document.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        if json.len() > MAX_LEN {
            return Err(Error::BadKekRecord("longer than 16 KiB"));
        }
        let document: Document = super::document(json, VERSION)
            .map_err(|other| other.map_or(Error::BadKekRecord("not a record"), Error::UnknownVersion))?;
        // Of the forms that the library reads only `8-4-4-4-12` has this length.
        let uuid = |text: &str| {
            Uuid::try_parse(text).ok().filter(|_| text.len() == 36).ok_or(Error::BadKekRecord("a uuid is malformed"))
        };
        Ok(Self {
            name: KekName {
                kek_id: uuid(&document.kek_id)?,
                bucket_uuid: uuid(&document.bucket_uuid)?,
                bucket: document.bucket,
                epoch: document.epoch,
            },
            root_key_id: document.root_key_id,
            wrapped_key: STANDARD
                .decode(document.wrapped_key)
                .map_err(|_| Error::BadKekRecord("the wrapped key is not base64"))?,
            created_at_ms: document.created_at_ms,
            retired: document.retired,
        })
    }

    pub(crate) fn to_unwrap(&self) -> ToUnwrap {
        ToUnwrap { name: self.name.clone(), root_key_id: self.root_key_id.clone(), wrapped: self.wrapped_key.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        let record = KekRecord {
            name: KekName {
                kek_id: Uuid::from_bytes([1; 16]),
                bucket_uuid: Uuid::from_bytes([2; 16]),
                bucket: "data".into(),
                epoch: 3,
            },
            root_key_id: "root".into(),
            wrapped_key: vec![4; 104],
            created_at_ms: 5,
            retired: true,
        };
        let json = record.to_json().unwrap();
        assert_eq!(KekRecord::from_json(&json).unwrap(), record);
        let text = String::from_utf8(json).unwrap();
        let newer = text.replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(KekRecord::from_json(newer.as_bytes()), Err(Error::UnknownVersion(2))));
        for bad in [
            "",
            "{}",
            "[]",
            &text.replace("retired", "retried"),
            &text.replace("01010101-0101-0101-0101-010101010101", "01010101010101010101010101010101"),
            &text.replace("01010101-0101-0101-0101-010101010101", "{01010101-0101-0101-0101-010101010101}"),
            &text.replace("01010101-0101-0101-0101-010101010101", "urn:uuid:01010101-0101-0101-0101-010101010101"),
            &text.replace("BAQE", "BAQF").replace("BAQ=", "BAR="),
            &text.replace("\"epoch\": 3", "\"epoch\": 3.0"),
            &text.replace("\"epoch\": 3", "\"epoch\": 3, \"epoch\": 3"),
            &text.replace("\"root\"", &format!("{:?}", "r".repeat(16 << 10))),
            &text.replace("01010101-", "01010101")[..text.len() / 2],
        ] {
            assert!(matches!(KekRecord::from_json(bad.as_bytes()), Err(Error::BadKekRecord(_))), "{bad}");
        }
    }
}
