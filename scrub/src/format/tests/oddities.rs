//! What files of the real world are like. Those of Parquet are beside it.

use super::*;

/// A source, what comes of it (none: it stays), and how many of its records are no such.
type Odd<'a> = (&'a str, Option<&'a str>, u64);

fn hold(oddities: &[Odd<'_>]) {
    for (source, expected, bad) in oddities {
        let (out, summary) = run(&LABELS, source.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), expected.unwrap_or(source));
        assert_eq!(summary.bad_records, *bad, "{source:?}");
        assert_eq!(expected.is_none(), summary.findings.is_empty(), "{source:?}");
    }
}

#[test]
fn files_that_end_without_a_line_end() {
    hold(&[
        ("{\"a\":1}\n{\"b\":\"EMP-004711\"}", Some("{\"a\":1}\n{\"b\":\"<BADGE>\"}"), 0),
        ("[47110815", Some("[<NUMBER>"), 0),
        ("a,b\n1,EMP-004711", Some("a,b\n1,<BADGE>"), 0),
        ("a,b\n1,\"EMP-004711\"", Some("a,b\n1,\"<BADGE>\""), 0),
        ("<a>EMP-004711</a>", Some("<a>&lt;BADGE&gt;</a>"), 0),
        ("is EMP-004711", Some("is <BADGE>"), 0),
        ("", None, 0),
        ("\n", None, 0),
        ("\r\n\r\n", None, 0),
    ]);
}

#[test]
fn byte_order_marks_stay() {
    hold(&[
        ("\u{feff}{\"a\":\"EMP-004711\",\"n\":47110815}", Some("\u{feff}{\"a\":\"<BADGE>\",\"n\":null}"), 0),
        ("\u{feff}a,b\r\n1,EMP-004711\r\n", Some("\u{feff}a,b\r\n1,<BADGE>\r\n"), 0),
        (
            "\u{feff}<?xml version=\"1.0\"?><a>EMP-004711</a>",
            Some("\u{feff}<?xml version=\"1.0\"?><a>&lt;BADGE&gt;</a>"),
            0,
        ),
        ("\u{feff}is EMP-004711", Some("\u{feff}is <BADGE>"), 0),
        ("\u{feff}", None, 0),
        // Before each of the files that were put together.
        (
            "\u{feff}a,b\n1,EMP-004711\n\u{feff}a,b\n2,EMP-004712\n",
            Some("\u{feff}a,b\n1,<BADGE>\n\u{feff}a,b\n2,<BADGE>\n"),
            0,
        ),
    ]);
}

#[test]
fn lines_end_as_they_did() {
    hold(&[
        ("{\"a\":\"EMP-004711\"}\r\n{\"n\":47110815}\r\n", Some("{\"a\":\"<BADGE>\"}\r\n{\"n\":null}\r\n"), 0),
        ("a,b\r\n\"x\r\ny\",EMP-004711\r\n\r\n2,z\r\n", Some("a,b\r\n\"x\r\ny\",<BADGE>\r\n\r\n2,z\r\n"), 0),
        ("a,b\n1,EMP-004711\r\n2,a@b.com\n", Some("a,b\n1,<BADGE>\r\n2,<MAIL>\n"), 0),
        ("<a>\r\nEMP-004711\r\n</a>\r\n", Some("<a>\r\n&lt;BADGE&gt;\r\n</a>\r\n"), 0),
        ("is\rEMP-004711\r", Some("is\r<BADGE>\r"), 0),
    ]);
}

#[test]
fn last_lines_that_are_cut() {
    hold(&[
        ("{\"a\":1}\n{\"a\":\"EMP-004711", Some("{\"a\":1}\n{\"a\":\"<BADGE>"), 1),
        ("{\"a\":\"EMP-004711\"}\n{\"a\":\"EMP-0047", Some("{\"a\":\"<BADGE>\"}\n{\"a\":\"EMP-0047"), 1),
        ("{\"a\":1}\n{\"a@b.com", Some("{\"a\":1}\n{\"<MAIL>"), 1),
        ("a,b\n1,2\n3,\"EMP-004711", Some("a,b\n1,2\n3,\"<BADGE>"), 1),
        ("<a><b>EMP-004711</b><c x=\"a@b.com", Some("<a><b>&lt;BADGE&gt;</b><c x=\"&lt;MAIL&gt;"), 1),
        ("<a><b>x</b><!-- EMP-004711", Some("<a><b>x</b><!-- &lt;BADGE&gt;"), 1),
    ]);
}

