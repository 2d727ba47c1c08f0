//! What machines read and write: programs, logs, settings, tables, and prose about them. Every text is made of lines of one file of
//! `templates/machine`, so that it looks like a part of one document. A few of the lines name somebody.

use crate::doc::Doc;
use crate::generate::{Generator, Source, Template, capital};

/// Lines of one kind of document.
#[derive(Debug, Default)]
pub struct Kind {
    /// Lines that name nobody.
    pub plain: Vec<Template>,
    /// Lines with names.
    pub named: Vec<Template>,
    /// A paragraph of prose: lines are joined by spaces more often.
    pub prose: bool,
}

impl Generator<'_> {
    /// A document of one to thirty lines; `named` of a hundred lines name somebody.
    pub fn document(&mut self, kinds: &[Kind], named: usize) -> Doc {
        let kind = &kinds[self.rng.below(kinds.len())];
        let lines = if self.rng.chance(30) { self.rng.between(1, 3) } else { self.rng.between(2, 26) };
        let mut doc = Doc { machine: true, ..Doc::default() };
        let mut indent = 0_usize;
        let tab = ["    ", "  ", "\t"][self.rng.below(3)];
        for i in 0..lines {
            if i > 0 {
                if kind.prose && self.rng.chance(70) {
                    doc.plain(" ");
                } else {
                    doc.plain(if self.rng.chance(10) { "\n\n" } else { "\n" });
                    indent = if self.rng.chance(30) { self.rng.below(4) } else { indent };
                    if !kind.prose {
                        doc.plain(&tab.repeat(indent));
                    }
                }
            }
            let of = if kind.plain.is_empty() || !kind.named.is_empty() && self.rng.chance(named) {
                &kind.named
            } else {
                &kind.plain
            };
            let template = &of[self.rng.below(of.len())];
            // Tables and logs repeat one form of line.
            let times = if kind.prose || !self.rng.chance(8) { 1 } else { self.rng.between(2, 6) };
            for time in 0..times {
                if time > 0 {
                    doc.plain("\n");
                }
                self.fill(template, &mut doc);
            }
        }
        doc
    }

    /// A document with at least one name, for judging.
    pub fn named_document(&mut self, kinds: &[Kind]) -> Doc {
        loop {
            let doc = self.document(kinds, 25);
            if !doc.names().is_empty() {
                return doc;
            }
        }
    }

    /// The text of a slot of programs and logs.
    pub fn machine_value(&mut self, slot: &str) -> Option<String> {
        Some(match slot {
            "v" => self.variable(),
            "C" => self.type_name(),
            "M" => self.constant(),
            "e" => self.expression(0),
            "pk" => self.package(),
            "pa" => self.path(),
            "ver" => self.version(),
            "tech" => self.technology(),
            "cm" => self.remark(),
            _ => return None,
        })
    }

    /// A name of somebody or some place that a program, package or host is called by.
    fn borrowed(&mut self) -> String {
        match self.rng.below(3) {
            0 => self.given(),
            1 => self.family(),
            _ => self.city(),
        }
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_lowercase()
    }

    /// A word as programmers cut it.
    fn stem(&mut self) -> String {
        let word = match self.rng.below(20) {
            0 => self.borrowed(),
            1..4 => self.rng.one(&self.lists.english).to_owned(),
            _ => self.rng.one(&self.lists.common).to_owned(),
        };
        let letters: Vec<char> = word.chars().filter(char::is_ascii_alphabetic).collect();
        let short = match self.rng.below(10) {
            // Without vowels: `msg`, `cnt`.
            0 => letters
                .iter()
                .enumerate()
                .filter(|(i, c)| *i == 0 || !"aeiou".contains(**c))
                .map(|(_, c)| *c)
                .take(5)
                .collect(),
            1 => letters.iter().take(self.rng.between(1, 4)).collect(),
            2 => (0..self.rng.between(1, 4)).map(|_| char::from(b'a' + self.rng.below(26) as u8)).collect(),
            _ => letters.iter().collect::<String>(),
        };
        if short.is_empty() { "x".to_owned() } else { short }
    }

    fn variable(&mut self) -> String {
        let (a, b) = (self.stem(), self.stem());
        match self.rng.below(20) {
            0..8 => a,
            8..11 => format!("{a}_{b}"),
            11 => format!("{a}_{b}_{}", self.stem()),
            12..15 => a + &capital(&b),
            15 => a + &b,
            16 => format!("{a}{}", self.rng.below(64)),
            17 => format!("_{a}"),
            18 => a + &capital(&b) + &capital(&self.stem()),
            _ => a + &b.to_uppercase(),
        }
    }

    fn type_name(&mut self) -> String {
        let (a, b) = (capital(&self.stem()), capital(&self.stem()));
        match self.rng.below(10) {
            0..3 => a,
            3..6 => a + &b,
            6 => a + &b + &capital(&self.stem()),
            7 => a.to_uppercase() + &b,
            8 => a + &b.to_uppercase(),
            _ => format!("{a}{}", self.rng.below(64)),
        }
    }

    fn constant(&mut self) -> String {
        let (a, b) = (self.stem().to_uppercase(), self.stem().to_uppercase());
        match self.rng.below(5) {
            0 | 1 => a,
            2 | 3 => format!("{a}_{b}"),
            _ => format!("{a}_{b}_{}", self.stem().to_uppercase()),
        }
    }

    fn version(&mut self) -> String {
        let (a, b, c) = (self.rng.below(30), self.rng.below(40), self.rng.below(20));
        match self.rng.below(8) {
            0 => format!("{a}.{b}"),
            1 => format!("{a}.{b}.{c}-{}", self.rng.between(1, 9)),
            2 => format!("{a}.{b}-{c}+{}u{}", self.stem(), self.rng.between(1, 9)),
            3 => format!("{}:{a}.{b}.{c}+dfsg-{}", self.rng.between(1, 4), self.rng.between(1, 9)),
            4 => format!("v{a}.{b}.{c}"),
            5 => format!("{a}.{b}.{c}-{}.{}", ["rc", "beta", "alpha"][c % 3], self.rng.below(9)),
            _ => format!("{a}.{b}.{c}"),
        }
    }

    fn package(&mut self) -> String {
        let parts = self.rng.between(1, 4);
        let name = (0..parts)
            .map(|_| match self.rng.below(100) {
                0..15 => format!("{}{}", self.stem(), self.rng.below(12)),
                15..22 => self.technology().to_lowercase().replace(' ', ""),
                22..28 => self.borrowed(),
                _ => self.stem(),
            })
            .collect::<Vec<_>>()
            .join("-");
        let ends = ["", "", "", "-dev", "-common", "-data", "-doc", "-bin", "-utils", "-perl", "-core"];
        let end = ends[self.rng.below(ends.len())];
        match self.rng.below(6) {
            0 => format!("lib{name}{}{end}", self.rng.below(9)),
            1 => format!("python3-{name}"),
            _ => name + end,
        }
    }

    fn path(&mut self) -> String {
        let root = ["/usr/lib", "/etc", "src", "./", "/var/lib", "../", "C:\\", "", "/home", "s3:/"];
        let mut path = root[self.rng.below(root.len())].to_owned();
        let mark = if path.contains('\\') { '\\' } else { '/' };
        for _ in 0..self.rng.between(1, 4) {
            if !path.is_empty() && !path.ends_with(mark) {
                path.push(mark);
            }
            path += &match self.rng.below(4) {
                0 => self.package(),
                1 => self.type_name(),
                _ => self.variable(),
            };
        }
        let ends = ["", "", ".py", ".rs", ".c", ".h", ".so.1", ".json", ".conf", ".txt", ".pem", ".go", ".js", ".deb"];
        path + ends[self.rng.below(ends.len())]
    }

    /// A product, format, protocol or program, from the list or made up.
    pub(crate) fn technology(&mut self) -> String {
        match self.rng.below(10) {
            0..6 => self.rng.one(self.lists.own("tech")).to_owned(),
            6 => self.type_name(),
            7 => (0..self.rng.between(2, 5)).map(|_| char::from(b'A' + self.rng.below(26) as u8)).collect(),
            8 => {
                let letters: String =
                    (0..self.rng.between(2, 4)).map(|_| char::from(b'A' + self.rng.below(26) as u8)).collect();
                format!("{letters}-{}", self.rng.between(1, 512))
            }
            _ => capital(&self.stem()),
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth > 2 {
            return self.variable();
        }
        let next = depth + 1;
        match self.rng.below(22) {
            0..5 => self.variable(),
            5 => self.rng.between(0, 4096).to_string(),
            6 => format!("0x{:x}", self.rng.next() >> self.rng.between(32, 60)),
            7 => format!("{}.{}", self.variable(), self.variable()),
            8 => format!("{}.{}({})", self.expression(next), self.variable(), self.expression(next)),
            9 => format!("{}({})", self.variable(), self.expression(next)),
            10 => format!("{}({}, {})", self.variable(), self.expression(next), self.expression(next)),
            11 => format!("{}[{}]", self.variable(), self.expression(next)),
            12 => format!("\"{}\"", self.variable()),
            13 => format!("'{}'", self.variable()),
            14 => format!("{}::{}", self.type_name(), self.type_name()),
            15 => format!("{}->{}", self.variable(), self.variable()),
            16 => self.constant(),
            17 => {
                let op = [" + ", " - ", " * ", " / ", " == ", " != ", " && ", " || ", " | ", " & ", " << ", " < ", "+"];
                format!("{}{}{}", self.expression(next), op[self.rng.below(op.len())], self.expression(next))
            }
            18 => format!("{}{}", ["!", "&", "*", "-", "$", "@", "not "][self.rng.below(7)], self.expression(next)),
            19 => format!("{}{{{}: {}}}", self.type_name(), self.variable(), self.expression(next)),
            20 => format!("{}.{}", self.type_name(), self.type_name()),
            _ => format!("\"{}\"", self.remark()),
        }
    }

    /// A sentence of a comment, message or manual.
    fn remark(&mut self) -> String {
        let count = self.rng.between(2, 11);
        let mut words: Vec<String> = Vec::new();
        for _ in 0..count {
            let word = match self.rng.below(100) {
                0..28 => {
                    let small = [
                        "the", "a", "of", "to", "is", "in", "and", "for", "if", "not", "be", "with", "on", "or",
                        "this", "by", "are", "from", "when", "must", "can", "no", "at", "which", "that", "as", "it",
                    ];
                    small[self.rng.below(small.len())].to_owned()
                }
                28..76 => self.rng.one(&self.lists.common).to_owned(),
                76..82 => self.rng.one(&self.lists.english).to_owned(),
                82..86 => self.variable(),
                86..88 => format!("{}()", self.variable()),
                88 => format!("`{}`", self.variable()),
                89 => self.constant(),
                90 => self.type_name(),
                91..95 => self.technology(),
                95 => format!("\"{}\"", self.variable()),
                96 => self.rng.below(2048).to_string(),
                97 => format!("({})", self.stem()),
                98 => format!("{}-{}", self.stem(), self.stem()),
                _ => "%s".to_owned(),
            };
            words.push(word);
        }
        let text = words.join(" ");
        match self.rng.below(4) {
            0 => text,
            1 => text + ".",
            _ => capital(&text) + if self.rng.chance(60) { "." } else { "" },
        }
    }

    /// Whether names are to be hidden from the lists, as in a third of the training.
    pub(crate) fn hides(&mut self) -> bool {
        self.source == Source::Train && self.rng.chance(30)
    }
}
