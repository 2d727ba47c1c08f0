//! Addresses and keys of crypto currencies, by their checksums: `Base58Check` (Bitcoin, Litecoin, Dogecoin, Dash, Zcash, Tron; XRP in its own
//! alphabet), bech32 and bech32m (BIP 173, BIP 350), Ethereum (EIP-55), Stellar (SEP-23), Monero. A false one passes once in 2³⁰ at the least
//! (Stellar: 2¹⁶ within its form). Those without a checksum (Ethereum in one case, Solana) are weak.

mod base58;
mod bech32;
mod keccak;

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, run};
use super::{Candidate, Finder, Text};

/// Characters of the shortest address.
const SHORTEST: usize = 25;
/// Characters of the longest: a Cardano address or an extended key, 111 and a few.
const LONGEST: usize = 128;

/// All of them.
pub struct Wallet(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Wallet(Served::new(detectors))))
}

impl Finder for Wallet {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        // Every run of this length has a byte at one of these places.
        let mut at = core.start;
        let to = bytes.len().min(core.end + SHORTEST);
        while at < to {
            if !bytes[at].is_ascii_alphanumeric() {
                at += SHORTEST;
                continue;
            }
            let start =
                bytes[..at].iter().rposition(|byte| !byte.is_ascii_alphanumeric()).map_or(0, |before| before + 1);
            let end = run(bytes, at, bytes.len(), |byte| byte.is_ascii_alphanumeric());
            at = end + SHORTEST;
            let free = byte(bytes, end) < 0x80 && byte(bytes, end) != b'_' && !matches!(byte(bytes, end), b'+' | b'=');
            if (SHORTEST..=LONGEST).contains(&(end - start))
                && free
                && !matches!(before(bytes, start), b'_' | b'+')
                && let Some(sure) = judge(&text[start..end])
            {
                self.0.add(text, start..end, sure, found);
            }
        }
    }
}

fn judge(token: &str) -> Option<Sure> {
    let bytes = token.as_bytes();
    if let Some(hex) = token.strip_prefix("0x") {
        return (hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| ethereum(hex)).flatten();
    }
    if bytes.len() == 56 && bytes[0] == b'G' && stellar(bytes) {
        return Some(Sure::Form);
    }
    if bech32::is_valid(bytes) {
        return Some(Sure::Form);
    }
    if matches!(bytes.len(), 26..=36 | 51 | 52 | 111 | 112)
        && (base58::is_checked(bytes, base58::BITCOIN) || bytes[0] == b'r' && base58::is_checked(bytes, base58::RIPPLE))
    {
        return Some(Sure::Form);
    }
    if bytes.len() == 95 && base58::is_monero(bytes) {
        return Some(Sure::Form);
    }
    let mixed = || {
        bytes.iter().any(u8::is_ascii_uppercase)
            && bytes.iter().any(u8::is_ascii_lowercase)
            && bytes.iter().any(u8::is_ascii_digit)
    };
    // Solana: 32 bytes without a checksum.
    (matches!(bytes.len(), 43 | 44)
        && mixed()
        && base58::decode(bytes, base58::BITCOIN).is_some_and(|key| key.len() == 32))
    .then_some(Sure::Weak(0.2))
}

/// EIP-55: the case of the letters is a checksum. All in one case has none.
fn ethereum(hex: &str) -> Option<Sure> {
    let lower = hex.to_ascii_lowercase();
    if lower == *hex || hex.to_ascii_uppercase() == *hex {
        // Zeros, and made-up constants.
        let plain = hex.bytes().filter(u8::is_ascii_digit).count();
        return (plain < 36).then_some(Sure::Weak(0.4));
    }
    let hash = keccak::keccak256(lower.as_bytes());
    let right = hex.bytes().enumerate().all(|(index, byte)| {
        let nibble = hash[index / 2] >> (if index % 2 == 0 { 4 } else { 0 }) & 0xF;
        !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() == (nibble >= 8)
    });
    Some(if right { Sure::Form } else { Sure::Weak(0.3) })
}

/// SEP-23: base32 (RFC 4648) of a version byte, 32 bytes and CRC-16/XMODEM, low byte first.
fn stellar(bytes: &[u8]) -> bool {
    let mut decoded = [0_u8; 35];
    let mut bits = 0_u32;
    let mut count = 0;
    let mut filled = 0;
    for byte in bytes {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return false,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            let Some(place) = decoded.get_mut(filled) else { return false };
            *place = (bits >> count & 0xFF) as u8;
            filled += 1;
        }
    }
    let crc = decoded[..33].iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    filled == 35 && crc.to_le_bytes() == decoded[33..]
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn addresses_of_the_specifications() {
        for address in [
            // The first block's reward; BIP 13's form; BIP 173, BIP 350, EIP-55, SEP-23 and the projects' own documents.
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
            "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
            "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
        ] {
            assert_eq!(sure("wallet", &format!("to {address}, now")), [address]);
        }
    }

    #[test]
    fn what_fails_its_checksum_is_none() {
        for text in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(sure("wallet", text).is_empty(), "{text}");
        }
        assert_eq!(found("wallet", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed").len(), 1);
    }
}