#[test]
fn quotes_within_quotes() {
    hold(&[
        ("a,b\n1,\"x \"\"EMP-004711\"\", y\"\n", Some("a,b\n1,\"x \"\"<BADGE>\"\", y\"\n"), 0),
        ("a,b\n1,\"{\"\"n\"\": \"\"EMP-004711\"\"}\"\n", Some("a,b\n1,\"{\"\"n\"\": \"\"<BADGE>\"\"}\"\n"), 0),
        ("a,b\n1,\"\"\"EMP-004711\"\"\"\n", Some("a,b\n1,\"\"\"<BADGE>\"\"\"\n"), 0),
        (
            r#"{"a":"{\"b\":\"{\\\"c\\\":\\\"EMP-004711\\\"}\"}"}"#,
            Some(r#"{"a":"{\"b\":\"{\\\"c\\\":\\\"<BADGE>\\\"}\"}"}"#),
            0,
        ),
        (r#"{"a":"x,\"EMP-004711\",\"a\u0040b.com\""}"#, Some(r#"{"a":"x,\"<BADGE>\",\"<MAIL>\""}"#), 0),
        ("<a b='\"EMP-004711\"' c=\"'a@b.com'\"/>", Some("<a b='\"&lt;BADGE&gt;\"' c=\"'&lt;MAIL&gt;'\"/>"), 0),
    ]);
}

/// A line of 100 MB comes in and goes out in pieces.
#[test]
fn a_line_of_100_mb() {
    /// `before`, then `piece` again and again, then `after`.
    struct Line<'a> {
        before: &'a [u8],
        piece: &'a [u8],
        pieces: usize,
        after: &'a [u8],
        at: usize,
    }

    impl Read for Line<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut here = if !self.before.is_empty() {
                self.before
            } else if self.pieces > 0 {
                &self.piece[self.at..]
            } else {
                self.after
            };
            let read = here.read(buffer)?;
            if !self.before.is_empty() {
                self.before = here;
            } else if self.pieces > 0 {
                self.at = (self.at + read) % self.piece.len();
                self.pieces -= usize::from(here.is_empty());
            } else {
                self.after = here;
            }
            Ok(read)
        }
    }

    /// What is written: how much, and whether a badge is in it.
    #[derive(Default)]
    struct Seen {
        len: usize,
        labels: usize,
        last: Vec<u8>,
        leaks: bool,
    }

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.len += bytes.len();
            self.labels += memchr::memchr_iter(b'<', bytes).count();
            self.last.extend_from_slice(bytes);
            self.leaks |= memchr::memmem::find(&self.last, b"EMP-").is_some();
            self.last.drain(..self.last.len().saturating_sub(3));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let piece = format!("{} EMP-004711 {}", "some words of prose. ".repeat(1500), "more ".repeat(3000));
    let pieces = 100_000_000 / piece.len() + 1;
    for (before, after) in [("{\"a\":\"", "\"}"), ("is ", "")] {
        let mut line =
            Line { before: before.as_bytes(), piece: piece.as_bytes(), pieces, after: after.as_bytes(), at: 0 };
        let mut seen = Seen::default();
        let summary = scrub(&mut line, &mut seen, &LABELS).unwrap();
        assert_eq!((seen.leaks, seen.labels, summary.findings["BADGE"]), (false, pieces, pieces as u64));
        assert_eq!(
            seen.len,
            before.len() + after.len() + pieces * (piece.len() - "EMP-004711".len() + "<BADGE>".len())
        );
    }
}

