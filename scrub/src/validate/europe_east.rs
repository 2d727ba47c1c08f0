//! Eastern Europe and Turkey.

use super::number::{
    Compact, all_digits, digits, is_day, is_day_month_year, is_one_digit, is_year_month_day, luhn, mod_11_10, number,
    two, value, weigh,
};

/// PL: a PESEL number: day of birth (months carry the century), weights 1, 3, 7, 9 (Ministry of Digital Affairs).
pub(super) fn pl_pesel(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        is_day(two(&digits, 0), two(&digits, 2) % 20, two(&digits, 4))
            && weigh(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
    })
}

/// PL: a tax number, modulus 11 (OECD, Tax Identification Numbers, Poland; python-stdnum `pl.nip`).
pub(super) fn pl_nip(text: &str) -> bool {
    digits::<10>(text)
        .is_some_and(|digits| weigh(&digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digits[9] && !is_one_digit(&digits))
}

/// PL: a number of the register of the economy, of nine or fourteen digits, modulus 11 (Statistics Poland, REGON;
/// python-stdnum `pl.regon`).
pub(super) fn pl_regon(text: &str) -> bool {
    let nine =
        |digits: &[u32]| weigh(digits, &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10 == digits[8] && !is_one_digit(digits);
    digits::<9>(text).is_some_and(|digits| nine(&digits))
        || digits::<14>(text).is_some_and(|digits| {
            nine(&digits[..9]) && weigh(&digits, &[2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8]) % 11 % 10 == digits[13]
        })
}

/// PL: number of an identity card (three letters, six digits) or of a passport (two, seven), weights 7, 3, 1 (Wikipedia, "Polish identity card").
pub(super) fn pl_document(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let weights = match letters {
        3 => [7, 3, 1, 9, 7, 3, 1, 7, 3],
        2 => [7, 3, 9, 1, 7, 3, 1, 7, 3],
        _ => return false,
    };
    bytes.len() == 9
        && bytes[letters..].iter().all(u8::is_ascii_digit)
        && bytes.iter().zip(weights).map(|(byte, weight)| value(*byte) * weight).sum::<u32>() % 10 == 0
}

/// CZ and SK: a birth number: day of birth (women's months plus 50, both plus 20 where numbers ran out), since 1954 divisible by 11
/// (law 133/2000 Sb., § 13).
pub(super) fn cz_birth_number(text: &str) -> bool {
    let born = |digits: &[u32]| {
        let month = match two(digits, 2) {
            month @ 71..=82 => month - 70,
            month @ 51..=62 => month - 50,
            month @ 21..=32 => month - 20,
            month => month,
        };
        is_day(two(digits, 0), month, two(digits, 4))
    };
    digits::<10>(text).is_some_and(|digits| {
        let first = number(&digits[..9]);
        born(&digits) && (number(&digits).is_multiple_of(11) || first % 11 == 10 && digits[9] == 0)
    }) || digits::<9>(text).is_some_and(|digits| two(&digits, 0) < 54 && number(&digits[6..]) != 0 && born(&digits))
}

/// RO: a personal numeric code: sex and century, day of birth, county, serial number, weights 279146358279 (law 105/1996).
pub(super) fn ro_cnp(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| {
        let check = weigh(&digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
        digits[0] != 0 && is_year_month_day(&digits[1..]) && (if check == 10 { 1 } else { check }) == digits[12]
    })
}

/// BG: a uniform civil number: day of birth (months carry the century), weights 2 to the power of n mod 11 (GRAO).
pub(super) fn bg_egn(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let month = match two(&digits, 2) {
            month @ 41..=52 => month - 40,
            month @ 21..=32 => month - 20,
            month => month,
        };
        is_day(two(&digits, 0), month, two(&digits, 4))
            && weigh(&digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == digits[9]
    })
}

/// BG: a personal number of a foreigner, modulus 10 (python-stdnum `bg.pnf`).
pub(super) fn bg_pnf(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        weigh(&digits, &[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10 == digits[9] && !is_one_digit(&digits)
    })
}

/// GR: a social security number: day of birth and Luhn's check digit (AMKA).
pub(super) fn gr_amka(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| is_day_month_year(&digits) && luhn(&digits))
}

/// GR: a tax number, powers of two, modulus 11 (AADE).
pub(super) fn gr_afm(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        weigh(&digits, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == digits[8] && !is_one_digit(&digits)
    })
}

/// HU: a personal identification number: sex and century, day of birth, weights 1 to 10, since 1997 10 to 1 (law XX of 1996).
pub(super) fn hu_personal_number(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let old = weigh(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) % 11;
        let new = weigh(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11;
        matches!(digits[0], 1..=8) && is_year_month_day(&digits[1..]) && (old == digits[10] || new == digits[10])
    })
}

/// HU: a social security number: weights 3 and 7, modulus 10 (law XX of 1996).
pub(super) fn hu_taj(text: &str) -> bool {
    digits::<9>(text)
        .is_some_and(|digits| weigh(&digits, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == digits[8] && !is_one_digit(&digits))
}

/// HU: a person's tax number: 8, days since 1867, serial number, weights 1 to 9, modulus 11 (law XX of 1996, annex 1).
pub(super) fn hu_tax_id(text: &str) -> bool {
    digits::<10>(text)
        .is_some_and(|digits| digits[0] == 8 && weigh(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11 == digits[9])
}

/// HR: a personal identification number: ISO/IEC 7064 MOD 11,10 (Porezna uprava).
pub(super) fn hr_oib(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| mod_11_10(&digits) && !is_one_digit(&digits))
}

/// SI, RS, BA, MK, ME: a unique master citizen number: `DDMMYYY`, region, serial number, modulus 11 (Wikipedia, "Unique Master Citizen Number").
pub(super) fn jmbg(text: &str) -> bool {
    digits::<13>(text).is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        is_day(two(&digits, 5), two(&digits, 2), two(&digits, 0))
            && matches!(digits[4], 0 | 8 | 9)
            && (if check > 9 { 0 } else { check }) == digits[12]
    })
}

