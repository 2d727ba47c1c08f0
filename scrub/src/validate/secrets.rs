//! Checks of secrets: checksums where an issuer has one, and what tells a secret from a placeholder.

/// Whether a token looks drawn at random: not `xxxxxxxx`, `00000000` or `your-api-key-here`.
pub fn varied(text: &str) -> bool {
    let tail = text.len().saturating_sub(16);
    let (mut seen, mut distinct) = ([false; 256], 0);
    let (mut digit, mut lower, mut upper, mut run, mut longest) = (false, false, false, 0, 0);
    for byte in text.as_bytes()[tail..].iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        distinct += u32::from(!std::mem::replace(&mut seen[usize::from(*byte)], true));
        digit |= byte.is_ascii_digit();
        lower |= byte.is_ascii_lowercase();
        upper |= byte.is_ascii_uppercase();
    }
    for byte in text.bytes() {
        run = if byte.is_ascii_alphanumeric() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    // Words are short and of one case; a random run of 20 letters is neither.
    distinct >= 4 && (digit || lower && upper || longest >= 20)
}

/// Whether a token has letters of both cases, as base 62 and base 64 have and hashes in hexadecimal have not, and is [`varied`].
pub fn mixed_case(text: &str) -> bool {
    varied(text)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether the last six of the characters behind the prefix are the CRC-32 of those before them, in base 62: the tokens of GitHub
/// (github.blog, "Behind GitHub's new authentication token formats", 2021) and npm.
pub fn crc32_checked(text: &str) -> bool {
    let body = text.as_bytes().rsplit(|byte| *byte == b'_').next().unwrap_or_default();
    let Some((body, sum)) = body.split_last_chunk::<6>() else { return false };
    crc32_base62(body).as_bytes() == sum
}

/// The CRC-32 of `body` in six base-62 digits, the most significant first.
pub(crate) fn crc32_base62(body: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = crc32(body);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(left % 62) as usize];
        left /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// CRC-32 of ISO 3309, bit by bit: tokens are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// The characters of Bech32 by their value (BIP 173).
pub(crate) const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Whether a text is Bech32 (BIP 173): an age secret key.
pub fn bech32_checked(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let Some((prefix, data)) = text.rsplit_once('1') else { return false };
    let values: Option<Vec<u8>> =
        data.bytes().map(|byte| BECH32.iter().position(|known| *known == byte).map(|value| value as u8)).collect();
    values.is_some_and(|values| {
        values.split_last_chunk::<6>().is_some_and(|(data, sum)| bech32_checksum(prefix, data) == *sum)
    })
}

/// The checksum of Bech32 (BIP 173) over a prefix in lower case and values of 5 bits.
pub(crate) fn bech32_checksum(prefix: &str, data: &[u8]) -> [u8; 6] {
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let values = high.chain([0]).chain(low).chain(data.iter().copied()).chain([0; 6]);
    let remainder = values.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1)
            .fold((sum & 0x01FF_FFFF) << 5 ^ u32::from(value), |sum, (_, term)| sum ^ term)
    }) ^ 1;
    std::array::from_fn(|index| (remainder >> (5 * (5 - index)) & 31) as u8)
}

/// Whether a text is a JWT or JWE in compact form: its first part decodes to JSON with a member `alg` (RFC 7515, section 4.1.1).
pub fn jwt(text: &str) -> bool {
    let header = text.split('.').next().unwrap_or_default();
    let Some(header) = decode(header.as_bytes()) else { return false };
    let header = header.trim_ascii();
    header.starts_with(b"{") && header.ends_with(b"}") && memchr::memmem::find(header, b"\"alg\"").is_some()
}

/// Whether a text is the base64 of `user:password` (RFC 7617).
pub fn basic(text: &str) -> bool {
    decode(text.trim_end_matches('=').as_bytes())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .is_some_and(|text| text.contains(':') && text.len() >= 3 && !text.contains(char::is_control))
}

/// What base64 of either alphabet, without padding, stands for; none when it is no base64. Unused bits are not looked at.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let mut bits = 0;
        for byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;
    use crate::template::fill;

    #[test]
    fn a_hash_is_of_one_case() {
        assert!(!mixed_case(&fill("{hex:40}")));
        assert!(!mixed_case(&fill("{HEX:40}")));
        assert!(mixed_case(&fill("{base64:40}")));
    }

    #[test]
    fn placeholders_are_not_varied() {
        for text in
            ["ghp_xxxxxxxxxxxxxxxxxxxxxxxx", "AKIA0000000000000000", "sk-your-api-key-here", "sk-abababababababababab"]
        {
            assert!(!varied(text), "{text}");
        }
        for template in ["{hex:32}", "{base62:20}", "{upper:40}", "{digits:16}", "sk-{base64url:40}"] {
            assert!(varied(&fill(template)), "{template}");
        }
    }

    /// CRC-32 of `123456789` is CBF43926 (the check value of ISO 3309 in Ross Williams' catalogue); the token is the one that is public in
    /// discussions of the format, in two parts.
    #[test]
    fn the_checksum_of_github_is_known() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32_base62(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"), "0mLq17");
        assert!(crc32_checked(&["ghp_zQWBuTSOoRi4A9sp", "HcVY5ncnsDkxkJ0mLq17"].concat()));
        assert!(!crc32_checked(&["ghp_zQWBuTSOoRi4A9sp", "HcVY5ncnsDkxkJ0mLq18"].concat()));
        assert!(crc32_checked(&fill("npm_{crc32:30}")));
    }

    /// BIP 173, test vectors.
    #[test]
    fn the_checksum_of_bech32_is_known() {
        for text in [
            "A12UEL5L",
            "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
            "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
            "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
        ] {
            assert!(bech32_checked(text), "{text}");
        }
        for text in ["A12UEL5M", "x1b4n0q5v", "li1dgmt3", ""] {
            assert!(!bech32_checked(text), "{text}");
        }
        assert!(bech32_checked(&format!("AGE-SECRET-KEY-1{}", fill("{age:}"))));
    }

    /// The example of RFC 7519, section 3.1, and of RFC 7617, section 2.
    #[test]
    fn headers_are_decoded() {
        assert!(jwt("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UifQ.c2ln"));
        assert!(!jwt("eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJqb2UifQ.c2ln"));
        assert!(basic("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(!basic("QWxhZGRpbg=="));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_panic(text in "\\PC{0,60}|[A-Za-z0-9_=.1-]{0,60}") {
            let _ = (varied(&text), crc32_checked(&text), bech32_checked(&text), jwt(&text), basic(&text));
            let body = text.replace('_', "");
            let token = format!("ghp_{body}{}", crc32_base62(body.as_bytes()));
            prop_assert!(crc32_checked(&token));
        }
    }
}
