//! Western and southern Europe.

use super::number::{
    Compact, all_digits, digits, is_day, is_day_month_year, is_one_digit, luhn, mod_11_10, nine_digits, number, two,
    value, verhoeff, weigh,
};

/// GB: an NHS number, modulus 11 (NHS Data Dictionary, "NHS number").
pub(super) fn gb_nhs(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        check % 11 == digits[9] && check != 10 && !is_one_digit(&digits)
    })
}

/// GB: a national insurance number: prefixes that are given out (HMRC, NIM39110).
pub(super) fn gb_nino(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [first, second, number @ ..] = compact.bytes() else { return false };
    let prefix = [*first, *second];
    let Some((suffix, number)) = number.split_last() else { return false };
    first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(first)
        && !b"DFIQUVO".contains(second)
        && !matches!(&prefix, b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ")
        && all_digits::<6>(number).is_some()
        && matches!(suffix, b'A'..=b'D')
}

/// GB: a unique taxpayer reference: its first digit is the check digit of the nine others, modulus 11 (OECD, Tax
/// Identification Numbers, United Kingdom; python-stdnum `gb.utr`).
pub(super) fn gb_utr(text: &str) -> bool {
    let last_ten = text.strip_suffix(['K', 'k']).unwrap_or(text);
    digits::<10>(last_ten).is_some_and(|digits| {
        let rest = weigh(&digits[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
        [2, 1, 9, 8, 7, 6, 5, 4, 3, 2, 1][rest as usize] == digits[0] && !is_one_digit(&digits)
    })
}

/// GB: a driving licence number: five places of the surname, decade, month (women's plus 50), day and year of birth, initials; no check digit
/// that is published (Wikipedia, "Driving licence in the United Kingdom").
pub(super) fn gb_driving_licence(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    if bytes.len() != 16 && bytes.len() != 18 {
        return false;
    }
    let name = bytes[..5].iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let Some(born) = all_digits::<6>(&bytes[5..11]) else { return false };
    name > 0
        && bytes[name..5].iter().all(|byte| *byte == b'9')
        && matches!(two(&born, 1), 1..=12 | 51..=62)
        && matches!(two(&born, 3), 1..=31)
        && bytes[11..13].iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'9')
        && bytes[14..16].iter().all(u8::is_ascii_uppercase)
}

/// IE: a personal public service number, modulus 23 over seven digits and the second letter (Department of Social Protection).
pub(super) fn ie_pps(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Some((number, letters)) = compact.bytes().split_at_checked(7) else { return false };
    let Some(digits) = all_digits::<7>(number) else { return false };
    let (check, second) = match letters {
        [check] | [check, b'W'] => (check, 0),
        [check, second @ b'A'..=b'I'] => (check, u32::from(second - b'A') + 1),
        _ => return false,
    };
    let rest = (weigh(&digits, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second) % 23;
    b"WABCDEFGHIJKLMNOPQRSTUV"[rest as usize] == *check
}

/// DE: a tax identification number: no digit more than three times in the first ten, ISO/IEC 7064 MOD 11,10 (§ 139b AO).
pub(super) fn de_tax_id(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let most = (0..10).map(|digit| digits[..10].iter().filter(|other| **other == digit).count()).max();
        digits[0] != 0 && most.is_some_and(|most| most <= 3) && mod_11_10(&digits)
    })
}

/// DE: a social insurance number: area, day of birth (or a number beyond 31), initial, serial number, check digit (VKVV § 2 and annex).
pub(super) fn de_social_security(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    if bytes.len() != 12 || !bytes[8].is_ascii_uppercase() {
        return false;
    }
    let (Some(head), Some(tail)) = (all_digits::<8>(&bytes[..8]), all_digits::<3>(&bytes[9..])) else { return false };
    let initial = u32::from(bytes[8] - b'A') + 1;
    let mut digits = [0; 12];
    digits[..8].copy_from_slice(&head);
    digits[8] = initial / 10;
    digits[9] = initial % 10;
    digits[10..].copy_from_slice(&tail[..2]);
    let sum: u32 = digits
        .iter()
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| digit * weight / 10 + digit * weight % 10)
        .sum();
    (1..=12).contains(&two(&head, 4)) && (1..=81).contains(&two(&head, 2)) && sum % 10 == tail[2]
}

