//! Bech32 (BIP 173) and bech32m (BIP 350): a readable part, `1`, and five bits a character with a BCH code.

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Whether a text in one case has a valid checksum. Longer than the 90 characters of BIP 173 is taken: Cardano has it.
pub(super) fn is_valid(text: &[u8]) -> bool {
    let lower = text.iter().any(u8::is_ascii_lowercase);
    if lower && text.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let Some(one) = text.iter().rposition(|byte| *byte == b'1') else { return false };
    let (readable, data) = (&text[..one], &text[one + 1..]);
    if !(2..=16).contains(&readable.len()) || data.len() < 20 || !readable.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    let mut sum = 1;
    let readable = || readable.iter().map(u8::to_ascii_lowercase);
    for value in readable().map(|byte| byte >> 5).chain([0]).chain(readable().map(|byte| byte & 31)) {
        sum = step(sum, value);
    }
    for byte in data {
        let Some(value) = ALPHABET.iter().position(|known| *known == byte.to_ascii_lowercase()) else { return false };
        sum = step(sum, value as u8);
    }
    matches!(sum, 1 | 0x2BC8_30A3)
}

fn step(sum: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let top = sum >> 25;
    let sum = (sum & 0x01FF_FFFF) << 5 ^ u32::from(value);
    GENERATOR
        .iter()
        .enumerate()
        .fold(sum, |sum, (bit, generator)| if top >> bit & 1 == 1 { sum ^ generator } else { sum })
}
