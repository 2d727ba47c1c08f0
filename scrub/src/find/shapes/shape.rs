//! Shapes as they are written in definitions: `999-99-9999`, `AA99X{11,30}`, `A999999(9)`.

use std::collections::BTreeSet;

/// Letters and digits of a shape, at most: one bit each.
pub(super) const LONGEST: usize = 63;

/// What stands between two groups of letters and digits, always one character.
pub(super) const SEPARATORS: &[u8] = b" -./(+";

/// What a place of a shape takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Digit,
    Letter,
    Either,
    /// This character, a capital or a digit.
    Fixed(u8),
}

/// One way to write a shape: groups of letters and digits, a separator before each of them but the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    classes: Vec<Class>,
    /// Length of every group.
    pub(super) groups: Vec<u8>,
    /// One less than groups.
    pub(super) separators: Vec<u8>,
    /// A `)` follows the last group.
    pub(super) closed: bool,
    /// It is written as its definition says, separators and all.
    pub(super) official: bool,
}

/// The shape as a test of letters and digits without their separators, bit `n` for place `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Test {
    digits: u64,
    letters: u64,
    fixed: Vec<(u8, u8)>,
}

impl Test {
    /// Whether a text of the shape's length passes; `digits` has a bit for each of its digits, `text` is in capitals.
    pub(super) fn passes(&self, digits: u64, text: &[u8]) -> bool {
        self.digits & !digits == 0
            && self.letters & digits == 0
            && self.fixed.iter().all(|(at, byte)| text.get(usize::from(*at)) == Some(byte))
    }
}

impl Shape {
    /// Every way to write the shape of a definition: as it stands; where it has separators, also with another one in their places, with some
    /// of two or three left out, and with none. With `=` before it, only as it stands.
    pub(super) fn all(definition: &str) -> Result<Vec<Self>, String> {
        if let Some(exact) = definition.strip_prefix('=') {
            return Self::read(exact);
        }
        let mut all = BTreeSet::new();
        for shape in Self::read(definition)? {
            let count = shape.separators.len();
            if count > 0 {
                for separator in [b' ', b'-', b'.'] {
                    all.insert(shape.written(&vec![Some(separator); count]));
                }
                all.insert(shape.written(&vec![None; count]));
            }
            if (2..=3).contains(&count) {
                for kept in 1..(1_u32 << count) - 1 {
                    let separators: Vec<_> =
                        (0..count).map(|index| (kept >> index & 1 == 1).then(|| shape.separators[index])).collect();
                    all.insert(shape.written(&separators));
                }
            }
            all.retain(|other| {
                !(other.groups == shape.groups
                    && other.separators == shape.separators
                    && other.classes == shape.classes)
            });
            all.insert(shape);
        }
        Ok(all.into_iter().collect())
    }

    /// The shape with these separators in the place of its own.
    fn written(&self, separators: &[Option<u8>]) -> Self {
        let mut groups = vec![self.groups[0]];
        let mut kept = Vec::new();
        for (group, separator) in self.groups[1..].iter().zip(separators) {
            match (separator, groups.last_mut()) {
                (None, Some(last)) => *last += group,
                (Some(separator), _) => {
                    groups.push(*group);
                    kept.push(*separator);
                }
                (None, None) => {}
            }
        }
        Self { classes: self.classes.clone(), groups, separators: kept, closed: false, official: false }
    }

