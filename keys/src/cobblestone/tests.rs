use super::*;
use crate::aead::Portable;
use proptest::prelude::*;

const KEY: [u8; 32] = [0x42; 32];

/// Opens a message in pieces of `cut` bytes. What came out is kept when it fails.
fn stream<A: Aead>(key: &[u8; 32], context: &[u8], sealed: &[u8], cut: usize) -> (BytesMut, Result<(), Error>) {
    let mut out = BytesMut::new();
    let mut decryptor = Decryptor::<A>::with_provider(key, context);
    for piece in sealed.chunks(cut) {
        if let Err(error) = decryptor.update(piece, &mut out) {
            let length = out.len();
            assert!(decryptor.update(&[0], &mut out).is_err());
            assert!(decryptor.finish(&mut out).is_err());
            assert_eq!(out.len(), length, "bytes after a failure");
            return (out, Err(error));
        }
    }
    let result = decryptor.finish(&mut out);
    (out, result)
}

fn seal_in_pieces<A: Aead>(plaintext: &[u8], cuts: &[usize], salt: &[u8; SALT]) -> BytesMut {
    let mut out = BytesMut::new();
    let mut encryptor = Encryptor::<A>::with_salt(&KEY, b"context", salt).unwrap();
    let mut rest = plaintext;
    for cut in cuts {
        let (piece, behind) = rest.split_at(rest.len().min(*cut));
        encryptor.update(piece, &mut out).unwrap();
        rest = behind;
    }
    encryptor.update(rest, &mut out).unwrap();
    encryptor.finish(&mut out).unwrap();
    out
}

fn wycheproof<A: Aead>() {
    let file = include_str!("../../testdata/c2sp_chunked_encryption_aes_256_gcm_test.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let mut seen = 0;
    for test in file["testGroups"][0]["tests"].as_array().unwrap() {
        let bytes = |name: &str| hex::decode(test[name].as_str().unwrap()).unwrap();
        let context = bytes("ctx");
        let sealed = miniz_oxide::inflate::decompress_to_vec_zlib(&bytes("ct")).unwrap();
        let valid = test["result"] == "valid";
        seen += 1;
        let Ok(key) = <[u8; 32]>::try_from(bytes("key")) else {
            assert!(!valid);
            continue;
        };
        if let (Some((prefix, _)), true) = (sealed.split_first_chunk(), test["aeadKey"].is_string()) {
            let message = Message::<A>::open(&key, &context, prefix, "message").unwrap();
            assert_eq!(message.base_nonce.as_slice(), bytes("baseNonce"));
        }
        for cut in [57, 16400, 50_000, usize::MAX] {
            let (out, result) = stream::<A>(&key, &context, &sealed, cut);
            assert_eq!(result.is_ok(), valid, "{test}");
            let longest = test["msgLength"].as_u64().unwrap_or(0);
            assert!(out.len() as u64 <= longest);
            if out.len() as u64 == longest && test["msgSha512"].is_string() {
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, &out);
                assert_eq!(hash.as_ref(), bytes("msgSha512"));
            }
            assert!(!valid || out.len() as u64 == longest);
        }
        assert_eq!(open(&key, &context, &sealed).is_ok(), valid, "{test}");
        if valid {
            let (plaintext, _) = stream::<A>(&key, &context, &sealed, usize::MAX);
            let salt = sealed[..SALT].try_into().unwrap();
            assert_eq!(seal_with_salt(&key, &context, &plaintext, salt).unwrap(), sealed);
            assert_eq!(plaintext_len(sealed.len() as u64), Some(plaintext.len() as u64));
        }
    }
    assert_eq!(seen, file["numberOfTests"].as_u64().unwrap());
}

#[test]
fn wycheproof_on_aws_lc() {
    wycheproof::<AwsLc>();
}

#[test]
fn wycheproof_on_the_portable_provider() {
    wycheproof::<Portable>();
}

#[test]
fn lengths_invert_and_the_others_are_invalid() {
    let mut next = 72;
    for plaintext in 0..40_000 {
        let sealed = sealed_len(plaintext);
        assert_eq!(plaintext_len(sealed), Some(plaintext));
        for hole in next..sealed {
            assert_eq!(plaintext_len(hole), None);
        }
        next = sealed + 1;
    }
    for short in 0..72 {
        assert_eq!(plaintext_len(short), None);
    }
}

#[test]
fn the_counter_ends() {
    let (message, _) = Message::<AwsLc>::derive(&KEY, &[0; SALT], b"").unwrap();
    assert!(message.nonce((1 << 38) - 1).is_ok());
    assert!(matches!(message.nonce(1 << 38), Err(Error::TooLong)));
}

#[test]
fn two_messages_never_share_a_salt() {
    let one = Encryptor::new(&KEY, b"").unwrap().prefix();
    let other = Encryptor::new(&KEY, b"").unwrap().prefix();
    assert_ne!(one[..SALT], other[..SALT]);
}

#[test]
fn every_cut_end_is_truncation() {
    let sealed = seal(&KEY, b"", &vec![7; 40_000]).unwrap();
    for length in (0..200).chain(16_400..16_500).chain(32_840..sealed.len()) {
        let (_, result) = stream::<AwsLc>(&KEY, b"", &sealed[..length], usize::MAX);
        assert!(result.is_err(), "{length}");
        assert!(open(&KEY, b"", &sealed[..length]).is_err(), "{length}");
    }
    // Cut exactly behind a whole chunk: all that came is authentic, and still it is an error.
    let (out, result) = stream::<AwsLc>(&KEY, b"", &sealed[..PREFIX + 2 * SEALED_CHUNK], 1000);
    assert_eq!(out.len(), 2 * CHUNK_BYTES);
    assert!(matches!(result, Err(Error::Truncated)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_cut_on_any_provider_seals_and_opens_the_same(
        length in prop_oneof![0..100usize, 16_300..16_500usize, 32_700..33_000usize, 0..100_000usize],
        cuts in proptest::collection::vec(0..40_000usize, 0..6),
        cut in 1..60_000usize,
        salt in any::<[u8; SALT]>(),
    ) {
        let plaintext: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let sealed = seal_in_pieces::<AwsLc>(&plaintext, &cuts, &salt);
        prop_assert_eq!(&seal_in_pieces::<Portable>(&plaintext, &[], &salt), &sealed);
        prop_assert_eq!(&seal_with_salt(&KEY, b"context", &plaintext, &salt).unwrap()[..], &sealed[..]);
        prop_assert_eq!(sealed.len() as u64, sealed_len(length as u64));
        let (opened, result) = stream::<Portable>(&KEY, b"context", &sealed, cut);
        prop_assert!(result.is_ok());
        prop_assert_eq!(&opened[..], &plaintext[..]);
        let (opened, result) = stream::<AwsLc>(&KEY, b"context", &sealed, cut);
        prop_assert!(result.is_ok());
        prop_assert_eq!(&opened[..], &plaintext[..]);
    }

    #[test]
    fn any_flipped_bit_is_found(length in 0..40_000usize, at in any::<proptest::sample::Index>(), bit in 0..8u32) {
        let plaintext = vec![1; length];
        let mut sealed = seal(&KEY, b"context", &plaintext).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1u8 << bit;
        prop_assert!(open(&KEY, b"context", &sealed).is_err());
        let (released, result) = stream::<AwsLc>(&KEY, b"context", &sealed, 10_000);
        prop_assert!(result.is_err());
        prop_assert_eq!(&released[..], &plaintext[..released.len()]);
    }
}