/// What follows each other is one, and a value may lie over the seam.
#[test]
fn members_and_frames_one_after_the_other() {
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz, Codec::Lz4, Codec::Snappy] {
        let parts = [&b"{\"a\":\"EMP-00"[..], b"4711\"}\n", b"", b"{\"n\":47110815}"];
        let source: Vec<u8> = parts.iter().flat_map(|part| compressed::pack(codec, part)).collect();
        let (out, summary) = run(&LABELS, &source).unwrap_or_else(|error| panic!("{codec:?}: {error}"));
        assert_eq!(compressed::unpack(codec, &out), b"{\"a\":\"<BADGE>\"}\n{\"n\":null}", "{codec:?}");
        assert_eq!(summary.findings.values().sum::<u64>(), 2);
    }
    // What decoders of zstd pass over is dropped, and may be anywhere.
    let skipped = [&b"\x50\x2A\x4D\x18\x0A\0\0\0"[..], b"EMP-004711"].concat();
    let frame = compressed::pack(Codec::Zstd, b"EMP-004711");
    for source in [[&frame[..], &skipped, &frame].concat(), [&frame[..], &skipped].concat()] {
        let out = run(&LABELS, &source).unwrap().0;
        assert!(compressed::unpack(Codec::Zstd, &out).starts_with(b"<BADGE>"));
        assert!(!out.windows(4).any(|bytes| bytes == b"EMP-"));
    }
    // The name, the comment and the extra field of a member are no content.
    let mut builder = flate2::GzBuilder::new().filename("EMP-004711").comment("a@b.com").extra("EMP-004711");
    builder = builder.mtime(1);
    let mut encoder = builder.write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"text").unwrap();
    let out = run(&LABELS, &encoder.finish().unwrap()).unwrap().0;
    assert_eq!(compressed::unpack(Codec::Gzip, &out), b"text");
    assert!(!out.windows(4).any(|bytes| bytes == b"EMP-" || bytes == b"a@b."));
}

#[test]
fn sparse_members_of_a_tar_are_not_looked_into() {
    let old = tarred("a", b"", |builder| {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::GNUSparse);
        header.set_size(0);
        header.set_path("EMP-004711").unwrap();
        header.set_cksum();
        builder.append(&header, io::empty()).unwrap();
    });
    let pax = tarred("a", b"", |builder| {
        let records = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.name", b"EMP-004711")];
        builder.append_pax_extensions(records).unwrap();
        let mut header = ::tar::Header::new_ustar();
        header.set_size(0);
        builder.append_data(&mut header, "GNUSparseFile.0/a", io::empty()).unwrap();
    });
    for source in [old, pax] {
        for (rule, expected) in
            [(Rule::Refuse, Rule::Refuse), (Rule::Quarantine, Rule::Quarantine), (Rule::Pass, Rule::Refuse)]
        {
            let done = run(&Job { on_unknown: rule, ..LABELS.clone() }, &source);
            assert!(matches!(done, Err(FormatError::Unknown { rule, .. }) if rule == expected), "{rule:?}: {done:?}");
        }
    }
}

/// A member that is written as one of 4 GiB and more.
#[test]
fn zip64() {
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default().large_file(true);
    for name in ["a.json", "EMP-004711"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(b"{\"a\": \"EMP-004711\"}").unwrap();
    }
    let source = writer.finish().unwrap().into_inner();
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!(summary.findings["BADGE"], 3);
    let mut archive = ::zip::ZipArchive::new(io::Cursor::new(out)).unwrap();
    let mut content = String::new();
    archive.by_name("a.json").unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "{\"a\": \"<BADGE>\"}");
    archive.by_name("<BADGE>").unwrap();
}

/// What is two things at once is refused, or treated as the one so that nothing of the other is left.
#[test]
fn polyglots() {
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    writer.start_file("a", ::zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"EMP-004711").unwrap();
    let zip = writer.finish().unwrap().into_inner();
    let gzip = compressed::pack(Codec::Gzip, b"EMP-004711");
    let tar = tarred("a", b"EMP-004711", |_| {});
    for (name, source) in [
        ("PDF and ZIP", [b"%PDF-1.7\n", &zip[..]].concat()),
        ("PNG and ZIP", [b"\x89PNG\r\n\x1A\n", &zip[..]].concat()),
        ("JSON and ZIP", [b"{\"a\": 1}\n", &zip[..]].concat()),
        ("HTML and ZIP", [b"<html><!--", &zip[..], b"-->"].concat()),
        ("gzip and ZIP", [&gzip[..], &zip].concat()),
        ("tar and ZIP", [&tar[..], &zip].concat()),
        ("ZIP and ZIP", [&zip[..], &zip].concat()),
        ("Parquet and ZIP", [b"PAR1", &zip[..]].concat()),
        ("Avro and ZIP", [b"Obj\x01", &zip[..]].concat()),
        ("GIF and script", b"GIF89a/*EMP-004711*/=1;".to_vec()),
        ("RTF and HTML", b"{\\rtf1 <html>EMP-004711".to_vec()),
        ("PDF behind text", b"EMP-004711 %PDF-1.7 \0".to_vec()),
    ] {
        let done = run(&LABELS, &source);
        assert!(done.is_err(), "{name}: {done:?}");
    }
}
