//! Texts from templates. A template is a line; `\n` is a line break and `{…}` a slot:
//!
//! | slot | filled with |
//! |---|---|
//! | `P` `PN` `F` `N` `LF` | a person: any form, given and family name, given name, family name, `Family, Given` |
//! | `L` `K` `R` `G` `S` `A` `Z` | a city, country, region, any of these, a street, a postal address, a postcode |
//! | `O` | an organisation |
//! | `⟨L …⟩` `⟨O …⟩` | a place, an organisation, with slots inside |
//! | `T` `I` `job` `nrp` `lang` `product` | no names: a title, an initial, … |
//! | `w` `W` `i` `I1` `I2` | a word, a word with a capital, names in programs |
//! | `v` `C` `M` `e` `pk` `pa` `ver` `tech` `cm` | what programs are made of: see `machine.rs` |
//! | `date` `time` `year` `month` `day` `n` `num` `money` `phone` `email` `url` `id` `uuid` `hex` `ip` `iban` | as they say |

use std::path::Path;
use std::{fs, io};

use crate::calendar::{days, months};
use crate::doc::{Doc, NONE, ORG, PERSON, PLACE};
use crate::lists::{Lists, Names};
use crate::machine::Kind;
use crate::rng::{Rng, fnv};

/// Where names are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// All that may be trained on.
    Train,
    /// Names that the lists of the model hold.
    Listed,
    /// Names that are in no list of the model and in no training text.
    Unseen,
}

/// A template and its language.
#[derive(Clone, Debug)]
pub struct Template {
    language: String,
    text: String,
    negative: bool,
}

/// Reads the templates of a folder into those to train on and those to judge by.
pub fn templates(folder: &Path) -> io::Result<(Vec<Template>, Vec<Template>)> {
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.retain(|file| file.path().is_file());
    files.sort_by_key(fs::DirEntry::path);
    let (mut train, mut judge) = (Vec::new(), Vec::new());
    for file in files {
        let stem = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for line in fs::read_to_string(file.path())?.lines().filter(|line| !line.is_empty()) {
            let (language, text) = match (stem.as_str(), line.split_once('|')) {
                ("other", Some((language, text))) => (language, text),
                ("neg" | "neg_code", _) => ("en", line),
                _ => (stem.split('_').next().unwrap_or("en"), line),
            };
            let template = Template {
                language: language.to_owned(),
                text: text.trim_start_matches('#').replace("\\n", "\n"),
                negative: stem.starts_with("neg"),
            };
            if fnv(line).is_multiple_of(8) { judge.push(template) } else { train.push(template) }
        }
    }
    Ok((train, judge))
}

/// Reads the files of machine text, a kind each, into those to train on and those to judge by.
pub fn machine(folder: &Path) -> io::Result<(Vec<Kind>, Vec<Kind>)> {
    const NAMES: [&str; 11] = ["{P}", "{PN}", "{F}", "{N}", "{LF}", "{L}", "{K}", "{R}", "{G}", "{A}", "{O}"];
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let (mut train, mut judge) = (Vec::new(), Vec::new());
    for file in files {
        let prose = file.path().file_stem().is_some_and(|stem| stem == "tech");
        let mut kinds = [Kind { prose, ..Kind::default() }, Kind { prose, ..Kind::default() }];
        for line in fs::read_to_string(file.path())?.lines().filter(|line| !line.is_empty()) {
            let negative = !NAMES.iter().any(|slot| line.contains(slot));
            let text = line.replace("\\n", "\n");
            let template = Template { language: "en".to_owned(), text, negative };
            let kind = &mut kinds[usize::from(fnv(line).is_multiple_of(8))];
            if negative { kind.plain.push(template) } else { kind.named.push(template) }
        }
        let [train_on, judge_by] = kinds;
        train.push(train_on);
        judge.push(judge_by);
    }
    judge.retain(|kind| !kind.plain.is_empty());
    Ok((train, judge))
}

/// Fills slots.
pub struct Generator<'a> {
    pub(crate) lists: &'a Lists,
    pub(crate) rng: Rng,
    pub(crate) source: Source,
    languages: Vec<&'a str>,
    /// Frequent words that are names too: *will*, *rose*.
    ambiguous: Vec<String>,
    foreign: Vec<&'a str>,
    /// The language of names in the text at hand.
    culture: String,
}

