//! Africa and Oceania, and what belongs to no country.

use super::number::{Compact, digits, is_one_digit, is_year_month_day, luhn, nine_digits, number, value, weigh};

/// ZA: an identity number: day of birth, sex, citizenship, Luhn's check digit (Department of Home Affairs).
pub(super) fn za_id(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| is_year_month_day(&digits) && digits[10] <= 2 && luhn(&digits))
}

/// EG: a national number: century, day of birth, governorate (01–35 or 88), serial number, check digit (Wikipedia, "Egyptian National Identity
/// Card"). The rule of the check digit is not published and implementations differ, so it is not asked for.
pub(super) fn eg_id(text: &str) -> bool {
    digits::<14>(text).is_some_and(|digits| {
        matches!(digits[0], 2 | 3) && is_year_month_day(&digits[1..]) && matches!(number(&digits[7..9]), 1..=35 | 88)
    })
}

/// AU: a tax file number of nine digits, or of eight: weighted sum divisible by 11 (ATO).
pub(super) fn au_tfn(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        weigh(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !is_one_digit(&digits)
    }) || digits::<8>(text).is_some_and(|digits| {
        (weigh(&digits, &[10, 7, 8, 4, 6, 3, 5, 1]).is_multiple_of(11)
            || weigh(&digits, &[1, 4, 3, 7, 5, 8, 6, 9]).is_multiple_of(11))
            && !is_one_digit(&digits)
    })
}

/// AU: a business number: less one in its first digit, the weighted sum is divisible by 89 (ABR).
pub(super) fn au_abn(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        // The weight of the first digit is 10.
        digits[0] > 0 && (weigh(&digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10).is_multiple_of(89)
    })
}

/// AU: a company number: weights 8 to 1, modulus 10 (ASIC).
pub(super) fn au_acn(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        (10 - weigh(&digits, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10) % 10 == digits[8] && !is_one_digit(&digits)
    })
}

/// AU: a Medicare number, with or without the number of the reference: weights 1, 3, 7, 9, modulus 10 (Services Australia).
pub(super) fn au_medicare(text: &str) -> bool {
    let eleven = digits::<11>(text).map(|digits| {
        [digits[0], digits[1], digits[2], digits[3], digits[4], digits[5], digits[6], digits[7], digits[8], digits[9]]
    });
    digits::<10>(text)
        .or(eleven)
        .is_some_and(|digits| matches!(digits[0], 2..=6) && weigh(&digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == digits[8])
}

/// NZ: a tax number: two rounds of weights, modulus 11 (Inland Revenue, "Non-resident withholding tax and resident withholding tax specification").
pub(super) fn nz_ird(text: &str) -> bool {
    nine_digits(text).is_some_and(|digits| {
        let check = match (11 - weigh(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 {
            10 => (11 - weigh(&digits, &[7, 4, 3, 2, 5, 2, 7, 6]) % 11) % 11,
            check => check,
        };
        (10_000_000..=150_000_000).contains(&number(&digits)) && check == digits[8]
    })
}

/// NZ: a national health index number of three letters and four digits (modulus 11), or of four digits and letters (modulus 23); letters
/// without I and O count from 1 (HISO 10046).
pub(super) fn nz_nhi(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 7]>::try_from(compact.bytes()) else { return false };
    let place = |byte: u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        _ => b"ABCDEFGHJKLMNPQRSTUVWXYZ".iter().position(|letter| *letter == byte).map(|at| at as u32 + 1),
    };
    let mut sum = 0;
    for (byte, weight) in bytes[..6].iter().zip([7, 6, 5, 4, 3, 2]) {
        let Some(place) = place(*byte) else { return false };
        sum += place * weight;
    }
    if bytes[6].is_ascii_digit() {
        sum % 11 != 0 && (11 - sum % 11) % 10 == value(bytes[6])
    } else {
        // The standard's revision of 2022 has modulus 24, its first one had 23.
        place(bytes[6]).is_some_and(|check| check == 24 - sum % 24 || check == 23 - sum % 23)
    }
}

/// A vehicle identification number: 17 places without I, O and Q, the ninth the check digit of North America (49 CFR 565.15).
pub(super) fn vin(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 17]>::try_from(compact.bytes()) else { return false };
    if !is_vin(&bytes) {
        return false;
    }
    let place = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        _ => u32::from(byte - b'S') + 2,
    };
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = bytes.iter().zip(weights).map(|(byte, weight)| place(*byte) * weight).sum();
    (if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 }) == bytes[8]
}

