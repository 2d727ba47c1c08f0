//! Northern Europe.

use super::number::{
    Compact, all_digits, digits, is_day, is_day_month_year, is_one_digit, is_year_month_day, luhn, number, two, weigh,
};

/// Ten digits of a Swedish number, without the century and the sign between.
fn se_ten(text: &str) -> Option<[u32; 10]> {
    digits::<10>(text).or_else(|| {
        let twelve = digits::<12>(text)?;
        matches!(two(&twelve, 0), 18..=20).then(|| {
            let mut ten = [0; 10];
            ten.copy_from_slice(&twelve[2..]);
            ten
        })
    })
}

/// SE: a personal identity number, or a co-ordination number (day plus 60): day of birth and Luhn's check digit (Skatteverket, SKV 704).
pub(super) fn se_personal_number(text: &str) -> bool {
    se_ten(text).is_some_and(|digits| {
        let day = two(&digits, 4);
        is_day(two(&digits, 0), two(&digits, 2), if day > 60 { day - 60 } else { day }) && luhn(&digits)
    })
}

/// SE: an organisation number, of a person's firm too: Luhn's check digit (SKV 709).
pub(super) fn se_organisation_number(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| luhn(&digits) && !is_one_digit(&digits))
}

/// NO: a national identity number, or a D-number (day plus 40), synthetic ones too (month plus 40, 65 or 80): two check digits, modulus 11
/// (Skatteetaten).
pub(super) fn no_national_number(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let (day, month) = (two(&digits, 0), two(&digits, 2));
        let month = match month {
            41..=52 => month - 40,
            66..=77 => month - 65,
            81..=92 => month - 80,
            _ => month,
        };
        let first = 11 - weigh(&digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11;
        let second = 11 - weigh(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        is_day(two(&digits, 4), month, if day > 40 { day - 40 } else { day })
            && first % 11 == digits[9]
            && second % 11 == digits[10]
    })
}

/// FI: a personal identity code: day of birth, sign of the century, serial number, check character (Digital and Population Data Services
/// Agency; signs of 2023).
pub(super) fn fi_personal_code(text: &str) -> bool {
    let Ok(bytes) = <[u8; 11]>::try_from(text.as_bytes()) else { return false };
    let bytes = bytes.map(|byte| byte.to_ascii_uppercase());
    let (Some(born), Some(serial)) = (all_digits::<6>(&bytes[..6]), all_digits::<3>(&bytes[7..10])) else {
        return false;
    };
    let rest = (number(&born) * 1000 + number(&serial)) % 31;
    b"+-ABCDEFYXWVU".contains(&bytes[6])
        && is_day_month_year(&born)
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[rest as usize] == bytes[10]
}

/// DK: a number of the central register of persons: day of birth (plus 60 where none is known); numbers without the
/// check digit of modulus 11 are given out since 2007 and to be accepted (CPR-kontoret, "Personnumre uden kontrolciffer"), so none is asked for.
pub(super) fn dk_cpr(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let day = two(&digits, 0);
        is_day(two(&digits, 4), two(&digits, 2), if day > 60 { day - 60 } else { day }) && number(&digits[6..]) != 0
    })
}

/// IS: a kennitala: day of birth (organisations' plus 40), check digit modulus 11, century (Registers Iceland).
pub(super) fn is_kennitala(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let day = two(&digits, 0);
        let check = 11 - weigh(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        is_day(two(&digits, 4), two(&digits, 2), if day > 40 { day - 40 } else { day })
            && check % 11 == digits[8]
            && matches!(digits[9], 0 | 8 | 9)
    })
}

/// EE and LT: a personal code: sex and century, day of birth, check digit of two rounds (EVS 585; LT law on the register, annex).
pub(super) fn baltic_personal_code(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let check = match weigh(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11 {
            10 => weigh(&digits, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10,
            check => check,
        };
        matches!(digits[0], 1..=8) && is_year_month_day(&digits[1..]) && check == digits[10]
    })
}

/// LV: a personal code: day of birth, century, serial number and check digit, or from 2017 on 32 and digits without meaning (Office of
/// Citizenship and Migration Affairs).
pub(super) fn lv_personal_code(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        // 1101 less the weighted sum, modulus 11 and then 10; 1101 leaves 1.
        let sum = weigh(&digits, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
        let check = (12 - sum) % 11 % 10;
        digits[..2] == [3, 2] && !is_one_digit(&digits) || is_day_month_year(&digits) && check == digits[10]
    })
}

/// NO: an organisation number: nine digits, modulus 11 (Brønnøysund Register Centre).
pub(super) fn no_organisation_number(text: &str) -> bool {
    let number = Compact::of(text).and_then(|compact| all_digits::<9>(compact.bytes().get(..9)?));
    number.is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        check % 11 == digits[8] && !is_one_digit(&digits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn the_nordic_countries() {
        // SKV 704; Skatteetaten's synthetic person; Wikipedia, "Henkilötunnus", "CPR-nummer", "Kennitala"; the Swedish agency's own number.
        check(
            se_personal_number,
            &["811228-9874", "198112289874", "640823-3234", "811288-9871"],
            &["811228-9875", "811328-9874"],
        );
        check(se_organisation_number, &["556036-0793", "2021005489"], &["556036-0794", "000000-0000"]);
        check(no_national_number, &["29029600013", "15021951940"], &["29029600014", "00000000000"]);
        check(
            fi_personal_code,
            &["131052-308T", "010101-0101", "131052a308t"],
            &["131052-308U", "131352-308T", "131052/308T"],
        );
        check(dk_cpr, &["211062-5629", "0707614285"], &["321062-5629", "211362-5629"]);
        check(is_kennitala, &["120174-3399", "450401-3150"], &["120174-3389", "121374-3399"]);
        check(no_organisation_number, &["974 760 673", "974760673MVA"], &["974760674", "000000000"]);
    }

    #[test]
    fn the_baltic_countries() {
        // Wikipedia, "Isikukood", "Asmens kodas", "National identification number" (Latvia).
        check(baltic_personal_code, &["37605030299", "33309240064"], &["37605030298", "97605030299"]);
        check(lv_personal_code, &["161175-19997", "32000000011"], &["161175-19998", "161375-19997"]);
    }
}
