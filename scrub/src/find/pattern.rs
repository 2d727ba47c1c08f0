//! Candidates by regular expression: at the literals that its matches contain, or everywhere.
//!
//! An expression that is ASCII is compiled without Unicode: `\w`, `\d`, `\s`, `\b` and `(?i)` mean ASCII in it, which is several times
//! faster. A group named `value` is what is found, where an expression has one: what stands around it is evidence only.

use std::ops::Range;

use regex_automata::meta::Regex;
use regex_automata::util::primitives::PatternID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::literal::Extractor;

use crate::detector::{Detector, DetectorId, Find, what_is_wrong};
use crate::validate::Validator;

use super::matcher::{self, Hit, Literal, Literals};
use super::{Candidate, Finder, Text, is_of_token};

/// The literals in this many times the length of a match are searched in one go.
const CLUSTER: usize = 4;

/// The detectors of this finder, and one matcher over all their literals.
pub struct Patterns {
    compiled: Vec<Compiled>,
    /// Those without literals, by index into `compiled`.
    everywhere: Vec<usize>,
    literals: Box<dyn Literals>,
    /// Whose literal that is, by the id of the literal; an index into `compiled`.
    owners: Vec<u32>,
    /// How far from a match its literal may start.
    reach: usize,
}

struct Compiled {
    detector: DetectorId,
    regex: Regex,
    /// The index of the group `value`.
    value: Option<usize>,
    validator: Option<Validator>,
    evidence: Option<Validator>,
    longest: usize,
    score: f32,
    /// Every match starts with its literal, so the expression is tried there only.
    starts: bool,
    /// It starts at the bound of a word, so the expression is not tried within one.
    bounded: bool,
}

/// An expression, as this finder compiles it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let ascii = || {
        let syntax = syntax::Config::new().unicode(false);
        Regex::builder().syntax(syntax).build(pattern).ok()
    };
    // What needs Unicode without saying so in non-ASCII (`.`, `[^a]`, `\p{L}`) is refused without it.
    let ascii = if pattern.is_ascii() { ascii() } else { None };
    ascii.map_or_else(|| Regex::new(pattern).map_err(|error| what_is_wrong(&error)), Ok)
}

/// The expression for the value of a key that contains one of some words: `datadog_key = "…"`, `"datadogKey": "…"`, `DATADOG_KEY=…`.
pub(crate) fn keyed(words: &[&str], value: &str) -> String {
    let words = words.iter().map(|word| escape(word)).collect::<Vec<_>>().join("|");
    format!(
        r#"(?i)(?:{words})[\w. \t-]{{0,40}}[\]'"` \t]{{0,3}}(?:=>|:=|\?=|[=:>,]|[ \t](?:is|was)[ \t])[ \t]{{0,4}}(?:bearer|token|basic)?[ \t'"`]{{0,3}}(?-i:(?<value>{value}))\b{{end-half}}"#
    )
}

impl Patterns {
    /// Of the detectors that have a pattern.
    pub fn new(detectors: &[(DetectorId, &Detector)]) -> Result<Self, String> {
        let mut compiled = Vec::new();
        let mut everywhere = Vec::new();
        let mut texts = Vec::new();
        let mut owners = Vec::new();
        for (id, detector) in detectors {
            let Find::Pattern { pattern, literals } = &detector.find else { continue };
            let regex = compile(pattern).map_err(|error| format!("{}: {error}", detector.name))?;
            if literals.is_empty() {
                everywhere.push(compiled.len());
            }
            let fold = pattern.starts_with("(?i)");
            for literal in literals {
                texts.push(Literal { text: literal.clone(), fold });
                owners.push(compiled.len() as u32);
            }
            let starts = starts_with_one_of(pattern, literals);
            compiled.push(Compiled {
                detector: *id,
                value: regex.group_info().to_index(PatternID::ZERO, "value"),
                regex,
                validator: detector.validator,
                evidence: detector.evidence,
                longest: detector.max_length,
                score: detector.score,
                starts,
                bounded: starts
                    && pattern.is_ascii()
                    && pattern.trim_start_matches("(?i)").starts_with(r"\b")
                    && literals.iter().all(|literal| literal.starts_with(|first: char| first.is_ascii_alphanumeric())),
            });
        }
        let literals = matcher::new(&texts)?;
        let reach = compiled.iter().filter(|compiled| !compiled.starts).map(|compiled| compiled.longest).max();
        Ok(Self { compiled, everywhere, literals, owners, reach: reach.unwrap_or(0) })
    }
}

