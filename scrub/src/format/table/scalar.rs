//! Values: printed, and read from a text that is to stand in their place.

use std::borrow::Cow;

use super::calendar::{print_date, print_time, read_date, read_time};
use super::clock::{print_clock, print_duration, read_clock, read_duration};
use super::form::Form;
use crate::charset::{self, Charset, Content};

/// Integers up to this have a [`f64`] each.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A printed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Printed<'a> {
    /// It stands in quotes.
    Text(Cow<'a, [u8]>),
    /// The same, if it is no document of JSON; the column may say that it is one.
    Maybe(&'a [u8], bool),
    /// A document of JSON, which stands as it is, and how many values that are no text are left out of it.
    Json(Cow<'a, [u8]>, u64),
    /// A number of JSON.
    Number(String),
    /// Bytes that are no text, and the [`runs`](super::runs) of text in them, once they are looked for. No text can stand in its place.
    Binary(&'a [u8], Vec<u8>),
}

/// A value of a type.
pub trait Scalar: Sized {
    /// Its printed form; none if it has none.
    fn print(&self, form: Form) -> Option<Printed<'_>>;

    /// The value that is printed as `text`, to stand in the place of `self`; none if there is none of this type.
    fn read(&self, text: &str, form: Form) -> Option<Self>;

    /// The same of a text that need not be UTF-8.
    fn read_bytes(&self, text: &[u8], form: Form) -> Option<Self> {
        self.read(std::str::from_utf8(text).ok()?, form)
    }

    /// Takes one in its plain encoding from the start of `bytes`; `width` is that of a type of fixed length.
    fn plain(bytes: &mut &[u8], width: usize) -> Option<Self>;

    /// Bytes of it.
    fn size(&self) -> usize {
        size_of::<Self>()
    }

    /// What stands in the place of a value that can neither be kept nor be null: zero, the start of 1970.
    fn nothing(&self, form: Form) -> Self;
}

pub fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

pub fn take_bytes(bytes: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let (first, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(first.to_vec())
}

pub fn print_integer(value: i64, form: Form) -> Option<Printed<'static>> {
    let number = || Printed::Number(value.to_string());
    match form {
        Form::Signed => Some(number()),
        Form::Unsigned => Some(Printed::Number(value.cast_unsigned().to_string())),
        Form::Decimal { scale, .. } => Some(Printed::Number(print_decimal(value.into(), scale))),
        // What is no date that anybody wrote, or no time of day, is a number.
        Form::Date => Some(print_date(value).map_or_else(number, quoted)),
        Form::Timestamp { units } => Some(print_time(value, units).map_or_else(number, quoted)),
        Form::Time { units } => Some(print_clock(value, units).map_or_else(number, quoted)),
        Form::Duration { units } => Some(quoted(print_duration(value, units))),
        _ => None,
    }
}

pub fn quoted(text: String) -> Printed<'static> {
    Printed::Text(Cow::Owned(text.into_bytes()))
}

pub fn read_integer(text: &str, form: Form) -> Option<i64> {
    match form {
        Form::Signed => text.parse().ok(),
        Form::Unsigned => text.parse::<u64>().ok().map(u64::cast_signed),
        Form::Decimal { scale, precision } => read_decimal(text, scale, precision)?.try_into().ok(),
        Form::Date => read_date(text),
        Form::Timestamp { units } => read_time(text, units),
        Form::Time { units } => read_clock(text, units),
        Form::Duration { units } => read_duration(text, units),
        _ => None,
    }
}

impl Scalar for i32 {
    fn print(&self, form: Form) -> Option<Printed<'_>> {
        let value = if form == Form::Unsigned { i64::from(self.cast_unsigned()) } else { i64::from(*self) };
        print_integer(value, form)
    }

    fn read(&self, text: &str, form: Form) -> Option<Self> {
        if form == Form::Unsigned {
            return text.parse::<u32>().ok().map(u32::cast_signed);
        }
        read_integer(text, form)?.try_into().ok()
    }

    fn plain(bytes: &mut &[u8], _: usize) -> Option<Self> {
        take(bytes).map(Self::from_le_bytes)
    }

    fn nothing(&self, _: Form) -> Self {
        0
    }
}

impl Scalar for i64 {
    fn print(&self, form: Form) -> Option<Printed<'_>> {
        print_integer(*self, form)
    }

    fn read(&self, text: &str, form: Form) -> Option<Self> {
        read_integer(text, form)
    }

    fn plain(bytes: &mut &[u8], _: usize) -> Option<Self> {
        take(bytes).map(Self::from_le_bytes)
    }

    fn nothing(&self, _: Form) -> Self {
        0
    }
}

