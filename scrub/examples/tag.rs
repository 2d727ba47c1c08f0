//! Tags JSON lines: reads `{"id", "text"}` from standard input and prints `{"id", "start", "end", "type", "score"}`, offsets in
//! Unicode code points. With `--speed FILE` it tags the file as one text and prints MB/s and the share of tokens tagged.

// Sizes in MB and shares in per cent need no more digits than a double has.
#![allow(clippy::cast_precision_loss, reason = "a figure for a person")]

use std::io::{self, BufRead, Write};
use std::time::Instant;
use std::{env, fs};

use scrub::tagger::{Tagger, token};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let mut tagger = Tagger::shipped();
    let mut loaded;
    while let Some(argument) = arguments.next() {
        let file = arguments.next().ok_or("a file is missing")?;
        match argument.as_str() {
            "--model" => {
                loaded = Tagger::from_bytes(Vec::leak(fs::read(file)?))?;
                tagger = Box::leak(Box::new(loaded));
            }
            "--speed" => {
                speed(tagger, &String::from_utf8_lossy(&fs::read(file)?));
                return Ok(());
            }
            _ => return Err("usage: tag [--model FILE] [--speed FILE]".into()),
        }
    }
    let mut out = io::stdout().lock();
    let mut found = Vec::new();
    for line in io::stdin().lock().lines() {
        let line: serde_json::Value = serde_json::from_str(&line?)?;
        let text = line["text"].as_str().ok_or("no text")?;
        found.clear();
        tagger.tag(text, &mut found);
        let (mut bytes, mut points) = (0, 0);
        for name in &found {
            points += text[bytes..name.start].chars().count();
            let length = text[name.start..name.end].chars().count();
            let finding = serde_json::json!({
                "id": line["id"], "start": points, "end": points + length, "type": name.label.name(), "score": name.score
            });
            writeln!(out, "{finding}")?;
            (bytes, points) = (name.end, points + length);
        }
    }
    Ok(())
}

/// The best of fifty runs.
fn speed(tagger: &'static Tagger, text: &str) {
    let mut best = f64::MAX;
    let mut found = Vec::new();
    for _ in 0..50 {
        found.clear();
        let started = Instant::now();
        tagger.tag(text, &mut found);
        best = best.min(started.elapsed().as_secs_f64());
    }
    let (mut words, mut in_names, mut from) = (0_usize, 0_usize, 0);
    let mut tokens = Vec::new();
    let mut names = found.iter().peekable();
    while from < text.len() {
        from = token::block(text, from, &mut tokens);
        for token in tokens.iter().filter(|token| token.is_word()) {
            words += 1;
            while names.next_if(|name| name.end <= token.start).is_some() {}
            in_names += usize::from(names.peek().is_some_and(|name| name.start < token.end));
        }
    }
    println!(
        "{:.1} MB/s, {words} words, {} names, {:.3} % of words tagged",
        text.len() as f64 / 1e6 / best,
        found.len(),
        100.0 * in_names as f64 / words.max(1) as f64
    );
}
