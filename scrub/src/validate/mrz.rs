//! Machine-readable zones of travel documents (ICAO Doc 9303, parts 4 to 7).

use super::number::value;

/// The lines of a zone: three of 30 places (TD1), two of 36 (TD2), or two of 44 (TD3): number of the document, day of birth and day of expiry
/// with their check digits.
pub fn mrz(text: &str) -> bool {
    let mut lines = text.split_ascii_whitespace();
    let (Some(first), Some(second), third, None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
        return false;
    };
    let (first, second) = (first.as_bytes(), second.as_bytes());
    let places =
        |line: &[u8]| line.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'<');
    if !places(first) || !places(second) || !first[0].is_ascii_uppercase() {
        return false;
    }
    match (first.len(), second.len(), third.map(str::as_bytes)) {
        (44, 44, None) | (36, 36, None) => holds(&second[..10]) && holds(&second[13..20]) && holds(&second[21..28]),
        // A number that is longer than nine places goes on behind `<` instead of a check digit.
        (30, 30, Some(third)) if third.len() == 30 && places(third) => {
            (first[14] == b'<' || holds(&first[5..15])) && holds(&second[..7]) && holds(&second[8..15])
        }
        _ => false,
    }
}

/// Whether the last place is the check digit of the others: weights 7, 3, 1, modulus 10 (part 3, section 4.9).
fn holds(field: &[u8]) -> bool {
    let Some((check, field)) = field.split_last() else { return false };
    let sum: u32 = field
        .iter()
        .zip([7, 3, 1].iter().cycle())
        .map(|(byte, weight)| if *byte == b'<' { 0 } else { value(*byte) * weight })
        .sum();
    check.is_ascii_digit() && value(*check) == sum % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn the_specimens_of_doc_9303() {
        check(
            mrz,
            &[
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
                "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\r\nD231458907UTO7408122F1204159<<<<<<<6",
                "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
            ],
            &[
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C37UTO7408122F1204159ZE184226B<<<<<10",
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
                "",
            ],
        );
    }
}
