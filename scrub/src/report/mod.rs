//! Reports of what was found: counts and places, never values.

mod html;
mod json;
mod sarif;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON document, described in `docs/scrub.md`.
    Json,
    /// A page that needs nothing else.
    Html,
    /// SARIF 2.1.0 (OASIS), which code hosts show beside the code.
    Sarif,
}

/// A name that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown report format {0:?}: one of json, html, sarif")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "json" => Ok(Self::Json),
            "html" => Ok(Self::Html),
            "sarif" => Ok(Self::Sarif),
            _ => Err(UnknownFormat(name.to_owned())),
        }
    }
}

/// A finding as a person looks it up.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Place {
    /// Of its first character, counted from 1.
    pub line: u64,
    /// Of its first character in its line, in bytes, counted from 1.
    pub column: u64,
    /// Of its first byte, from the start of the file.
    pub start: u64,
    /// Behind its last byte.
    pub end: u64,
    /// Entity type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of its detector.
    pub detector: String,
    /// 0 to 1.
    pub score: f32,
}

/// What was found in one file.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct FileReport {
    /// As it was named.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// What of it was not looked into, or why all of it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Findings by type: all of them.
    pub counts: BTreeMap<String, u64>,
    /// Where they are: at most [`PLACES`], and of a file whose own bytes are text only.
    pub places: Vec<Place>,
}

/// Places that are kept for a file; further findings are counted only, so that a report of a large file stays small.
pub const PLACES: usize = 10_000;

impl FileReport {
    /// Of a file that is still to be read.
    pub fn of(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Findings whose place is not among [`Self::places`], by type: those behind the first [`PLACES`], and those in what is compressed or archived, which have no line.
    pub fn without_place(&self) -> BTreeMap<&str, u64> {
        let mut counts: BTreeMap<&str, u64> = self.counts.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        for place in &self.places {
            if let Some(count) = counts.get_mut(place.kind.as_str()) {
                *count = count.saturating_sub(1);
            }
        }
        counts.retain(|_, count| *count > 0);
        counts
    }

    /// Every finding.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// What was found in all files.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Report {
    /// Version of the engine.
    pub engine: String,
    /// The policy by which was looked, with its version.
    pub policy: String,
    /// In the order in which they were named.
    pub files: Vec<FileReport>,
}

impl Report {
    /// Findings of all files by type.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for (kind, count) in self.files.iter().flat_map(|file| &file.counts) {
            *counts.entry(kind.as_str()).or_default() += count;
        }
        counts
    }

    /// The report in a format.
    pub fn write(&self, format: Format, out: &mut impl fmt::Write) -> fmt::Result {
        match format {
            Format::Json => json::write(self, out),
            Format::Html => html::write(self, out),
            Format::Sarif => sarif::write(self, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn report() -> Report {
        let mut file = FileReport { bytes: 70, ..FileReport::of("data/<a>.txt") };
        for (line, kind) in [(1, "EMAIL_ADDRESS"), (3, "US_SSN"), (4, "EMAIL_ADDRESS")] {
            let detector = kind.to_lowercase();
            *file.counts.entry(kind.to_owned()).or_default() += 1;
            file.places.push(Place {
                line,
                column: 5,
                start: 10 * line,
                end: 10 * line + 4,
                kind: kind.to_owned(),
                detector,
                score: 0.9,
            });
        }
        let binary = FileReport { bytes: 9, skipped: Some("binary".to_owned()), ..FileReport::of("b.png") };
        let archive = FileReport { counts: [("US_SSN".to_owned(), 3)].into(), ..FileReport::of("c.tar") };
        Report { engine: "0.1.0".to_owned(), policy: "llm-training 1".to_owned(), files: vec![file, binary, archive] }
    }

    fn written(format: Format) -> String {
        let mut out = String::new();
        report().write(format, &mut out).unwrap();
        out
    }

    #[test]
    fn json_holds_counts_and_places() {
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(json["counts"]["EMAIL_ADDRESS"], 2);
        assert_eq!(json["files"][0]["places"][1]["line"], 3);
        assert_eq!(json["files"][1]["skipped"], "binary");
    }

    #[test]
    fn sarif_names_rules_and_regions() {
        let sarif: serde_json::Value = serde_json::from_str(&written(Format::Sarif)).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "EMAIL_ADDRESS");
        assert_eq!(run["results"][1]["ruleIndex"], 1);
        assert_eq!(run["results"][1]["locations"][0]["physicalLocation"]["region"]["byteOffset"], 30);
        assert_eq!(
            run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "data/%3Ca%3E.txt"
        );
    }

    #[test]
    fn html_is_escaped() {
        let html = written(Format::Html);
        assert!(html.contains("data/&lt;a&gt;.txt") && !html.contains("<a>"));
        assert!(html.starts_with("<!doctype html>"));
    }

    #[test]
    fn what_has_no_line_is_told() {
        let mut file = report().files.remove(0);
        assert!(file.without_place().is_empty());
        file.counts.insert("EMAIL_ADDRESS".to_owned(), 5);
        assert_eq!(file.without_place(), [("EMAIL_ADDRESS", 3)].into());
        assert!(written(Format::Html).contains("And 3 of US_SSN."));
        let sarif: serde_json::Value = serde_json::from_str(&written(Format::Sarif)).unwrap();
        let last = &sarif["runs"][0]["results"][3];
        assert_eq!((&last["ruleId"], &last["occurrenceCount"]), (&"US_SSN".into(), &3.into()));
        assert_eq!(last["locations"][0]["physicalLocation"], serde_json::json!({"artifactLocation": {"uri": "c.tar"}}));
    }
}
