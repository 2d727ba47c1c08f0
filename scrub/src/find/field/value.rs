//! What the values of fields look like: enough to tell a value from a type, a placeholder or code, no more.

use super::key::{Dictionary, split};

/// Bytes of a value that are taken.
pub(super) const LONGEST: usize = 256;

/// A form of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Words of letters.
    Name,
    /// Words, numbers and the signs of firms.
    Company,
    /// With an `@`.
    Email,
    /// Five digits and more.
    Phone,
    /// With digits, and the names of months.
    Date,
    /// Up to 120.
    Age,
    /// Words and numbers.
    Address,
    /// Four characters and more with a digit.
    Code,
    /// Three characters and more with a digit.
    Short,
    /// A number with a decimal point, or a pair of them.
    Number,
    /// An IP address.
    Ip,
    /// One word.
    Token,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In quotes, its key too: data.
    Data,
    /// In quotes behind a bare key: data or code.
    Quoted,
    /// To the end of the line or the next field: text, data or code.
    Bare,
    /// As [`Self::Quoted`], in a row of attributes: data, but what is called an address there is mostly one of a machine.
    Attribute,
    /// As [`Self::Bare`], in such a row: the first word at the least is the value.
    BareAttribute,
}

impl Place {
    /// In a row of attributes.
    pub(super) const fn of_attribute(self) -> Self {
        match self {
            Self::Quoted => Self::Attribute,
            Self::Bare => Self::BareAttribute,
            other => other,
        }
    }

    /// Whether it is without quotes.
    const fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareAttribute)
    }
}

impl Form {
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "company" => Self::Company,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "date" => Self::Date,
            "age" => Self::Age,
            "address" => Self::Address,
            "code" => Self::Code,
            "short" => Self::Short,
            "number" => Self::Number,
            "address_ip" => Self::Ip,
            "token" => Self::Token,
            _ => return None,
        })
    }

    /// How much of `value`, which goes to the end of the line or its place, is a value of this form; 0 when it is none.
    pub(super) fn take(self, value: &str, place: Place, dictionary: &Dictionary) -> usize {
        let end = if place.is_bare() { self.bare(value, place) } else { value.trim_end().len() };
        let value = &value[..end];
        if value.is_empty()
            || value.starts_with(char::is_whitespace)
            || is_placeholder(value)
            || !self.fits(value, place)
            || is_key(value, dictionary)
        {
            0
        } else {
            end
        }
    }

    /// Where a bare value of this form ends in the rest of a line.
    fn bare(self, rest: &str, place: Place) -> usize {
        let keep = |word: &str, next: &str| match self {
            Self::Name => is_capitalized(word) || (is_particle(word) && (is_capitalized(next) || is_particle(next))),
            // `Smith & Sons`, `Banco de España`, `House of Fraser`.
            Self::Company => {
                is_capitalized(word)
                    || word.starts_with(|first: char| first.is_ascii_digit())
                    || (is_particle(word)
                        || matches!(word, "&" | "+" | "and" | "und" | "et" | "i" | "of" | "for" | "the" | "für"))
                        && (is_capitalized(next) || is_particle(next))
            }
            Self::Date => {
                has_digit(word)
                    || (word.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | ','))
                        && word.len() <= 20
                        && has_digit(next))
            }
            Self::Phone => {
                word.chars().all(|c| c.is_ascii_digit() || "+-()./x#".contains(c))
                    || (word.starts_with("ext") && has_digit(next))
            }
            Self::Code | Self::Short => {
                has_digit(word)
                    || (word.len() <= 4
                        && word.bytes().all(|byte| byte.is_ascii_uppercase())
                        && (has_digit(next) || word.len() <= 2))
            }
            Self::Address => true,
            Self::Number => has_digit(word),
            Self::Email | Self::Age | Self::Ip | Self::Token => false,
        };
        let line = &rest[..rest.find("  ").unwrap_or(rest.len())];
        let mut words = line.split(' ').peekable();
        let Some(first) = words.next() else { return 0 };
        let mut end = first.len();
        if matches!(self, Self::Name | Self::Company) && !is_capitalized(first) && !is_particle(first) {
            // `city=leeds` of a log; a single small letter is a variable.
            let is_word = self == Self::Name && place == Place::BareAttribute && first.chars().count() >= 3;
            return if is_word { first.trim_end_matches('.').len() } else { 0 };
        }
        let closes = |word: &str| {
            self != Self::Address
                && word.ends_with([',', '.', ')', ']'])
                && !(self == Self::Date && word.ends_with([',', '.'])
                    || matches!(self, Self::Name | Self::Company) && word.len() <= 3
                    || self == Self::Company && word.ends_with(','))
        };
        let mut last = first;
        while let Some(word) = words.next() {
            let next = words.peek().copied().unwrap_or("");
            // The next field: `…, Phone: 1`.
            let field = word.ends_with(':') || word.contains('=') || (next.ends_with(':') && !word.ends_with(','));
            if closes(last) || word.is_empty() || field || !keep(word, next) || end + 1 + word.len() > LONGEST {
                break;
            }
            end += 1 + word.len();
            last = word;
        }
        let value = line[..end].trim_end_matches([',', '.', ';', ')', ']', '}', '!', '?', '\'', ' ']);
        value.len()
    }

    fn fits(self, value: &str, place: Place) -> bool {
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        let letters = value.chars().filter(|letter| letter.is_alphabetic()).count();
        match self {
            Self::Name => is_name(value, place),
            Self::Company => is_company(value, place, letters),
            Self::Email => {
                value.len() <= 254
                    && value.find('@').is_some_and(|at| at > 0 && at + 3 < value.len())
                    && !value.contains(' ')
            }
            Self::Phone => (5..=20).contains(&digits) && letters <= 12 && !value.contains(['_', '{', ':', '@', '%']),
            Self::Date => digits >= 2 && value.len() <= 40 && !value.contains(['_', '{', '%', '(', '[']),
            Self::Age => {
                value.len() <= 3
                    && digits == value.len()
                    && value.parse::<u8>().is_ok_and(|age| (1..=120).contains(&age))
            }
            Self::Address => is_address(value, place, digits, letters),
            Self::Code => is_code(value, digits, letters, 4),
            Self::Short => is_code(value, digits, letters, 3) && value.len() <= 12,
            Self::Number => {
                value.contains(['.', '°'])
                    && digits >= 3
                    && letters <= 2
                    && value.len() <= 48
                    && !value.contains(['(', '_'])
            }
            Self::Ip => value.split(['/', '%', ',']).next().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()),
            Self::Token => {
                !place.is_bare()
                    && value.len() >= 3
                    && !value.contains([' ', '(', '{', '$', '<', '/'])
                    && !is_role(value)
            }
        }
    }
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

