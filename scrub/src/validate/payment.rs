//! Payment cards and bank accounts.

use super::number::{Compact, digits, luhn, mod_97, number, weigh};

/// Issuer ranges by their first six digits, with the lengths of their numbers. Wikipedia, "Payment card number"; the networks' own
/// documents: Visa 4, Mastercard 51–55 and 2221–2720, American Express 34 and 37, and so on.
#[rustfmt::skip]
const ISSUERS: &[(u32, u32, u8, u8)] = &[
    (60_400, 60_499, 12, 19),   // Maestro in test data
    (100_000, 199_999, 15, 15), // UATP; JCB 1800
    (194_600, 194_699, 16, 16), // GPN
    (213_100, 213_199, 15, 15), // JCB
    (220_000, 220_599, 16, 19), // Mir, Borica
    (222_100, 272_099, 16, 16), // Mastercard
    (300_000, 305_999, 14, 19), // Diners Club
    (309_500, 309_599, 14, 19), // Diners Club
    (340_000, 349_999, 15, 15), // American Express
    (350_000, 359_999, 16, 19), // JCB 3528–3589, RuPay; the rest in test data
    (360_000, 369_999, 14, 19), // Diners Club
    (370_000, 379_999, 15, 15), // American Express
    (380_000, 399_999, 14, 19), // Diners Club, Hipercard
    (400_000, 499_999, 13, 13), // Visa
    (400_000, 499_999, 16, 16), // Visa, Dankort, Switch
    (400_000, 499_999, 18, 19), // Visa, Switch
    (500_000, 509_999, 12, 19), // Maestro, Verve, RuPay, Elo, Dankort
    (510_000, 559_999, 16, 16), // Mastercard
    (560_000, 589_999, 12, 19), // Maestro, UzCard
    (600_000, 609_999, 16, 19), // Discover, RuPay, Hipercard, Ukrcard
    (620_000, 629_999, 16, 19), // UnionPay, Elo
    (630_000, 639_999, 12, 19), // Maestro, InstaPayment, Solo
    (640_000, 659_999, 16, 19), // Discover, RuPay, Troy, Verve
    (670_000, 679_999, 12, 19), // Maestro, Laser, Solo
    (810_000, 829_999, 16, 19), // UnionPay, RuPay
    (860_000, 860_099, 16, 16), // UzCard
    (970_400, 970_499, 16, 19), // Napas
    (979_200, 979_299, 16, 16), // Troy
    (986_000, 986_099, 16, 16), // Humo
];

/// A payment card: 12 to 19 digits of a range that is issued, with their check digit (ISO/IEC 7812).
pub(super) fn card(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let bytes = compact.bytes();
    if !(12..=19).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let mut digits = [0; 19];
    digits.iter_mut().zip(bytes).for_each(|(digit, byte)| *digit = u32::from(byte - b'0'));
    let digits = &digits[..bytes.len()];
    let prefix = number(&digits[..6]) as u32;
    let issued = ISSUERS.iter().any(|(first, last, shortest, longest)| {
        (*first..=*last).contains(&prefix) && (usize::from(*shortest)..=usize::from(*longest)).contains(&digits.len())
    });
    issued && luhn(digits)
}

/// A card's security code: three or four digits that are not a year.
pub(super) fn security_code(text: &str) -> bool {
    matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with("20")
}

/// A card's expiry date: `MM/YY` or `MM/YYYY`.
pub(super) fn expiry(text: &str) -> bool {
    let parts: Option<(u32, u32)> =
        text.split_once(['/', '-']).and_then(|(month, year)| month.parse().ok().zip(year.parse().ok()));
    parts.is_some_and(|(month, year)| {
        (1..=12).contains(&month) && (matches!(year, 15..=60) || matches!(year, 2015..=2060))
    })
}

