//! Lines of `{"id", "text"}`: what evaluators read and write.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use scrub::{Engine, Finding, Scrubber};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::Keys;
use super::named;
use super::output::Target;

/// Lines that are treated before the next are read.
const BATCH: usize = 4096;

/// Findings by type.
pub type Counts = BTreeMap<String, u64>;

#[derive(Deserialize)]
struct Record {
    id: Value,
    text: String,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

#[derive(Serialize)]
struct Found<'a> {
    id: &'a Value,
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: &'a str,
    score: f32,
}

/// Treats the records of a file; their results come in their order.
pub fn run(
    engine: &Arc<Engine>,
    keys: &Keys,
    path: &Path,
    detect: bool,
    jobs: usize,
    out: &mut Target,
    counts: &mut Counts,
) -> Result<(), Box<dyn Error>> {
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| named(path, &error))?))
    };
    let mut lines = input.lines();
    let mut first = 1;
    loop {
        let batch = lines.by_ref().take(BATCH).collect::<io::Result<Vec<_>>>().map_err(|error| named(path, &error))?;
        if batch.is_empty() {
            out.flush()?;
            return Ok(());
        }
        let share = batch.len().div_ceil(jobs);
        let results: Vec<Result<(String, Counts), String>> = thread::scope(|scope| {
            let workers: Vec<_> = batch
                .chunks(share)
                .enumerate()
                .map(|(index, lines)| scope.spawn(move || treat(engine, keys, lines, first + index * share, detect)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker ended".to_owned())))
                .collect()
        });
        for result in results {
            let (text, found) = result.map_err(|error| format!("{}: {error}", path.display()))?;
            out.write_all(text.as_bytes())?;
            for (kind, count) in found {
                *counts.entry(kind).or_default() += count;
            }
        }
        first += batch.len();
    }
}

fn treat(
    engine: &Arc<Engine>,
    keys: &Keys,
    lines: &[String],
    first: usize,
    detect: bool,
) -> Result<(String, Counts), String> {
    let mut out = String::new();
    let mut counts = Counts::new();
    for (line, number) in lines.iter().zip(first..) {
        if line.trim().is_empty() {
            continue;
        }
        let record: Record = serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        let findings = if detect {
            let findings = engine.detect(record.text.as_bytes());
            for (found, (start, end)) in findings.iter().zip(code_points(&record.text, &findings)) {
                let found =
                    Found { id: &record.id, start, end, kind: engine.kinds().name(found.kind), score: found.score };
                out += &serde_json::to_string(&found).map_err(|error| error.to_string())?;
                out.push('\n');
            }
            findings
        } else {
            let actor = keys.actor(engine, &record.id.to_string()).map_err(|error| error.to_string())?;
            let results = Scrubber::new(Arc::clone(engine), actor)
                .whole(record.text.as_bytes())
                .map_err(|blocked| format!("line {number}: {blocked}"))?;
            let text = String::from_utf8(results.bytes).map_err(|error| format!("line {number}: {error}"))?;
            let mut record = record;
            record.others.insert("id".to_owned(), record.id);
            record.others.insert("text".to_owned(), Value::String(text));
            out += &serde_json::to_string(&record.others).map_err(|error| error.to_string())?;
            out.push('\n');
            results.findings
        };
        for found in findings {
            *counts.entry(engine.kinds().name(found.kind).to_owned()).or_default() += 1;
        }
    }
    Ok((out, counts))
}

/// The places of findings, which are in order, in Unicode code points.
fn code_points(text: &str, findings: &[Finding]) -> Vec<(usize, usize)> {
    let (mut at, mut count) = (0, 0);
    let mut point = |offset: usize| {
        let offset = text.ceil_char_boundary(offset);
        count += text[at..offset].chars().count();
        at = offset;
        count
    };
    findings.iter().map(|finding| (point(finding.start as usize), point(finding.end as usize))).collect()
}
