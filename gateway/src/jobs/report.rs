//! The report of a job: for a person on a terminal, for a program, as a page. Counts, and names of objects; never a value, and no time, so that a job that
//! was cut off and went on says the same as one that was not.

use std::fmt::Write;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::state::Job;
use super::tally::{Count, Tally};
use crate::s3::xml::escape;
use crate::scrubbing::Findings;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for a terminal.
    Table,
    /// One JSON document.
    Json,
    /// A page that needs nothing else.
    Html,
}

/// A title, the heads of the columns, the cells of each row.
type Table = (&'static str, Vec<&'static str>, Vec<Vec<String>>);

/// What was asked for, and what was found.
pub struct Report<'a> {
    /// The job.
    pub job: &'a Job,
    /// What it found.
    pub tally: &'a Tally,
}

impl Report<'_> {
    /// The report in a format.
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            Format::Json => format!("{:#}\n", self.json()),
            Format::Html => self.html(),
        }
    }

    /// How many objects there were, and how many were treated.
    fn summary(&self) -> String {
        let Tally { listed, all, plain, .. } = self.tally;
        let Count { objects, with_findings, findings, bytes } = all;
        let mut summary = format!(
            "{findings} findings in {with_findings} of {objects} objects, {bytes} bytes, {plain} of them stored as plaintext"
        );
        if objects != listed {
            let _ = write!(summary, "; {listed} objects are there");
        }
        summary
    }

    /// What a person reads; without those that would be empty.
    fn tables(&self) -> Vec<Table> {
        let tally = self.tally;
        let outcomes = tally.outcomes.iter().map(|(outcome, count)| vec![outcome.name().to_owned(), count.to_string()]);
        let by_type = |types: &std::collections::BTreeMap<String, Count>| -> Vec<Vec<String>> {
            types
                .iter()
                .map(|(kind, count)| vec![kind.clone(), count.findings.to_string(), count.objects.to_string()])
                .collect()
        };
        let formats = tally.formats.iter().map(|(format, count)| {
            let Count { objects, with_findings, findings, bytes } = count;
            vec![
                format.clone(),
                objects.to_string(),
                bytes.to_string(),
                with_findings.to_string(),
                findings.to_string(),
            ]
        });
        let passed = tally.passed.iter().map(|(what, count)| vec![what.clone(), count.to_string()]);
        let top = tally.top().map(|(total, key, version, findings, names)| {
            vec![total.to_string(), one_line(key, version), kinds(findings, names)]
        });
        let problems = tally
            .problems()
            .map(|(key, version, outcome, why)| {
                vec![one_line(key, version.as_deref()), outcome.name().to_owned(), why.clone()]
            })
            .collect();
        let mut tables = vec![
            ("What became of them", vec!["", "Objects"], outcomes.collect()),
            ("Findings by type", vec!["Type", "Findings", "Objects"], by_type(&tally.types)),
            ("Findings in keys, metadata and tags", vec!["Type", "Findings", "Objects"], by_type(&tally.names)),
            ("By format", vec!["Format", "Objects", "Bytes", "With findings", "Findings"], formats.collect()),
            ("Files that were not looked into", vec!["What", "Files"], passed.collect()),
            ("Objects with most findings", vec!["Findings", "Object", "Types"], top.collect()),
            ("Not looked into, or left as they are", vec!["Object", "", "Why"], problems),
        ];
        tables.retain(|(.., rows): &Table| !rows.is_empty());
        tables
    }

    /// What the tables do not say.
    fn notes(&self) -> Vec<String> {
        let tally = self.tally;
        let mut notes = Vec::new();
        let named = tally.top().count() as u64;
        if named < tally.all.with_findings {
            notes.push(format!("{} more objects with findings", tally.all.with_findings - named));
        }
        let problems = tally.problems().count() as u64;
        if problems < tally.problem_count {
            notes.push(format!("{} more that were not looked into, or left", tally.problem_count - problems));
        }
        if tally.bad_records > 0 {
            notes.push(format!("{} records are none of their format, and were treated as text", tally.bad_records));
        }
        if tally.unfit > 0 {
            notes.push(format!("{} findings stand in what their format needs as it is", tally.unfit));
        }
        notes
    }

    fn table(&self) -> String {
        let mut out = format!("{}\n{}\n", self.job, self.summary());
        for (title, heads, rows) in self.tables() {
            let _ = write!(out, "\n{title}\n");
            let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
            for row in &rows {
                for (width, cell) in widths.iter_mut().zip(row) {
                    *width = (*width).max(cell.chars().count());
                }
            }
            for row in std::iter::once(heads.iter().map(ToString::to_string).collect()).chain(rows) {
                let cells: Vec<String> =
                    row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
                let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
            }
        }
        for note in self.notes() {
            let _ = write!(out, "\n{note}\n");
        }
        out
    }

    fn json(&self) -> Value {
        let tally = self.tally;
        let objects: Vec<Value> = tally
            .top()
            .map(|(total, key, version, findings, names)| {
                json!({"key": key, "version": version, "total": total, "findings": findings, "names": names})
            })
            .collect();
        let problems: Vec<Value> = tally
            .problems()
            .map(|(key, version, outcome, why)| json!({"key": key, "version": version, "outcome": outcome, "why": why}))
            .collect();
        let Tally { listed, all, plain, outcomes, types, names, formats, passed, bad_records, unfit, .. } = tally;
        json!({
            "job": self.job.job,
            "place": self.job.place,
            "policy": self.job.policy,
            "engine": self.job.engine,
            "options": self.job.options,
            "listed": listed,
            "treated": all,
            "plain": plain,
            "outcomes": outcomes.iter().map(|(outcome, count)| (json!(outcome).as_str().unwrap_or_default().to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
            "types": types,
            "names": names,
            "formats": formats,
            "passed": passed,
            "bad_records": bad_records,
            "unfit": unfit,
            "objects": objects,
            "more_objects": all.with_findings - objects.len() as u64,
            "problems": problems,
            "more_problems": tally.problem_count - problems.len() as u64,
        })
    }

    fn html(&self) -> String {
        const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a;background:#fff}\
            h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}\
            th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ddd;word-break:break-word}\
            @media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}th,td{border-color:#333}}";
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<style>{STYLE}</style>\n<h1>{0}</h1>\n<p>{1}. \
             A report holds counts and names of objects, no value.</p>\n",
            escape(&self.job.to_string()),
            escape(&self.summary())
        );
        for (title, heads, rows) in self.tables() {
            let _ = write!(out, "<h2>{title}</h2>\n<table>\n<tr>");
            for head in heads {
                let _ = write!(out, "<th>{head}");
            }
            out.push('\n');
            for row in rows {
                out += "<tr>";
                for cell in row {
                    let _ = write!(out, "<td>{}", escape(&cell));
                }
                out.push('\n');
            }
            out += "</table>\n";
        }
        for note in self.notes() {
            let _ = writeln!(out, "<p>{}.</p>", escape(&note));
        }
        out
    }
}