/// 17 places that can be a vehicle identification number anywhere (ISO 3779): the last four are digits.
pub(super) fn vin_elsewhere(text: &str) -> bool {
    Compact::of(text).is_some_and(|compact| is_vin(compact.bytes()))
}

fn is_vin(bytes: &[u8]) -> bool {
    let letters = bytes.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    bytes.len() == 17
        && (2..=13).contains(&letters)
        && !bytes.iter().any(|byte| b"IOQ".contains(byte))
        && bytes[13..].iter().all(u8::is_ascii_digit)
}

/// At least one digit, and not all of them the same: numbers that no check digit tells from others.
pub(super) fn some_number(text: &str) -> bool {
    let mut digits = text.bytes().filter(u8::is_ascii_digit);
    let first = digits.next();
    first.is_some() && digits.any(|digit| Some(digit) != first)
}

/// At least four digits with letters or five without, not all the same, and no date: for identifiers known by the words beside them.
pub(super) fn identifier(text: &str) -> bool {
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    some_number(text) && count >= 4 && (letters || count >= 5 && !is_date(text))
}

/// `YYYYMMDD` of this century or the last; with separators also with the year behind.
fn is_date(text: &str) -> bool {
    let Some(digits) = digits::<8>(text) else { return false };
    let year = |at: usize| matches!(digits[at] * 10 + digits[at + 1], 19 | 20);
    let separators: Vec<usize> =
        text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()).map(|(at, _)| at).collect();
    match separators[..] {
        [] => year(0) && is_year_month_day(&digits[2..]),
        [4, 7] => year(0),
        [2, 5] => year(4),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn africa() {
        // Wikipedia, "South African identity card".
        check(za_id, &["8001015009087", "8001015009087"], &["8001015009088", "8013015009087"]);
        check(eg_id, &["29001011234567"], &["49001011234567", "29013011234567"]);
    }

    #[test]
    fn oceania() {
        // ATO, ABR, ASIC and Services Australia's examples; Inland Revenue's specification; HISO 10046.
        check(au_tfn, &["123 456 782", "865414088", "37118629"], &["123456789", "111111111"]);
        check(au_abn, &["51 824 753 556", "53004085616"], &["51824753557", "00000000000"]);
        check(au_acn, &["004 085 616", "000000019"], &["004085617"]);
        check(au_medicare, &["2123 45670 1", "21234567012"], &["2123456711", "7123456701"]);
        check(nz_ird, &["49-091-850", "035901981", "136410132"], &["136410133", "9125568"]);
        check(nz_nhi, &["ZZZ0016", "ZZZ0024"], &["ZZZ0017", "IZZ0016"]);
    }

    #[test]
    fn vehicles_and_the_rest() {
        // 49 CFR 565; Wikipedia, "Vehicle identification number".
        check(vin, &["1M8GDM9AXKP042788", "1HGCM82633A004352"], &["1M8GDM9A1KP042788", "11111111111111111"]);
        check(vin_elsewhere, &["WVWZZZ1JZXW000001"], &["WVWZZZ1JZXW00000I", "WVWZZZ1JZXW00000"]);
        check(some_number, &["A12"], &["111", "ABC"]);
        check(
            identifier,
            &["AB1234", "12345", "12-3456"],
            &["20240131", "2024-01-31", "31/01/2024", "1234", "ABCDE", "11111"],
        );
    }
}