impl<'a> Generator<'a> {
    /// A generator of its own for each seed.
    pub fn new(lists: &'a Lists, seed: u64, source: Source) -> Self {
        let us = &lists.people["us"];
        let names: std::collections::BTreeSet<String> =
            us.first.iter().chain(us.last.iter().take(4000)).map(|name| name.to_lowercase()).collect();
        let ambiguous = lists.common.iter().filter(|word| names.contains(*word)).cloned().collect();
        Self {
            lists,
            rng: Rng::new(seed),
            source,
            languages: lists.people.keys().map(String::as_str).collect(),
            ambiguous,
            foreign: lists.foreign.iter().map(String::as_str).collect(),
            culture: "us".to_owned(),
        }
    }

    /// A text of one to four templates.
    pub fn text(&mut self, templates: &[Template]) -> Doc {
        let count = match self.rng.below(10) {
            0..5 => 1,
            5..8 => 2,
            8 => 3,
            _ => 4,
        };
        let joint = ["\n", "\n", "\n\n", " ", " ", " "][self.rng.below(6)];
        let mut doc = Doc::default();
        for i in 0..count {
            if i > 0 {
                doc.plain(joint);
            }
            let template = &templates[self.rng.below(templates.len())];
            self.fill(template, &mut doc);
        }
        doc
    }

    /// A text of one template that has names, for judging.
    pub fn single(&mut self, templates: &[Template]) -> Doc {
        loop {
            let template = &templates[self.rng.below(templates.len())];
            if !template.negative {
                let mut doc = Doc::default();
                self.fill(template, &mut doc);
                return doc;
            }
        }
    }

    pub(crate) fn fill(&mut self, template: &Template, doc: &mut Doc) {
        let own = template.language != "en" && self.rng.chance(80);
        self.culture = if own && self.lists.people.contains_key(&template.language) {
            template.language.clone()
        } else if self.rng.chance(55) {
            "us".to_owned()
        } else {
            (*self.rng.pick(&self.languages)).to_owned()
        };
        let language = template.language.as_str();
        let mut text = template.text.as_str();
        while let Some((before, marked)) = text.split_once('⟨') {
            let (name, after) = marked.split_once('⟩').unwrap_or((marked, ""));
            self.expand(before, language, doc);
            let (kind, name) = name.split_once(' ').unwrap_or(("L", name));
            let mut inner = Doc::default();
            self.expand(name, language, &mut inner);
            let kind = if kind == "O" { ORG } else { PLACE };
            let hidden = self.hides();
            doc.name(inner.text(), kind, hidden);
            text = after;
        }
        self.expand(text, language, doc);
    }

