//! Root key → KEK → DEK.
//!
//! ```text
//! KEK    wrapped by the root key, bound to kek id, bucket uuid, epoch, bucket name   KekRecord, in system bucket and sidecar
//! DEK    sealed under the KEK, context "dv1/dek" ‖ bucket uuid ‖ len(4) ‖ key ‖ oid ‖ metadata digest      in the object's header
//! upload sealed under the KEK, context "dv1/upload" ‖ bucket uuid ‖ len(4) ‖ key     in the UploadId given to clients
//! note   sealed under the KEK, context its kind ‖ bucket uuid ‖ oid                  beside the object, in the system bucket
//! tokens sealed as notes are, under KEKs of the bucket's token vault                 in the system bucket
//! policies sealed under the system bucket's KEK, context "dv1/policy" ‖ bucket uuid ‖ number(8)    one a change, in the system bucket
//! ```

mod keyring;
mod manager;
mod record;
mod root;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use keyring::LocalKeyring;
pub use manager::{CacheBounds, KekStore, KeyManager};
pub use record::KekRecord;
pub use root::{KekName, RootKey, ToUnwrap, ToWrap, WrappedKek};

use crate::Error;
use crate::Oid;
use crate::cobblestone::{self, SALT};
use crate::header::{Header, SUITE, VERSION};
use crate::object::ObjectKey;

/// What a note beside an object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// What was done to the object.
    Scrub,
    /// How to open what it was made from.
    Original,
    /// How to open what was put aside, and why that was.
    Quarantine,
    /// What the short tokens of a vault stand for: a batch of them. Its KEK is one of the vault's own.
    Tokens,
}

impl Note {
    /// No note opens as one of another kind.
    fn context(self) -> &'static [u8] {
        match self {
            Self::Scrub => b"dv1/scrub",
            Self::Original => b"dv1/original",
            Self::Quarantine => b"dv1/quarantine",
            Self::Tokens => b"dv1/tokens",
        }
    }
}

/// A key-encryption key, unwrapped. Wiped on drop and never printed.
pub struct Kek {
    name: KekName,
    key: Zeroizing<[u8; 32]>,
}

impl Kek {
    /// From an unwrapped key.
    pub fn new(name: KekName, key: Zeroizing<[u8; 32]>) -> Self {
        Self { name, key }
    }

    /// Its id, random and unique.
    pub fn id(&self) -> Uuid {
        self.name.kek_id
    }

    /// Random id of the bucket's life, so that a bucket deleted and made again is another one.
    pub fn bucket_uuid(&self) -> Uuid {
        self.name.bucket_uuid
    }

