//! An `UploadId` that we did not make is refused; one that we made opens for its own key alone, and not after any change.
//! First two bytes: where one of ours is changed; then the bits; then another's id, or key.
#![no_main]

use std::sync::{Arc, LazyLock};

use gateway::config::EtagPolicy;
use gateway::ops::upload_id::{Upload, decode};
use keys::hierarchy::{Kek, KekName};
use keys::object::ObjectKey;
use libfuzzer_sys::fuzz_target;

const KEY: &str = "corpus/part.parquet";

static OURS: LazyLock<(Kek, String)> = LazyLock::new(|| {
    let name = KekName {
        kek_id: uuid::Uuid::from_bytes([1; 16]),
        bucket_uuid: uuid::Uuid::from_bytes([2; 16]),
        epoch: 1,
        bucket: "training".into(),
    };
    let kek = Kek::new(name, [7; 32].into());
    let upload = Upload {
        backend_id: "backend-id".into(),
        object: Arc::new(ObjectKey::new([9; 32].into(), keys::Oid([3; 16]))),
        kek_id: kek.id(),
        checksum: None,
        etag: EtagPolicy::Md5,
    };
    let token = upload.seal(&kek, KEY).expect("our own");
    (kek, token)
});

fuzz_target!(|input: (u16, u8, &str)| {
    let (kek, token) = &*OURS;
    let (place, flip, garbage) = input;
    if let Some((_, sealed)) = decode(garbage)
        && garbage != token
    {
        assert!(Upload::unseal(kek, KEY, &sealed).is_err());
    }
    let (_, mut sealed) = decode(token).expect("our own");
    assert!(Upload::unseal(kek, KEY, &sealed).is_ok());
    assert_eq!(Upload::unseal(kek, garbage, &sealed).is_ok(), garbage == KEY);
    let place = usize::from(place) % sealed.len();
    sealed[place] ^= flip;
    assert_eq!(Upload::unseal(kek, KEY, &sealed).is_ok(), flip == 0);
});
