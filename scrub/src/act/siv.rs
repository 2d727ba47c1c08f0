//! AES-SIV (RFC 5297): deterministic authenticated encryption.

use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::cmac;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;

/// The synthetic initialization vector, in bytes.
pub(super) const TAG: usize = 16;

/// A key of AES-SIV. The library wipes it on drop.
pub(super) struct Siv {
    mac: cmac::Key,
    ctr: EncryptingKey,
}

impl Siv {
    /// Of a key of 32 or 64 bytes: two keys of AES-128 or AES-256.
    pub(super) fn new(key: &[u8]) -> Result<Self, Unspecified> {
        let (mac, ctr) = key.split_at(key.len() / 2);
        let (mac_algorithm, ctr_algorithm) = match mac.len() {
            16 => (cmac::AES_128, &cipher::AES_128),
            32 => (cmac::AES_256, &cipher::AES_256),
            _ => return Err(Unspecified),
        };
        let mac = cmac::Key::new(mac_algorithm, mac)?;
        let ctr = EncryptingKey::ctr(UnboundCipherKey::new(ctr_algorithm, ctr)?)?;
        Ok(Self { mac, ctr })
    }

    /// The vector and the ciphertext, bound to `associated` data.
    pub(super) fn seal(&self, associated: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let tag = self.s2v(associated, plaintext)?;
        let mut sealed = plaintext.to_vec();
        self.keystream(tag, &mut sealed)?;
        sealed.splice(..0, tag);
        Ok(sealed)
    }

    /// The plaintext of what [`Self::seal`] made under this key and this associated data.
    pub(super) fn open(&self, associated: &[&[u8]], sealed: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let (tag, ciphertext) = sealed.split_first_chunk::<TAG>().ok_or(Unspecified)?;
        let mut plaintext = ciphertext.to_vec();
        self.keystream(*tag, &mut plaintext)?;
        verify_slices_are_equal(&self.s2v(associated, &plaintext)?, tag)?;
        Ok(plaintext)
    }

    /// CTR with the vector as the counter, two bits of it cleared (section 2.5).
    fn keystream(&self, tag: [u8; TAG], in_out: &mut [u8]) -> Result<(), Unspecified> {
        let mut counter = tag;
        counter[8] &= 0x7F;
        counter[12] &= 0x7F;
        self.ctr.less_safe_encrypt(in_out, EncryptionContext::Iv128(FixedLength::from(counter)))?;
        Ok(())
    }

    /// S2V (section 2.4).
    fn s2v(&self, associated: &[&[u8]], plaintext: &[u8]) -> Result<[u8; TAG], Unspecified> {
        let mut d = self.cmac(&[0; TAG])?;
        for data in associated {
            d = xor(doubled(d), self.cmac(data)?);
        }
        let mut last = plaintext.to_vec();
        if let Some(end) = last.last_chunk_mut::<TAG>() {
            *end = xor(*end, d);
        } else {
            let mut padded = [0; TAG];
            padded[..plaintext.len()].copy_from_slice(plaintext);
            padded[plaintext.len()] = 0x80;
            last = xor(doubled(d), padded).to_vec();
        }
        self.cmac(&last)
    }

    fn cmac(&self, data: &[u8]) -> Result<[u8; TAG], Unspecified> {
        cmac::sign(&self.mac, data)?.as_ref().try_into().map_err(|_| Unspecified)
    }
}

/// Multiplication by x in GF(2^128) (section 2.3).
fn doubled(block: [u8; TAG]) -> [u8; TAG] {
    let number = u128::from_be_bytes(block);
    ((number << 1) ^ if number >> 127 == 1 { 0x87 } else { 0 }).to_be_bytes()
}

fn xor(a: [u8; TAG], b: [u8; TAG]) -> [u8; TAG] {
    (u128::from_be_bytes(a) ^ u128::from_be_bytes(b)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
    }

    /// RFC 5297, appendix A.1.
    #[test]
    fn deterministic_encryption() {
        let siv = Siv::new(&bytes("fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff")).unwrap();
        let data = bytes("10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627");
        let plaintext = bytes("11223344 55667788 99aabbcc ddee");
        let sealed = siv.seal(&[&data], &plaintext).unwrap();
        assert_eq!(sealed, bytes("85632d07 c6e8f37f 950acd32 0a2ecc93 40c02b96 90c4dc04 daef7f6a fe5c"));
        assert_eq!(siv.open(&[&data], &sealed).unwrap(), plaintext);
    }

    /// RFC 5297, appendix A.2.
    #[test]
    fn nonce_based_encryption() {
        let siv = Siv::new(&bytes("7f7e7d7c 7b7a7978 77767574 73727170 40414243 44454647 48494a4b 4c4d4e4f")).unwrap();
        let first = bytes("00112233 44556677 8899aabb ccddeeff deaddada deaddada ffeeddcc bbaa9988 77665544 33221100");
        let second = bytes("10203040 50607080 90a0");
        let nonce = bytes("09f91102 9d74e35b d84156c5 635688c0");
        let sealed = siv.seal(&[&first, &second, &nonce], b"this is some plaintext to encrypt using SIV-AES").unwrap();
        let expected = bytes(
            "7bdb6e3b 432667eb 06f4d14b ff2fbd0f cb900f2f ddbe4043 26601965 c889bf17
             dba77ceb 094fa663 b7a3f748 ba8af829 ea64ad54 4a272e9c 485b62a3 fd5c0d",
        );
        assert_eq!(sealed, expected);
    }

    #[test]
    fn what_was_changed_is_not_opened() {
        let siv = Siv::new(&[7; 64]).unwrap();
        let sealed = siv.seal(&[b"EMAIL_ADDRESS"], b"john@example.com").unwrap();
        assert!(siv.open(&[b"PERSON"], &sealed).is_err());
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(siv.open(&[b"EMAIL_ADDRESS"], &changed).is_err());
        }
        assert!(siv.open(&[b"EMAIL_ADDRESS"], &sealed[..TAG - 1]).is_err());
        assert!(Siv::new(&[7; 24]).is_err());
    }
}