    /// Name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.name.bucket
    }

    /// Generation within the bucket, from 1.
    pub fn epoch(&self) -> u32 {
        self.name.epoch
    }

    /// Wraps an object's DEK, bound to bucket, key name, oid and metadata: [`crate::metadata::mask`] and
    /// [`crate::metadata::digest`] of what is sent to the backend.
    pub fn wrap(&self, object_key: &str, object: &ObjectKey, mask: u8, digest: [u8; 32]) -> Result<Header, Error> {
        self.wrap_with_salt(object_key, object, mask, digest, &crate::random()?)
    }

    pub(crate) fn wrap_with_salt(
        &self,
        object_key: &str,
        object: &ObjectKey,
        mask: u8,
        digest: [u8; 32],
        salt: &[u8; SALT],
    ) -> Result<Header, Error> {
        let context = self.dek_context(object_key, object.oid().0, &digest)?;
        let wrapped = cobblestone::seal_with_salt(&self.key, &context, object.expose(), salt)?;
        Ok(Header {
            version: VERSION,
            suite: SUITE,
            mask,
            kek_id: self.id(),
            oid: object.oid(),
            metadata_digest: digest,
            wrapped_dek: wrapped.try_into().map_err(|_| Error::Invalid("wrapped DEK of another length"))?,
        })
    }

    /// Opens an object's DEK. `digest` is [`crate::metadata::digest`] of the metadata as stored now, under the header's mask;
    /// another than the one sealed is [`Error::MetadataChanged`]. To accept a change, pass the header's own.
    pub fn unwrap(&self, object_key: &str, header: &Header, digest: [u8; 32]) -> Result<ObjectKey, Error> {
        if header.kek_id != self.id() {
            return Err(Error::OtherKek { named: header.kek_id, given: self.id() });
        }
        // The header first: a forged digest in it must not pass for changed metadata.
        let context = self.dek_context(object_key, header.oid.0, &header.metadata_digest)?;
        let opened = cobblestone::open_as(&self.key, &context, &header.wrapped_dek, "wrapped DEK")?;
        let dek = key_of(&opened)?;
        if digest != header.metadata_digest {
            return Err(Error::MetadataChanged);
        }
        Ok(ObjectKey::new(dek, header.oid))
    }

    /// Seals the state of a multipart upload of that key: `kek id(16) ‖ message`.
    pub fn seal_upload(&self, object_key: &str, state: &[u8]) -> Result<Vec<u8>, Error> {
        self.seal_in(&self.upload_context(object_key)?, state)
    }

    /// Opens the state of a multipart upload of that key.
    pub fn open_upload(&self, object_key: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.open_in(&self.upload_context(object_key)?, sealed, "upload state")
    }

    /// Seals a note on the object of this id: `kek id(16) ‖ message`.
    pub fn seal_note(&self, kind: Note, oid: Oid, note: &[u8]) -> Result<Vec<u8>, Error> {
        self.seal_in(&self.note_context(kind, oid), note)
    }

    /// Opens a note on the object of this id.
    pub fn open_note(&self, kind: Note, oid: Oid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.open_in(&self.note_context(kind, oid), sealed, "note")
    }

    /// Seals what security officers set, as of the change of this number: `kek id(16) ‖ message`.
    pub fn seal_policies(&self, number: u64, state: &[u8]) -> Result<Vec<u8>, Error> {
        self.seal_in(&self.policies_context(number), state)
    }

    /// Opens what security officers set, as of the change of this number.
    pub fn open_policies(&self, number: u64, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.open_in(&self.policies_context(number), sealed, "change of policies")
    }

    fn seal_in(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = self.id().as_bytes().to_vec();
        out.extend_from_slice(&cobblestone::seal(&self.key, context, plaintext)?);
        Ok(out)
    }

    fn open_in(&self, context: &[u8], sealed: &[u8], what: &'static str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let named = Self::named_in(sealed)?;
        if named != self.id() {
            return Err(Error::OtherKek { named, given: self.id() });
        }
        cobblestone::open_as(&self.key, context, &sealed[16..], what)
    }

    /// The KEK that a sealed upload state, note or change names.
    pub fn named_in(sealed: &[u8]) -> Result<Uuid, Error> {
        let (id, _) = sealed.split_first_chunk().ok_or(Error::Truncated)?;
        Ok(Uuid::from_bytes(*id))
    }

    fn note_context(&self, kind: Note, oid: Oid) -> Vec<u8> {
        [kind.context(), &self.name.bucket_uuid.as_bytes()[..], &oid.0].concat()
    }

    fn policies_context(&self, number: u64) -> Vec<u8> {
        [b"dv1/policy", &self.name.bucket_uuid.as_bytes()[..], &number.to_be_bytes()].concat()
    }

    fn dek_context(&self, object_key: &str, oid: [u8; 16], digest: &[u8; 32]) -> Result<Vec<u8>, Error> {
        let mut context = b"dv1/dek".to_vec();
        context.extend_from_slice(self.name.bucket_uuid.as_bytes());
        push_prefixed(&mut context, object_key)?;
        context.extend_from_slice(&oid);
        context.extend_from_slice(digest);
        Ok(context)
    }

    fn upload_context(&self, object_key: &str) -> Result<Vec<u8>, Error> {
        let mut context = b"dv1/upload".to_vec();
        context.extend_from_slice(self.name.bucket_uuid.as_bytes());
        push_prefixed(&mut context, object_key)?;
        Ok(context)
    }
}