/// Length and structure of the account number behind country and check digits: `n` digits, `a` letters, `c` either (ISO 13616, IBAN registry).
#[rustfmt::skip]
const IBANS: &[(&[u8; 2], &str)] = &[
    (b"AD", "8n12c"), (b"AE", "19n"), (b"AL", "8n16c"), (b"AT", "16n"), (b"AZ", "4a20c"), (b"BA", "16n"), (b"BE", "12n"), (b"BG", "4a6n8c"),
    (b"BH", "4a14c"), (b"BI", "23n"), (b"BR", "23n1a1c"), (b"BY", "4c4n16c"), (b"CH", "5n12c"), (b"CR", "18n"), (b"CY", "8n16c"),
    (b"CZ", "20n"), (b"DE", "18n"), (b"DJ", "23n"), (b"DK", "14n"), (b"DO", "4c20n"), (b"EE", "16n"), (b"EG", "25n"), (b"ES", "20n"),
    (b"FI", "14n"), (b"FK", "2a12n"), (b"FO", "14n"), (b"FR", "10n11c2n"), (b"GB", "4a14n"), (b"GE", "2a16n"), (b"GI", "4a15c"),
    (b"GL", "14n"), (b"GR", "7n16c"), (b"GT", "24c"), (b"HN", "4a20n"), (b"HR", "17n"), (b"HU", "24n"), (b"IE", "4a14n"), (b"IL", "19n"),
    (b"IQ", "4a15n"), (b"IS", "22n"), (b"IT", "1a10n12c"), (b"JO", "4a4n18c"), (b"KW", "4a22c"), (b"KZ", "3n13c"), (b"LB", "4n20c"),
    (b"LC", "4a24c"), (b"LI", "5n12c"), (b"LT", "16n"), (b"LU", "3n13c"), (b"LV", "4a13c"), (b"LY", "21n"), (b"MC", "10n11c2n"),
    (b"MD", "20c"), (b"ME", "18n"), (b"MK", "3n10c2n"), (b"MN", "16n"), (b"MR", "23n"), (b"MT", "4a5n18c"), (b"MU", "4a19n3a"),
    (b"NI", "4a20n"), (b"NL", "4a10n"), (b"NO", "11n"), (b"OM", "3n16c"), (b"PK", "4a16c"), (b"PL", "24n"), (b"PS", "4a21c"),
    (b"PT", "21n"), (b"QA", "4a21c"), (b"RO", "4a16c"), (b"RS", "18n"), (b"RU", "14n15c"), (b"SA", "2n18c"), (b"SC", "4a20n3a"),
    (b"SD", "14n"), (b"SE", "20n"), (b"SI", "15n"), (b"SK", "20n"), (b"SM", "1a10n12c"), (b"SO", "19n"), (b"ST", "21n"), (b"SV", "4a20n"),
    (b"TL", "19n"), (b"TN", "20n"), (b"TR", "6n16c"), (b"UA", "6n19c"), (b"VA", "18n"), (b"VG", "4a16n"), (b"XK", "16n"), (b"YE", "4a4n18c"),
    // In use beside the registry, by the countries' own standards.
    (b"AO", "21n"), (b"BF", "2c22n"), (b"BJ", "2c22n"), (b"CF", "23n"), (b"CG", "23n"), (b"CI", "2c22n"), (b"CM", "23n"), (b"CV", "21n"),
    (b"DZ", "22n"), (b"GA", "23n"), (b"GQ", "23n"), (b"GW", "2c19n"), (b"IR", "22n"), (b"KM", "23n"), (b"MA", "24n"), (b"MG", "23n"),
    (b"ML", "2c22n"), (b"MZ", "21n"), (b"NE", "2a22n"), (b"SN", "2c22n"), (b"TD", "23n"), (b"TG", "2a22n"),
];

/// How long the IBANs of a country are, and of what: count and kind.
fn iban_parts(country: [u8; 2]) -> Option<impl Iterator<Item = (usize, u8)>> {
    let country = country.map(|byte| byte.to_ascii_uppercase());
    let (_, structure) = IBANS.iter().find(|(known, _)| **known == country)?;
    Some(structure.split_inclusive(['n', 'a', 'c']).filter_map(|part| {
        let (count, kind) = part.split_at(part.len() - 1);
        Some((count.parse().ok()?, *kind.as_bytes().first()?))
    }))
}

/// How long the IBANs of a country are, in letters and digits.
pub fn iban_length(country: [u8; 2]) -> Option<usize> {
    iban_parts(country).map(|parts| 4 + parts.map(|(count, _)| count).sum::<usize>())
}

/// An international bank account number: length and structure of its country, remainder 1 by 97 (ISO 13616).
pub(super) fn iban(text: &str) -> bool {
    let Some(compact) = Compact::of(text) else { return false };
    let [first, second, check @ ..] = compact.bytes() else { return false };
    let Some(parts) = iban_parts([*first, *second]) else { return false };
    let Some((check, mut account)) = check.split_at_checked(2) else { return false };
    if !check.iter().all(u8::is_ascii_digit) {
        return false;
    }
    for (count, kind) in parts {
        let Some((part, rest)) = account.split_at_checked(count) else { return false };
        let fits = match kind {
            b'n' => part.iter().all(u8::is_ascii_digit),
            b'a' => part.iter().all(u8::is_ascii_alphabetic),
            _ => true,
        };
        if !fits {
            return false;
        }
        account = rest;
    }
    account.is_empty() && mod_97(compact.bytes()[4..].iter().chain(&compact.bytes()[..4]).copied()) == 1
}

