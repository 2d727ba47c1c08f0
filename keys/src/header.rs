//! The one user-metadata header of an object: which keys open it and what it is bound to.
//!
//! ```text
//! base64( version(1) ‖ suite(1) ‖ mask(1) ‖ kek id(16) ‖ oid(16) ‖ metadata digest(32) ‖ wrapped DEK(104) )
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::{Error, Oid};

/// The version that this program writes and reads.
pub const VERSION: u8 = 1;
/// Cobblestone-256 everywhere.
pub const SUITE: u8 = 1;

/// Bytes before base64.
const RAW: usize = 171;
/// Bytes of [`Header::encode`].
pub const ENCODED_LEN: usize = RAW.div_ceil(3) * 4;

/// The header, decoded. Nothing of it is authenticated until [`crate::hierarchy::Kek::unwrap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format version, [`VERSION`].
    pub version: u8,
    /// Algorithms, [`SUITE`].
    pub suite: u8,
    /// Which system headers the digest covers: see [`crate::metadata::mask`].
    pub mask: u8,
    /// The KEK that wraps the DEK.
    pub kek_id: Uuid,
    /// Object id.
    pub oid: Oid,
    /// [`crate::metadata::digest`] at the time of writing.
    pub metadata_digest: [u8; 32],
    /// The DEK, sealed under the KEK.
    pub wrapped_dek: [u8; 104],
}

impl Header {
    /// The header's value: [`ENCODED_LEN`] bytes of base64 (RFC 4648 section 4, padded).
    pub fn encode(&self) -> String {
        let mut raw = Vec::with_capacity(RAW);
        raw.extend_from_slice(&[self.version, self.suite, self.mask]);
        raw.extend_from_slice(self.kek_id.as_bytes());
        raw.extend_from_slice(&self.oid.0);
        raw.extend_from_slice(&self.metadata_digest);
        raw.extend_from_slice(&self.wrapped_dek);
        STANDARD.encode(raw)
    }

    /// Finds the header among those of an object and reads it; none where it is not there. There twice it is refused: of two, two
    /// readers may take different ones.
    pub fn find<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Option<Self>, Error> {
        let mut values =
            headers.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(crate::metadata::HEADER_NAME));
        let found = values.next().map(|(_, value)| Self::decode(value));
        if values.next().is_some() {
            return Err(Error::BadHeader("it is there more than once"));
        }
        found.transpose()
    }

    /// Reads a header's value; white space around it is ignored.
    pub fn decode(mut value: &[u8]) -> Result<Self, Error> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] | [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = value {
            value = rest;
        }
        // The version is in the first three bytes, whatever the length of later versions.
        let version = value
            .get(..4)
            .and_then(|head| STANDARD.decode(head).ok())
            .and_then(|head| head.first().copied())
            .ok_or(Error::BadHeader("not base64"))?;
        if version != VERSION {
            return Err(Error::UnknownVersion(version.into()));
        }
        if value.len() != ENCODED_LEN {
            return Err(Error::BadHeader("wrong length"));
        }
        let raw = STANDARD.decode(value).map_err(|_| Error::BadHeader("not base64"))?;
        let mut fields = raw.as_slice();
        let [version, suite, mask] = take(&mut fields)?;
        if suite != SUITE {
            return Err(Error::UnknownSuite(suite));
        }
        if mask & !crate::metadata::ALL != 0 {
            return Err(Error::BadHeader("unknown bits in the mask"));
        }
        let header = Self {
            version,
            suite,
            mask,
            kek_id: Uuid::from_bytes(take(&mut fields)?),
            oid: Oid(take(&mut fields)?),
            metadata_digest: take(&mut fields)?,
            wrapped_dek: take(&mut fields)?,
        };
        if !fields.is_empty() {
            return Err(Error::BadHeader("wrong length"));
        }
        Ok(header)
    }
}

fn take<const N: usize>(fields: &mut &[u8]) -> Result<[u8; N], Error> {
    let (field, rest) = fields.split_first_chunk().ok_or(Error::BadHeader("wrong length"))?;
    *fields = rest;
    Ok(*field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Header {
        Header {
            version: VERSION,
            suite: SUITE,
            mask: 0b10_0001,
            kek_id: Uuid::from_bytes([3; 16]),
            oid: Oid([4; 16]),
            metadata_digest: [5; 32],
            wrapped_dek: [6; 104],
        }
    }

    #[test]
    fn decodes_what_it_encodes() {
        let value = example().encode();
        assert_eq!(value.len(), 228);
        assert_eq!(ENCODED_LEN, 228);
        assert_eq!(Header::decode(value.as_bytes()).unwrap(), example());
        assert_eq!(Header::decode(format!(" {value}\t").as_bytes()).unwrap(), example());
        assert!(Header::decode(format!("{value}\x0c").as_bytes()).is_err());
    }

    #[test]
    fn is_found_once() {
        let value = example().encode();
        let (ours, other) = (("X-Amz-Meta-DV1", value.as_bytes()), ("x-amz-meta-a", b"x".as_slice()));
        assert_eq!(Header::find([other, ours]).unwrap(), Some(example()));
        assert_eq!(Header::find([other]).unwrap(), None);
        assert!(matches!(Header::find([ours, other, ours]), Err(Error::BadHeader(_))));
        assert!(matches!(Header::find([ours, ("x-amz-meta-dv1", b"")]), Err(Error::BadHeader(_))));
    }

    #[test]
    fn tells_apart_what_it_refuses() {
        let mut header = example();
        header.version = 2;
        let newer = header.encode();
        assert!(matches!(Header::decode(newer.as_bytes()), Err(Error::UnknownVersion(2))));
        header = example();
        header.suite = 9;
        assert!(matches!(Header::decode(header.encode().as_bytes()), Err(Error::UnknownSuite(9))));
        header = example();
        header.mask = 0x40;
        assert!(matches!(Header::decode(header.encode().as_bytes()), Err(Error::BadHeader(_))));
        let value = example().encode();
        for bad in [&value[..224], &format!("{value}AAAA"), "", "AQE", "!!!!"] {
            assert!(matches!(Header::decode(bad.as_bytes()), Err(Error::BadHeader(_))));
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Header::decode(&bytes);
        }
    }
}