impl std::fmt::Debug for Kek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kek").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Appends `len(4) ‖ text`.
fn push_prefixed(context: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let length = u32::try_from(text.len()).map_err(|_| Error::TooLong)?;
    context.extend_from_slice(&length.to_be_bytes());
    context.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Thirty-two opened bytes as a key.
fn key_of(opened: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let opened: &[u8; 32] = opened.try_into().map_err(|_| Error::Invalid("a wrapped key is not 32 bytes"))?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(opened);
    Ok(key)
}

/// Reads a JSON document that says its version. An error: the version, where it is another, else none.
fn document<T: DeserializeOwned>(json: &[u8], version: u32) -> Result<T, Option<u32>> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice(json) {
        Ok(Versioned { version: other }) if other != version => Err(Some(other)),
        _ => serde_json::from_slice(json).map_err(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kek(bucket_uuid: u8, kek_id: u8) -> Kek {
        Kek::new(
            KekName {
                kek_id: Uuid::from_bytes([kek_id; 16]),
                bucket_uuid: Uuid::from_bytes([bucket_uuid; 16]),
                bucket: "data".into(),
                epoch: 1,
            },
            Zeroizing::new([7; 32]),
        )
    }

    #[test]
    fn a_header_opens_only_where_it_was_sealed_for() {
        let object = ObjectKey::generate().unwrap();
        let digest = [9; 32];
        let header = kek(1, 1).wrap("a/b", &object, 3, digest).unwrap();
        let opened = kek(1, 1).unwrap("a/b", &header, digest).unwrap();
        assert_eq!(opened.expose(), object.expose());
        assert_eq!(opened.oid(), object.oid());

        // Renamed, and moved to another bucket.
        assert!(matches!(kek(1, 1).unwrap("a/c", &header, digest), Err(Error::NotAuthentic(_))));
        assert!(matches!(kek(2, 1).unwrap("a/b", &header, digest), Err(Error::NotAuthentic(_))));
        // Under another KEK.
        assert!(matches!(kek(1, 2).unwrap("a/b", &header, digest), Err(Error::OtherKek { .. })));
        // Metadata changed, and the digest in the header changed to go with it.
        assert!(matches!(kek(1, 1).unwrap("a/b", &header, [8; 32]), Err(Error::MetadataChanged)));
        let mut forged = header.clone();
        forged.metadata_digest = [8; 32];
        assert!(matches!(kek(1, 1).unwrap("a/b", &forged, [8; 32]), Err(Error::NotAuthentic(_))));
        // Given another object id.
        let mut forged = header.clone();
        forged.oid.0[0] ^= 1;
        assert!(matches!(kek(1, 1).unwrap("a/b", &forged, digest), Err(Error::NotAuthentic(_))));
        // Every bit of the wrapped DEK counts.
        for bit in 0..104 * 8 {
            let mut forged = header.clone();
            forged.wrapped_dek[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(kek(1, 1).unwrap("a/b", &forged, digest), Err(Error::NotAuthentic(_))));
        }
    }

    #[test]
    fn a_scrub_record_opens_only_for_its_object() {
        let sealed = kek(1, 1).seal_note(Note::Scrub, Oid([1; 16]), b"record").unwrap();
        assert_eq!(*kek(1, 1).open_note(Note::Scrub, Oid([1; 16]), &sealed).unwrap(), b"record");
        assert!(kek(1, 1).open_note(Note::Scrub, Oid([2; 16]), &sealed).is_err());
        for other in [Note::Original, Note::Quarantine, Note::Tokens] {
            assert!(kek(1, 1).open_note(other, Oid([1; 16]), &sealed).is_err());
        }
        assert!(kek(2, 1).open_note(Note::Scrub, Oid([1; 16]), &sealed).is_err());
        assert!(matches!(kek(1, 2).open_note(Note::Scrub, Oid([1; 16]), &sealed), Err(Error::OtherKek { .. })));
        assert!(kek(1, 1).open_upload("", &sealed).is_err());
    }

    #[test]
    fn a_change_of_policies_opens_only_under_its_number() {
        let sealed = kek(1, 1).seal_policies(7, b"state").unwrap();
        assert_eq!(*kek(1, 1).open_policies(7, &sealed).unwrap(), b"state");
        assert!(kek(1, 1).open_policies(8, &sealed).is_err());
        assert!(kek(2, 1).open_policies(7, &sealed).is_err());
        assert!(matches!(kek(1, 2).open_policies(7, &sealed), Err(Error::OtherKek { .. })));
        assert!(kek(1, 1).open_note(Note::Scrub, Oid([0; 16]), &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(kek(1, 1).open_policies(7, &flipped).is_err());
        }
    }

    #[test]
    fn an_upload_state_opens_only_for_its_key() {
        let sealed = kek(1, 1).seal_upload("a", b"state").unwrap();
        assert_eq!(Kek::named_in(&sealed).unwrap(), kek(1, 1).id());
        assert_eq!(*kek(1, 1).open_upload("a", &sealed).unwrap(), b"state");
        assert!(kek(1, 1).open_upload("b", &sealed).is_err());
        assert!(kek(2, 1).open_upload("a", &sealed).is_err());
        assert!(matches!(kek(1, 2).open_upload("a", &sealed), Err(Error::OtherKek { .. })));
        for cut in 0..sealed.len() {
            assert!(kek(1, 1).open_upload("a", &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn nothing_prints_a_key() {
        let printed = format!("{:?} {:?}", kek(1, 1), ObjectKey::new(Zeroizing::new([7; 32]), crate::Oid([1; 16])));
        assert!(!printed.contains("7, 7") && !printed.contains("0707"));
    }
}
