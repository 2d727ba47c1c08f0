"""Spans that were found against spans that are labelled.

R_cov  labelled spans all of whose letters and digits are covered by findings of any type: nothing leaks
R_ovl  labelled spans that a finding of the same type touches
P_any  findings of that type that touch a labelled span of any type; the rest is over-redaction
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

# Types of other labellings and engines -> ours. Not ours and not here: left as it is.
SAME = {
    name: ours
    for ours, names in {
        "PERSON": "PER NAME FIRST_NAME LAST_NAME PATIENT STAFF",
        "LOCATION": "LOC GPE CITY COUNTRY STATE ADDRESS STREET_ADDRESS FACILITY ZIP_CODE ZIP POSTCODE",
        "ORGANIZATION": "ORG COMPANY CORPORATION GROUP",
        "EMAIL_ADDRESS": "EMAIL",
        "PHONE_NUMBER": "PHONE",
        "CREDIT_CARD": "CREDIT_CARD_NUMBER CARD PAN_CARD",
        "CREDIT_CARD_CVV": "CVV",
        "IBAN_CODE": "IBAN DE_IBAN",
        "US_SSN": "SSN SOCIAL_SECURITY_NUMBER",
        "IP_ADDRESS": "IP IPV4 IPV6",
        "URL": "DOMAIN DOMAIN_NAME URL_CREDENTIALS",
        "DATE_TIME": "DATE TIME DOB DATE_OF_BIRTH BIRTHDAY",
        "NRP": "NORP NATIONALITY",
        "TITLE": "PREFIX",
        "DRIVER_LICENSE": "DRIVERSLICENCE DRIVERS_LICENSE US_DL US_DRIVER_LICENSE UK_DRIVING_LICENCE KR_DRIVER_LICENSE BR_CNH",
        "PASSPORT": "US_PASSPORT UK_PASSPORT DE_PASSPORT ES_PASSPORT IN_PASSPORT KR_PASSPORT RU_PASSPORT IT_PASSPORT",
        "BANK_ACCOUNT": "US_BANK_NUMBER UK_BANK_ACCOUNT ABA_ROUTING_NUMBER BIC_CODE",
        "MEDICAL_RECORD_NUMBER": "MEDICAL_RECORD",
        "INSURANCE_NUMBER": "INSURANCE_ID",
        "CZ_BIRTH_NUMBER": "SK_BIRTH_NUMBER",
        "RS_JMBG": "SI_EMSO",
        "SECRET": "API_KEY PASSWORD TOKEN KEY CREDENTIAL PRIVATE_KEY",
    }.items()
    for name in names.split()
}

GENERAL = {"NATIONAL_ID", "TAX_ID", "INSURANCE_NUMBER", "PASSPORT", "DRIVER_LICENSE", "BANK_ACCOUNT"}
"""Types of values found by the name of their field: the same as the type of any one country."""

Finding = tuple[int, int, str]


def canonical(name: str) -> str:
    return SAME.get(name.upper(), name.upper())


def same(labelled: str, found: str) -> bool:
    labelled_as, found_as = canonical(labelled), canonical(found)
    return labelled_as == found_as or found_as in GENERAL and re.match(r"[A-Z]{2}_", labelled) is not None


def covered(text: str, span: dict, findings: Iterable[Finding]) -> bool:
    places = range(span["start"], span["end"])
    signs = [at for at in places if text[at].isalnum()] or list(places)
    return all(any(start <= at < end for start, end, _ in findings) for at in signs)


def measure(
    records: Iterable[dict], findings: dict[str, list[Finding]], row_of: Callable[[dict, dict], object]
) -> dict[object, Counter]:
    """Counts `n cov ovl` of the labelled spans, `found any` of the findings of that type, by row."""
    rows: dict[object, Counter] = defaultdict(Counter)
    for record in records:
        found = findings.get(record["id"], [])
        spans = record["spans"]
        for span in spans:
            row = rows[row_of(record, span)]
            touching = [f for f in found if f[0] < span["end"] and f[1] > span["start"]]
            row["n"] += 1
            row["cov"] += covered(record["text"], span, touching)
            row["ovl"] += any(same(span["type"], kind) for _, _, kind in touching)
        for start, end, kind in found:
            own = next((span for span in spans if same(span["type"], kind)), {"type": canonical(kind)})
            row = rows[row_of(record, own)]
            row["found"] += 1
            row["any"] += any(start < span["end"] and end > span["start"] for span in spans)
    return rows


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, JASA 22, 1927)."""
    if n == 0:
        return 0.0, 1.0
    z, share = 1.96, hits / n
    middle, width = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - width) / (1 + z * z / n)), min(1.0, (middle + width) / (1 + z * z / n))


def shape(value: str) -> str:
    """What can be said of a value without telling it: a digit is 9, a letter A or a."""
    short = value if len(value) <= 40 else value[:40] + "…"
    return "".join("9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in short)


def causes(records: list[dict], findings: dict[str, list[Finding]]) -> list[str]:
    """Features of the texts that hold at least a fifth of a row's misses, and are missed at least 1.3 times as often as its other texts."""
    n, missed = Counter(), Counter()
    for record in records:
        span = record["spans"][0]
        miss = not covered(record["text"], span, findings.get(record["id"], []))
        meta = record["meta"]
        features = {f"in {meta['wrap']}", f"case {meta['case']}", f"form `{shape(record['text'][span['start'] : span['end']])}`"}
        if meta["label"]:
            features.add(f"label “{meta['label'].lower()}”")
        if meta["key"]:
            features.add(f"field’s name in {meta['key']}")
        for feature in features | {""}:
            n[feature] += 1
            missed[feature] += miss
    rate = missed[""] / max(1, n[""])
    told = [f for f, count in missed.most_common() if f and count >= max(1, missed[""] / 5) and count / n[f] >= min(0.95, 1.3 * rate)]
    return [f"{feature}: {missed[feature]} of {n[feature]}" for feature in told[:4]]
