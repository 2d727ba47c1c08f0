//! Asia and the Middle East.

use super::number::{
    Compact, all_digits, digits, is_day, is_one_digit, is_year_month_day, luhn, number, two, value, verhoeff, weigh,
};

/// IN: an Aadhaar number: it begins with 2 to 9, is no palindrome, Verhoeff's check digit (UIDAI).
pub(super) fn in_aadhaar(text: &str) -> bool {
    digits::<12>(text)
        .is_some_and(|digits| digits[0] >= 2 && verhoeff(&digits) && !digits.iter().eq(digits.iter().rev()))
}

/// IN: a permanent account number: the fourth letter says whose it is (Income Tax Department). In one case.
pub(super) fn in_pan(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let one_case = text.bytes().filter(u8::is_ascii_alphabetic).all(|byte| byte.is_ascii_uppercase())
        || text.bytes().filter(u8::is_ascii_alphabetic).all(|byte| byte.is_ascii_lowercase());
    one_case && compact.bytes().get(3).is_some_and(|holder| b"ABCFGHJLPTEK".contains(holder))
}

/// IN: a goods and services tax number: state, permanent account number, entity, Z, check character modulus 36 (GSTN).
pub(super) fn in_gstin(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 15]>::try_from(compact.bytes()) else { return false };
    let state = all_digits::<2>(&bytes[..2]).map_or(0, |digits| two(&digits, 0));
    let sum: u32 = bytes[..14]
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let product = value(*byte) * if at % 2 == 0 { 1 } else { 2 };
            product / 36 + product % 36
        })
        .sum();
    matches!(state, 1..=38 | 97 | 99) && (36 - sum % 36) % 36 == value(bytes[14])
}

/// IN: a vehicle's registration: the letters of a state or union territory, or BH in the second place; no check digit (Wikipedia, "Vehicle
/// registration plates of India").
pub(super) fn in_vehicle(text: &str) -> bool {
    const STATES: &str = "ANAPARASBRCGCHDDDLDNGAGJHPHRJHJKKAKLLALDMHMLMNMPMZNLODORPBPYRJSKTGTNTRTSUAUKUPWB";
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    bytes.get(..2).is_some_and(|state| STATES.as_bytes().chunks_exact(2).any(|known| known == state))
        || bytes.get(2..4) == Some(b"BH")
}

/// CN: a resident identity number: province, day of birth, serial number, ISO/IEC 7064 MOD 11-2 (GB 11643-1999).
pub(super) fn cn_resident_id(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Some((check, body)) = compact.bytes().split_last() else { return false };
    let Some(digits) = all_digits::<17>(body) else { return false };
    let sum = weigh(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    matches!(two(&digits, 0), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
        && matches!(number(&digits[6..10]), 1850..=2099)
        && is_day(two(&digits, 8), two(&digits, 10), two(&digits, 12))
        && b"10X98765432"[(sum % 11) as usize] == *check
}

/// TW: an identity number, or a resident's: a letter as two digits, weights 1, 9 to 1, modulus 10 (Ministry of the Interior).
pub(super) fn tw_id(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [area @ b'A'..=b'Z', kind, rest @ ..] = compact.bytes() else { return false };
    // Letters in the order of their numbers, from 10 on.
    let place = |letter: u8| {
        b"ABCDEFGHJKLMNPQRSTUVXYWZIO".iter().position(|other| *other == letter).map_or(0, |at| at as u32 + 10)
    };
    let first = place(*area);
    let second = match kind {
        b'1' | b'2' | b'8' | b'9' => u32::from(kind - b'0'),
        // Residents' numbers before 2021 have a letter, of whose number the last digit counts.
        b'A'..=b'D' => place(*kind) % 10,
        _ => return false,
    };
    all_digits::<8>(rest).is_some_and(|digits| {
        let sum = first / 10 + first % 10 * 9 + second * 8 + weigh(&digits, &[7, 6, 5, 4, 3, 2, 1, 1]);
        sum.is_multiple_of(10)
    })
}

/// HK: an identity card number: one or two letters, six digits, a check digit in parentheses, modulus 11 (Immigration Department).
pub(super) fn hk_id(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let Some((check, body)) = bytes.split_last() else { return false };
    if !matches!(letters, 1 | 2) || body.len() != letters + 6 || !body[letters..].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let blank = if letters == 1 { 36 * 9 } else { 0 };
    let sum: u32 = body.iter().rev().zip(2..).map(|(byte, weight)| value(*byte) * weight).sum();
    let check = match check {
        b'A' => 10,
        b'0'..=b'9' => u32::from(check - b'0'),
        _ => return false,
    };
    (sum + blank + check).is_multiple_of(11)
}

/// JP: an individual number: weights 2 to 7 and 2 to 6 from the right, modulus 11 (ordinance 85 of 2014, article 5).
pub(super) fn jp_my_number(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| {
        let rest = weigh(&digits, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        (if rest <= 1 { 0 } else { 11 - rest }) == digits[11] && !is_one_digit(&digits)
    })
}

/// KR: a resident registration number: day of birth, sex and century. Its check digit is random since October 2020.
pub(super) fn kr_rrn(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| is_year_month_day(&digits) && number(&digits[7..]) != 0)
}

/// KR: a business registration number (National Tax Service; OECD, Tax Identification Numbers, Korea).
pub(super) fn kr_brn(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let sum = weigh(&digits, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + digits[8] * 5 / 10;
        (10 - sum % 10) % 10 == digits[9] && !is_one_digit(&digits)
    })
}