/// DE: a health insurance number: a letter, eight digits and Luhn's check digit over all, the letter as two digits (§ 290 SGB V, annex 1).
pub(super) fn de_health_insurance(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [initial @ b'A'..=b'Z', number @ ..] = compact.bytes() else { return false };
    let Some(number) = all_digits::<9>(number) else { return false };
    let initial = u32::from(initial - b'A') + 1;
    let mut digits = [initial / 10, initial % 10, 0, 0, 0, 0, 0, 0, 0, 0];
    digits[2..].copy_from_slice(&number[..8]);
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum % 10 == number[8]
}

/// DE: number of a passport or an identity card with its check digit, weights 7, 3, 1 (BSI TR-03105); without it, nine places
/// that can be such a number.
pub(super) fn de_document(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    let places = bytes.len() >= 9
        && b"CFGHJKLMNPRTVWXYZ0123456789".contains(&bytes[0])
        && bytes[..9].iter().all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte))
        && bytes[..9].iter().filter(|byte| byte.is_ascii_digit()).count() >= 3;
    match bytes.get(9..) {
        Some([]) => places,
        Some([check]) => {
            let sum: u32 =
                bytes[..9].iter().zip([7, 3, 1].iter().cycle()).map(|(byte, weight)| value(*byte) * weight).sum();
            places && value(*check) == sum % 10
        }
        _ => false,
    }
}

/// FR: a number of the national register: sex, year, month, department, commune, serial number, and the key 97 − number mod 97
/// (INSEE; 2A and 2B count as 19 and 18).
pub(super) fn fr_nir(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let mut bytes = [0; 15];
    let Ok(given) = <[u8; 15]>::try_from(compact.bytes()) else { return false };
    bytes.copy_from_slice(&given);
    match (bytes[5], bytes[6]) {
        (b'2', b'A') => bytes[5..7].copy_from_slice(b"19"),
        (b'2', b'B') => bytes[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let Some(digits) = all_digits::<15>(&bytes) else { return false };
    matches!(digits[0], 1..=4 | 7 | 8)
        && matches!(two(&digits, 3), 1..=12 | 20..=42 | 50..=99)
        && number(&digits[13..]) == 97 - number(&digits[..13]) % 97
}

/// FR: a tax reference of a person: 0 to 3, and the first ten digits modulo 511 as the last three (European
/// Commission, TIN by country; python-stdnum `fr.nif`).
pub(super) fn fr_tax_id(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| {
        digits[0] <= 3 && number(&digits[..10]) % 511 == number(&digits[10..]) && number(&digits) != 0
    })
}

/// The letter of a number by its remainder by 23 (Ministerio del Interior).
fn es_letter(number: u64) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize]
}

/// ES: number and letter of an identity card, or K, L or M and the check letter of those who have none (python-stdnum
/// `es.dni`, `es.nif`).
pub(super) fn es_nif(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    let Some((check, number_)) = bytes.split_last() else { return false };
    if let Some(digits) = all_digits::<8>(number_) {
        return es_letter(number(&digits)) == *check;
    }
    let [b'K' | b'L' | b'M', rest @ ..] = number_ else { return false };
    all_digits::<7>(rest).is_some_and(|digits| {
        let sum: u32 = digits
            .iter()
            .enumerate()
            .map(|(at, digit)| if at % 2 == 1 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum();
        b"JABCDEFGHI"[((10 - sum % 10) % 10) as usize] == *check || es_letter(number(&digits)) == *check
    })
}

/// ES: a foreigner's number: X, Y or Z stands for 0, 1 or 2 (Wikipedia, "Número de identidad de extranjero"; python-stdnum `es.nie`).
pub(super) fn es_nie(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [first @ b'X'..=b'Z', number_ @ .., check] = compact.bytes() else { return false };
    all_digits::<7>(number_)
        .is_some_and(|digits| es_letter(u64::from(first - b'X') * 10_000_000 + number(&digits)) == *check)
}

/// ES: a social security number: province, eight digits, and the remainder of both by 97 (number of affiliation, TGSS; no official
/// text of the rule was found, implementations agree on it).
pub(super) fn es_social_security(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| {
        let (province, serial) = (number(&digits[..2]), number(&digits[2..10]));
        let both = if serial < 10_000_000 { province * 10_000_000 + serial } else { province * 100_000_000 + serial };
        (1..=66).contains(&province) && both % 97 == number(&digits[10..])
    })
}

