//! Base58: numbers in the digits of an alphabet (draft-msporny-base58), and `Base58Check` with the first four bytes of a double SHA-256.

use sha2::{Digest, Sha256};

use super::keccak::keccak256;

/// The alphabet of Bitcoin.
pub(super) const BITCOIN: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The alphabet of XRP.
pub(super) const RIPPLE: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";

/// Its bytes, the leading digits of value zero as zero bytes; none with a character outside of the alphabet.
pub(super) fn decode(text: &[u8], alphabet: &[u8; 58]) -> Option<Vec<u8>> {
    // No alphabet has them; a hash in base 16 has a zero.
    if text.iter().any(|character| matches!(character, b'0' | b'O' | b'I' | b'l')) {
        return None;
    }
    let mut little: Vec<u8> = Vec::with_capacity(text.len());
    for character in text {
        let mut carry = alphabet.iter().position(|known| known == character)?;
        for byte in &mut little {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            little.push((carry & 0xFF) as u8);
            carry >>= 8;
        }
    }
    let zeros = text.iter().take_while(|character| **character == alphabet[0]).count();
    little.extend(std::iter::repeat_n(0, zeros));
    little.reverse();
    Some(little)
}

/// Bytes of a version and a hash; of a version and a key, with or without the mark of compression; of BIP 32; and of the checksum behind them.
const LENGTHS: [usize; 5] = [25, 26, 37, 38, 82];

/// Whether so many characters may be of one of [`LENGTHS`]: one holds 5.858 bits. Most are not, and are not decoded.
fn may_be_long(text: &[u8], alphabet: &[u8; 58]) -> bool {
    let zeros = text.iter().take_while(|character| **character == alphabet[0]).count();
    let digits = text.len() - zeros;
    let bytes = |digits: usize, more: usize| zeros + (digits * 5858 + more) / 8000;
    let (least, most) = (bytes(digits.saturating_sub(1), 0), bytes(digits, 8000));
    LENGTHS.iter().any(|length| (least..=most).contains(length))
}

/// Whether it is an address, a key or an extended key with its checksum.
pub(super) fn is_checked(text: &[u8], alphabet: &[u8; 58]) -> bool {
    if text.iter().all(|character| *character == alphabet[0]) {
        return false;
    }
    if !may_be_long(text, alphabet) {
        return false;
    }
    let Some(bytes) = decode(text, alphabet).filter(|bytes| LENGTHS.contains(&bytes.len())) else { return false };
    let (payload, checksum) = bytes.split_at(bytes.len() - 4);
    Sha256::digest(Sha256::digest(payload))[..4] == *checksum
}

/// Monero's form: blocks of eleven characters for eight bytes each, Keccak-256 over all before the last four.
pub(super) fn is_monero(text: &[u8]) -> bool {
    let mut bytes = Vec::with_capacity(72);
    for block in text.chunks(11) {
        let len = if block.len() == 11 { 8 } else { 5 };
        let mut value: u128 = 0;
        for character in block {
            let Some(digit) = BITCOIN.iter().position(|known| known == character) else { return false };
            value = value * 58 + digit as u128;
        }
        if value >> (8 * len) != 0 {
            return false;
        }
        bytes.extend_from_slice(&value.to_be_bytes()[16 - len..]);
    }
    bytes.len() == 69 && keccak256(&bytes[..65])[..4] == bytes[65..]
}