fn is_capitalized(word: &str) -> bool {
    let word = word.trim_start_matches(['(', '\'']);
    word.starts_with(|first: char| first.is_uppercase() || (first.is_alphabetic() && first > '\u{2E80}'))
}

fn is_particle(word: &str) -> bool {
    matches!(
        word,
        "de" | "da"
            | "do"
            | "dos"
            | "del"
            | "della"
            | "di"
            | "la"
            | "le"
            | "van"
            | "der"
            | "den"
            | "von"
            | "zu"
            | "bin"
            | "ibn"
            | "al"
            | "el"
            | "y"
            | "e"
            | "ten"
            | "ter"
    )
}

/// Words of letters, as names of persons are; not a type of a programming language.
fn is_name(value: &str, place: Place) -> bool {
    let formed = value.len() <= 80
        && value.chars().all(|letter| letter.is_alphabetic() || letter == '\u{301}' || " '’.,-·".contains(letter))
        && value.chars().filter(|letter| letter.is_alphabetic()).count() >= 2
        && value.split(' ').count() <= 6;
    if !formed || is_type(value) {
        return false;
    }
    // `CharField`, `NaiveDate`: humps are of code. `McDonald`, `DeLuca` have one behind two or three letters.
    let humps = value.split([' ', '-', '\'', '’']).any(|word| {
        let mut letters = word.char_indices();
        let mut prior = letters.next().map_or(' ', |(_, letter)| letter);
        letters.any(|(at, letter)| {
            let hump = letter.is_uppercase() && prior.is_lowercase() && at > 4;
            prior = letter;
            hump
        })
    });
    match place {
        Place::Data | Place::Attribute => true,
        Place::Quoted => !humps && is_capitalized(value),
        Place::BareAttribute => !humps,
        Place::Bare => !humps && (is_capitalized(value) || value.split(' ').next().is_some_and(is_particle)),
    }
}

