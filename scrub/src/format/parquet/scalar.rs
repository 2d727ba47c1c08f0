//! Values of the physical types that only Parquet has.

use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};

use crate::format::table::form::Form;
use crate::format::table::scalar::{
    Printed, Scalar, big_endian, holds_text, print_big_endian, print_integer, print_text, quoted, read_decimal,
    read_integer, take, take_bytes,
};
use crate::format::table::{bson, fixed};

/// The Julian day of the first of January 1970, from which INT96 counts.
const EPOCH: i64 = 2_440_588;
const NANOS_OF_DAY: i64 = 86_400_000_000_000;

impl Scalar for Int96 {
    fn print(&self, form: Form) -> Option<Printed<'_>> {
        let [low, high, day] = *self.data() else { return None };
        let nanos = (i64::from(high) << 32 | i64::from(low)).checked_rem(NANOS_OF_DAY)?;
        let days = i64::from(day.cast_signed()) - EPOCH;
        match days.checked_mul(NANOS_OF_DAY).and_then(|time| time.checked_add(nanos)) {
            Some(time) => print_integer(time, form),
            // Days that 64 bits of nanoseconds cannot count are of no date either.
            None if nanos == 0 => Some(Printed::Number(day.to_string())),
            None => Some(quoted(format!("{day} {nanos}"))),
        }
    }

    fn read(&self, text: &str, form: Form) -> Option<Self> {
        Some(int96(read_integer(text, form)?))
    }

    fn plain(bytes: &mut &[u8], _: usize) -> Option<Self> {
        Some(
            vec![take(bytes)?, take(bytes)?, take(bytes)?]
                .into_iter()
                .map(u32::from_le_bytes)
                .collect::<Vec<_>>()
                .into(),
        )
    }

    fn nothing(&self, _: Form) -> Self {
        int96(0)
    }
}

fn int96(nanos: i64) -> Int96 {
    let day = (nanos.div_euclid(NANOS_OF_DAY) + EPOCH).cast_unsigned();
    let nanos = nanos.rem_euclid(NANOS_OF_DAY).cast_unsigned();
    let mut value = Int96::new();
    value.set_data(nanos as u32, (nanos >> 32) as u32, day as u32);
    value
}

impl Scalar for ByteArray {
    fn print(&self, form: Form) -> Option<Printed<'_>> {
        let bytes = self.as_ref();
        match form {
            Form::Decimal { scale, .. } => print_big_endian(bytes, scale),
            Form::Bson => bson::print(bytes),
            _ => print_text(bytes, form),
        }
    }

    fn read(&self, text: &str, form: Form) -> Option<Self> {
        match form {
            Form::Decimal { scale, precision } => {
                Some(big_endian(read_decimal(text, scale, precision)?, self.len())?.into())
            }
            _ => holds_text(self.as_ref(), form).then(|| text.into()),
        }
    }

    fn read_bytes(&self, text: &[u8], form: Form) -> Option<Self> {
        match form {
            Form::Decimal { .. } => self.read(std::str::from_utf8(text).ok()?, form),
            Form::Bson => bson::read(text, self.as_ref()).map(Self::from),
            _ => holds_text(self.as_ref(), form).then(|| text.into()),
        }
    }

    fn plain(bytes: &mut &[u8], _: usize) -> Option<Self> {
        let len = u32::from_le_bytes(take(bytes)?) as usize;
        take_bytes(bytes, len).map(Self::from)
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn nothing(&self, form: Form) -> Self {
        if form == Form::Bson { bson::EMPTY.to_vec().into() } else { vec![0; self.len()].into() }
    }
}

impl Scalar for FixedLenByteArray {
    fn print(&self, form: Form) -> Option<Printed<'_>> {
        fixed::print(self.as_ref(), form)
    }

    fn read(&self, text: &str, form: Form) -> Option<Self> {
        self.read_bytes(text.as_bytes(), form)
    }

    fn read_bytes(&self, text: &[u8], form: Form) -> Option<Self> {
        fixed::read(text, form, self.as_ref()).map(Self::from)
    }

    fn plain(bytes: &mut &[u8], width: usize) -> Option<Self> {
        take_bytes(bytes, width).map(Self::from)
    }

    fn nothing(&self, _: Form) -> Self {
        vec![0; self.len()].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_and_read_again() {
        fn check<T: Scalar + PartialEq + std::fmt::Debug>(value: &T, form: Form, text: &str) {
            assert_eq!(value.print(form).unwrap().bytes(), text.as_bytes());
            assert_eq!(value.read(text, form).as_ref(), Some(value));
        }
        let decimal = Form::Decimal { scale: 2, precision: 9 };
        let day = Int96::from(vec![0, 0, 219_099_999]);
        assert_eq!(day.print(Form::Timestamp { units: 1_000_000_000 }).unwrap().bytes(), b"219099999");
        check(&int96(-1), Form::Timestamp { units: 1_000_000_000 }, "1969-12-31 23:59:59.999999999");
        check(&ByteArray::from(vec![0xFF, 0x85]), decimal, "-1.23");
        check(&FixedLenByteArray::from(vec![0, 0, 0, 1]), decimal, "0.01");
        check(&ByteArray::from("a\"b"), Form::Text, "a\"b");
        for text in ["<US_SSN>", "", "1.234", "123.45"] {
            let narrow = Form::Decimal { scale: 2, precision: 4 };
            assert_eq!(FixedLenByteArray::from(vec![0; 2]).read(text, narrow), None, "{text}");
        }
    }
}
