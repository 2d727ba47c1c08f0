//! Values of a fixed width: printed, and read from a text that is to stand in their place.

use super::schema::Fixed;
use crate::format::table::fixed::{self, half};
use crate::format::table::form::Form;
use crate::format::table::scalar::{Printed, Scalar, big_endian, print_big_endian, read_decimal};

pub fn print(of: Fixed, form: Form, bytes: &[u8]) -> Option<Printed<'_>> {
    match of {
        Fixed::Bytes => fixed::print(bytes, form),
        Fixed::Decimal => {
            let Form::Decimal { scale, .. } = form else { return None };
            let mut bytes = bytes.to_vec();
            bytes.reverse();
            print_big_endian(&bytes, scale)
        }
        Fixed::Signed | Fixed::Unsigned => number(of, bytes)?.print(form).map(owned),
        Fixed::Float => match *bytes {
            [a, b] => half(u16::from_le_bytes([a, b])).print(form).map(owned),
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]).print(form).map(owned),
            _ => f64::from_le_bytes(bytes.try_into().ok()?).print(form).map(owned),
        },
    }
}

/// Without what it was printed of, which is a number of this moment.
fn owned(printed: Printed<'_>) -> Printed<'static> {
    match printed {
        Printed::Number(text) => Printed::Number(text),
        other => Printed::Text(other.bytes().to_vec().into()),
    }
}

/// The value that is printed so, to stand in the place of `old`; none if there is none of as many bytes.
pub fn read(of: Fixed, form: Form, old: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let width = old.len();
    if of == Fixed::Bytes || of == Fixed::Float && width == 2 {
        return fixed::read(text, form, old);
    }
    let text = std::str::from_utf8(text).ok()?;
    match (of, form) {
        (Fixed::Signed | Fixed::Unsigned, _) => {
            let value = 0_i64.read(text, form)?;
            let bytes = value.to_le_bytes().get(..width)?.to_vec();
            (number(of, &bytes)? == value).then_some(bytes)
        }
        (Fixed::Float, _) if width == 4 => Some(0_f32.read(text, form)?.to_le_bytes().to_vec()),
        (Fixed::Float, _) if width == 8 => Some(0_f64.read(text, form)?.to_le_bytes().to_vec()),
        (Fixed::Decimal, Form::Decimal { scale, precision }) => {
            let mut bytes = big_endian(read_decimal(text, scale, precision)?, width)?;
            bytes.reverse();
            Some(bytes)
        }
        _ => None,
    }
}

/// An integer of up to eight bytes.
fn number(of: Fixed, bytes: &[u8]) -> Option<i64> {
    let is_negative = of == Fixed::Signed && bytes.last()? & 0x80 != 0;
    let mut whole = [if is_negative { 0xFF } else { 0 }; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_and_read_again() {
        let decimal = Form::Decimal { scale: 2, precision: 9 };
        let wide = [&[0x85][..], &[0xFF; 31]].concat();
        for (of, form, bytes, text) in [
            (Fixed::Signed, Form::Signed, &[0xFE][..], "-2"),
            (Fixed::Signed, Form::Signed, &[1, 2], "513"),
            (Fixed::Unsigned, Form::Unsigned, &[0xFE], "254"),
            (Fixed::Unsigned, Form::Unsigned, &[0xFF; 8], "18446744073709551615"),
            (Fixed::Signed, Form::Date, &[1, 0, 0, 0], "1970-01-02"),
            (Fixed::Signed, Form::Timestamp { units: 1 }, &[1, 0, 0, 0, 0, 0, 0, 0], "1970-01-01 00:00:01"),
            (Fixed::Float, Form::Float, &0.5_f32.to_le_bytes(), "0.5"),
            (Fixed::Float, Form::Float, &7_f64.to_le_bytes(), "7"),
            (Fixed::Decimal, decimal, &[0x85, 0xFF, 0xFF, 0xFF], "-1.23"),
            (Fixed::Bytes, Form::Bytes, b"a text", "a text"),
            (Fixed::Signed, Form::Time { units: 1000 }, &[0xDC, 5, 0, 0], "00:00:01.500"),
            (Fixed::Signed, Form::Duration { units: 1 }, &[0xFF; 8], "PT-1S"),
            (Fixed::Float, Form::Float, &[0x00, 0xC4], "-4"),
            (Fixed::Bytes, Form::Interval, &[5, 0, 0, 0], "P5M"),
            (Fixed::Bytes, Form::Uuid, &[0xAB; 16], "abababab-abab-abab-abab-abababababab"),
        ] {
            assert_eq!(print(of, form, bytes).unwrap().bytes(), text.as_bytes());
            assert_eq!(read(of, form, bytes, text.as_bytes()).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(print(Fixed::Decimal, decimal, &wide).unwrap().bytes(), b"-1.23");
        assert_eq!(print(Fixed::Decimal, decimal, &[1; 32]), None);
        assert_eq!(print(Fixed::Float, Form::Float, &[0x00, 0x7C]), None);
        for (of, form, text) in [
            (Fixed::Signed, Form::Signed, "128"),
            (Fixed::Unsigned, Form::Unsigned, "256"),
            (Fixed::Bytes, Form::Bytes, "ab"),
        ] {
            assert_eq!(read(of, form, &[1], text.as_bytes()), None, "{text}");
        }
    }
}