/// IT: a codice fiscale of a person: letters for digits in namesakes, day of birth, check letter (D.M. 23 December 1976).
pub(super) fn it_fiscal_code(text: &str) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 16]>::try_from(compact.bytes()) else { return false };
    let numeral = |byte: u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        _ => b"LMNPQRSTUV".iter().position(|letter| *letter == byte).map(|at| at as u32),
    };
    let (Some(_), Some(_), Some(ten), Some(one)) =
        (numeral(bytes[6]), numeral(bytes[7]), numeral(bytes[9]), numeral(bytes[10]))
    else {
        return false;
    };
    let place = |byte: u8| if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') };
    let sum: u32 = bytes[..15]
        .iter()
        .enumerate()
        .map(|(at, byte)| if at % 2 == 0 { ODD[place(*byte) as usize] } else { place(*byte) })
        .sum();
    bytes[..6].iter().all(u8::is_ascii_uppercase)
        && b"ABCDEHLMPRST".contains(&bytes[8])
        && matches!(ten * 10 + one, 1..=31 | 41..=71)
        && bytes[11].is_ascii_uppercase()
        && bytes[12..15].iter().all(|byte| numeral(*byte).is_some())
        && u32::from(bytes[15].wrapping_sub(b'A')) == sum % 26
}

/// IT: a partita IVA: seven digits, the office's province, Luhn's check digit (Agenzia delle Entrate).
pub(super) fn it_vat(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        luhn(&digits)
            && digits[..7].iter().any(|digit| *digit != 0)
            && matches!(number(&digits[7..10]), 1..=100 | 120 | 121 | 888 | 999)
    })
}

/// PT: a tax number, modulus 11 (python-stdnum `pt.nif`).
pub(super) fn pt_nif(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        digits[0] != 0 && (if check > 9 { 0 } else { check }) == digits[8]
    })
}

/// PT: number of a citizen card: letters count from 10, Luhn's doubling over twelve places (Instituto dos Registos e do Notariado).
pub(super) fn pt_citizen_card(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    let sum: u32 = bytes
        .iter()
        .rev()
        .enumerate()
        .map(|(at, byte)| match value(*byte) {
            value if at % 2 == 0 => value,
            value if value * 2 > 9 => value * 2 - 9,
            value => value * 2,
        })
        .sum();
    bytes.len() == 12
        && bytes[..9].iter().all(u8::is_ascii_digit)
        && bytes[11].is_ascii_digit()
        && sum.is_multiple_of(10)
}

/// PT: a social security number: weights are the primes from 29 down to 2, modulus 10 (no official text of the rule was found, implementations
/// agree on it).
pub(super) fn pt_social_security(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        matches!(digits[0], 1 | 2) && 9 - weigh(&digits, &[29, 23, 19, 17, 13, 11, 7, 5, 3, 2]) % 10 == digits[10]
    })
}

/// NL: a citizen service number: weights 9 to 2 and −1, modulus 11 (Logisch ontwerp BSN).
pub(super) fn nl_bsn(text: &str) -> bool {
    nine_digits(text).is_some_and(|digits| {
        (weigh(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) + 11 * 9 - digits[8]).is_multiple_of(11)
            && digits[..3].iter().any(|digit| *digit != 0)
    })
}

/// BE: a number of the national register, or of its second one: day of birth, and 97 less the remainder, from 2000 on with a 2 before (IBZ,
/// IT000, Rijksregisternummer).
pub(super) fn be_national_number(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let (serial, check) = (number(&digits[..9]), number(&digits[9..]));
        matches!(two(&digits, 2), 0..=12 | 20..=32 | 40..=52)
            && two(&digits, 4) <= 31
            && (check == 97 - serial % 97 || check == 97 - (2_000_000_000 + serial) % 97)
            && serial != 0
    })
}

/// LU: an identification number: day of birth, serial number, check digits of Luhn and of Verhoeff (law of 19 June 2013).
pub(super) fn lu_national_number(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| {
        let mut second = [0; 12];
        second[..11].copy_from_slice(&digits[..11]);
        second[11] = digits[12];
        matches!(number(&digits[..4]), 1800..=2100)
            && is_day(two(&digits, 2), two(&digits, 4), two(&digits, 6))
            && luhn(&digits[..12])
            && verhoeff(&second)
    })
}