/// Whether every match of a pattern starts with one of the literals.
fn starts_with_one_of(pattern: &str, literals: &[String]) -> bool {
    // Without case there are too many prefixes to list: they are listed of the text as it is written, and compared without case.
    let (pattern, fold) = pattern.strip_prefix("(?i)").map_or((pattern, false), |rest| (rest, true));
    let starts = |prefix: &[u8], literal: &str| {
        prefix.get(..literal.len()).is_some_and(|start| {
            if fold { start.eq_ignore_ascii_case(literal.as_bytes()) } else { start == literal.as_bytes() }
        })
    };
    let Ok(hir) = regex_syntax::parse(pattern) else { return false };
    Extractor::new().extract(&hir).literals().is_some_and(|prefixes| {
        !prefixes.is_empty()
            && prefixes.iter().all(|prefix| literals.iter().any(|literal| starts(prefix.as_bytes(), literal)))
    })
}

/// A literal as it stands in an expression.
fn escape(literal: &str) -> String {
    let mut escaped = String::with_capacity(literal.len());
    for character in literal.chars() {
        if !character.is_ascii_alphanumeric() && !"_-:/@=<>\"' %,;~`&!#".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

impl Finder for Patterns {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        for index in &self.everywhere {
            let compiled = &self.compiled[*index];
            // One character beyond what is allowed, to see one that is longer.
            let to = text.ceil_char_boundary((core.end + compiled.longest + 1).min(text.len()));
            for matched in compiled.regex.find_iter(Input::new(&**text).span(core.start..to)) {
                if matched.start() >= core.end {
                    break;
                }
                compiled.take(text, matched.range(), found);
            }
        }
        let mut hits = Vec::new();
        let starts = core.start.saturating_sub(self.reach)..(core.end + self.reach).min(text.len());
        self.literals.hits(text.as_bytes(), starts, &mut hits);
        hits.retain_mut(|hit| {
            hit.literal = self.owners[hit.literal as usize];
            let (compiled, start) = (&self.compiled[hit.literal as usize], hit.start as usize);
            !compiled.starts || core.contains(&start) && !(compiled.bounded && within_word(text, start))
        });
        hits.sort_unstable();
        for hits in hits.chunk_by(|a, b| a.literal == b.literal) {
            self.compiled[hits[0].literal as usize].at_literals(text, hits, found);
        }
    }
}

impl Compiled {
    /// Tries the expression where its literals are, in order. Literals that stand near each other are searched in one go, so that the time
    /// is linear whatever the text: no byte is read more than a few times for one expression.
    fn at_literals(&self, text: &str, hits: &[Hit], found: &mut Vec<Candidate>) {
        // Where the last match ended: a literal inside of it is not tried again.
        let mut passed = 0;
        let mut hits = hits.iter().map(|hit| hit.start as usize).peekable();
        while let Some(start) = hits.next() {
            if start < passed {
                continue;
            }
            let from = if self.starts { start } else { text.floor_char_boundary(start.saturating_sub(self.longest)) };
            // One character beyond what is allowed, to see one that is longer.
            let end_of = |start: usize| text.ceil_char_boundary((start + self.longest + 1).min(text.len()));
            let mut to = end_of(start);
            let alone = hits.peek().is_none_or(|next| *next >= to);
            if alone && self.starts {
                if let Some(matched) = self.regex.search(&Input::new(text).span(start..to).anchored(Anchored::Yes)) {
                    passed = self.take(text, matched.range(), found);
                }
                continue;
            }
            // Not without bound, since an expression may read all of it for each match.
            let furthest = start + CLUSTER * self.longest;
            let mut last = start;
            while let Some(next) = hits.next_if(|next| *next < to && *next < furthest) {
                last = next;
                to = end_of(next);
            }
            let mut at = from.max(passed);
            while at < to
                && let Some(matched) = self.regex.search(&Input::new(text).span(at..to))
            {
                // Cut off, and not of these literals: it is of the next ones.
                if matched.end() == to && matched.start() > last && hits.peek().is_some_and(|next| *next < to) {
                    break;
                }
                passed = self.take(text, matched.range(), found);
                at = passed;
            }
        }
    }

    /// Adds a match when it is valid; returns its end.
    fn take(&self, text: &str, range: Range<usize>, found: &mut Vec<Candidate>) -> usize {
        let matched = range.end;
        let start = range.start;
        let range = self.value(text, range);
        if names_no_secret(&text[start..range.start]) {
            return matched;
        }
        // One that is longer than its detector allows goes on for as long as characters of a token follow: a part of a secret is a secret.
        let longer = range.len() > self.longest;
        let more =
            if longer { text.as_bytes()[range.end..].iter().take_while(|byte| is_of_token(**byte)).count() } else { 0 };
        let range = range.start..range.end + more;
        if self.validator.is_none_or(|validator| validator(&text[range.clone()])) {
            found.push(Candidate {
                start: range.start,
                end: range.end,
                detector: self.detector,
                score: self.score,
                evident: self.evidence.is_some_and(|evidence| evidence(&text[range.clone()])),
            });
        }
        range.end.max(matched)
    }

    /// The group `value` of a match, or all of it.
    fn value(&self, text: &str, range: Range<usize>) -> Range<usize> {
        let Some(value) = self.value else { return range };
        let mut groups = self.regex.create_captures();
        let input = Input::new(text).span(range.clone()).anchored(Anchored::Yes);
        self.regex.search_captures(&input, &mut groups);
        groups.get_group(value).map_or(range, |group| group.range())
    }
}

/// Whether an ASCII word goes on from before `at`: there is no `\b`.
fn within_word(text: &str, at: usize) -> bool {
    at > 0 && matches!(text.as_bytes()[at - 1], b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_')
}

/// Whether what stands before a value says that it is an identifier or a hash: `aws-sdk commit: …`, `"segmentId": …`.
fn names_no_secret(before: &str) -> bool {
    const WORDS: &[&str] = &[
        "id",
        "ids",
        "sha",
        "sha1",
        "sha256",
        "hash",
        "digest",
        "commit",
        "checksum",
        "etag",
        "md5",
        "rev",
        "revision",
        "uuid",
        "guid",
        "version",
        "ref",
        "tree",
        "trace",
        "span",
        "integrity",
    ];
    let name = before.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
    let name = name.strip_suffix(" is").or(name.strip_suffix(" was")).unwrap_or(name);
    let word = name.rsplit(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
    WORDS.iter().any(|known| {
        word.eq_ignore_ascii_case(known)
            // `segmentId`
            || word.len() > known.len() && {
                let (head, tail) = word.split_at(word.len().saturating_sub(known.len()));
                head.ends_with(|character: char| character.is_ascii_lowercase())
                    && tail.starts_with(|character: char| character.is_ascii_uppercase())
                    && tail.eq_ignore_ascii_case(known)
            }
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::detector;

    fn patterns(toml: &str) -> Patterns {
        let detectors = detector::read("test", toml).unwrap();
        let detectors: Vec<_> =
            detectors.iter().enumerate().map(|(index, detector)| (DetectorId(index as u16), detector)).collect();
        Patterns::new(&detectors).unwrap()
    }

    /// However many literals stand near each other, and so wherever a search ends, every match is whole.
    #[test]
    fn a_match_is_not_cut_where_a_search_ends() {
        let patterns = patterns(
            "[[detector]]\nname = 'a'\ntype = 'A'\npattern = '[a-z0-9]+@[a-z0-9]+[.][a-z]+'\nliterals = ['@']\nscore = 0.9\n\
             max_length = 64\nexamples = ['a']\ncounter_examples = ['b']",
        );
        let words = |index: usize| format!("user{index}@corp{}.example {}", index % 977, "w ".repeat(index % 11));
        let text = (0..3000).map(words).collect::<Vec<_>>().concat();
        let mut found = Vec::new();
        patterns.find(&Text::new(&text), 0..text.len(), &mut found);
        assert_eq!(found.len(), 3000);
        assert!(found.iter().all(|candidate| text[candidate.start..candidate.end].ends_with(".example")));
    }

    fn one(pattern: &str, literals: &str) -> Patterns {
        patterns(&format!(
            "[[detector]]\nname = 'a'\ntype = 'A'\npattern = '''{pattern}'''\nliterals = {literals}\nscore = 0.9\n\
             max_length = 4000\nexamples = ['a']\ncounter_examples = ['b']"
        ))
    }

    fn found(patterns: &Patterns, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        patterns.find(&Text::new(text), 0..text.len(), &mut found);
        found.iter().map(|candidate| text[candidate.start..candidate.end].to_owned()).collect()
    }

    #[test]
    fn a_pattern_that_starts_with_its_literal_is_seen_to() {
        for (pattern, literal) in
            [("ab_[0-9]", "ab_"), (r"\b(?:gh|x)_[0-9]", "gh_"), ("(?i)Datadog[a-z]{3}", "datadog")]
        {
            let literals = vec![literal.to_owned(), "x_".to_owned()];
            assert!(starts_with_one_of(pattern, &literals), "{pattern}");
        }
        for pattern in ["[0-9]ab_", "(?:ab_)?[0-9]", "a?b_"] {
            assert!(!starts_with_one_of(pattern, &["ab_".to_owned()]), "{pattern}");
        }
    }

    #[test]
    fn literals_are_compared_exactly_unless_the_pattern_says_otherwise() {
        assert_eq!(found(&one("AK[0-9]{2}", "['AK']"), "AK12 ak12"), ["AK12"]);
        assert_eq!(found(&one("(?i)AK[0-9]{2}", "['ak']"), "AK12 ak12"), ["AK12", "ak12"]);
    }

    #[test]
    fn a_literal_may_stand_anywhere_in_a_match() {
        let patterns = one("[a-z]+@[a-z]+", "['@']");
        assert_eq!(found(&patterns, "a@b c@d@e @ \u{e9}@f"), ["a@b", "c@d"]);
        let patterns = one(r"(?s)[a-z]+@.{3}", "['@']");
        assert_eq!(found(&patterns, "abc@\u{e9}\u{4e2d}!?"), ["abc@\u{e9}\u{4e2d}!"]);
    }

    #[test]
    fn the_group_value_is_what_is_found() {
        let patterns = one("key=(?<value>[0-9]+)", "['key=']");
        assert_eq!(found(&patterns, "key=12,key=345"), ["12", "345"]);
        let keyed = keyed(&["acme", "a.b"], "[0-9a-f]{8}");
        let patterns = one(&keyed, "['acme', 'a.b']");
        for text in [
            "ACME_KEY=0123abcd",
            "acme.key: '0123abcd'",
            "{\"acmeApiKey\": \"0123abcd\"}",
            "acme token is 0123abcd.",
            "config['acme'] = \"0123abcd\";",
            "X-Acme-Auth: Bearer 0123abcd",
            "a.b = 0123abcd",
        ] {
            assert_eq!(found(&patterns, text), ["0123abcd"], "{text}");
        }
        let others = "acme 0123abcd, acme = 0123abcde, axb = 0123abcd, acmeId: 0123abcd, acme commit: 0123abcd, acme_sha: 0123abcd";
        assert!(found(&patterns, others).is_empty());
    }

    /// A text that begins every match and ends none is read a bounded number of times.
    #[test]
    fn time_is_linear_in_the_text() {
        for (pattern, literals, text) in [
            ("ab[ab]*c", "['ab']", "ab"),
            ("[ab]*abc", "['ab']", "ab"),
            ("[^!]*@[^!]*!", "['@']", "@"),
            ("@[@a]{60}!", "['@']", "@a"),
        ] {
            let patterns = one(pattern, literals);
            let text = text.repeat(64 * 1024 / text.len());
            let from = Instant::now();
            found(&patterns, &text);
            assert!(from.elapsed() < Duration::from_secs(2), "{pattern}: {:?}", from.elapsed());
        }
    }
}
