//! `Range` against a second reading of RFC 9110 section 14, character by character; `Content-Range` of the backend; `x-amz-copy-source-range`.
//! First eight bytes: length of the body; then the header.
#![no_main]

use std::iter::Peekable;
use std::str::Chars;

use gateway::ops::range::{Asked, Spec, header, parse_content_range, parse_copy_range};
use libfuzzer_sys::fuzz_target;

/// `bytes=first-last`, `bytes=first-` or `bytes=-count`, with white space around each word.
fn oracle(text: &str, length: u64) -> Option<Asked> {
    let mut rest = text.chars().peekable();
    white(&mut rest);
    for wanted in "bytes".chars() {
        rest.next_if(|c| c.eq_ignore_ascii_case(&wanted))?;
    }
    white(&mut rest);
    rest.next_if_eq(&'=')?;
    white(&mut rest);
    let first = number(&mut rest);
    white(&mut rest);
    rest.next_if_eq(&'-')?;
    white(&mut rest);
    let last = number(&mut rest);
    white(&mut rest);
    if rest.next().is_some() {
        return None;
    }
    let (start, end) = match (first, last) {
        (None, None) => return None,
        (None, Some(count)) => (length - count.min(length), length),
        (Some(first), None) => (first, length),
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), Some(last)) => (first, length.min(last.saturating_add(1))),
    };
    Some(if start < end { Asked::Part(start..end) } else { Asked::Unsatisfiable })
}

fn white(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

/// At most `u64::MAX`, which is past the end of every object.
fn number(rest: &mut Peekable<Chars<'_>>) -> Option<u64> {
    let mut number: Option<u64> = None;
    while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
        rest.next();
        number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit.into()));
    }
    number
}

fuzz_target!(|input: (u64, &str)| {
    let (length, text) = input;
    let asked = Spec::parse(text).map(|spec| spec.of(length));
    assert_eq!(asked, oracle(text, length));
    if let Some(Asked::Part(range)) = asked {
        // The backend, asked in our words, gives the same.
        assert_eq!(oracle(&header(&range), length), Some(Asked::Part(range)));
    }
    if let Some((range, total)) = parse_content_range(text) {
        assert!(range.start < range.end && range.end <= total);
        assert!(text.bytes().all(|b| b.is_ascii_digit() || b"bytes -/".contains(&b)), "nothing but digits");
    }
    if let Some((first, last)) = parse_copy_range(text) {
        assert_eq!(Spec::parse(text), Some(Spec::From(first, Some(last))));
    }
});