impl Scalar for f32 {
    fn print(&self, _: Form) -> Option<Printed<'_>> {
        // As it would be written: `48.8584`, not what is left of it in 64 bits.
        self.to_string().parse().ok().and_then(print_float)
    }

    fn read(&self, text: &str, _: Form) -> Option<Self> {
        text.parse().ok().filter(|value: &Self| value.is_finite())
    }

    fn plain(bytes: &mut &[u8], _: usize) -> Option<Self> {
        take(bytes).map(Self::from_le_bytes)
    }

    fn nothing(&self, _: Form) -> Self {
        0.0
    }
}

impl Scalar for f64 {
    fn print(&self, _: Form) -> Option<Printed<'_>> {
        print_float(*self)
    }

    fn read(&self, text: &str, _: Form) -> Option<Self> {
        text.parse().ok().filter(|value: &Self| value.is_finite())
    }

    fn plain(bytes: &mut &[u8], _: usize) -> Option<Self> {
        take(bytes).map(Self::from_le_bytes)
    }

    fn nothing(&self, _: Form) -> Self {
        0.0
    }
}

/// A whole number without a point: a column of integers of which some are missing is often kept in floats.
pub fn print_float(value: f64) -> Option<Printed<'static>> {
    let text = if value.fract() == 0.0 && value.abs() < EXACT { format!("{value:.0}") } else { format!("{value:?}") };
    value.is_finite().then_some(Printed::Number(text))
}

/// Bytes as text, where they are such; a text in more bytes than it has goes on with zeros.
pub fn print_text(bytes: &[u8], form: Form) -> Option<Printed<'_>> {
    let bytes = if form == Form::Bytes { trim(bytes) } else { bytes };
    match form {
        _ if bytes.is_empty() => None,
        Form::Bytes if !is_text(bytes) => Some(Printed::Binary(bytes, Vec::new())),
        Form::Text | Form::Json | Form::Bytes => Some(Printed::Maybe(bytes, form == Form::Json)),
        _ => None,
    }
}

/// Whether another text can stand in the place of bytes.
pub fn holds_text(bytes: &[u8], form: Form) -> bool {
    form != Form::Bytes || is_text(trim(bytes))
}

/// Bytes before the zeros at the end.
pub fn trim(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

pub fn is_text(bytes: &[u8]) -> bool {
    charset::sniff(bytes) == Content::Text(Charset::Utf8) && std::str::from_utf8(bytes).is_ok()
}

pub fn print_big_endian(mut bytes: &[u8], scale: u32) -> Option<Printed<'static>> {
    // Those before the last 16 say nothing but the sign: more than 38 digits are no number of anybody.
    while let [first, rest @ ..] = bytes
        && rest.len() >= 16
    {
        if *first != if rest[0] & 0x80 == 0 { 0 } else { 0xFF } {
            return None;
        }
        bytes = rest;
    }
    if bytes.is_empty() {
        return None;
    }
    let mut whole = [if bytes[0] & 0x80 == 0 { 0 } else { 0xFF }; 16];
    whole[16 - bytes.len()..].copy_from_slice(bytes);
    Some(Printed::Number(print_decimal(i128::from_be_bytes(whole), scale)))
}

/// In so many bytes, if it fits.
pub fn big_endian(value: i128, len: usize) -> Option<Vec<u8>> {
    let whole = value.to_be_bytes();
    let sign = if value < 0 { 0xFF } else { 0 };
    let (before, bytes) = whole.split_at(16 - len.min(16));
    let fits = before.iter().all(|byte| *byte == sign) && bytes.first().is_some_and(|byte| (byte ^ sign) & 0x80 == 0);
    fits.then(|| [&vec![sign; len - bytes.len()], bytes].concat())
}

/// Digits behind the point, as far as they are told in earnest: as many as the widest type has in all.
fn places(scale: u32) -> usize {
    if scale <= 76 { scale as usize } else { 0 }
}

pub fn print_decimal(value: i128, scale: u32) -> String {
    let scale = places(scale);
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}{}{fraction}", if scale > 0 { "." } else { "" })
}

