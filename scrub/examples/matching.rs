//! How fast candidates are found and validated, without the rest of the pipeline: `matching FILE` prints MB/s, the number of candidates and what takes the
//! literals. The file is read into memory and
//! searched once, in segments as a stream is, for all that is found from a literal or a run of digits: e-mail, URLs, secrets, numbers
//! with check digits.

// Sizes in MB need no more digits than a double has.
#![allow(clippy::cast_precision_loss, reason = "a figure for a person")]

use std::time::Instant;
use std::{env, fs};

use scrub::detector::Find;
use scrub::policy::Policy;
use scrub::{Engine, builtin, segment};

/// Finders in code that begin at a literal or at a run of digits.
const MATCHED: [&str; 5] = ["email", "url", "url_credentials", "iban", "connection"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = env::args().nth(1).ok_or("usage: matching FILE")?;
    let matched = |find: &Find| match find {
        Find::Pattern { .. } | Find::Shapes(_) => true,
        Find::Code(name) => MATCHED.contains(&name.as_str()),
    };
    let detectors: Vec<_> = builtin::detectors().into_iter().filter(|detector| matched(&detector.find)).collect();
    let engine = Engine::new(detectors, &Policy::default())?;
    let text = String::from_utf8(fs::read(file)?)?;
    let (mut rest, mut found) = (text.as_str(), 0);
    let started = Instant::now();
    while let Some(length) = segment::length(rest.as_bytes(), true) {
        let (segment, behind) = rest.split_at(rest.floor_char_boundary(length));
        found += engine.candidates(segment).len();
        rest = behind;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.1}\t{found}\t{}", text.len() as f64 / 1e6 / seconds, scrub::find::matcher::IN_USE);
    Ok(())
}