/// A name of a firm; not a type of a programming language.
fn is_company(value: &str, place: Place, letters: usize) -> bool {
    letters >= 2
        && value.len() <= 100
        && value.split(' ').count() <= 10
        && value.chars().all(|letter| letter.is_alphanumeric() || letter == '\u{301}' || " '’.,&+-()/!·".contains(letter))
        && !is_type(value)
        && (matches!(place, Place::Data | Place::Attribute) || is_capitalized(value))
        // `Organization(`, `org.example.Company`
        && (!place.is_bare() || !value.contains(['(', '/']) && !value.split(' ').any(|word| word.matches('.').count() > 3))
}

fn is_address(value: &str, place: Place, digits: usize, letters: usize) -> bool {
    let words = value.split(' ').count();
    if letters < 2
        || is_type(value)
        || value.contains(['{', '}', '=', '<', '_', '$', '(', ')', '@', '*', '\\'])
        || value.contains("0x")
        || value.contains("://")
    {
        return false;
    }
    match place {
        Place::Data => words <= 20,
        Place::Quoted | Place::Attribute => {
            digits > 0 && (2..=20).contains(&words) || words <= 4 && value.split(' ').all(is_capitalized)
        }
        Place::Bare | Place::BareAttribute => {
            digits > 0
                && (2..=20).contains(&words)
                && value.chars().any(|letter| letter.is_uppercase() || letter > '\u{2E80}')
        }
    }
}

fn is_code(value: &str, digits: usize, letters: usize, least: usize) -> bool {
    digits > 0
        && digits + letters >= least
        && value.len() <= 48
        && digits * 3 >= letters
        && value.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '/' | '.'))
        && value.split(' ').count() <= 8
        // Hexadecimal constants and versions.
        && !value.starts_with("0x")
}

/// Names of types and the like, which stand where a schema describes a field.
fn is_type(value: &str) -> bool {
    const TYPES: &[&str] = &[
        "string",
        "str",
        "text",
        "varchar",
        "char",
        "integer",
        "int",
        "number",
        "float",
        "double",
        "boolean",
        "bool",
        "date",
        "datetime",
        "timestamp",
        "uuid",
        "object",
        "array",
        "list",
        "dict",
        "map",
        "null",
        "none",
        "nil",
        "undefined",
        "true",
        "false",
        "any",
        "unknown",
        "required",
        "optional",
        "nullable",
        "asc",
        "desc",
        "yes",
        "no",
        "na",
        "n/a",
        "tbd",
        "id",
        "value",
        "test",
        "example",
        "default",
        "self",
        "this",
        "anonymous",
        "hidden",
        "private",
        "public",
        "keyword",
        "input",
        "field",
        "label",
        "key",
        "type",
        "option",
        "vec",
        "redacted",
        "static",
        "const",
        "var",
        "let",
        "final",
        "varchar2",
        "nvarchar",
        "bytes",
        "decimal",
        "long",
        "name",
    ];
    TYPES.iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// Names of accounts that are of no one.
fn is_role(value: &str) -> bool {
    const ROLES: &[&str] = &[
        "admin",
        "root",
        "user",
        "test",
        "guest",
        "postgres",
        "mysql",
        "nobody",
        "www-data",
        "ubuntu",
        "username",
        "administrator",
        "system",
        "daemon",
    ];
    is_type(value) || ROLES.iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// A place for a value that is filled in later, a value taken away, or nothing.
fn is_placeholder(value: &str) -> bool {
    let inner = value.trim_matches(['"', '\'', ' ']);
    inner.is_empty()
        || inner.starts_with(['<', '{', '$', '%', '#', '['])
        || inner.contains("{{")
        || inner.contains("${")
        || inner.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '-' | '.' | '_' | '?' | '•' | ' '))
}

/// Whether a value is the name of a field: a label, a reference, a translation.
fn is_key(value: &str, dictionary: &Dictionary) -> bool {
    let mut words = Vec::new();
    split(value, &mut words);
    let whole = words.len();
    value.bytes().all(|byte| !byte.is_ascii_digit()) && whole > 0 && dictionary.is_name(&words)
}
