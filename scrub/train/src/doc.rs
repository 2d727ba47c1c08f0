//! A text with its names marked, and the ways in which one text is written in many: case, typing errors, spacing.

use crate::rng::Rng;

/// What a piece of text is, as the model counts it.
pub const NONE: u8 = 0;
/// A person.
pub const PERSON: u8 = 1;
/// A place.
pub const PLACE: u8 = 2;
/// An organisation.
pub const ORG: u8 = 3;

/// A part of a text: a name, or what is between names.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The characters.
    pub text: String,
    /// [`NONE`] or the kind of name.
    pub kind: u8,
    /// In training the lists do not know this name.
    pub hidden: bool,
}

/// A text in pieces.
#[derive(Clone, Debug, Default)]
pub struct Doc {
    /// In order; together they are the text.
    pub pieces: Vec<Piece>,
    /// Text by or for machines, where a name has to be surer.
    pub machine: bool,
}

impl Doc {
    /// Adds what is no name.
    pub fn plain(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(last) if last.kind == NONE => last.text.push_str(text),
            _ => self.pieces.push(Piece { text: text.to_owned(), kind: NONE, hidden: false }),
        }
    }

    /// Adds a name.
    pub fn name(&mut self, text: String, kind: u8, hidden: bool) {
        self.pieces.push(Piece { text, kind, hidden });
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// Start, end, kind and whether it is hidden, of each name.
    pub fn names(&self) -> Vec<(usize, usize, u8, bool)> {
        let mut at = 0;
        let mut names = Vec::new();
        for piece in &self.pieces {
            let end = at + piece.text.len();
            if piece.kind != NONE {
                names.push((at, end, piece.kind, piece.hidden));
            }
            at = end;
        }
        names
    }

    /// One of the ways in which people, machines and newspapers write the same text.
    pub fn vary(&mut self, rng: &mut Rng) {
        match rng.below(100) {
            0..14 => self.each(str::to_lowercase),
            14..23 => self.each(str::to_uppercase),
            23..26 => self.each(title_case),
            26..28 => {
                for piece in &mut self.pieces {
                    if piece.kind == NONE {
                        piece.text = piece.text.to_lowercase();
                    }
                }
            }
            28..30 => {
                for piece in &mut self.pieces {
                    if piece.kind != NONE {
                        piece.text = piece.text.to_lowercase();
                    }
                }
            }
            30..32 => {
                for piece in &mut self.pieces {
                    if piece.kind != NONE {
                        piece.text = piece.text.to_uppercase();
                    }
                }
            }
            _ => {}
        }
        if rng.chance(4) {
            for piece in &mut self.pieces {
                if rng.chance(if piece.kind == NONE { 30 } else { 10 }) {
                    piece.text = mistyped(&piece.text, rng);
                }
            }
        }
        if rng.chance(3) {
            self.each(|text| text.replace([',', '.', ';'], ""));
        }
        if rng.chance(8) {
            self.each(spaced);
        }
        if rng.chance(2) {
            self.each(unaccented);
        }
    }

    fn each(&mut self, change: impl Fn(&str) -> String) {
        for piece in &mut self.pieces {
            piece.text = change(&piece.text);
        }
    }
}

fn title_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside || !c.is_alphabetic() {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '\'';
    }
    out
}

/// Two letters swapped, one left out or one written twice.
fn mistyped(text: &str, rng: &mut Rng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if chars.len() < 5 {
        return text.to_owned();
    }
    let at = 1 + rng.below(chars.len() - 3);
    if chars[at].is_alphabetic() && chars[at + 1].is_alphabetic() {
        match rng.below(3) {
            0 => chars.swap(at, at + 1),
            1 => {
                chars.remove(at);
            }
            _ => chars.insert(at, chars[at]),
        }
    }
    chars.into_iter().collect()
}

/// Marks apart from words, as tokenised corpora have them.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        let mark = matches!(c, ',' | '.' | ';' | ':' | '!' | '?' | '(' | ')' | '"');
        let after_mark = matches!(before, ',' | ';' | '!' | '?' | '(' | ')' | '"');
        let apart = if mark { !before.is_whitespace() && before != '.' } else { !c.is_whitespace() && after_mark };
        if apart {
            out.push(' ');
        }
        out.push(c);
        before = c;
    }
    out
}

fn unaccented(text: &str) -> String {
    const FOLDED: [(&str, &str); 7] =
        [("áàâäãåā", "a"), ("éèêëėę", "e"), ("íìîïī", "i"), ("óòôöõø", "o"), ("úùûüū", "u"), ("çćč", "c"), ("ñń", "n")];
    text.chars()
        .map(|c| {
            let lower = c.to_lowercase().next().unwrap_or(c);
            let plain = FOLDED.iter().find(|(from, _)| from.contains(lower)).and_then(|(_, to)| to.chars().next());
            match plain {
                Some(plain) if c.is_uppercase() => plain.to_ascii_uppercase(),
                Some(plain) => plain,
                None => c,
            }
        })
        .collect()
}
