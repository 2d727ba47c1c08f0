//! Templates of examples, filled when definitions are read, so that no complete secret stands in a file: `ghp_{base62:36}`.
//!
//! | template | is filled with |
//! |---|---|
//! | `{digits:6}` | characters of an alphabet: digits, lower, upper, alpha, hex, HEX, base32, base36, BASE36, base62, base64, base64url |
//! | `{crc32:30}` | base-62 characters, and their CRC-32 in six more (GitHub, npm) |
//! | `{age:}` | the data of an age secret key, with the checksum of Bech32 (BIP 173) |
//! | `{b64:text}` | the text, filled, in base64; `{b64url:text}` in the alphabet of URLs without padding |
//!
//! The same template always gives the same text. What is no template stays as it is.

use crate::validate::secrets::{BECH32, bech32_checksum, crc32_base62};

/// The names of alphabets and their characters.
const ALPHABETS: &[(&str, &str)] = &[
    ("digits", "0123456789"),
    ("lower", "abcdefghijklmnopqrstuvwxyz"),
    ("upper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("alpha", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ("hex", "0123456789abcdef"),
    ("HEX", "0123456789ABCDEF"),
    ("base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    ("base36", "0123456789abcdefghijklmnopqrstuvwxyz"),
    ("BASE36", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("base62", BASE62),
    ("base64", BASE64),
    ("base64url", BASE64_URL),
];

const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The template, filled.
pub fn fill(template: &str) -> String {
    // FNV-1a, so that templates that differ are filled with other characters.
    let seed = template
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    filled(template, &mut Characters(seed))
}

fn filled(template: &str, characters: &mut Characters) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        rest = &rest[open..];
        if let Some((inside, fill)) = closed(rest).and_then(|inside| Some((inside, one(inside, characters)?))) {
            text.push_str(&fill);
            rest = &rest[inside.len() + 2..];
        } else {
            text.push('{');
            rest = &rest[1..];
        }
    }
    text + rest
}

/// What stands between the brace at the start of `text` and the one that closes it.
fn closed(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(&text[1..at]),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What a template is filled with, or none when it is no template.
fn one(inside: &str, characters: &mut Characters) -> Option<String> {
    let (name, what) = inside.split_once(':')?;
    match name {
        "b64" => Some(encode(filled(what, characters).as_bytes(), BASE64, true)),
        "b64url" => Some(encode(filled(what, characters).as_bytes(), BASE64_URL, false)),
        "crc32" => {
            let body = characters.of(BASE62, what.parse().ok()?);
            Some(format!("{body}{}", crc32_base62(body.as_bytes())))
        }
        "age" => {
            let data: Vec<u8> = (0..52).map(|_| characters.below(32) as u8).collect();
            let sum = bech32_checksum("age-secret-key-", &data);
            let text = data.iter().chain(&sum).map(|value| char::from(BECH32[usize::from(*value)]));
            Some(text.collect::<String>().to_ascii_uppercase())
        }
        _ => {
            let (_, alphabet) = ALPHABETS.iter().find(|(known, _)| *known == name)?;
            Some(characters.of(alphabet, what.parse().ok()?))
        }
    }
}

fn encode(bytes: &[u8], alphabet: &str, padded: bool) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            if index <= group.len() {
                text.push(char::from(alphabet.as_bytes()[(bits >> (18 - 6 * index) & 63) as usize]));
            } else if padded {
                text.push('=');
            }
        }
    }
    text
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Characters(u64);

impl Characters {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }

    fn of(&mut self, alphabet: &str, count: usize) -> String {
        (0..count).map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len())])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_always_alike() {
        let filled = fill("a {digits:4}-{HEX:6} {");
        assert_eq!(filled, fill("a {digits:4}-{HEX:6} {"));
        assert_eq!(filled.len(), "a 0000-000000 {".len());
        assert_ne!(fill("{base62:20}"), fill("{base62:21}")[..20]);
    }

    #[test]
    fn what_is_no_template_stays() {
        for text in ["{\"a\": 1}", "${NAME}", "{hex}", "{hex:x}", "{unknown:3}", "{{a:b}", "}"] {
            assert_eq!(fill(text), text);
        }
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(fill(&format!("{{b64:{text}}}")), encoded);
            assert_eq!(fill(&format!("{{b64url:{text}}}")), encoded.trim_end_matches('='));
        }
        assert_eq!(fill("{b64url:{\"alg\":\"HS256\"}}"), "eyJhbGciOiJIUzI1NiJ9");
        assert_eq!(fill("{b64:{digits:3}}").len(), 4);
    }
}