/// KR: a driver's licence: the office's region is 11 to 28.
pub(super) fn kr_driver_license(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| matches!(two(&digits, 0), 11..=28))
}

/// SG: a national registration identity card, or a foreigner's number: weights 2, 7 to 2, an offset by series, modulus 11 (Wikipedia, "National
/// Registration Identity Card").
pub(super) fn sg_nric(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [series, number_ @ .., check] = compact.bytes() else { return false };
    let Some(digits) = all_digits::<7>(number_) else { return false };
    let sum = weigh(&digits, &[2, 7, 6, 5, 4, 3, 2]);
    let letter = match series {
        b'S' => b"JZIHGFEDCBA"[(sum % 11) as usize],
        b'T' => b"JZIHGFEDCBA"[((sum + 4) % 11) as usize],
        b'F' => b"XWUTRQPNMLK"[(sum % 11) as usize],
        b'G' => b"XWUTRQPNMLK"[((sum + 4) % 11) as usize],
        b'M' => b"XWUTRQPNJLK"[((sum + 3) % 11) as usize],
        _ => return false,
    };
    letter == *check
}

/// MY: an identity card number: day of birth, place of birth, serial number (National Registration Department).
pub(super) fn my_nric(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| {
        is_year_month_day(&digits) && !matches!(two(&digits, 6), 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97)
    })
}

/// TH: a national identification number: modulus 11 (Department of Provincial Administration).
pub(super) fn th_id(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| {
        let check = (11 - weigh(&digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10;
        matches!(digits[0], 1..=8) && check == digits[12]
    })
}

/// ID: a resident identity number: province, day of birth (women's plus 40), serial number (Ministry of Home Affairs).
pub(super) fn id_nik(text: &str) -> bool {
    digits::<16>(text).is_some_and(|digits| {
        let day = two(&digits, 6);
        matches!(two(&digits, 0), 11..=21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=97)
            && is_day(two(&digits, 10), two(&digits, 8), if day > 40 { day - 40 } else { day })
            && number(&digits[12..]) != 0
    })
}

/// IL: an identity number: nine digits with Luhn's check digit (Population and Immigration Authority).
pub(super) fn il_id(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| luhn(&digits) && number(&digits) > 10_000)
}

/// VN: a citizen's number: province, sex and century, year of birth, serial number (Circular 59/2021).
pub(super) fn vn_id(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| matches!(number(&digits[..3]), 1..=96) && digits[3] <= 3)
}

