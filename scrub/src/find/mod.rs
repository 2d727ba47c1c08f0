//! Finders: each looks through a text once for the candidates of the detectors that it serves.

#![expect(clippy::unnecessary_wraps, reason = "all makers of finders have one signature")]

mod address;
mod age;
pub mod assignment;
pub mod connection;
mod date;
mod email;
mod field;
mod gps;
pub mod iban;
mod ip;
mod mac;
pub mod matcher;
pub mod mrz;
mod names;
pub mod pattern;
mod phone;
mod plate;
mod postcode;
mod scan;
pub mod shapes;
mod text;
mod url;
mod wallet;
mod words;

use std::ops::Range;

use crate::context::Evidence;
use crate::detector::{Detector, DetectorId};

pub use self::field::Header;
pub(crate) use self::field::{fold, position};
pub use self::text::Text;

/// A piece of text that passed the validator of its detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Byte offset of its first byte in the text.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// Whose it is.
    pub detector: DetectorId,
    /// 0 to 1, without context.
    pub score: f32,
    /// It carries its evidence in itself (official separators, a prefix, a field name): it gets the score with context.
    pub evident: bool,
}

/// Looks through texts for the candidates of some detectors. Deterministic: what it finds depends on the text alone.
pub trait Finder: Send + Sync {
    /// Adds the candidates in `text` that start in `core`, in any order. Time is linear in `core`, and what is looked at around it is bounded.
    /// Those outside `core` may be added too, and count where they start in the segment.
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>);

    /// Whether it looks only at the innermost view: one that is slow and reads prose, which loses nothing where escapes are undone.
    fn only_innermost(&self) -> bool {
        false
    }

    /// The same, with the right to leave out candidates on which nobody would act: those of detectors that need further evidence where there
    /// is none. For finders whose validators would otherwise be what costs.
    fn find_with(&self, text: &Text<'_>, core: Range<usize>, _evidence: &Evidence<'_>, found: &mut Vec<Candidate>) {
        self.find(text, core, found);
    }

    /// Whether it is told what the others took for places, by [`Self::find_beside`] in place of [`Self::find`].
    fn joins(&self) -> bool {
        false
    }

    /// As [`Self::find`], behind the others: `places` is where they found names of places, in order.
    fn find_beside(&self, text: &Text<'_>, core: Range<usize>, _places: &[Range<usize>], found: &mut Vec<Candidate>) {
        self.find(text, core, found);
    }

    /// Whether it has something to say about a column of a table whose first line names them.
    fn knows_columns(&self, _header: &Header) -> bool {
        false
    }

    /// Adds the candidates in the columns of a table, in lines that start in `core`; as [`Self::find`] does.
    fn find_columns(&self, _header: &Header, _text: &Text<'_>, _core: Range<usize>, _found: &mut Vec<Candidate>) {}
}

/// Makes the finder of a name for the detectors that ask for it by `code = "name"`.
pub type MakeFinder = fn(&[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String>;

/// The finders in code: name, what makes it.
pub const CODE: &[(&str, MakeFinder)] = &[
    ("address", address::make),
    ("age", age::make),
    ("date", date::make),
    ("email", email::make),
    ("email_obfuscated", email::make_obfuscated),
    ("field", field::make),
    ("gps", gps::make),
    ("host", url::make_host),
    ("ipv4", ip::make_v4),
    ("ipv6", ip::make_v6),
    ("mac", mac::make),
    ("phone", phone::make),
    (phone::PLAIN, phone::make),
    ("plate", plate::make),
    ("postcode", postcode::make),
    (date::TIMESTAMP, date::make),
    ("url", url::make),
    ("url_credentials", url::make_credentials),
    ("wallet", wallet::make),
    ("iban", iban::make),
    ("mrz", mrz::make),
    ("shapes", shapes::make),
    ("names", names::make),
    ("words", words::make),
    ("assignment", assignment::Assignments::make),
    ("connection", connection::Connections::make),
];

/// The name of the finder that detectors which ask for `name` are served by: where two look at the same places, one does it for both.
pub fn serves(name: &str) -> &str {
    match name {
        date::TIMESTAMP => "date",
        phone::PLAIN => "phone",
        name => name,
    }
}

/// What makes the finder of a name.
pub fn by_name(name: &str) -> Option<MakeFinder> {
    CODE.iter().find(|(known, _)| *known == name).map(|(_, make)| *make)
}

/// Whether a byte can stand in a token: of base64, of a URL, of an escape in them.
pub(crate) const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'.' | b'~' | b'%')
        || byte >= 0x80
}
