//! A report as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{FileReport, Report};

#[derive(Serialize)]
struct Document<'a> {
    engine: &'a str,
    policy: &'a str,
    counts: BTreeMap<&'a str, u64>,
    files: &'a [FileReport],
}

pub(super) fn write(report: &Report, out: &mut impl fmt::Write) -> fmt::Result {
    let document =
        Document { engine: &report.engine, policy: &report.policy, counts: report.counts(), files: &report.files };
    let text = serde_json::to_string_pretty(&document).map_err(|_| fmt::Error)?;
    writeln!(out, "{text}")
}