pub fn read_decimal(text: &str, scale: u32, precision: u32) -> Option<i128> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let scale = places(scale);
    if whole.is_empty() || fraction.len() > scale {
        return None;
    }
    let digits = format!("{whole}{fraction:0<scale$}");
    let significant = digits.trim_start_matches('0').len();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || significant > precision as usize {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(value: &impl Scalar, form: Form) -> Option<String> {
        Some(String::from_utf8_lossy(value.print(form)?.bytes()).into_owned())
    }

    #[test]
    fn values_are_printed_and_read_again() {
        fn check<T: Scalar + PartialEq + std::fmt::Debug>(value: &T, form: Form, text: &str) {
            assert_eq!(printed(value, form).as_deref(), Some(text));
            assert_eq!(value.read(text, form).as_ref(), Some(value));
        }
        let decimal = Form::Decimal { scale: 2, precision: 9 };
        check(&78_051_120_i64, Form::Signed, "78051120");
        check(&-1_i64, Form::Unsigned, "18446744073709551615");
        check(&-1_i32, Form::Unsigned, "4294967295");
        check(&-7_i32, Form::Signed, "-7");
        check(&-5_i32, decimal, "-0.05");
        check(&123_456_i64, decimal, "1234.56");
        check(&0_i32, Form::Date, "1970-01-01");
        for number in [219_099_999, -219_099_999] {
            assert_eq!(printed(&number, Form::Date), Some(number.to_string()));
        }
        assert_eq!(printed(&i64::MAX, Form::Timestamp { units: 1 }), Some(i64::MAX.to_string()));
        check(&1500_i64, Form::Timestamp { units: 1000 }, "1970-01-01 00:00:01.500");
        check(&1500_i32, Form::Time { units: 1000 }, "00:00:01.500");
        check(&-1500_i64, Form::Duration { units: 1000 }, "PT-1.500S");
        check(&48.8584_f32, Form::Float, "48.8584");
        check(&78_051_120.0_f64, Form::Float, "78051120");
        check(&-0.5e-9_f64, Form::Float, "-5e-10");
        assert_eq!((printed(&f64::NAN, Form::Float), printed(&f64::INFINITY, Form::Float)), (None, None));
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let decimal = Form::Decimal { scale: 2, precision: 4 };
        for text in ["<US_SSN>", "", "1.234", "123.45", "1e3", "--1", "+1", "-"] {
            assert_eq!((0_i64.read(text, decimal), read_decimal(text, 2, 4)), (None, None), "{text}");
        }
        let in_one = |text: &str| big_endian(read_decimal(text, 2, 4).unwrap(), 1);
        assert_eq!((in_one("1.28"), in_one("-1.28")), (None, Some(vec![0x80])));
        assert_eq!(0_i32.read("4294967295", Form::Signed), None);
        assert_eq!(0_f64.read("inf", Form::Float), None);
    }

    #[test]
    fn bytes_are_text_if_they_look_like_it() {
        assert_eq!(print_text(b"a text", Form::Bytes), Some(Printed::Maybe(b"a text", false)));
        assert_eq!(print_text(b"a text\0\0", Form::Bytes), Some(Printed::Maybe(b"a text", false)));
        for bytes in [&b"\x89PNG\r\n\x1A\n"[..], b"a\0b", b"caf\xE9 au lait"] {
            assert_eq!(print_text(bytes, Form::Bytes), Some(Printed::Binary(bytes, Vec::new())));
            assert!(!holds_text(bytes, Form::Bytes));
        }
        assert_eq!((print_text(b"", Form::Bytes), print_text(b"\0", Form::Bytes)), (None, None));
    }

    #[test]
    fn decimals_are_read_in_any_width_and_scale() {
        for number in [219_099_999_i128, -219_099_999] {
            let wide = big_endian(number, 20).unwrap();
            assert_eq!(wide.len(), 20);
            assert_eq!(print_big_endian(&wide, 0).unwrap().bytes(), number.to_string().as_bytes());
        }
        assert_eq!((print_big_endian(&[1; 20], 0), big_endian(1, 0)), (None, None));
        // No number is as long as a file says.
        assert_eq!(print_decimal(219_099_999, u32::MAX), "219099999");
        assert_eq!(read_decimal("219099999", u32::MAX, 9), Some(219_099_999));
    }
}