    /// Text with its slots filled.
    fn expand(&mut self, text: &str, language: &str, doc: &mut Doc) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            doc.plain(before);
            let slot = after.split_once('}').filter(|(slot, _)| self.slot(slot, language, doc));
            rest = if let Some((_, after)) = slot {
                after
            } else {
                doc.plain("{");
                after
            };
        }
        doc.plain(rest);
    }

    /// Fills a slot; false if it is none.
    pub fn slot(&mut self, slot: &str, language: &str, doc: &mut Doc) -> bool {
        let kind = match slot {
            "P" | "PN" | "F" | "N" | "LF" => PERSON,
            "L" | "K" | "R" | "G" | "S" | "A" | "Z" => PLACE,
            "O" => ORG,
            _ => NONE,
        };
        let text = match slot {
            "A" => self.address(language),
            "Z" => self.postcode(language),
            "S" => self.street(language),
            "O" => self.organization(),
            "P" => self.person(),
            "PN" => self.full_name(),
            "LF" => format!("{}, {}", self.family(), self.given()),
            "G" => match self.rng.below(4) {
                0 => self.city(),
                1 => self.country(),
                2 => self.region(),
                _ => format!("{}, {}", self.city(), if self.rng.chance(50) { self.country() } else { self.region() }),
            },
            _ => match self.value(slot, language) {
                Some(text) => text,
                None => return false,
            },
        };
        if kind == NONE {
            doc.plain(&text);
        } else {
            let hidden = self.hides();
            doc.name(text, kind, hidden);
        }
        true
    }

    /// The text of a slot that is also a part of names.
    pub(crate) fn value(&mut self, slot: &str, language: &str) -> Option<String> {
        let own = |rng: &mut Rng, lists: &Lists, name: &str| rng.one(lists.own(name)).to_owned();
        let rng = &mut self.rng;
        Some(match slot {
            "F" => self.given(),
            "N" => self.family(),
            "L" => self.city(),
            "K" => self.country(),
            "R" => self.region(),
            "T" => own(rng, self.lists, "titles"),
            "I" => format!("{}", char::from(b'A' + rng.below(26) as u8)),
            "job" => own(rng, self.lists, "jobs"),
            "nrp" => own(rng, self.lists, "nrp"),
            "product" if rng.chance(50) => own(rng, self.lists, "products"),
            "product" => match rng.below(3) {
                0 => self.identifier(1),
                1 => capital(&self.nonword()),
                _ => format!("{} {}", capital(&self.nonword()), self.rng.between(1, 12)),
            },
            "i" => self.identifier(0),
            "I1" => self.identifier(1),
            "I2" => self.identifier(0).to_uppercase(),
            "suffix" => own(rng, self.lists, "org_suffix"),
            "orgword" => own(rng, self.lists, "org_words"),
            "orgforeign" => own(rng, self.lists, "org_words_foreign"),
            "field" => own(rng, self.lists, "fields"),
            "team" => own(rng, self.lists, "teams"),
            "known" => own(rng, self.lists, "org_known"),
            "brand" => {
                if rng.chance(25) {
                    own(rng, self.lists, "brands")
                } else {
                    let (a, b) = (self.word("en"), self.word("en"));
                    capital(&spliced(&a, &b, &mut self.rng))
                }
            }
            "company" => {
                let languages: Vec<&String> = self.lists.companies.keys().collect();
                let language = languages[rng.below(languages.len())];
                rng.one(&self.lists.companies[language]).to_owned()
            }
            "acronym" => (0..rng.between(2, 5)).map(|_| char::from(b'A' + rng.below(26) as u8)).collect(),
            "lang" => (*rng.pick(&["English", "French", "German", "Spanish", "Italian", "Dutch", "Latin", "Greek"]))
                .to_owned(),
            "w" | "noun" => self.word(language),
            "W" | "Noun" | "Adj" => capital(&self.word(language)),
            "n" => rng.between(1, 99).to_string(),
            "num" => rng.between(100, 99_999).to_string(),
            "year" => rng.between(1890, 2026).to_string(),
            "money" => {
                let (whole, cents) = (rng.between(1, 9999), rng.below(100));
                match rng.below(4) {
                    0 => format!("${whole}.{cents:02}"),
                    1 => format!("€{whole}"),
                    2 => format!("{whole} EUR"),
                    _ => format!("${} million", whole % 100 + 1),
                }
            }
            "month" => (*rng.pick(months(language))).to_owned(),
            "day" => (*rng.pick(days(language))).to_owned(),
            "date" => self.date(language),
            "time" => format!("{:02}:{:02}", rng.below(24), rng.below(60)),
            "phone" => {
                self.digits(["+1 ###-###-####", "(###) ###-####", "+49 ## ######", "0## ### ## ##", "###.###.####"])
            }
            "email" => {
                let (a, b) = (self.given().to_lowercase(), self.word("en"));
                let digits = self.rng.below(100);
                let user = match self.rng.below(3) {
                    0 => format!("{a}{digits}"),
                    1 => format!("{a}.{b}"),
                    _ => b.clone(),
                };
                format!("{}@{b}.{}", user.replace(' ', ""), ["com", "org", "net", "de", "fr"][digits % 5])
            }
            "url" => format!("https://www.{}.com/{}", self.word("en"), self.word("en")),
            "id" => self.digits(["#####", "A-####", "ORD-######", "##-###-##", "XK####Z"]),
            "uuid" => {
                let hex = format!("{:016x}{:016x}", rng.next(), rng.next());
                format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
            "hex" => format!("{:016x}{:016x}", rng.next(), rng.next()),
            "ip" => format!("{}.{}.{}.{}", rng.below(256), rng.below(256), rng.below(256), rng.below(256)),
            "iban" => self.digits([
                "DE## #### #### #### ##",
                "FR## #### #### ####",
                "GB##ABCD########",
                "ES##########",
                "NL##INGB##########",
            ]),
            _ => return self.machine_value(slot),
        })
    }

    pub(crate) fn digits(&mut self, forms: [&str; 5]) -> String {
        let form = forms[self.rng.below(5)];
        form.chars().map(|c| if c == '#' { char::from(b'0' + self.rng.below(10) as u8) } else { c }).collect()
    }

    fn date(&mut self, language: &str) -> String {
        let (day, month, year) = (self.rng.between(1, 28), self.rng.between(1, 12), self.rng.between(1940, 2026));
        let name = months(language)[month - 1];
        match (self.rng.below(6), language) {
            (0, _) => format!("{year}-{month:02}-{day:02}"),
            (1, _) => format!("{day:02}/{month:02}/{year}"),
            (2, _) => format!("{day}.{month}.{year}"),
            (3, "en") => format!("{name} {day}, {year}"),
            (3, "de") => format!("{day}. {name} {year}"),
            (3, "es" | "pt") => format!("{day} de {name} de {year}"),
            (4, "en") => format!("{} {day}", &name),
            _ => format!("{day} {name} {year}"),
        }
    }

    /// Letters that are no word: made of two words, or a word cut short.
    fn nonword(&mut self) -> String {
        let a = self.rng.one(&self.lists.common).to_owned();
        if self.rng.chance(50) {
            return a.chars().take(self.rng.between(2, 5)).collect();
        }
        let b = self.rng.one(&self.lists.common).to_owned();
        spliced(&a, &b, &mut self.rng)
    }

    /// What programs call things; with a capital where `capitals` is 1.
    fn identifier(&mut self, capitals: usize) -> String {
        let part = |generator: &mut Self| {
            if generator.rng.chance(55) {
                generator.rng.one(&generator.lists.common).to_owned()
            } else {
                generator.nonword()
            }
        };
        let (a, b) = (part(self), part(self));
        match (capitals, self.rng.below(6)) {
            (1, 0..3) => capital(&a),
            (1, _) => capital(&a) + &capital(&b),
            (_, 0..3) => a,
            (_, 3) => format!("{a}_{b}"),
            (_, 4) => a + &capital(&b),
            _ => format!("{a}{}", self.rng.below(10)),
        }
    }

    pub(crate) fn word(&mut self, language: &str) -> String {
        if self.rng.chance(4) {
            return self.nonword();
        }
        let rng = &mut self.rng;
        match (language, rng.below(100)) {
            ("en", 0..8) => rng.one(&self.ambiguous).to_owned(),
            ("en", 8..80) => rng.one(&self.lists.common).to_owned(),
            ("en", _) => rng.one(&self.lists.english).to_owned(),
            _ => (*rng.pick(&self.foreign)).to_owned(),
        }
    }

    fn names(&self) -> &'a Names {
        if self.source == Source::Unseen { &self.lists.unseen } else { &self.lists.people[&self.culture] }
    }

    pub(crate) fn given(&mut self) -> String {
        let names = &self.names().first;
        let name = self.rng.one(names).to_owned();
        if self.source == Source::Train && self.rng.chance(8) {
            let other = self.rng.one(names).to_owned();
            return capital(&spliced(&name, &other, &mut self.rng));
        }
        name
    }

    pub(crate) fn family(&mut self) -> String {
        let names = &self.names().last;
        let name = if self.culture == "us" { self.rng.early(names) } else { self.rng.one(names) }.to_owned();
        if self.source == Source::Train && self.rng.chance(8) {
            let other = self.rng.one(names).to_owned();
            return capital(&spliced(&name, &other, &mut self.rng));
        }
        name
    }

    fn full_name(&mut self) -> String {
        let first = self.given();
        let last = self.family();
        let initial = char::from(b'A' + self.rng.below(26) as u8);
        match self.rng.below(100) {
            0..70 => format!("{first} {last}"),
            70..78 => format!("{first} {initial}. {last}"),
            78..83 => format!("{first} {} {last}", self.given()),
            83..86 => format!("{first}-{} {last}", self.given()),
            86..89 => format!("{first} {last}-{}", self.family()),
            89..92 => format!("{first} {last} {}", self.family()),
            92..95 => {
                let particle =
                    ["de", "van", "von", "van der", "de la", "da", "dos", "di", "del", "el", "bin", "Le", "Mc", "O'"];
                let at = self.rng.below(particle.len());
                let space = if particle[at] == "O'" || particle[at] == "Mc" { "" } else { " " };
                format!("{first} {}{space}{last}", particle[at])
            }
            95..97 => {
                let after = [
                    "Jr.", "Jr", "Sr.", "II", "III", "IV", "MD", "M.D.", "PhD", "Ph.D.", "DDS", "DVM", "Esq.", "MBA",
                    "RN",
                ];
                format!(
                    "{first} {last}{} {}",
                    if self.rng.chance(30) { "," } else { "" },
                    after[self.rng.below(after.len())]
                )
            }
            97 => format!("{initial}.{}. {last}", char::from(b'A' + self.rng.below(26) as u8)),
            98 => format!("{first} \"{}\" {last}", self.given()),
            _ => format!("{initial}. {last}"),
        }
    }

    fn person(&mut self) -> String {
        match self.rng.below(100) {
            0..62 => self.full_name(),
            62..74 => self.given(),
            74..82 => self.family(),
            82..88 => format!("{}, {}", self.family(), self.given()),
            88..90 => format!("{}, {} {}.", self.family(), self.given(), char::from(b'A' + self.rng.below(26) as u8)),
            90..92 => format!("{} {}", self.family(), self.given()),
            92..94 => format!("{} {}.", self.given(), char::from(b'A' + self.rng.below(26) as u8)),
            94..97 => format!("{}. {}", char::from(b'A' + self.rng.below(26) as u8), self.family()),
            _ => format!("{} {} {}", self.given(), self.given(), self.family()),
        }
    }

    pub(crate) fn city(&mut self) -> String {
        let lists = self.lists;
        let rng = &mut self.rng;
        match (self.source, rng.below(100)) {
            (Source::Unseen, _) => rng.one(&lists.unseen_villages).to_owned(),
            (Source::Train, 0..16) => rng.one(&lists.villages).to_owned(),
            (Source::Train, 16..21) => {
                let (a, b) = (rng.one(&lists.towns).to_owned(), rng.one(&lists.towns).to_owned());
                capital(&spliced(&a, &b, rng))
            }
            (_, 21..60) => rng.early(&lists.cities).to_owned(),
            (_, 60..72) => rng.one(&lists.countries).to_owned(),
            (_, 72..79) => rng.one(&lists.regions).to_owned(),
            _ => rng.early(&lists.towns).to_owned(),
        }
    }

    pub(crate) fn country(&mut self) -> String {
        if self.source == Source::Unseen {
            return self.city();
        }
        match self.rng.below(100) {
            0..6 => {
                ["USA", "UK", "U.S.", "U.K.", "UAE", "US", "United States", "America", "England", "Scotland", "Europe"]
                    [self.rng.below(11)]
                .to_owned()
            }
            // The first part are the English names.
            6..80 => self.lists.countries[self.rng.below(252.min(self.lists.countries.len()))].clone(),
            _ => self.rng.one(&self.lists.countries).to_owned(),
        }
    }

    pub(crate) fn region(&mut self) -> String {
        const CODES: [&str; 20] = [
            "CA", "NY", "TX", "FL", "IL", "PA", "OH", "GA", "NC", "MI", "NJ", "VA", "WA", "AZ", "MA", "TN", "IN", "MO",
            "MD", "WI",
        ];
        if self.source == Source::Unseen {
            return self.city();
        }
        match self.rng.below(100) {
            0..12 => CODES[self.rng.below(CODES.len())].to_owned(),
            12..50 => self.lists.regions[self.rng.below(51)].clone(),
            _ => self.rng.one(&self.lists.regions).to_owned(),
        }
    }

    fn organization(&mut self) -> String {
        let pattern = self.rng.one(self.lists.own("org_patterns")).to_owned();
        if self.source == Source::Unseen && (pattern.contains("{known}") || pattern.contains("{company}")) {
            return self.organization();
        }
        let mut out = String::new();
        let mut rest = pattern.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (slot, after) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(&self.value(slot, "en").unwrap_or_default());
            rest = after;
        }
        out + rest
    }
}

/// The first half of one word with the second half of another.
fn spliced(a: &str, b: &str, rng: &mut Rng) -> String {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = rng.between(2, 4).min(a.len());
    let tail = rng.between(2, 5).min(b.len());
    a[..head].iter().chain(&b[b.len() - tail..]).filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase()
}

/// The word with a capital.
pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
