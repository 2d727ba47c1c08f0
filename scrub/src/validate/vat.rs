//! VAT numbers of the European Union and its neighbours, which are personal data where they are a person's: prefix and national check digits
//! (European Commission, VIES, "structure of VAT numbers").

use super::number::{Compact, all_digits, luhn, mod_11_10, number, two, value, weigh};
use super::{europe_east, europe_north, europe_west};

/// A VAT number with the prefix of its country.
pub(super) fn eu_vat(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let Ok(all) = std::str::from_utf8(compact.bytes()) else { return false };
    let Some((country, rest)) = all.split_at_checked(2) else { return false };
    match country {
        "AT" => at(rest),
        "BE" => digits::<10>(rest)
            .is_some_and(|digits| digits[0] <= 1 && (number(&digits[..8]) + number(&digits[8..])).is_multiple_of(97)),
        "BG" => bg(rest),
        "CY" => cy(rest),
        "CZ" => cz(rest),
        "DE" => digits::<9>(rest).is_some_and(|digits| digits[0] != 0 && mod_11_10(&digits)),
        "DK" => digits::<8>(rest)
            .is_some_and(|digits| digits[0] != 0 && weigh(&digits, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)),
        "EE" => digits::<9>(rest).is_some_and(|digits| weigh(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)),
        "EL" | "GR" => europe_east::gr_afm(rest),
        "ES" => europe_west::es_nif(rest) || europe_west::es_nie(rest) || es(rest),
        "FI" => digits::<8>(rest).is_some_and(|digits| (weigh(&digits, &[7, 9, 10, 5, 8, 4, 2, 1])).is_multiple_of(11)),
        "FR" | "MC" => fr(rest),
        "GB" | "XI" => gb(rest),
        "HR" => europe_east::hr_oib(rest),
        "HU" => digits::<8>(rest).is_some_and(|digits| weigh(&digits, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10)),
        "IE" => ie(rest),
        "IT" => europe_west::it_vat(rest),
        "LT" => lt(rest),
        "LU" => digits::<8>(rest).is_some_and(|digits| number(&digits[..6]) % 89 == number(&digits[6..])),
        "LV" => lv(rest),
        "MT" => digits::<8>(rest).is_some_and(|digits| {
            digits[0] != 0 && (weigh(&digits, &[3, 4, 6, 7, 8, 9]) + two(&digits, 6)).is_multiple_of(37)
        }),
        "NL" => nl(rest),
        "NO" => rest.ends_with("MVA") && europe_north::no_organisation_number(rest),
        "PL" => europe_east::pl_nip(rest),
        "PT" => europe_west::pt_nif(rest),
        "RO" => ro(rest),
        "SE" => digits::<12>(rest).is_some_and(|digits| luhn(&digits[..10]) && (1..=94).contains(&two(&digits, 10))),
        "SI" => europe_east::si_tax_id(rest),
        "SK" => {
            digits::<10>(rest).is_some_and(|digits| digits[0] != 0 && number(&digits).is_multiple_of(11))
                || europe_east::cz_birth_number(rest)
        }
        "CH" => ch(rest),
        _ => false,
    }
}

fn digits<const N: usize>(text: &str) -> Option<[u32; N]> {
    all_digits::<N>(text.as_bytes())
}

fn at(rest: &str) -> bool {
    let number = rest.strip_prefix('U').and_then(digits::<8>);
    number.is_some_and(|digits| {
        let sum: u32 = digits[..7]
            .iter()
            .enumerate()
            .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum();
        (10 - (sum + 4) % 10) % 10 == digits[7]
    })
}

fn bg(rest: &str) -> bool {
    let legal = digits::<9>(rest).is_some_and(|digits| {
        let check = match weigh(&digits, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11 {
            10 => weigh(&digits, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11 % 10,
            check => check,
        };
        check == digits[8]
    });
    let other = digits::<10>(rest).is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        check % 11 == digits[9] && check != 10
    });
    legal || other || europe_east::bg_egn(rest) || europe_east::bg_pnf(rest)
}

fn cy(rest: &str) -> bool {
    const ODD: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let Some((number, [check])) = rest.as_bytes().split_at_checked(8) else { return false };
    all_digits::<8>(number).is_some_and(|digits| {
        let sum: u32 =
            digits.iter().enumerate().map(|(at, digit)| if at % 2 == 0 { ODD[*digit as usize] } else { *digit }).sum();
        u32::from(check.wrapping_sub(b'A')) == sum % 26 && digits[..2] != [1, 2]
    })
}

fn cz(rest: &str) -> bool {
    let legal = digits::<8>(rest).is_some_and(|digits| {
        let check = (11 - weigh(&digits, &[8, 7, 6, 5, 4, 3, 2]) % 11) % 10;
        digits[0] != 9 && check == digits[7]
    });
    let special = digits::<9>(rest).is_some_and(|digits| {
        let rest = weigh(&digits[1..], &[8, 7, 6, 5, 4, 3, 2]) % 11;
        digits[0] == 6 && (8 + 10 - (10 - rest) % 11) % 10 == digits[8]
    });
    legal || special || europe_east::cz_birth_number(rest)
}

