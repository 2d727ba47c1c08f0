//! A report as SARIF 2.1.0 (OASIS standard, 27 March 2020).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{FileReport, Place, Report};

/// What stays as it is in the path of a URI reference (RFC 3986).
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn write(report: &Report, out: &mut impl fmt::Write) -> fmt::Result {
    let rules: Vec<&str> = report.counts().into_keys().collect();
    let mut results = Vec::new();
    for file in &report.files {
        results.extend(file.places.iter().map(|place| result(file, place, &rules)));
        results.extend(file.without_place().into_iter().map(|(kind, count)| summed(file, kind, count, &rules)));
    }
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "data-vault scrub",
                "version": report.engine,
                "rules": rules.iter().map(|rule| json!({
                    "id": rule,
                    "shortDescription": {"text": format!("{rule} in a text")},
                    "defaultConfiguration": {"level": "error"},
                })).collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "properties": {"policy": report.policy},
            "results": results,
        }],
    });
    let text = serde_json::to_string_pretty(&document).map_err(|_| fmt::Error)?;
    writeln!(out, "{text}")
}

fn result(file: &FileReport, place: &Place, rules: &[&str]) -> Value {
    json!({
        "ruleId": place.kind,
        "ruleIndex": rules.iter().position(|rule| *rule == place.kind),
        "level": "error",
        "rank": f64::from(place.score) * 100.0,
        "message": {"text": format!("{} found by {}.", place.kind, place.detector)},
        "locations": [{"physicalLocation": {
            "artifactLocation": artifact(file),
            "region": {"startLine": place.line, "byteOffset": place.start, "byteLength": place.end - place.start},
        }}],
    })
}

/// Findings of a type that have no place.
fn summed(file: &FileReport, kind: &str, count: u64, rules: &[&str]) -> Value {
    json!({
        "ruleId": kind,
        "ruleIndex": rules.iter().position(|rule| *rule == kind),
        "level": "error",
        "message": {"text": format!("{kind} found.")},
        "occurrenceCount": count,
        "locations": [{"physicalLocation": {"artifactLocation": artifact(file)}}],
    })
}

fn artifact(file: &FileReport) -> Value {
    json!({"uri": utf8_percent_encode(&file.path, PATH).to_string()})
}
