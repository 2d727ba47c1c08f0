//! America without the United States.

use super::number::{
    Compact, all_digits, digits, is_day, is_one_digit, is_year_month_day, luhn, number, two, value, weigh,
};

/// The check digit 11 − sum mod 11, 10 and 11 as 0.
const fn eleven(sum: u32) -> u32 {
    let rest = sum % 11;
    if rest < 2 { 0 } else { 11 - rest }
}

/// CA: a social insurance number: it begins with none of 0 and 8, Luhn's check digit (ESDC).
pub(super) fn ca_sin(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| !matches!(digits[0], 0 | 8) && luhn(&digits))
}

/// BR: a person's number: two check digits, modulus 11 (Receita Federal).
pub(super) fn br_cpf(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        !is_one_digit(&digits)
            && eleven(weigh(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2])) == digits[9]
            && eleven(weigh(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) == digits[10]
    })
}

/// BR: a legal person's number, with letters from July 2026 on, which count as their code less 48 (Instrução Normativa RFB 2.229/2024).
pub(super) fn br_cnpj(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 14]>::try_from(compact.bytes()) else { return false };
    let values = bytes.map(|byte| u32::from(byte - b'0'));
    bytes[12..].iter().all(u8::is_ascii_digit)
        && !is_one_digit(&values)
        && eleven(weigh(&values, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == values[12]
        && eleven(weigh(&values, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == values[13]
}

/// BR: a worker's number (PIS, PASEP, NIS), modulus 11 (Caixa).
pub(super) fn br_pis(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        eleven(weigh(&digits, &[3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == digits[10] && !is_one_digit(&digits)
    })
}

/// BR: a national health card: weights 15 to 1, modulus 11 (DATASUS).
pub(super) fn br_cns(text: &str) -> bool {
    digits::<15>(text).is_some_and(|digits| {
        matches!(digits[0], 1 | 2 | 7..=9)
            && weigh(&digits, &[15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
    })
}

/// BR: a voter's number: eight digits, state, two check digits (Tribunal Superior Eleitoral, Resolução 21.538).
pub(super) fn br_voter(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| {
        let few = |rest: u32, state: u32| match (rest % 11, state) {
            (0, 1 | 2) => 1,
            (10, _) => 0,
            (rest, _) => rest,
        };
        let state = two(&digits, 8);
        let first = few(weigh(&digits, &[2, 3, 4, 5, 6, 7, 8, 9]), state);
        let second = few(digits[8] * 7 + digits[9] * 8 + first * 9, state);
        (1..=28).contains(&state) && first == digits[10] && second == digits[11]
    })
}

/// AR: a tax or labour number: kind, document, check digit modulus 11 (AFIP).
pub(super) fn ar_cuit(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        let check = match check {
            11 => 0,
            10 => 9,
            check => check,
        };
        matches!(two(&digits, 0), 20 | 23 | 24 | 27 | 30 | 33 | 34 | 50 | 51 | 55) && check == digits[10]
    })
}

/// The digits of a number of one to `N`, set right.
fn right<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let mut digits = [0; N];
    let from = N.checked_sub(bytes.len())?;
    for (digit, byte) in digits[from..].iter_mut().zip(bytes) {
        *digit = char::from(*byte).to_digit(10)?;
    }
    Some(digits)
}

/// CL: a RUN or RUT: weights 2 to 7 from the right, modulus 11, K for 10 (Registro Civil).
pub(super) fn cl_rut(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Some((check, body)) = compact.bytes().split_last() else { return false };
    let Some(digits) = right::<8>(body).filter(|_| body.len() >= 7) else { return false };
    let check = match check {
        b'K' => 10,
        b'0'..=b'9' => value(*check),
        _ => return false,
    };
    (11 - weigh(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == check && !is_one_digit(&digits)
}

/// CO: a tax number with its check digit: primes as weights from the right, modulus 11 (DIAN).
pub(super) fn co_nit(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Some((check, body)) = compact.bytes().split_last() else { return false };
    let Some(digits) = right::<15>(body).filter(|_| body.len() >= 8) else { return false };
    let rest = weigh(&digits, &[71, 67, 59, 53, 47, 43, 41, 37, 29, 23, 19, 17, 13, 7, 3]) % 11;
    (if rest < 2 { rest } else { 11 - rest }) == value(*check) && number(&digits) != 0
}

/// PE: a taxpayer's number: kind, ten digits, modulus 11 (SUNAT).
pub(super) fn pe_ruc(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let check = (11 - weigh(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 10;
        matches!(two(&digits, 0), 10 | 15 | 16 | 17 | 20) && check == digits[10]
    })
}

/// EC: an identity card: province, third digit up to 6, Luhn's check digit (Registro Civil).
pub(super) fn ec_cedula(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| matches!(two(&digits, 0), 1..=24 | 30) && digits[2] <= 6 && luhn(&digits))
}

/// UY: an identity card: weights 2, 9, 8, 7, 6, 3, 4, modulus 10 (DNIC).
pub(super) fn uy_cedula(text: &str) -> bool {
    digits::<8>(text).is_some_and(|digits| {
        (10 - weigh(&digits, &[2, 9, 8, 7, 6, 3, 4]) % 10) % 10 == digits[7] && !is_one_digit(&digits)
    })
}

/// DO: an identity card: eleven digits with Luhn's check digit (Junta Central Electoral).
pub(super) fn do_cedula(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| luhn(&digits) && number(&digits) != 0)
}

/// MX: a CURP: initials, day of birth, sex, state, consonants, check digit (DOF of 18 October 2021).
pub(super) fn mx_curp(text: &str) -> bool {
    const STATES: &str = "ASBCBSCCCLCMCSCHDFDGGTGRHGJCMCMNMSNTNLOCPLQTQRSPSLSRTCTSTLVZYNZSNE";
    // Ñ stands between N and O, so what follows N counts one more.
    let place = |byte: u8| value(byte) + u32::from(byte > b'N');
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 18]>::try_from(compact.bytes()) else { return false };
    let Some(born) = all_digits::<6>(&bytes[4..10]) else { return false };
    let sum: u32 = bytes[..17].iter().zip((2..=18).rev()).map(|(byte, weight)| place(*byte) * weight).sum();
    bytes[..4].iter().all(u8::is_ascii_uppercase)
        && is_year_month_day(&born)
        && b"HMX".contains(&bytes[10])
        && STATES.as_bytes().chunks_exact(2).any(|state| *state == bytes[11..13])
        && bytes[13..16].iter().all(u8::is_ascii_uppercase)
        && (10 - sum % 10) % 10 == value(bytes[17])
}

/// MX: a person's RFC: initials, day of birth, two characters and the check digit, modulus 11 (SAT).
pub(super) fn mx_rfc(text: &str) -> bool {
    // & stands between N and O, so what follows N counts one more.
    let place = |byte: u8| value(byte) + u32::from(byte > b'N');
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(bytes) = <[u8; 13]>::try_from(compact.bytes()) else { return false };
    let Some(born) = all_digits::<6>(&bytes[4..10]) else { return false };
    let sum: u32 = bytes[..12].iter().zip((2..=13).rev()).map(|(byte, weight)| place(*byte) * weight).sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        check => b'0' + check as u8,
    };
    bytes[..4].iter().all(u8::is_ascii_uppercase) && is_year_month_day(&born) && check == bytes[12]
}

