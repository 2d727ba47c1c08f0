//! A report as a page that needs nothing else.

use std::fmt;

use super::{FileReport, Report};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem;word-break:break-all}table{border-collapse:collapse;margin:.5rem 0}\
th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:tabular-nums}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}th,td{border-color:#333}}";

pub(super) fn write(report: &Report, out: &mut impl fmt::Write) -> fmt::Result {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Findings</title>\n<style>{STYLE}</style>\n"
    )?;
    let (bytes, total) =
        report.files.iter().fold((0, 0), |(bytes, total), file| (bytes + file.bytes, total + file.total()));
    writeln!(
        out,
        "<h1>{total} findings in {} files, {bytes} bytes</h1>\n<p>Policy {}, engine {}. Places only: a report holds no value.</p>",
        report.files.len(),
        Escaped(&report.policy),
        Escaped(&report.engine)
    )?;
    out.write_str("<table>\n<tr><th>Type<th>Findings\n")?;
    for (kind, count) in report.counts() {
        writeln!(out, "<tr><td>{}<td class=\"n\">{count}", Escaped(kind))?;
    }
    out.write_str("</table>\n")?;
    report.files.iter().try_for_each(|file| one(file, out))
}

fn one(file: &FileReport, out: &mut impl fmt::Write) -> fmt::Result {
    if file.total() == 0 && file.skipped.is_none() {
        return Ok(());
    }
    writeln!(out, "<h2>{}</h2>", Escaped(&file.path))?;
    if let Some(why) = &file.skipped {
        writeln!(out, "<p>{}.</p>", Escaped(why))?;
    }
    if !file.places.is_empty() {
        places(file, out)?;
    }
    file.without_place()
        .into_iter()
        .try_for_each(|(kind, count)| writeln!(out, "<p>And {count} of {}.</p>", Escaped(kind)))
}

fn places(file: &FileReport, out: &mut impl fmt::Write) -> fmt::Result {
    out.write_str("<table>\n<tr><th>Line<th>Column<th>Type<th>Detector<th>Score\n")?;
    for place in &file.places {
        writeln!(
            out,
            "<tr><td class=\"n\">{}<td class=\"n\">{}<td>{}<td>{}<td class=\"n\">{:.2}",
            place.line,
            place.column,
            Escaped(&place.kind),
            Escaped(&place.detector),
            place.score
        )?;
    }
    out.write_str("</table>\n")
}

/// Text as it may stand in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ => f.write_fmt(format_args!("{character}")),
        })
    }
}
