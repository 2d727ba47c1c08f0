//! Digests as WARC writes them: `sha1:` and base 32, or other algorithms and hexadecimal digits.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use md5::{Digest as _, Md5};

use super::super::READ;
use super::super::hash::hex;
use crate::act::base32;

/// How a digest is made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    algorithm: Algorithm,
    encoding: Encoding,
    upper: bool,
    padded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Hex,
    Base32,
}

impl Algorithm {
    const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Kind {
    /// Of the value of a field, if it is known.
    pub fn of(value: &[u8]) -> Option<Self> {
        let (name, digits) = split(value)?;
        let name: Vec<u8> = name.iter().filter(|byte| **byte != b'-').map(u8::to_ascii_lowercase).collect();
        let algorithm = match &name[..] {
            b"md5" => Algorithm::Md5,
            b"sha1" => Algorithm::Sha1,
            b"sha256" => Algorithm::Sha256,
            b"sha384" => Algorithm::Sha384,
            b"sha512" => Algorithm::Sha512,
            _ => return None,
        };
        let bare = &digits[..digits.iter().position(|byte| *byte == b'=').unwrap_or(digits.len())];
        let padded = bare.len() < digits.len();
        let (in_hex, in_base32) = (algorithm.len() * 2, (algorithm.len() * 8).div_ceil(5));
        let encoding = match bare.len() {
            len if len == in_hex && !padded && bare.iter().all(u8::is_ascii_hexdigit) => Encoding::Hex,
            len if len == in_base32
                && bare.iter().all(|byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(byte))
                && digits[bare.len()..].iter().all(|byte| *byte == b'=')
                && (!padded || digits.len() == len.next_multiple_of(8)) =>
            {
                Encoding::Base32
            }
            _ => return None,
        };
        Some(Self { algorithm, encoding, upper: bare.iter().any(u8::is_ascii_uppercase), padded })
    }

    /// The digest of what `source` gives, with the name of its algorithm as `value` has it.
    pub fn digest(self, value: &[u8], source: &mut dyn Read) -> io::Result<Vec<u8>> {
        let bytes = match self.algorithm {
            Algorithm::Md5 => {
                let mut md5 = Md5::new();
                each(source, |bytes| md5.update(bytes))?;
                md5.finalize().to_vec()
            }
            Algorithm::Sha1 => sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY), source)?,
            Algorithm::Sha256 => sha(Context::new(&SHA256), source)?,
            Algorithm::Sha384 => sha(Context::new(&SHA384), source)?,
            Algorithm::Sha512 => sha(Context::new(&SHA512), source)?,
        };
        let mut digits = match self.encoding {
            Encoding::Hex => hex(&bytes),
            Encoding::Base32 => base32(&bytes),
        };
        if self.upper {
            digits.make_ascii_uppercase();
        }
        while self.padded && !digits.len().is_multiple_of(8) {
            digits.push('=');
        }
        let name = split(value).map_or(&[][..], |(name, _)| name);
        Ok([name, b":", digits.as_bytes()].concat())
    }
}

fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = value.iter().position(|byte| *byte == b':')?;
    Some((&value[..colon], &value[colon + 1..]))
}

fn sha(mut context: Context, source: &mut dyn Read) -> io::Result<Vec<u8>> {
    each(source, |bytes| context.update(bytes))?;
    Ok(context.finish().as_ref().to_vec())
}

fn each(source: &mut dyn Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's `hashlib` and `base64`.
    #[test]
    fn digests_keep_their_form() {
        for (value, known) in [
            ("sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ", true),
            ("sha1:3i42h3s6nnfq2msvx7xzkyayscx5qbyj", true),
            ("SHA-1:da39a3ee5e6b4b0d3255bfef95601890afd80709", true),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", true),
            ("md5:2QOYZWMPACZAJ2MABGMOZ6CCPY======", true),
            ("md5:2QOYZWMPACZAJ2MABGMOZ6CCPY", true),
            ("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", true),
            ("sha256:4OYMIQUY7QOBJGX36TEJS35ZEQT24QPEMSNZGTFESWMRW6CSXBKQ====", true),
            ("blake3:00", false),
            ("sha1:john@example.com", false),
            ("sha1", false),
            ("", false),
        ] {
            let kind = Kind::of(value.as_bytes());
            assert_eq!(kind.is_some(), known, "{value}");
            if let Some(kind) = kind {
                let made = kind.digest(value.as_bytes(), &mut io::empty()).unwrap();
                assert_eq!(String::from_utf8(made).unwrap(), value);
            }
        }
    }
}
