//! FF1, format-preserving encryption (NIST SP 800-38G, algorithm 7): digits to as many digits, one to one.

use aws_lc_rs::cipher::{self, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;

/// The smallest domain that may be encrypted (SP 800-38G Rev. 1, section 5.1: radix^minlen ≥ 1,000,000).
const SMALLEST: u128 = 1_000_000;

/// The largest half of a domain that this arithmetic holds.
const LARGEST_HALF: u128 = 1 << 112;

/// A key of FF1. The library wipes it on drop.
pub(super) struct Ff1(EncryptingKey);

impl Ff1 {
    /// Of a key of AES: 16, 24 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Result<Self, Unspecified> {
        let algorithm = match key.len() {
            16 => &cipher::AES_128,
            24 => &cipher::AES_192,
            32 => &cipher::AES_256,
            _ => return Err(Unspecified),
        };
        Ok(Self(EncryptingKey::ecb(UnboundCipherKey::new(algorithm, key)?)?))
    }

    /// Encrypts digits, each less than `radix`. Fails when there are too few of them for the standard, or more than 2^224 of their numbers.
    #[expect(clippy::many_single_char_names, reason = "the names of the standard")]
    pub(super) fn encrypt(&self, radix: u32, tweak: &[u8], digits: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let n = digits.len();
        let wide = u128::from(radix);
        let (u, v) = (n / 2, n - n / 2);
        let domain = wide.checked_pow(n.min(24) as u32).unwrap_or(u128::MAX);
        let half = wide.checked_pow(v as u32).filter(|half| *half <= LARGEST_HALF).ok_or(Unspecified)?;
        let fits =
            (2..=36).contains(&radix) && domain >= SMALLEST && digits.iter().all(|digit| u32::from(*digit) < radix);
        if !fits || tweak.len() > 255 {
            return Err(Unspecified);
        }
        // Bytes of a number below `half`, and of the pseudorandom number that is added to it.
        let b = (u128::BITS - (half - 1).leading_zeros()).div_ceil(8) as usize;
        let d = 4 * b.div_ceil(4) + 4;
        let mut p = vec![1, 2, 1];
        p.extend_from_slice(&radix.to_be_bytes()[1..]);
        p.extend_from_slice(&[10, u as u8]);
        p.extend_from_slice(&(n as u32).to_be_bytes());
        p.extend_from_slice(&(tweak.len() as u32).to_be_bytes());
        p.extend_from_slice(tweak);
        p.resize(p.len() + (16 - (tweak.len() + b + 1) % 16) % 16, 0);

        let (mut a, mut b_half) = (number(radix, &digits[..u]), number(radix, &digits[u..]));
        for round in 0..10_u8 {
            let mut message = p.clone();
            message.push(round);
            message.extend_from_slice(&b_half.to_be_bytes()[16 - b..]);
            let stream = self.stream(&message, d)?;
            let modulus = wide.pow(if round % 2 == 0 { u } else { v } as u32);
            let y = stream.iter().fold(0, |y, byte| ((y << 8) | u128::from(*byte)) % modulus);
            (a, b_half) = (b_half, (a + y) % modulus);
        }
        let mut encrypted = numerals(radix, a, u);
        encrypted.extend(numerals(radix, b_half, v));
        Ok(encrypted)
    }

    /// Steps 6.ii and 6.iii: `len` bytes from the CBC-MAC of whole blocks.
    fn stream(&self, message: &[u8], len: usize) -> Result<Vec<u8>, Unspecified> {
        let mut r = [0; 16];
        for block in message.chunks_exact(16) {
            r.iter_mut().zip(block).for_each(|(r, byte)| *r ^= byte);
            self.0.encrypt(&mut r)?;
        }
        let mut stream = r.to_vec();
        let mut count = 0_u128;
        while stream.len() < len {
            count += 1;
            let mut block = (u128::from_be_bytes(r) ^ count).to_be_bytes();
            self.0.encrypt(&mut block)?;
            stream.extend_from_slice(&block);
        }
        stream.truncate(len);
        Ok(stream)
    }
}

fn number(radix: u32, digits: &[u8]) -> u128 {
    digits.iter().fold(0, |number, digit| number * u128::from(radix) + u128::from(*digit))
}

fn numerals(radix: u32, number: u128, len: usize) -> Vec<u8> {
    let mut number = number;
    let mut digits = vec![0; len];
    for digit in digits.iter_mut().rev() {
        *digit = (number % u128::from(radix)) as u8;
        number /= u128::from(radix);
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KEY: [u8; 32] = [
        0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C, 0xEF, 0x43,
        0x59, 0xD8, 0xD5, 0x80, 0xAA, 0x4F, 0x7F, 0x03, 0x6D, 0x6F, 0x04, 0xFC, 0x6A, 0x94,
    ];

    fn encrypt(key: &[u8], radix: u32, tweak: &[u8], text: &str) -> String {
        let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(36).unwrap() as u8).collect();
        let encrypted = Ff1::new(key).unwrap().encrypt(radix, tweak, &digits).unwrap();
        encrypted.iter().map(|digit| char::from_digit(u32::from(*digit), 36).unwrap()).collect()
    }

    /// NIST, "FF1 samples" of SP 800-38G: samples 1 to 9.
    #[test]
    fn nist_samples() {
        let tweak = [0x39, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x30];
        let tweak_36 = [0x37, 0x37, 0x37, 0x37, 0x70, 0x71, 0x72, 0x73, 0x37, 0x37, 0x37];
        let expected = [
            (16, "2433477484", "6124200773", "a9tv40mll9kdu509eum"),
            (24, "2830668132", "2496655549", "xbj3kv35jrawxv32ysr"),
            (32, "6657667009", "1001623463", "xs8a0azh2avyalyzuwd"),
        ];
        for (len, without, with, letters) in expected {
            assert_eq!(encrypt(&KEY[..len], 10, b"", "0123456789"), without);
            assert_eq!(encrypt(&KEY[..len], 10, &tweak, "0123456789"), with);
            assert_eq!(encrypt(&KEY[..len], 36, &tweak_36, "0123456789abcdefghi"), letters);
        }
    }

    #[test]
    fn small_domains_are_refused() {
        let ff1 = Ff1::new(&KEY).unwrap();
        assert!(ff1.encrypt(10, b"", &[0; 5]).is_err());
        assert!(ff1.encrypt(10, b"", &[0; 6]).is_ok());
        assert!(ff1.encrypt(36, b"", &[0; 3]).is_err());
        assert!(ff1.encrypt(36, b"", &[0; 4]).is_ok());
        assert!(ff1.encrypt(10, b"", &[0; 100]).is_err());
        assert!(ff1.encrypt(10, b"", &[10; 8]).is_err());
    }

    #[test]
    fn it_is_one_to_one() {
        let ff1 = Ff1::new(&KEY).unwrap();
        let images: HashSet<_> =
            (0..2000_u128).map(|number| ff1.encrypt(10, b"t", &numerals(10, number, 7)).unwrap()).collect();
        assert_eq!(images.len(), 2000);
    }
}