/// ISO 3166-1 alpha-2, and `XK` for Kosovo.
const COUNTRIES: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ\
DEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZ\
LALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURW\
SASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

/// Whether two capitals are the code of a country.
pub(super) fn is_country(code: &[u8]) -> bool {
    COUNTRIES.as_bytes().chunks_exact(2).any(|country| country == code)
}

/// A business identifier code: bank, country, place, and a branch or none (ISO 9362). In one case: capitals unless it holds a digit.
pub(super) fn bic(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 8 | 11)
        && bytes[..6].iter().all(u8::is_ascii_uppercase)
        && bytes[6..].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && is_country(&bytes[4..6])
}

/// A routing number of the American Bankers Association: the Federal Reserve's first two digits, weights 3, 7, 1
/// (Wikipedia, "ABA routing transit number").
pub(super) fn aba_routing(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        matches!(digits[0] * 10 + digits[1], 0..=12 | 21..=32 | 61..=72 | 80)
            && weigh(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
            && digits[2..].iter().any(|digit| *digit != 0)
    })
}

/// An International Mobile Equipment Identity: 15 digits with their check digit (3GPP TS 23.003, annex B).
pub(super) fn imei(text: &str) -> bool {
    digits::<15>(text).is_some_and(|digits| luhn(&digits) && digits.iter().any(|digit| *digit != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::tests::check;

    #[test]
    fn cards() {
        // The networks' test numbers, as payment processors publish them.
        check(
            card,
            &[
                "4111 1111 1111 1111",
                "4012888888881881",
                "4222222222222",
                "5555555555554444",
                "5105-1051-0510-5100",
                "2223003122003222",
                "3782 822463 10005",
                "371449635398431",
                "30569309025904",
                "38520000023237",
                "36227206271667",
                "6011111111111117",
                "6011000990139424",
                "3530111333300000",
                "3566002020360505",
                "6200000000000005",
                "6759649826438453",
                "2200770212727079",
                "6304000000000000",
            ],
            &[
                "4111111111111112",
                "1234567890123456",
                "9111111111111111",
                "411111111111111",
                "0000000000000000",
                "41111111111111111",
            ],
        );
    }

    #[test]
    fn codes_of_cards() {
        check(security_code, &["123", "1234", "0007"], &["12", "12345", "2024", "abc"]);
        check(expiry, &["12/25", "01/2030", "05-27"], &["13/25", "00/25", "12/99", "12/1999", "12"]);
    }

    #[test]
    fn ibans() {
        // The IBAN registry's own examples.
        check(
            iban,
            &[
                "DE89 3704 0044 0532 0130 00",
                "GB29NWBK60161331926819",
                "fr1420041010050500013m02606",
                "NO9386011117947",
                "CH9300762011623852957",
                "SA0380000000608010167519",
                "BR1800360305000010009795493C1",
                "MT84MALT011000012345MTLCAST001S",
                "PL61109010140000071219812874",
                "LC55HEMM000100010012001200023015",
                "NL91ABNA0417164300",
                "MU17BOMM0101101030300200000MUR",
                "SC18SSCB11010000000000001497USD",
                "EG380019000500000000263180002",
                "RU0304452522540817810538091310419",
                "AE070331234567890123456",
            ],
            &[
                "DE89370400440532013001",
                "GB29NWBK6016133192681",
                "XX29NWBK60161331926819",
                "DE8937040044053201300A",
                "DE",
                "",
            ],
        );
        assert_eq!(iban_length(*b"de"), Some(22));
        assert_eq!(iban_length(*b"US"), None);
    }

    #[test]
    fn banks() {
        // ISO 9362: Deutsche Bank, NEDBANK; Wikipedia, "ABA routing transit number"; the GSM Association's example.
        check(bic, &["DEUTDEFF", "NEDSZAJJXXX", "DEUTDEFF500"], &["DEUTXXFF", "delivery", "DEUTDEF", "1EUTDEFF"]);
        check(
            aba_routing,
            &["111000025", "0210-0002-1", "121000358"],
            &["111000026", "500000000", "000000000", "12100035"],
        );
        check(imei, &["490154203237518", "35-209900-176148-1"], &["490154203237519", "000000000000000"]);
    }
}