/// SI: a tax number, modulus 11 (FURS; python-stdnum `si.ddv`).
pub(super) fn si_tax_id(text: &str) -> bool {
    digits::<8>(text).is_some_and(|digits| {
        let check = 11 - weigh(&digits, &[8, 7, 6, 5, 4, 3, 2]) % 11;
        digits[0] != 0 && check != 11 && check % 10 == digits[7]
    })
}

/// TR: an identity number: two check digits over the others (Wikipedia, "Turkish Identification Number").
pub(super) fn tr_tckn(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let odd = digits[0] + digits[2] + digits[4] + digits[6] + digits[8];
        let even = digits[1] + digits[3] + digits[5] + digits[7];
        digits[0] != 0 && (odd * 7 + 90 - even) % 10 == digits[9] && digits[..10].iter().sum::<u32>() % 10 == digits[10]
    })
}

/// TR: a tax number (Gelir İdaresi Başkanlığı; python-stdnum `tr.vkn`).
pub(super) fn tr_vkn(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        let sum: u32 = digits[..9]
            .iter()
            .enumerate()
            .map(|(at, digit)| {
                let power = 9 - at as u32;
                let first = (digit + power) % 10;
                let second = first * 2_u32.pow(power) % 9;
                if first != 0 && second == 0 { 9 } else { second }
            })
            .sum();
        (10 - sum % 10) % 10 == digits[9] && !is_one_digit(&digits)
    })
}

/// RU: a person's tax number: two check digits, modulus 11 (FNS order SAE-3-09/13).
pub(super) fn ru_inn(text: &str) -> bool {
    digits::<12>(text).is_some_and(|digits| {
        weigh(&digits, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digits[10]
            && weigh(&digits, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digits[11]
            && !is_one_digit(&digits)
    })
}

/// RU: an insurance number of an individual account: weights 9 to 1, modulus 101 (Pension Fund, resolution 192p).
pub(super) fn ru_snils(text: &str) -> bool {
    digits::<11>(text).is_some_and(|digits| {
        let sum = weigh(&digits, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100;
        number(&digits[..9]) > 1_001_998 && sum == two(&digits, 9)
    })
}

/// UA: a taxpayer's number: days since 1899, serial number, modulus 11 (Wikipedia, "РНОКПП"; python-stdnum `ua.rntrc`).
pub(super) fn ua_rnokpp(text: &str) -> bool {
    digits::<10>(text).is_some_and(|digits| {
        // The first weight is −1, which is 10 modulo 11.
        weigh(&digits, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11 % 10 == digits[9] && !is_one_digit(&digits)
    })
}

/// Whether a text has the digits of a day of birth, any order, for documents that have no more than this.
pub(super) fn begins_with_day(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    compact
        .bytes()
        .get(..6)
        .and_then(all_digits::<6>)
        .is_some_and(|digits| is_year_month_day(&digits) || is_day_month_year(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn poland_and_its_neighbours() {
        // Ministry of Digital Affairs; Wikipedia, "PESEL", "NIP", "REGON", "Polish identity card", "Rodné číslo".
        check(pl_pesel, &["44051401359", "02070803628"], &["44051401358", "44131401358"]);
        check(pl_nip, &["123-456-32-18", "8567346215"], &["1234563217", "0000000000"]);
        check(pl_regon, &["123456785", "12345678512347"], &["123456786", "12345678512348"]);
        check(pl_document, &["ABS123456", "ZS0000177"], &["ABS123457", "123456789"]);
        check(cz_birth_number, &["710319/2745", "7103192745", "491231123"], &["7103192746", "711319/2745"]);
    }

    #[test]
    fn the_balkans_and_greece() {
        // Wikipedia, "Cod numeric personal", "Uniform civil number", "Unique Master Citizen Number"; AMKA and AADE examples.
        check(ro_cnp, &["1630615123457", "1800101221144"], &["1630615123458", "0630615123457"]);
        check(bg_egn, &["7523169263", "8032056031"], &["7523169264", "8019010008"]);
        check(bg_pnf, &["7111042925"], &["7111042922", "0000000000"]);
        check(gr_amka, &["01013099997"], &["01013099998", "01133099997"]);
        check(gr_afm, &["094259216", "023456780"], &["094259217", "000000000"]);
        check(hr_oib, &["33392005961", "69435151530"], &["33392005962"]);
        check(jmbg, &["0101006500006", "0101006500006"], &["0101006500007", "3201006500006"]);
        check(si_tax_id, &["50223054", "15012557"], &["50223055"]);
    }

    #[test]
    fn hungary_turkey_and_the_east() {
        // Wikipedia, "Turkish Identification Number"; FNS and Pension Fund examples; the Hungarian ones computed by hand from the rule.
        check(hu_personal_number, &["26002157889"], &["20013157886", "26013157889"]);
        check(hu_taj, &["111111110", "123456788"], &["123456789"]);
        check(hu_tax_id, &["8071592153"], &["8071592154", "7071592153"]);
        check(tr_tckn, &["10000000146", "17291716060"], &["10000000147", "00000000000"]);
        check(tr_vkn, &["4540536920"], &["4540536921"]);
        check(ru_inn, &["500100732259"], &["500100732258"]);
        check(ru_snils, &["112-233-445 95"], &["112-233-445 96"]);
        check(ua_rnokpp, &["1759013776"], &["1759013777"]);
    }
}