/// CH: an insured person's number: 756, nine digits, check digit of EAN-13 (Central Compensation Office).
pub(super) fn ch_ahv(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| {
        digits[..3] == [7, 5, 6] && weigh(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
    })
}

/// AT: a social insurance number: serial number, check digit, day of birth (months beyond 12 where days are full) (Wikipedia,
/// "Sozialversicherungsnummer"; python-stdnum `at.vnr`).
pub(super) fn at_social_security(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let month = two(&digits, 6);
        let day = is_day_month_year(&digits[4..]) || matches!(month, 13..=15) && matches!(two(&digits, 4), 1..=31);
        digits[0] != 0 && day && weigh(&digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == digits[3]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn great_britain_and_ireland() {
        // NHS Data Dictionary; HMRC's examples; Wikipedia, "Driving licence in the United Kingdom"; Revenue's examples.
        check(gb_nhs, &["943 476 5919", "4010232137"], &["9434765918", "0000000000", "943476591"]);
        check(
            gb_nino,
            &["AB123456C", "PR 12 36 12 C", "hh010203d"],
            &["QQ123456C", "BG123456A", "AB123456E", "AO123456A"],
        );
        check(gb_utr, &["1955839661", "1955839661"], &["2955839661", "195583966"]);
        check(
            gb_driving_licence,
            &["MORGA657054SM9IJ", "MORGA 657054 SM9IJ"],
            &["MORGA699054SM9IJ", "MORGAX57054SM9IJ", "99999657054SM9IJ"],
        );
        check(ie_pps, &["1234567T", "1234567FA", "6433435F"], &["1234567A", "1234567TZ", "123456T"]);
    }

    #[test]
    fn germany_and_austria() {
        // BZSt's test numbers; the example of VKVV; annex 1 of § 290 SGB V; the BSI's specimen; Wikipedia, "Sozialversicherungsnummer".
        check(
            de_tax_id,
            &["86 095 742 719", "47036892816", "65929970489"],
            &["86095742718", "06095742719", "11111111111"],
        );
        check(
            de_social_security,
            &["65 170839 J 003", "15070649C103"],
            &["65170839J004", "65171339J003", "65170839J03"],
        );
        check(de_health_insurance, &["A123456780"], &["A123456781", "1123456780"]);
        check(de_document, &["L01X00T471", "L01X00T47"], &["L01X00T472", "A01X00T47", "CFGHJKLMN"]);
        check(at_social_security, &["1237 010180"], &["1238010180", "1237320180"]);
    }

    #[test]
    fn france_and_benelux() {
        // Wikipedia, "Numéro de sécurité sociale en France", "Burgerservicenummer", "Rijksregisternummer"; the tax administration's example.
        check(fr_nir, &["2 55 08 14 168 025 38", "188057208107893"], &["255081416802539", "955081416802538"]);
        check(fr_tax_id, &["30 23 217 600 053"], &["3023217600054", "4023217600053"]);
        check(nl_bsn, &["111222333", "123456782", "1112.22.333"], &["111222334", "000000000"]);
        check(be_national_number, &["85.07.30-033 28", "93051822361"], &["85073003329", "85133003328"]);
        check(lu_national_number, &["1893120105732"], &["1893120105733", "1893130105732"]);
        check(ch_ahv, &["756.9217.0769.85", "7569217076985"], &["756.9217.0769.84", "7579217076985"]);
    }

    #[test]
    fn the_south() {
        // Ministerio del Interior; Agenzia delle Entrate; Autoridade Tributária; Wikipedia.
        check(es_nif, &["12345678Z", "54362315-K", "00000000T"], &["12345678A", "1234567Z"]);
        check(es_nie, &["X1234567L", "Z8078221M", "x-2482300-w"], &["X1234567M", "W1234567L"]);
        check(
            it_fiscal_code,
            &["RSSMRA85T10A562S", "MRTMTT91D08F205J", "rssmra85t10a562s"],
            &["RSSMRA85T10A562T", "RSSMRA85Z10A562S", "RSSMRA85T99A562S"],
        );
        check(it_vat, &["07643520567", "00743110157"], &["07643520568", "00000000000"]);
        check(pt_nif, &["501964843", "123456789"], &["501964842", "023456789"]);
        check(pt_citizen_card, &["000000000ZZ4", "00000000 0 ZZ4"], &["000000000ZZ5", "000000000ZZ"]);
    }
}
