//! The United States.

use super::number::{Compact, all_digits, digits, luhn, two};

/// A social security number: area, group and serial number that may be given out (Social Security Administration, randomization of 2011).
pub(super) fn ssn(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        let area = digits[0] * 100 + digits[1] * 10 + digits[2];
        !matches!(area, 0 | 666 | 900..) && two(&digits, 3) != 0 && digits[5..].iter().any(|digit| *digit != 0)
    })
}

/// An individual taxpayer identification number, or that of a child in adoption: 9, and the groups 50–65, 70–88, 90–99 (IRS Publication 1915).
pub(super) fn itin(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| digits[0] == 9 && matches!(two(&digits, 3), 50..=65 | 70..=88 | 90..=99))
}

/// A number that is written like a social security number and is none that was given out: a taxpayer's in one of the groups to come.
pub(super) fn taxpayer(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| digits[0] == 9)
}

/// An employer identification number: the first two digits are of a campus of the IRS or of its internet application
/// (IRS, "How EINs are assigned and valid EIN prefixes").
pub(super) fn ein(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        matches!(
            two(&digits, 0),
            1..=6 | 10..=16 | 20..=27 | 30..=48 | 50..=68 | 71..=77 | 80..=88 | 90..=95 | 98 | 99
        )
    })
}

/// A national provider identifier: behind 80840 its check digit is Luhn's (CMS, 45 CFR 162.406).
pub(super) fn npi(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let mut card = [8, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        card[5..].copy_from_slice(&digits);
        matches!(digits[0], 1 | 2) && luhn(&card)
    })
}

/// A registration number of the Drug Enforcement Administration: kind of registrant, initial of the name or 9, six digits and their check
/// digit (Wikipedia, "DEA number").
pub(super) fn dea(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [kind, initial, number @ ..] = compact.bytes() else { return false };
    let Some(digits) = all_digits::<7>(number) else { return false };
    let sum = digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5]);
    b"ABCDEFGHJKLMPRSTUX".contains(kind) && (initial.is_ascii_uppercase() || *initial == b'9') && sum % 10 == digits[6]
}

/// A Medicare beneficiary identifier: 11 places, each of its kind, letters without S, L, O, I, B, Z (CMS, Understanding the MBI format).
pub(super) fn mbi(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    let letter = |byte: &u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(byte);
    bytes.len() == 11
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            0 => matches!(byte, b'1'..=b'9'),
            1 | 4 | 7 | 8 => letter(byte),
            2 | 5 => letter(byte) || byte.is_ascii_digit(),
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn numbers_of_persons() {
        // Numbers that the Social Security Administration and the IRS printed in leaflets and forms.
        check(
            ssn,
            &["078-05-1120", "219099999", "457 55 5462"],
            &["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "12345678"],
        );
        check(itin, &["912-70-1234", "999-88-9999", "900-50-0000"], &["912-45-1234", "912-89-1234", "812-70-1234"]);
        check(ein, &["12-3456789", "911144442"], &["07-1144442", "00-1234567", "17-1234567"]);
        check(taxpayer, &["987-65-4321"], &["887-65-4321"]);
    }

    #[test]
    fn numbers_of_health() {
        // CMS: the example of its NPI check digit document, the example card of its MBI document; Wikipedia, "DEA number".
        check(npi, &["1234567893", "1245319599"], &["1234567890", "3234567893"]);
        check(dea, &["F91234563", "BP1234563", "AP5836727"], &["AP5836726", "WP5836727", "A15836727"]);
        check(mbi, &["1EG4-TE5-MK73", "1EG4TE5MK72"], &["1EG4-TE5-MK7", "0EG4TE5MK72", "1SG4TE5MK72", "1EGATE5MK72"]);
    }
}