    /// The shapes that a definition stands for: several where it has a count with a range.
    fn read(definition: &str) -> Result<Vec<Self>, String> {
        let problem = |what: &str| format!("shape {definition:?}: {what}");
        let empty =
            Self { classes: Vec::new(), groups: vec![0], separators: Vec::new(), closed: false, official: true };
        let mut shapes = vec![empty];
        let mut rest = definition.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            if *byte == b')' && rest.is_empty() {
                for shape in &mut shapes {
                    shape.closed = true;
                }
                continue;
            }
            if SEPARATORS.contains(byte) {
                for shape in &mut shapes {
                    if shape.groups.last() == Some(&0) {
                        return Err(problem("a separator stands between letters or digits"));
                    }
                    shape.separators.push(*byte);
                    shape.groups.push(0);
                }
                continue;
            }
            let class = match byte {
                b'9' => Class::Digit,
                b'A' => Class::Letter,
                b'X' => Class::Either,
                b'0'..=b'8' | b'B'..=b'Z' => Class::Fixed(*byte),
                _ => return Err(problem("9, A, X, capitals, digits and one of \" -./(+\" between them are expected")),
            };
            let counts = if rest.first() == Some(&b'{') {
                let end = memchr::memchr(b'}', rest).ok_or_else(|| problem("{ without }"))?;
                let text = std::str::from_utf8(&rest[1..end]).unwrap_or_default();
                rest = &rest[end + 1..];
                let (least, most) = text.split_once(',').unwrap_or((text, text));
                let counts = least.parse::<usize>().ok().zip(most.parse::<usize>().ok());
                counts
                    .filter(|(least, most)| *least > 0 && least <= most && *most <= LONGEST)
                    .map(|(least, most)| least..=most)
                    .ok_or_else(|| problem("{n} or {n,m} is expected"))?
            } else {
                1..=1
            };
            shapes = shapes.iter().flat_map(|shape| counts.clone().map(|count| shape.with(class, count))).collect();
        }
        if shapes.iter().any(|shape| shape.classes.len() > LONGEST || shape.groups.last() == Some(&0)) {
            return Err(problem("one to 63 letters and digits are expected, and none of its groups empty"));
        }
        Ok(shapes)
    }

    fn with(&self, class: Class, count: usize) -> Self {
        let mut shape = self.clone();
        shape.classes.extend(std::iter::repeat_n(class, count));
        if let Some(last) = shape.groups.last_mut() {
            *last = last.saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
        }
        shape
    }

    /// How many letters and digits it has.
    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether no place must be a letter.
    pub(super) fn numeric(&self) -> bool {
        self.classes.iter().all(|class| matches!(class, Class::Digit | Class::Either | Class::Fixed(b'0'..=b'9')))
    }

    /// Whether some place takes a digit, so that a search for digits can meet it.
    pub(super) fn may_have_digit(&self) -> bool {
        self.classes.iter().any(|class| matches!(class, Class::Digit | Class::Either | Class::Fixed(b'0'..=b'9')))
    }

    /// Whether no place may be a letter.
    pub(super) fn only_digits(&self) -> bool {
        self.classes.iter().all(|class| matches!(class, Class::Digit | Class::Fixed(b'0'..=b'9')))
    }

    pub(super) fn test(&self) -> Test {
        let mut test = Test::default();
        for (at, class) in self.classes.iter().enumerate() {
            match class {
                Class::Digit => test.digits |= 1 << at,
                Class::Letter => test.letters |= 1 << at,
                Class::Either => {}
                Class::Fixed(byte) => test.fixed.push((at as u8, *byte)),
            }
        }
        test
    }

    /// Whether its separators say what it is: it is long enough, and nothing common is written like it (a date, a telephone number, a number
    /// with its thousands divided, a range of numbers, numbers beside each other).
    pub(super) fn is_distinctive(&self) -> bool {
        const PHONES: &[&[u8]] = &[
            &[3, 3, 4],
            &[3, 3, 3],
            &[3, 4, 4],
            &[2, 4, 4],
            &[4, 3, 3],
            &[3, 4, 3],
            &[4, 3, 4],
            &[2, 3, 4],
            &[2, 3, 3],
            &[2, 3, 2, 2],
            &[2, 2, 2, 2, 2],
            &[3, 2, 2, 2],
            &[3, 3, 2, 2],
            &[1, 3, 3, 4],
            &[2, 2, 2, 2],
        ];
        let groups = &self.groups[..];
        if !self.official || self.separators.is_empty() || self.len() < 8 {
            return false;
        }
        if !self.numeric() {
            return true;
        }
        let only = |separator: u8| self.separators.iter().all(|other| *other == separator);
        let date = groups.len() == 3 && self.len() <= 8 && groups.iter().all(|group| matches!(group, 1 | 2 | 4));
        let thousands = (only(b' ') || only(b'.')) && groups[1..].iter().all(|group| *group == 3);
        let lengths: BTreeSet<_> = groups.iter().collect();
        let beside = only(b' ') && self.len() < 14 && lengths.len() < 3;
        let range = groups.len() == 2 && (self.len() < 10 || groups.iter().any(|group| *group < 3));
        !(date || thousands || beside || range || PHONES.contains(&groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(definition: &str) -> Vec<(Vec<u8>, String, bool)> {
        Shape::all(definition)
            .unwrap()
            .into_iter()
            .map(|shape| (shape.groups, String::from_utf8(shape.separators).unwrap(), shape.official))
            .collect()
    }

    #[test]
    fn a_shape_is_written_in_several_ways() {
        let ways = written("999-99-9999");
        for (groups, separators, official) in [
            (vec![3, 2, 4], "--", true),
            (vec![3, 2, 4], "  ", false),
            (vec![3, 2, 4], "..", false),
            (vec![9], "", false),
            (vec![5, 4], "-", false),
            (vec![3, 6], "-", false),
        ] {
            assert!(ways.contains(&(groups, separators.to_owned(), official)), "{ways:?}");
        }
        assert_eq!(ways.len(), 6);
        assert_eq!(written("A9{2,4}").len(), 3);
        assert_eq!(written("=99999999-X"), [(vec![8, 1], "-".to_owned(), true)]);
    }

    #[test]
    fn mistakes_are_named() {
        for wrong in ["", "-9", "9-", "9--9", "9{", "9{0}", "9{3,2}", "9{64}", "a9", "9)9", "\u{e9}9"] {
            assert!(Shape::all(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_common_is_not_distinctive() {
        for (definition, distinctive) in [
            ("999-99-9999", true),
            ("999.999.999-99", true),
            ("999999-9999", true),
            ("9999-9999-9999", true),
            ("9999 9999 9999 9999", true),
            ("AA 99 99 99 A", true),
            ("9 99 99 99 999 999 99", true),
            ("9999 9999 9999", false),
            ("999 999 9999", false),
            ("999-999-9999", false),
            ("99 999 999 999", false),
            ("99-9999999", false),
            ("999999999-9", false),
            ("99999999-X", false),
            ("99999999-A", true),
            ("99-99-99", false),
            ("9999-99-99", false),
            ("999999999", false),
        ] {
            let shapes = Shape::all(definition).unwrap();
            assert_eq!(shapes.iter().any(Shape::is_distinctive), distinctive, "{definition}");
        }
    }

    #[test]
    fn a_test_looks_at_every_place() {
        let shape = Shape::all("CHE-999.A").unwrap().pop().unwrap();
        let test = shape.test();
        let bits =
            |text: &[u8]| (0..text.len()).filter(|at| text[*at].is_ascii_digit()).fold(0, |bits, at| bits | 1 << at);
        for (text, passes) in [("CHE123B", true), ("CHX123B", false), ("CHE12BB", false), ("CHE1234", false)] {
            assert_eq!(test.passes(bits(text.as_bytes()), text.as_bytes()), passes, "{text}");
        }
    }
}