/// AE: an Emirates identity number: 784, year of birth, serial number, Luhn's check digit (Wikipedia, "National identification number", United
/// Arab Emirates).
pub(super) fn ae_id(text: &str) -> bool {
    digits::<15>(text)
        .is_some_and(|digits| digits[..3] == [7, 8, 4] && matches!(number(&digits[3..7]), 1900..=2099) && luhn(&digits))
}

/// SA: a national number (1) or a resident's (2), Luhn's check digit (Wikipedia, "National identification number", Saudi Arabia).
pub(super) fn sa_id(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| matches!(digits[0], 1 | 2) && luhn(&digits))
}

/// PK: a computerized identity number: the province is 1 to 8 (NADRA).
pub(super) fn pk_cnic(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| matches!(digits[0], 1..=8) && !is_one_digit(&digits))
}

/// KZ: an individual identification number: day of birth, century and sex, modulus 11 in two rounds (government resolution 406 of 22 May
/// 2007, rules for the formation of identification numbers).
pub(super) fn kz_iin(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| {
        let check = match weigh(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11 {
            10 => weigh(&digits, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11,
            check => check,
        };
        is_year_month_day(&digits) && digits[6] <= 6 && check == digits[11]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn south_asia() {
        // UIDAI's test numbers; GSTN's and the Income Tax Department's examples.
        check(in_aadhaar, &["2341 2341 2346", "999941057058"], &["234123412347", "123412341234", "222222222222"]);
        check(in_pan, &["ABCPD1234Z", "abcpd1234z"], &["ABCXD1234Z", "AbcPd1234z"]);
        check(in_gstin, &["27AAPFU0939F1ZV", "29AAGCB7383J1Z4"], &["27AAPFU0939F1ZX", "00AAPFU0939F1ZV"]);
        check(in_vehicle, &["DL3CJI0001", "22 BH 6517 A"], &["XX01AB1234"]);
        check(pk_cnic, &["42201-0397640-8"], &["92201-0397640-8"]);
    }

    #[test]
    fn east_asia() {
        // GB 11643-1999; Wikipedia's examples for Taiwan and Hong Kong; the My Number specimen; the National Tax Service's own number.
        check(
            cn_resident_id,
            &["11010519491231002X", "440524188001010014"],
            &["110105194912310021", "99010519491231002X", "11010519491331002X"],
        );
        check(tw_id, &["A123456789", "A800000014"], &["A123456788", "A323456789"]);
        check(hk_id, &["A123456(3)", "AB987654(3)", "C123456(9)"], &["A123456(4)", "1123456(3)"]);
        check(jp_my_number, &["123456789018"], &["123456789012", "000000000000"]);
        check(kr_rrn, &["960121-1234567"], &["961321-1234567", "960121-1000000"]);
        check(kr_brn, &["123-45-67891", "120-81-47521"], &["123-45-67890"]);
        check(kr_driver_license, &["11-22-123456-12"], &["29-22-123456-12"]);
    }

    #[test]
    fn the_southeast() {
        // Wikipedia; the agencies' specimens.
        check(sg_nric, &["S1234567D", "T0123456G", "F1234567N", "G1234567X", "M1234567K"], &["S1234567A", "A1234567D"]);
        check(my_nric, &["770305-02-1234", "890131065509"], &["771305-02-1234", "770305-17-1234"]);
        check(th_id, &["1-2345-67890-12-1", "1234567890121"], &["1234567890122", "9234567890121"]);
        check(
            id_nik,
            &["3171011708450001", "3175095708450001"],
            &["3171013213450001", "3171011708450000", "9971011708450001"],
        );
        check(vn_id, &["001099012345"], &["099099012345", "001999012345"]);
    }

    #[test]
    fn the_middle_east_and_central_asia() {
        // Wikipedia, "Israeli identity card"; the others computed by hand from the rule.
        check(il_id, &["039337423", "123456782"], &["123456789", "000000000"]);
        check(ae_id, &["784197812345672"], &["784197812345678", "785197812345675"]);
        check(sa_id, &["1000000008"], &["3000000006"]);
        check(kz_iin, &["000101000003"], &["001301000003"]);
    }
}