/// A key may hold whatever a terminal would act on.
fn one_line(key: &str, version: Option<&str>) -> String {
    let key = key.escape_debug();
    match version.filter(|version| *version != "null") {
        Some(version) => format!("{key} version {version}"),
        None => key.to_string(),
    }
}

fn kinds(findings: &Findings, names: &Findings) -> String {
    let shown = |(kind, count): (&String, &u64), what| format!("{kind}{what}={count}");
    let contents = findings.iter().map(|found| shown(found, ""));
    contents.chain(names.iter().map(|found| shown(found, " in names"))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tally::{Outcome, Seen};
    use super::*;

    fn report(write: impl Fn(&Report<'_>) -> String) -> String {
        let job = Job {
            v: 1,
            job: "scan".into(),
            place: "s3://b/".into(),
            policy: "llm-training/1".into(),
            engine: "1".into(),
            options: String::new(),
            below: u64::MAX,
        };
        let mut tally = Tally::new(1);
        tally.listed = 3;
        let found = |key: &str, count| Seen {
            bytes: 7,
            format: Some("json".into()),
            findings: [("US_SSN".to_owned(), count)].into(),
            ..Seen::of(key, Some("v1"), Outcome::LookedInto)
        };
        tally.add(&found("a<b>\u{1b}[2J", 4));
        tally.add(&found("c", 1));
        tally.add(&Seen::of("f", Some("null"), Outcome::Failed).because("it is <broken>"));
        write(&Report { job: &job, tally: &tally })
    }

    #[test]
    fn for_a_person() {
        let text = report(|report| report.write(Format::Table));
        assert!(
            text.starts_with("scan of s3://b/ by llm-training/1, engine 1\n5 findings in 2 of 3 objects, 14 bytes"),
            "{text}"
        );
        assert!(text.contains("\n  US_SSN  5         2\n"), "{text}");
        assert!(text.contains("\n  json    2        14     2              5\n"), "{text}");
        assert!(text.contains(r"4         a<b>\u{1b}[2J version v1  US_SSN=4"), "{text}");
        assert!(text.contains("\n  f       failed  it is <broken>\n"), "{text}");
        assert!(text.contains("1 more objects with findings"), "{text}");
    }

    #[test]
    fn for_a_program() {
        let value: Value = serde_json::from_str(&report(|report| report.write(Format::Json))).unwrap();
        assert_eq!(value["treated"]["findings"], 5);
        assert_eq!(value["types"]["US_SSN"]["objects"], 2);
        assert_eq!(value["outcomes"], json!({"looked-into": 2, "failed": 1}));
        assert_eq!(value["objects"][0]["key"], "a<b>\u{1b}[2J");
        assert_eq!(value["more_objects"], 1);
        assert_eq!(value["problems"][0]["why"], "it is <broken>");
    }

    #[test]
    fn as_a_page() {
        let page = report(|report| report.write(Format::Html));
        assert!(
            page.contains("a&lt;b&gt;") && page.contains("it is &lt;broken&gt;") && !page.contains("<b>"),
            "{page}"
        );
    }
}