/// A Spanish legal person's number: letter, seven digits, digit or letter.
fn es(rest: &str) -> bool {
    let [kind, number @ .., check] = rest.as_bytes() else { return false };
    all_digits::<7>(number).is_some_and(|digits| {
        let sum: u32 = digits
            .iter()
            .enumerate()
            .map(|(at, digit)| if at % 2 == 1 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum();
        let place = ((10 - sum % 10) % 10) as usize;
        b"ABCDEFGHJNPQRSUVW".contains(kind) && (b"JABCDEFGHI"[place] == *check || b"0123456789"[place] == *check)
    })
}

fn fr(rest: &str) -> bool {
    let Some((key, siren)) = rest.split_at_checked(2) else { return false };
    let Some(siren) = digits::<9>(siren) else { return false };
    match digits::<2>(key) {
        Some(key) => number(&key) == (12 + 3 * (number(&siren) % 97)) % 97,
        // New numbers have letters in the key, without I and O.
        None => key.bytes().all(|byte| byte.is_ascii_alphanumeric() && !b"IO".contains(&byte)) && luhn(&siren),
    }
}

fn gb(rest: &str) -> bool {
    let Some(nine) = rest.get(..9).and_then(digits::<9>) else { return false };
    let sum = weigh(&nine, &[8, 7, 6, 5, 4, 3, 2]) + two(&nine, 7);
    // Numbers given out since 2009 leave 42, some of them 55.
    matches!(rest.len(), 9 | 12) && matches!(sum % 97, 0 | 42 | 55) && number(&nine) != 0
}

fn ie(rest: &str) -> bool {
    let [first, second, others @ ..] = rest.as_bytes() else { return false };
    if second.is_ascii_digit() {
        return europe_west::ie_pps(rest);
    }
    // Before 2013: the first digit stands behind the others.
    let Some((middle, check)) = others.split_at_checked(5) else { return false };
    let mut new = vec![b'0'];
    new.extend_from_slice(middle);
    new.push(*first);
    new.extend_from_slice(check);
    std::str::from_utf8(&new).is_ok_and(europe_west::ie_pps)
}

fn lt(rest: &str) -> bool {
    let check = |digits: &[u32]| {
        let sum = |from: usize| {
            digits.iter().enumerate().map(|(at, digit)| digit * ((at + from) % 9 + 1) as u32).sum::<u32>()
        };
        match sum(0) % 11 {
            10 => sum(2) % 11 % 10,
            check => check,
        }
    };
    digits::<9>(rest).is_some_and(|digits| digits[7] == 1 && check(&digits[..8]) == digits[8])
        || digits::<12>(rest).is_some_and(|digits| digits[10] == 1 && check(&digits[..11]) == digits[11])
}

fn lv(rest: &str) -> bool {
    digits::<11>(rest)
        .is_some_and(|digits| digits[0] > 3 && weigh(&digits, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3)
        || europe_north::lv_personal_code(rest)
}

fn nl(rest: &str) -> bool {
    let Some((owner, branch)) = rest.split_at_checked(9) else { return false };
    let [b'B', branch @ ..] = branch.as_bytes() else { return false };
    // A person's own number since 2020: MOD 97-10 over all of it.
    let whole = b"NL".iter().chain(rest.as_bytes());
    all_digits::<2>(branch).is_some() && (europe_west::nl_bsn(owner) || super::number::mod_97(whole.copied()) == 1)
}

fn ro(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    if !(2..=10).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_digit) {
        return europe_east::ro_cnp(rest);
    }
    let sum: u32 =
        bytes.iter().rev().skip(1).zip([2, 3, 5, 7, 1, 2, 3, 5, 7]).map(|(byte, weight)| value(*byte) * weight).sum();
    bytes[0] != b'0' && sum * 10 % 11 % 10 == value(bytes[bytes.len() - 1])
}

/// `CHE` and nine digits, with MWST, TVA, IVA or TPV behind them.
fn ch(rest: &str) -> bool {
    let number = rest.strip_prefix('E').and_then(|rest| digits::<9>(rest.get(..9)?));
    number.is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[5, 4, 3, 2, 7, 6, 5, 4]) % 11;
        check % 11 == digits[8] && check != 10
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn numbers_of_every_country() {
        // The Commission's and the tax administrations' examples; Wikipedia, "VAT identification number".
        check(
            eu_vat,
            &[
                "ATU13585627",
                "BE0428759497",
                "BG175074752",
                "BG7523169263",
                "CY10259033P",
                "CZ25123891",
                "CZ7103192745",
                "DE136695976",
                "DK13585628",
                "EE100931558",
                "EL094259216",
                "ESA13585625",
                "ESX1234567L",
                "FI20774740",
                "FR40303265045",
                "GB980780684",
                "HR33392005961",
                "HU12892312",
                "IE6433435F",
                "IE8D79739I",
                "IT00743110157",
                "LT119511515",
                "LT100001919017",
                "LU15027442",
                "LV40003521600",
                "MT11679112",
                "NL004495445B01",
                "PL8567346215",
                "PT501964843",
                "RO18547290",
                "SE123456789701",
                "SI50223054",
                "SK2022749619",
                "CHE-100.155.212 MWST",
                "NO 995 525 828 MVA",
            ],
            &[
                "ATU13585626",
                "BE0428759498",
                "DE136695977",
                "FR41303265045",
                "IT00743110158",
                "NL004495446B01",
                "XX136695976",
                "DE",
                "CHE-100.155.213",
                "SE123456789601",
            ],
        );
    }
}
