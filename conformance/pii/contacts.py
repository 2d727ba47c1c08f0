"""Addresses of the net, telephones, dates, cards, accounts, vehicles: from Faker, libphonenumber and python-stdnum."""

from __future__ import annotations

import hashlib
from functools import cache

import phonenumbers
from Crypto.Hash import keccak
from mrz.generator.td1 import TD1CodeGenerator
from mrz.generator.td3 import TD3CodeGenerator
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import bic, bitcoin, iban, luhn

from kinds import Draw, Kind

LOCALES = (
    "en_US", "en_GB", "en_AU", "en_CA", "en_IN", "en_IE", "de_DE", "de_AT", "fr_FR", "fr_CA", "es_ES", "es_MX", "es_AR", "it_IT", "pt_BR", "pt_PT",
    "nl_NL", "pl_PL", "sv_SE",
    "da_DK", "no_NO", "fi_FI", "cs_CZ", "hu_HU", "ro_RO", "tr_TR", "hr_HR", "sk_SK", "id_ID", "lt_LT",
)  # fmt: skip
WEST = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "pl_PL", "sv_SE")

PHONE_REGIONS = (
    "US", "CA", "GB", "IE", "AU", "NZ", "IN", "ZA", "SG", "DE", "AT", "CH", "FR", "BE", "NL", "ES", "PT", "IT", "PL", "CZ", "SK", "HU", "RO", "BG",
    "GR", "TR", "SE", "NO",
    "DK", "FI", "RU", "UA", "IL", "AE", "BR", "MX", "AR", "CL", "CO", "JP", "KR", "CN", "TW", "HK", "MY", "TH", "PH", "ID", "NG", "KE",
)  # fmt: skip


def fake(kind: str, method: str, *labels: str, locales: tuple[str, ...] = WEST, bar: str = "other", **more) -> Kind:
    return Kind(kind, kind.split(",")[0], f"Faker {method}", bar, lambda draw: str(getattr(draw.faker(*locales), method)()), labels, **more)


@cache
def examples(region: str) -> list[phonenumbers.PhoneNumber]:
    types = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE)
    made = [phonenumbers.example_number_for_type(region, of) for of in types]
    return [number for number in made if number is not None and phonenumbers.is_valid_number(number)]


def phone(draw: Draw, form: int) -> str:
    """An example of libphonenumber whose last digits are drawn until it says that the number is valid."""
    region = draw.pick(*PHONE_REGIONS)
    example = draw.random.choice(examples(region))
    national = phonenumbers.national_significant_number(example)
    for _ in range(200):
        drawn = phonenumbers.parse(national[:-4] + draw.fill("9999"), region)
        if phonenumbers.is_valid_number(drawn):
            example = drawn
            break
    text = phonenumbers.format_number(example, form)
    return text + draw.pick(" ext. 12", " x345") if form == PhoneNumberFormat.NATIONAL and draw.random.random() < 0.05 else text



def card(draw: Draw) -> str:
    prefix, length = draw.pick(
        ("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16), ("36",
            14), ("3528", 16), ("62", 16),
        ("2200", 16), ("6759", 16),
    )  # fmt: skip
    body = prefix + draw.fill("9" * (length - len(prefix) - 1))
    return body + luhn.calc_check_digit(body)


CARD_FORMS = ("#### #### #### ####", "####-####-####-####", "################", "#### ###### #####", "###############", "#### ###### ####", "##############")

