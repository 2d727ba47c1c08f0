//! What the check digits of many issuers are made of.

/// The letters and digits of a candidate, in capitals, without what separates them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact {
    bytes: [u8; Self::MOST],
    len: usize,
}

impl Compact {
    const MOST: usize = 64;

    /// Of a text; none where it is longer than 64, or holds letters that are not ASCII.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut compact = Self { bytes: [0; Self::MOST], len: 0 };
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() {
                *compact.bytes.get_mut(compact.len)? = byte.to_ascii_uppercase();
                compact.len += 1;
            } else if byte >= 0x80 {
                return None;
            }
        }
        Some(compact)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The `N` digits of a text that has exactly so many and no letters.
pub(super) fn digits<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut digits = [0; N];
    let mut count = 0;
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            *digits.get_mut(count)? = u32::from(byte - b'0');
            count += 1;
        } else if byte.is_ascii_alphabetic() || byte >= 0x80 {
            return None;
        }
    }
    (count == N).then_some(digits)
}

/// Nine digits, or eight that go without their leading zero.
pub(super) fn nine_digits(text: &str) -> Option<[u32; 9]> {
    digits::<9>(text).or_else(|| {
        digits::<8>(text).map(|eight| {
            let mut nine = [0; 9];
            nine[1..].copy_from_slice(&eight);
            nine
        })
    })
}

/// The digits of bytes that are nothing else.
pub(super) fn all_digits<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let bytes: [u8; N] = bytes.try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|byte| u32::from(byte - b'0')))
}

/// The number that digits make.
pub(super) fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
}

/// The sum of digits, each times its weight.
pub(super) fn weigh(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// 0 to 9, and `A` = 10 to `Z` = 35.
pub(super) fn value(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or(0)
}

/// Every second digit from the last but one on is doubled and its digits added; the sum is a multiple of 10 (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO/IEC 7064, MOD 11,10.
pub(super) fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, payload)) = digits.split_last() else { return false };
    let product = payload.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// The remainder by 97 of letters and digits read as a number, each letter as two digits (ISO/IEC 7064, MOD 97-10).
pub(super) fn mod_97(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.map(value).fold(0, |rest, value| (rest * if value > 9 { 100 } else { 10 } + value) % 97)
}

/// Verhoeff's check by the dihedral group of order 10 (J. Verhoeff, Error Detecting Decimal Codes, 1969).
pub(super) fn verhoeff(digits: &[u32]) -> bool {
    /// Rotations are 0 to 4, reflections 5 to 9.
    fn product(a: u32, b: u32) -> u32 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b) % 5,
            (false, true) => 5 + (a + 5 - b) % 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    const STEP: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let check = digits.iter().rev().enumerate().fold(0, |check, (at, digit)| {
        let permuted = (0..at % 8).fold(*digit, |digit, _| STEP[digit as usize]);
        product(check, permuted)
    });
    check == 0
}

/// Whether a day exists; `year` decides about 29 February, its century does not matter.
pub(super) fn is_day(year: u32, month: u32, day: u32) -> bool {
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(year.is_multiple_of(4)),
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// The number that two digits make.
pub(super) const fn two(digits: &[u32], at: usize) -> u32 {
    digits[at] * 10 + digits[at + 1]
}

/// `YYMMDD` at the start of digits.
pub(super) fn is_year_month_day(digits: &[u32]) -> bool {
    is_day(two(digits, 0), two(digits, 2), two(digits, 4))
}

/// `DDMMYY` at the start of digits.
pub(super) fn is_day_month_year(digits: &[u32]) -> bool {
    is_day(two(digits, 4), two(digits, 2), two(digits, 0))
}

/// Whether all digits are one and the same: no issuer gives such a number out.
pub(super) fn is_one_digit(digits: &[u32]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_check_digits() {
        // Wikipedia, "Luhn algorithm", "Verhoeff algorithm"; ISO/IEC 7064 example 0794 and its check digit 5.
        assert!(luhn(&[1, 7, 8, 9, 3, 7, 2, 9, 9, 7, 4]));
        assert!(!luhn(&[1, 7, 8, 9, 3, 7, 2, 9, 9, 7, 5]));
        assert!(verhoeff(&[2, 3, 6, 3]));
        assert!(!verhoeff(&[2, 3, 6, 4]));
        assert!(mod_11_10(&[0, 7, 9, 4, 5]));
        assert!(!mod_11_10(&[0, 7, 9, 4, 4]));
    }

    #[test]
    fn days_of_months() {
        assert!(is_day(0, 2, 29) && is_day(99, 12, 31) && is_day(1, 4, 30));
        assert!(!is_day(1, 2, 29) && !is_day(1, 4, 31) && !is_day(1, 13, 1) && !is_day(1, 1, 0));
    }
}
