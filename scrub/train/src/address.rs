//! Postal addresses: streets, boxes, military mail, crossings, units, postcodes, in the manner of several countries.

use crate::generate::{Generator, Source, capital};
use crate::rng::Rng;

impl Generator<'_> {
    /// A street with or without a number, as the language writes it.
    pub fn street(&mut self, language: &str) -> String {
        let number = match self.rng.below(5) {
            0 => format!("{}{}", self.rng.between(1, 99), char::from(b'a' + self.rng.below(4) as u8)),
            1 | 2 => self.rng.between(1, 99).to_string(),
            _ => self.rng.between(1, 9999).to_string(),
        };
        let base = match self.rng.below(4) {
            0 => capital(&self.word(if language == "en" { "en" } else { "xx" })),
            1 => self.given(),
            _ => self.family(),
        };
        let unnumbered = self.rng.chance(20);
        let kinds: &[&str] = match language {
            "de" => &["straße", "str.", "weg", "allee", "gasse", "platz", "strasse", "ring", "ufer", "damm"],
            "nl" => &["straat", "laan", "weg", "plein", "gracht", "kade"],
            "fr" => &[
                "rue",
                "rue de",
                "avenue",
                "boulevard",
                "place",
                "impasse",
                "chemin",
                "allée",
                "quai",
                "rue du",
                "Rue",
            ],
            "es" => &["Calle", "C/", "Avenida", "Avda.", "Plaza", "Paseo", "calle", "Calle de"],
            "it" => &["Via", "via", "Viale", "Piazza", "Corso", "Vicolo", "Via della"],
            "pt" => &["Rua", "Avenida", "Av.", "Travessa", "Praça", "Estrada", "R.", "Rua da"],
            _ => &[
                "Street",
                "St",
                "St.",
                "Avenue",
                "Ave",
                "Road",
                "Rd",
                "Drive",
                "Dr",
                "Lane",
                "Ln",
                "Boulevard",
                "Blvd",
                "Court",
                "Ct",
                "Place",
                "Square",
                "Terrace",
                "Way",
                "Highway",
                "Parkway",
                "Circle",
                "Close",
                "Crescent",
                "Grove",
                "Mews",
            ],
        };
        let kind = kinds[self.rng.below(kinds.len())];
        let unit = if self.rng.chance(25) {
            let n = self.rng.between(1, 900);
            match language {
                "en" => [
                    format!(", Apt {n}"),
                    format!(" Apt. {n}"),
                    format!(", Suite {n}"),
                    format!(" Unit {n}"),
                    format!(" #{n}"),
                    format!(", Flat {n}"),
                    format!(", {n}th Floor"),
                    format!(" Apt {}B", n % 40),
                ][self.rng.below(8)]
                .clone(),
                "es" | "pt" => format!(", {}º {}", n % 9 + 1, char::from(b'A' + (n % 4) as u8)),
                _ => String::new(),
            }
        } else {
            String::new()
        };
        match language {
            "de" | "nl" if unnumbered => format!("{base}{kind}"),
            "de" | "nl" => format!("{base}{kind} {number}"),
            "fr" | "es" | "it" | "pt" if unnumbered => format!("{kind} {base}"),
            "fr" => format!("{number}{} {kind} {base}", if self.rng.chance(40) { "," } else { "" }),
            "es" | "it" | "pt" => format!("{kind} {base}{} {number}{unit}", if self.rng.chance(50) { "," } else { "" }),
            "en" if unnumbered => format!("{base} {kind}"),
            "en" => {
                let compass =
                    if self.rng.chance(12) { ["N ", "S ", "E. ", "West ", "North "][self.rng.below(5)] } else { "" };
                let base = if self.rng.chance(8) { format!("{}th", self.rng.between(4, 120)) } else { base };
                format!("{number} {compass}{base} {kind}{unit}")
            }
            _ => {
                let address = self.foreign_address(language);
                address.split(['|', ',']).next().unwrap_or_default().to_owned()
            }
        }
    }

    fn foreign_address(&mut self, language: &str) -> String {
        let languages: Vec<&String> = self.lists.addresses.keys().collect();
        let any = languages[self.rng.below(languages.len())];
        let language = if language != "en" && self.lists.addresses.contains_key(language) { language } else { any };
        let address = self.rng.one(&self.lists.addresses[language]).to_owned();
        address
            .chars()
            .map(|c| if c.is_ascii_digit() && c != '0' { char::from(b'1' + self.rng.below(9) as u8) } else { c })
            .collect()
    }

    /// A postcode.
    pub fn postcode(&mut self, language: &str) -> String {
        let letter = |rng: &mut Rng| char::from(b'A' + rng.below(26) as u8);
        match (language, self.rng.below(10)) {
            ("en", 0..2) => {
                let rng = &mut self.rng;
                let (a, b, c, d) = (letter(rng), letter(rng), letter(rng), letter(rng));
                format!("{a}{b}{} {}{c}{d}", rng.between(1, 29), rng.below(10))
            }
            ("nl", _) => {
                let digits = self.digits(["####"; 5]);
                format!("{digits} {}{}", letter(&mut self.rng), letter(&mut self.rng))
            }
            ("pt", _) => self.digits(["####-###", "#####-###", "########", "####-###", "#####-###"]),
            ("en", _) => self.digits(["#####", "#####", "#####-####", "####", "######"]),
            _ => self.digits(["#####", "#####", "####", "#####", "#####"]),
        }
    }

    fn unit(&mut self) -> String {
        let n = self.rng.between(1, 999);
        let letter = char::from(b'A' + (n % 6) as u8);
        match self.rng.below(12) {
            0..3 => format!("Apt. {n}"),
            3 => format!("Apt {}{letter}", n % 30 + 1),
            4..6 => format!("Suite {n}"),
            6 => format!("Unit {n}"),
            7 => format!("#{n}"),
            8 => format!("Flat {}", n % 60 + 1),
            9 => format!("Floor {}", n % 20 + 1),
            10 => format!("Building {letter}"),
            _ => format!("Room {n}"),
        }
    }

    /// What goes before the city: mostly a street, else a box, a military address, a crossing.
    fn place_in_city(&mut self, language: &str) -> String {
        let language = if self.rng.chance(30) {
            ["en", "de", "fr", "es", "it", "nl", "pt", "xx"][self.rng.below(8)]
        } else {
            language
        };
        match self.rng.below(100) {
            0..6 => self.digits(["P.O. Box ###", "PO Box ####", "P.O. Box ##", "Postfach ## ## ##", "BP ###"]),
            6..8 => self.digits([
                "PSC ####, Box ####",
                "Unit #### Box ####",
                "CMR ###, Box ###",
                "PSC ##, Box ###",
                "Unit #####",
            ]),
            8..10 => format!("{} and {}", self.street(language), self.street(language)),
            10..30 => {
                let (street, unit) = (self.street(language), self.unit());
                let joint = ["|", " ", ", "][self.rng.below(3)];
                format!("{street}{joint}{unit}")
            }
            _ => self.street(language),
        }
    }

    /// A postal address on one or more lines.
    pub fn address(&mut self, language: &str) -> String {
        let listed = self.source != Source::Unseen && self.rng.chance(35);
        let mut address = if listed {
            self.foreign_address(language)
        } else {
            let street = self.place_in_city(language);
            let mut city = self.city();
            if self.rng.chance(10) {
                city = city.to_uppercase();
            }
            let code = self.postcode(language);
            let military = ["PSC", "CMR", "Unit #"].iter().any(|start| street.starts_with(start));
            match self.rng.below(10) {
                _ if military && self.rng.chance(60) => {
                    format!(
                        "{street}|{} {} {code}",
                        ["APO", "FPO", "DPO"][self.rng.below(3)],
                        ["AE", "AP", "AA"][self.rng.below(3)]
                    )
                }
                0..4 if language == "en" => format!("{street}|{city}, {} {code}", self.region()),
                4 if language == "en" => format!("{street}|{city}|{}|{code}", self.region()),
                5 => format!("{street}|{city} {}", self.region()),
                6 => format!("{street}|{city} {code}"),
                7 => format!("{street}|{city}"),
                8 if language == "en" => format!("{street} {city} {} {code}", self.region()),
                _ => format!("{street}|{code} {city}"),
            }
        };
        if self.rng.chance(6) {
            let name = self.street(language);
            address = format!("{name}|{address}");
        }
        if self.rng.chance(30) {
            let country = self.country();
            address = format!("{address}|{country}");
            if self.rng.chance(30) {
                let code = self.postcode(language);
                address = format!("{address} {code}");
            }
        }
        let joint = match self.rng.below(20) {
            0..5 => "\n",
            5 => "\n ",
            6..16 => ", ",
            16..18 => " ",
            18 => ",\n",
            _ => "\n, ",
        };
        address.replace('|', joint)
    }
}