IBAN_FORMS = tuple(form for n in range(15, 32) for form in ("#" * n, " ".join(["####"] * (n // 4) + ["#" * (n % 4)] * (n % 4 > 0))))
"""In a row, and in groups of four."""

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(payload: bytes) -> str:
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def ethereum(draw: Draw) -> str:
    """EIP-55: letters are capitals where the digit of the hash is 8 or more."""
    digits = draw.random.randbytes(20).hex()
    hashed = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    return "0x" + "".join(c.upper() if int(h, 16) >= 8 else c for c, h in zip(digits, hashed, strict=False))


def wallet(draw: Draw) -> str:
    which = draw.pick("btc", "p2sh", "eth", "eth", "ltc", "doge")
    if which == "eth":
        return ethereum(draw)
    version = {"btc": 0, "p2sh": 5, "ltc": 48, "doge": 30}[which]
    text = base58check(bytes([version]) + draw.random.randbytes(20))
    assert which not in ("btc", "p2sh") or bitcoin.is_valid(text)
    return text


COUNTRIES = ("USA", "GBR", "D", "FRA", "ESP", "ITA", "NLD", "POL", "SWE", "CAN", "AUS", "IND", "JPN", "BRA")


def mrz(draw: Draw) -> str:
    fake, country = draw.faker("en_US", "en_GB"), draw.pick(*COUNTRIES)
    surname, given = fake.last_name().upper(), fake.first_name().upper()
    number, birth, expiry, sex = draw.fill("A99999999"), draw.date("%y%m%d"), draw.date("%y%m%d", 2026, 2035), draw.pick("M", "F")
    if draw.random.random() < 0.6:
        return str(TD3CodeGenerator("P", country, surname, given, number, country, birth, sex, expiry))
    return str(TD1CodeGenerator("I", country, number, birth, sex, expiry, country, surname, given))


def coordinates(draw: Draw) -> str:
    lat, lon = draw.random.uniform(-70, 70), draw.random.uniform(-180, 180)
    if draw.random.random() < 0.75:
        return f"{lat:.{draw.pick(4, 5, 6)}f}, {lon:.{draw.pick(4, 5, 6)}f}"
    parts = [(abs(lat), "N" if lat > 0 else "S"), (abs(lon), "E" if lon > 0 else "W")]
    return " ".join(f"{int(v)}°{int(v * 60 % 60):02}'{int(v * 3600 % 60):02}\"{side}" for v, side in parts)


DATE_FORMS = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%d %b %Y", "%d-%m-%Y", "%m-%d-%Y", "%A, %d %B %Y",
    "%Y/%m/%d", "%d-%b-%Y", "%m/%d/%y",
)  # fmt: skip


def spoken_date(draw: Draw) -> str:
    months = {
        "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    }
    language = draw.pick(*months)
    day = draw.day()
    month = months[language].split()[day.month - 1]
    return {"de": f"{day.day}. {month} {day.year}", "fr": f"{day.day} {month} {day.year}", "es": f"{day.day} de {month} de {day.year}"}[language]


def a_date(draw: Draw) -> str:
    return spoken_date(draw) if draw.random.random() < 0.2 else draw.date(draw.pick(*DATE_FORMS), 1940, 2024)


def iso_bic(draw: Draw) -> str:
    return draw.until(bic.is_valid, lambda d: d.faker(*WEST).swift(length=d.pick(8, 11)))


def url(draw: Draw) -> str:
    fake = draw.faker(*WEST)
    return draw.pick(fake.url(), fake.uri(), "www." + fake.domain_name(), fake.image_url())


def host(draw: Draw) -> str:
    return draw.faker("en_US", "de_DE", "fr_FR").domain_name()


def url_credentials(draw: Draw) -> str:
    fake = draw.faker("en_US", "de_DE")
    scheme = draw.pick("postgres", "mysql", "redis", "amqp", "mongodb", "https", "ftp", "smtp")
    password = fake.password(length=draw.random.randint(8, 20), special_chars=False)
    return f"{scheme}://{fake.user_name()}:{password}@{host(draw)}{draw.pick('', ':5432', '/db')}"


def email(draw: Draw) -> str:
    fake = draw.faker(*LOCALES)
    return draw.pick(fake.email, fake.company_email, fake.free_email)()


PHONE_LABELS = ("phone", "telephone number", "mobile", "Telefon", "téléphone", "teléfono", "cell")
DATE_LABELS = ("date of admission", "appointment date", "date of visit", "hire date")
BORN = ("date of birth", "DOB", "birth date", "Geburtsdatum", "date de naissance", "fecha de nacimiento")

CONTACTS = [
    Kind("EMAIL_ADDRESS", "EMAIL_ADDRESS", "Faker email", "validated", email, ("email", "e-mail address", "contact", "correo")),
    Kind("PHONE_NUMBER, international", "PHONE_NUMBER", "libphonenumber", "phone or date", lambda d: phone(d, PhoneNumberFormat.INTERNATIONAL), PHONE_LABELS),
    Kind("PHONE_NUMBER, E.164", "PHONE_NUMBER", "libphonenumber", "phone or date", lambda d: phone(d, PhoneNumberFormat.E164), PHONE_LABELS),
    Kind("PHONE_NUMBER, national", "PHONE_NUMBER", "libphonenumber", "phone or date", lambda d: phone(d, PhoneNumberFormat.NATIONAL), PHONE_LABELS),
    fake("PHONE_NUMBER, of Faker", "phone_number", *PHONE_LABELS, locales=LOCALES, bar="phone or date"),
    Kind("DATE_TIME", "DATE_TIME", "Faker, Python strftime", "phone or date", a_date, DATE_LABELS,
         prose=("He was admitted on {value} with pain.", "Her appointment on {value} was moved.", "She was hired on {value} as a clerk.",
             "Discharged {value}, in good health."),
         bare=("They met on {value} in the park.", "On {value} the shop closed early.", "The letter of {value} was lost.", "It rained all day, {value}.")),
    Kind("DATE_OF_BIRTH", "DATE_OF_BIRTH", "Python strftime", "phone or date", a_date, BORN,
         prose=("She was born on {value} in a village.", "Born {value}, he grew up at sea.", "{label}: {value}", "His {label} is {value}.",
             "geboren am {value}", "né le {value} à la campagne")),
    Kind("CREDIT_CARD", "CREDIT_CARD", "own generator, python-stdnum luhn", "validated", card,
        ("card number", "credit card", "Visa", "Kreditkartennummer", "card no."), luhn.is_valid, CARD_FORMS),
    Kind("IBAN_CODE", "IBAN_CODE", "Faker iban, python-stdnum", "validated",
         lambda d: d.until(iban.is_valid, lambda e: e.faker(*WEST, "de_AT", "fi_FI", "no_NO", "da_DK").iban()),
         ("IBAN", "account IBAN", "bank account"), iban.is_valid, IBAN_FORMS),
    Kind("BIC_CODE", "BIC_CODE", "Faker swift, python-stdnum bic", "other", iso_bic, ("BIC", "SWIFT code", "SWIFT")),
    fake("IP_ADDRESS, 4", "ipv4", "IP address", "IP", "client IP", bar="validated"),
    fake("IP_ADDRESS, 6", "ipv6", "IPv6 address", "IP address", "IP", bar="validated"),
    fake("MAC_ADDRESS", "mac_address", "MAC address", "MAC", "hwaddr", bar="validated"),
    Kind("URL", "URL", "Faker url", "other", url, ("website", "URL", "homepage"), cased=False),
    Kind("URL, host alone", "URL", "Faker domain_name", "other", host, ("domain", "website", "site"), cased=False),
    Kind("URL_CREDENTIALS", "URL_CREDENTIALS", "Faker", "secret", url_credentials, ("database URL", "connection string", "DSN"), cased=False),
    Kind("USERNAME", "USERNAME", "Faker user_name", "other", lambda d: d.faker(*WEST).user_name(), ("username", "login", "user name"), cased=False),
    Kind("CRYPTO", "CRYPTO", "own generator, python-stdnum bitcoin", "validated", wallet,
        ("bitcoin address", "wallet", "ETH address", "wallet address"), cased=False),
    Kind("GPS_COORDINATES", "GPS_COORDINATES", "own generator", "other", coordinates, ("coordinates", "GPS", "location", "lat/lon"), cased=False),
    fake("LICENSE_PLATE", "license_plate", "license plate", "number plate", "Kennzeichen", "plate number",
        locales=("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "sv_SE")),
    fake("VIN", "vin", "VIN", "vehicle identification number", "chassis number", bar="validated", locales=("en_US",)),
    Kind("MRZ", "MRZ", "mrz", "validated", mrz, ("MRZ", "machine-readable zone"), cased=False),
    fake("POSTCODE", "postcode", "postcode", "ZIP code", "postal code", "PLZ", "code postal"),
    Kind("AGE", "AGE", "own generator", "other", lambda d: d.number(1, 99), ("age", "edad", "âge"),
         prose=("The patient is {value} years old.", "Mary, aged {value}, fell ill.", "a {value}-year-old woman", "Age: {value}",
             "45 Jahre? Nein, er ist {value} Jahre alt.", "she was {value} years of age"),
         bare=("He turned {value} in spring.", "Peter ({value}) won again.", "When she was {value} she left.")),
]  # fmt: skip
