//! `x-amz-request-id`.

use std::fmt;

use http::HeaderValue;

/// Names one request in its answer and in the log: 16 of `A-Z` and `0-9`, as S3 does, 80 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

/// 32 of the 36, so that five random bits make a letter: without `I`, `L`, `O` and `U`, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RequestId {
    /// A new one.
    pub fn random() -> Self {
        let random = uuid::Uuid::new_v4().into_bytes();
        // Bits 6 and 7 of bytes 6 and 8 are the UUID's version and variant; only the low five of each byte are used.
        let mut id = random.map(|b| ALPHABET[usize::from(b & 31)]);
        // Byte 6 has its version in bits 4 to 7: one of our five is fixed. Take it from byte 8, whose bit 5 is free.
        id[6] = ALPHABET[usize::from((random[6] & 15) | ((random[8] >> 1) & 16))];
        Self(id)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As the value of a header.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn sixteen_letters_and_digits_each_place_taking_every_letter() {
        let ids: Vec<_> = (0..4000).map(|_| RequestId::random()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        for place in 0..16 {
            let seen: HashSet<u8> = ids.iter().map(|id| id.as_str().as_bytes()[place]).collect();
            assert_eq!(seen.len(), 32, "place {place}");
            assert!(seen.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        }
        assert_eq!(ids[0].header(), ids[0].as_str());
    }
}
