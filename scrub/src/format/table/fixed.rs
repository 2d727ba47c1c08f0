//! Values of so many bytes each: printed, and read from a text that is to stand in their place.

use super::clock::{print_interval, read_interval};
use super::form::Form;
use super::scalar::{
    Printed, Scalar as _, big_endian, holds_text, is_text, print_big_endian, print_text, quoted, read_decimal, trim,
};
use crate::format::hash::hex;

/// Bytes of a UUID, and before which of their digits there is a hyphen.
const UUID: usize = 16;
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

pub fn print(bytes: &[u8], form: Form) -> Option<Printed<'_>> {
    match form {
        _ if is_other(bytes, form) => print_text(bytes, Form::Bytes),
        Form::Decimal { scale, .. } => print_big_endian(bytes, scale),
        Form::Float => match half(u16::from_le_bytes(*bytes.as_array()?)).print(form)? {
            Printed::Number(text) => Some(Printed::Number(text)),
            _ => None,
        },
        Form::Uuid => print_uuid(bytes).map(quoted),
        Form::Interval => print_interval(bytes).map(quoted),
        // Shorter texts are filled up.
        _ => print_text(trim(bytes), form),
    }
}

/// The value that is printed so, to stand in the place of `old`; none if there is none of as many bytes.
pub fn read(text: &[u8], form: Form, old: &[u8]) -> Option<Vec<u8>> {
    let printed = || std::str::from_utf8(text).ok();
    match form {
        _ if is_other(old, form) => (text.len() == old.len()).then(|| text.to_vec()),
        _ if !holds_text(old, form) => None,
        Form::Decimal { scale, precision } => big_endian(read_decimal(printed()?, scale, precision)?, old.len()),
        Form::Float if old.len() == 2 => to_half(0_f32.read(printed()?, form)?).map(|half| half.to_le_bytes().to_vec()),
        Form::Uuid => read_uuid(printed()?).filter(|new| new.len() == old.len()),
        Form::Interval => read_interval(printed()?, old.len()),
        Form::Text | Form::Json | Form::Bytes => {
            let is_filled = trim(old).len() < old.len();
            let fits = text.len() == old.len() || is_filled && text.len() < old.len();
            fits.then(|| {
                let mut new = text.to_vec();
                new.resize(old.len(), 0);
                new
            })
        }
        _ => None,
    }
}

/// Whether it is a text, though its type says otherwise. Ids and spans of time are none but for those that were made so.
fn is_other(bytes: &[u8], form: Form) -> bool {
    matches!(form, Form::Uuid | Form::Interval) && !bytes.iter().any(u8::is_ascii_control) && is_text(bytes)
}

/// RFC 9562.
pub fn print_uuid(bytes: &[u8]) -> Option<String> {
    let mut text = hex(bytes);
    for hyphen in HYPHENS.into_iter().rev() {
        text = format!("{}-{}", text.get(..hyphen)?, text.get(hyphen..)?);
    }
    (bytes.len() == UUID).then_some(text)
}

fn read_uuid(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<_> = text.bytes().filter(|byte| *byte != b'-').collect();
    if digits.len() != 2 * UUID || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A number of IEEE 754 in 16 bits.
pub fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1F if fraction == 0.0 => f32::INFINITY,
        0x1F => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    }
}

/// The nearest number in 16 bits; none of one that is too large for them.
pub fn to_half(value: f32) -> Option<u16> {
    let size = Some(value.abs()).filter(|size| size.is_finite())?;
    // Numbers below the least exponent are counted in its steps.
    let exponent = ((size.to_bits() >> 23).cast_signed() - 127).max(-14);
    let steps = (size * 2_f32.powi(10 - exponent)).round_ties_even();
    let fraction = if exponent == -14 && steps < 1024.0 { steps } else { steps - 1024.0 };
    let first = if exponent == -14 && steps < 1024.0 { 0 } else { exponent + 15 };
    // Rounded up, the fraction carries into the exponent.
    let bits = u16::try_from((first << 10) + fraction as i32).ok().filter(|bits| *bits < 0x7C00)?;
    Some(bits | if value.is_sign_negative() { 0x8000 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_and_read_again() {
        let uuid = [0xDE, 0xAD, 0xBE, 0xEF, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xFF];
        let interval = [1_u32, 2, 3000].map(u32::to_le_bytes).concat();
        for (form, bytes, text) in [
            (Form::Uuid, &uuid[..], "deadbeef-0001-0203-0405-060708090aff"),
            (Form::Interval, &interval, "P1M2DT3S"),
            (Form::Float, &[0x00, 0xC4], "-4"),
            (Form::Float, &[0x66, 0x2E], "0.099975586"),
            (Form::Decimal { scale: 2, precision: 9 }, &[0, 0, 0, 1], "0.01"),
            (Form::Bytes, b"a text", "a text"),
            (Form::Bytes, b"a text\0\0", "a text"),
        ] {
            assert_eq!(print(bytes, form).unwrap().bytes(), text.as_bytes());
            assert_eq!(read(text.as_bytes(), form, bytes).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(read(b"short", Form::Bytes, b"a text\0\0").as_deref(), Some(&b"short\0\0\0"[..]));
        // A text that is called an id.
        let text = b"EMP-004711 or so";
        assert_eq!(print(text, Form::Uuid).unwrap().bytes(), text);
        assert_eq!(print(b"EMP-004711 a", Form::Interval).unwrap().bytes(), b"EMP-004711 a");
        assert_eq!(
            (read(b"<BADGE>", Form::Uuid, text), read(&text[..], Form::Uuid, text)),
            (None, Some(text.to_vec()))
        );
        for (text, form, old) in [
            ("short", Form::Bytes, &b"a text"[..]),
            ("short", Form::Bytes, b"a\0text"),
            ("too long a text", Form::Bytes, b"a text\0\0"),
            ("<UUID>", Form::Uuid, &uuid),
            ("deadbeef-0001-0203-0405-060708090aff", Form::Uuid, &[0; 8]),
            ("1e9", Form::Float, &[0; 2]),
        ] {
            assert_eq!(read(text.as_bytes(), form, old), None, "{text}");
        }
        for (bytes, form) in [(&b"\0\0"[..], Form::Bytes), (&[0; 4], Form::Float), (&[0; 4], Form::Uuid)] {
            assert_eq!(print(bytes, form), None);
        }
    }

    #[test]
    fn every_half_is_found_again() {
        for bits in 0..=u16::MAX {
            let value = half(bits);
            assert_eq!(to_half(value), value.is_finite().then_some(bits), "{value}");
        }
        // Between two of them the nearer one, and the even one in the middle.
        for (value, nearest) in [(48.85, 0x521B), (2049.0, 0x6800), (2051.0, 0x6802), (65_519.0, 0x7BFF), (1e-9, 0)] {
            assert_eq!(to_half(value), Some(nearest), "{value}");
        }
        assert_eq!((to_half(65_520.0), to_half(f32::NAN)), (None, None));
    }
}