/// MX: a social security number: eleven digits with Luhn's check digit (IMSS).
pub(super) fn mx_nss(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| luhn(&digits) && number(&digits[..10]) != 0)
}

/// CU: an identity number: day of birth and five digits, no check digit that is published (python-stdnum `cu.ni`).
pub(super) fn cu_ni(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| is_day(two(&digits, 0), two(&digits, 2), two(&digits, 4)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn brazil() {
        // Receita Federal: examples in Instrução Normativa RFB 2.229/2024 and its manual; Wikipedia; PIS computed by hand from the rule.
        check(br_cpf, &["111.444.777-35", "52998224725"], &["111.444.777-36", "00000000000"]);
        check(br_cnpj, &["11.222.333/0001-81", "12.ABC.345/01DE-35"], &["11.222.333/0001-82", "00.000.000/0000-00"]);
        check(br_pis, &["12034567899"], &["12034567898", "00000000000"]);
    }

    #[test]
    fn the_south() {
        // AFIP, Registro Civil, DIAN, SUNAT, Wikipedia.
        check(ar_cuit, &["20-12345678-6", "20123456786"], &["20-12345678-7", "10-12345678-6"]);
        check(cl_rut, &["12.345.678-5", "76086428-5", "9999999-3"], &["12.345.678-6", "123-6"]);
        check(co_nit, &["800.197.268-4", "213123432-1"], &["800.197.268-5"]);
        check(pe_ruc, &["20512333797"], &["20512333798", "30512333797"]);
        check(ec_cedula, &["171430710-3"], &["1714307104", "9914307103"]);
        check(uy_cedula, &["1.234.567-2"], &["1.234.567-3"]);
        check(do_cedula, &["00113918205"], &["00113918204"]);
    }

    #[test]
    fn the_north() {
        // ESDC's specimen; RENAPO's and SAT's examples.
        check(ca_sin, &["130-692-544"], &["123-456-789", "046-454-286"]);
        check(mx_curp, &["BOXW310820HNERXN09", "SABC560626MDFLRN01"], &["BOXW310820HNERXN08", "BOXW311320HNERXN09"]);
        check(mx_rfc, &["GODE561231GR8"], &["GODE561231GR9", "GODE561331GR8"]);
    }
}
