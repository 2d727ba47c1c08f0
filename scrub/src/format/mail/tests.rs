use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::super::tests::{LABELS, engine, job, run};
use super::super::{Codec, Job, Rule, compressed};
use super::*;

const HEAD_LINES: &str = "From: x <x@y.org>\r\nSubject: some\r\nDate: now\r\nMIME-Version: 1.0\r\n";

fn mail(head: &str, body: &str) -> String {
    format!("{HEAD_LINES}{head}\r\n{body}")
}

fn scrubbed(source: &str) -> String {
    let (out, summary) = run(&LABELS, source.as_bytes()).unwrap();
    assert!(matches!(summary.format, Some(Format::Mail { .. })), "{:?} {source}", summary.format);
    String::from_utf8(out).unwrap()
}

fn base64(bytes: &[u8], width: usize) -> String {
    let mut out = Vec::new();
    write_base64(&mut &bytes[..], width, b"\r\n", &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn mail_is_told_from_other_texts() {
    for (head, expected) in [
        ("From: a\nTo: b\nSubject: c\n\ntext", Some(false)),
        ("Received: a\r\n\tb\r\nX-Other: c\r\nTo: b\r\nSubject: c\r\n\r\n", Some(false)),
        ("From a@b Thu Jan  1 00:00:00 1970\nFrom: a\nSubject: c\n\ntext", Some(true)),
        ("To: b\nSubject: c\nDate: d\n\ntext", None),
        ("From: a\nTo: b\n\ntext", None),
        ("From: a\nTo: b\nSubject: c\nno field\n\n", None),
        ("From here on: a\nFrom: b\nSubject: c\n\n", None),
        ("Date: Mon\nContent-Type: text/html\nServer: x\n\n", None),
        ("name: John\nemail: x\n", None),
        (" From: a\nTo: b\nSubject: c\n\n", None),
        ("", None),
    ] {
        assert_eq!(sniff(head.as_bytes(), true), expected, "{head}");
    }
}

#[test]
fn bodies_are_encoded_as_they_were() {
    let text = "word ".repeat(20);
    for (head, body, expected) in [
        ("Content-Type: text/plain\r\n", "is EMP-004711\r\n".to_owned(), "is <BADGE>\r\n".to_owned()),
        (
            "Content-Transfer-Encoding: base64\r\n",
            format!("{}\r\n\r\n", base64(format!("{text}EMP-004711 {text}").as_bytes(), 60)),
            format!("{}\r\n\r\n", base64(format!("{text}<BADGE> {text}").as_bytes(), 60)),
        ),
        (
            "Content-Transfer-Encoding: BASE64 \r\nContent-Type: application/json\r\n",
            format!("{}\r\n", base64(br#"{"n": 47110815}"#, 76)),
            format!("{}\r\n", base64(br#"{"n": null}"#, 76)),
        ),
        (
            "Content-Transfer-Encoding: quoted-printable\r\n",
            "caf=C3=A9 EMP=2D00=\r\n4711 is\r\nFrom here\r\n".to_owned(),
            "caf=C3=A9 <BADGE> is\r\n=46rom here\r\n".to_owned(),
        ),
        // Nothing is found in these: they stay as they are written.
        (
            "Content-Transfer-Encoding: quoted-printable\r\n",
            "caf=c3=A9 =\r\nis\r\nFrom here=\r\n".to_owned(),
            String::new(),
        ),
        ("Content-Transfer-Encoding: base64\r\n", "d29y\r\nZA==\r\n".to_owned(), String::new()),
        ("Content-Type: multipart/mixed; boundary=b\r\n", "no parts at all\r\n".to_owned(), String::new()),
        ("Content-Type: message/rfc822\r\n", "no fields\r\n\r\nat all".to_owned(), String::new()),
        // Something else is in it, which readers leave out.
        ("Content-Transfer-Encoding: base64\r\n", "d29y! ZC4u\r\n".to_owned(), "d29yZC4u\r\n".to_owned()),
    ] {
        let expected = if expected.is_empty() { &body } else { &expected };
        assert_eq!(scrubbed(&mail(head, &body)), mail(head, expected));
    }
}

#[test]
fn parts_are_treated_as_files() {
    let packed = compressed::pack(Codec::Gzip, b"{\"n\": 47110815}");
    let part = |head: &str, body: &str| format!("--b1\r\n{head}\r\n{body}\r\n");
    let inner = mail("Content-Type: multipart/alternative; boundary=\"in ner\"\r\n", "");
    let nested = |badge: &str, mail: &str| {
        format!(
            "{inner}--in ner\r\n\r\nof {badge}\r\n--in ner\r\nContent-Type: text/html\r\n\r\n<p>{mail}</p>\r\n--in ner--\r\nafter {badge}"
        )
    };
    let source = |badge: &str, marked: &str, csv: &str, packed: &[u8]| {
        mail(
            "Content-Type: multipart/mixed;\r\n boundary=\"b1\"\r\n",
            &[
                format!("preamble {badge}\r\n"),
                part("", &format!("text {badge}")),
                part(
                    "Content-Type: text/csv; name=\"a.csv\"\r\nContent-Transfer-Encoding: base64\r\n",
                    &base64(csv.as_bytes(), 76),
                ),
                part("Content-Transfer-Encoding: base64\r\n", &base64(packed, 76)),
                part("Content-Type: message/rfc822\r\n", &nested(badge, marked)),
                part("", "nothing\r\n--b2\r\n"),
                format!("--b1-- \r\nepilogue {badge}\r\n"),
            ]
            .concat(),
        )
    };
    let csv = "a,b\n1,EMP-004711\n2,x\n";
    let out = scrubbed(&source("EMP-004711", "a@b.com", csv, &packed));
    let changed = compressed::pack(Codec::Gzip, b"{\"n\": null}");
    assert_eq!(out, source("<BADGE>", "&lt;MAIL&gt;", &csv.replace("EMP-004711", "<BADGE>"), &changed));
    // One that is cut ends where it ends.
    let cut = &source("EMP-004711", "a@b.com", csv, &packed);
    let at = cut.find("\r\n--b1--").unwrap();
    assert!(out.starts_with(&scrubbed(&cut[..at])));
}

#[test]
fn mailboxes_keep_their_messages() {
    let line = "From x@y.org Thu Jan  1 00:00:00 1970\n";
    let one = |badge: &str| format!("{line}From: x <x@y.org>\nTo: y\nSubject: {badge}\n\n{badge}\n>From x\n\n");
    let encoded = |text: &str| {
        format!("{line}From: x\nTo: y\nSubject: z\nContent-Transfer-Encoding: base64\n\n{}\n\n", STANDARD.encode(text))
    };
    let source = |badge: &str| {
        [one(badge), encoded(&format!("From {badge}\nFrom b Thu Jan  1 00:00:00 1970\n")), one(badge)].concat()
    };
    assert_eq!(scrubbed(&source("EMP-004711")), source("<BADGE>"));
    let of_mail = one("x").replace("From x@y.org", "From a@b.com");
    assert_eq!(scrubbed(&of_mail), of_mail.replace("a@b.com", "<MAIL>"));
    // No line that comes of a change begins a message or ends a part.
    let dropping = job(&engine(crate::act::Strategy::Drop));
    let source = format!("{}\n\nEMP-004711From x Thu Jan  1 00:00:00 1970\n", one("x").trim_end());
    let out = String::from_utf8(run(&dropping, source.as_bytes()).unwrap().0).unwrap();
    assert!(out.ends_with("\n>From x Thu Jan  1 00:00:00 1970\n"), "{out}");
    let source =
        mail("Content-Type: multipart/mixed; boundary=b1\r\n", "--b1\r\n\r\nEMP-004711--b1\r\nrest\r\n--b1--\r\n");
    let out = String::from_utf8(run(&dropping, source.as_bytes()).unwrap().0).unwrap();
    assert!(out.ends_with("--b1\r\n\r\n>--b1\r\nrest\r\n--b1--\r\n"), "{out}");
}

#[test]
fn attachments_follow_their_rules() {
    let source =
        mail("Content-Transfer-Encoding: base64\r\n", &format!("{}\r\n", STANDARD.encode("%PDF-1.7 EMP-004711")));
    let error = run(&LABELS, source.as_bytes());
    assert!(matches!(error, Err(FormatError::Unknown { what: "PDF", nested: true, .. })), "{error:?}");
    let passing = Job { on_media: Rule::Pass, ..LABELS.clone() };
    let (out, summary) = run(&passing, source.as_bytes()).unwrap();
    assert_eq!((String::from_utf8(out).unwrap(), summary.passed), (source.clone(), [("PDF", 1)].into()));
    let looking = Job { actor: None, ..LABELS.clone() };
    let source = mail("Content-Transfer-Encoding: base64\r\n", &STANDARD.encode("EMP-004711"));
    let (out, summary) = run(&looking, source.as_bytes()).unwrap();
    assert_eq!((out.len(), summary.findings["BADGE"]), (0, 1));
}

#[test]
fn what_is_hostile_is_bounded() {
    let nest = |levels: usize| {
        (0..levels).fold(String::new(), |all, level| {
            format!("{all}Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
        })
    };
    let deep = run(&LABELS, format!("{HEAD_LINES}{}", nest(40)).as_bytes());
    assert!(matches!(deep, Err(FormatError::Limit(_))), "{deep:?}");
    assert!(scrubbed(&format!("{HEAD_LINES}{}\r\nEMP-004711", nest(20))).ends_with("<BADGE>"));
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(50);
    assert!(matches!(run(&LABELS, format!("{HEAD_LINES}{messages}").as_bytes()), Err(FormatError::Limit(_))));
    // A head that does not end is a body from its bound on.
    let long = format!("{HEAD_LINES}{}", "X: EMP-004711\r\n".repeat(100_000));
    assert_eq!(scrubbed(&long), long.replace("EMP-004711", "<BADGE>"));
    // Nor does what holds no line ends, or nothing else.
    let line = mail("", &format!("{}EMP-004711", "word ".repeat(50_000)));
    assert_eq!(scrubbed(&line), line.replace("EMP-004711", "<BADGE>"));
    let blank = mail("", &format!("EMP-004711{}", "\r\n".repeat(100_000)));
    assert_eq!(scrubbed(&blank), blank.replace("EMP-004711", "<BADGE>"));
    // Many parts.
    let parts = mail("Content-Type: multipart/mixed; boundary=b\r\n", &"--b\r\n\r\nEMP-004711\r\n".repeat(3000));
    assert_eq!(scrubbed(&parts), parts.replace("EMP-004711", "<BADGE>"));
    let words = format!("{HEAD_LINES}X: {}\r\n\r\n", "=?a?b?".repeat(20_000));
    assert_eq!(scrubbed(&words), words);
}

proptest! {
    /// Whatever is in it and wherever it is cut: what is not found stays, and what is is gone.
    #[test]
    fn any_mail(
        body in "(--b\r\n|--b--\r\n|--c\r\n|\r\n|Content-Type: multipart/mixed; boundary=c\r\n|Content-Transfer-Encoding: (base64|quoted-printable)\r\n|From a 00:00:00\r\n|[a-z=A-Z0-9 ]{1,9}|=41|EMP-004711|\n){0,30}",
        mbox in any::<bool>(), cut in any::<proptest::sample::Index>(),
    ) {
        let line = if mbox { "From x@y.org Thu Jan  1 00:00:00 1970\r\n" } else { "" };
        let source = format!("{line}{}", mail("Content-Type: multipart/mixed; boundary=b\r\n", &body));
        let whole = source.len() - body.len();
        let source = &source[..whole + cut.index(source.len() - whole + 1)];
        // What is no base 64 may stand for anything.
        let passing = Job { on_unknown: Rule::Pass, on_media: Rule::Pass, ..LABELS.clone() };
        let (out, summary) = run(&passing, source.as_bytes()).unwrap();
        let is_mail = matches!(summary.format, Some(Format::Mail { .. }));
        prop_assert!(is_mail);
        if summary.findings.is_empty() && !body.contains("base64") {
            prop_assert_eq!(out.escape_ascii().to_string(), source.as_bytes().escape_ascii().to_string());
        }
    }
}

/// What stands around parts is looked into as what it is.
#[test]
fn nothing_hides_around_the_parts() {
    let packed = compressed::pack(Codec::Gzip, b"EMP-004711");
    let head = mail("Content-Type: multipart/mixed; boundary=b\r\n", "").into_bytes();
    for (before, behind) in [(&packed[..], &b""[..]), (b"", &packed[..])] {
        let source = [&head[..], before, b"\r\n--b\r\n\r\ntext\r\n--b--\r\n", behind].concat();
        let (out, summary) = run(&LABELS, &source).unwrap();
        assert_eq!(summary.findings["BADGE"], 1, "{}", out.escape_ascii());
    }
}

/// Where readers of mail differ about what a part says, or it is not known here, it is not taken for text.
#[test]
fn what_can_be_read_in_two_ways_is_told() {
    let hidden = STANDARD.encode("EMP-004711");
    let uuencoded = "begin 644 x\r\n*14U0+3`P-#<Q,0``\r\n`\r\nend\r\n";
    let alone = |head: &str, body: &str| mail(head, &format!("{body}\r\n"));
    let part = |head: &str, body: &str| {
        let part = format!("--b\r\n{head}\r\n{body}\r\n--b--\r\n");
        mail("Content-Type: multipart/mixed; boundary=b\r\n", &part)
    };
    for (head, body) in [
        ("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n", &*hidden),
        ("Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n", ""),
        ("Content-Transfer-Encoding: x-uuencode\r\n", uuencoded),
        ("Content-Type: message/partial; id=x; number=2\r\n", &hidden),
        ("", uuencoded),
        ("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", &STANDARD.encode(uuencoded)),
        ("Content-Transfer-Encoding: quoted-printable\r\n", &uuencoded.replace("644", "=36=\r\n44")),
    ] {
        for source in [alone(head, body), part(head, body)] {
            for rule in [Rule::Refuse, Rule::Quarantine] {
                let error = run(&Job { on_unknown: rule, ..LABELS.clone() }, source.as_bytes());
                let is_told = matches!(&error, Err(FormatError::Unknown { nested: true, rule: of, .. }) if *of == rule);
                assert!(is_told, "{head}: {error:?}");
            }
            let passing = Job { on_unknown: Rule::Pass, ..LABELS.clone() };
            let passed = run(&passing, source.as_bytes()).unwrap().1.passed;
            assert!(passed.values().sum::<u64>() > 0, "{source}");
        }
    }
    // The same twice is one; a comment is none.
    for head in [
        "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: BASE64\r\n",
        "Content-Transfer-Encoding: (of us) base64 (more)\r\n",
        "Content-Transfer-Encoding:\r\n base64\r\n",
    ] {
        assert_eq!(scrubbed(&alone(head, &hidden)), alone(head, &STANDARD.encode("<BADGE>")));
        assert_eq!(scrubbed(&part(head, &hidden)), part(head, &STANDARD.encode("<BADGE>")));
    }
    let commented = |inner: &str| {
        let part = format!("--b\r\nContent-Transfer-Encoding: base64\r\n\r\n{inner}\r\n--b--\r\n");
        mail("Content-Type: (x) multipart/mixed (y); boundary=b\r\n", &part)
    };
    assert_eq!(scrubbed(&commented(&hidden)), commented(&STANDARD.encode("<BADGE>")));
}

/// Only what stands at the start of a line ends a part to some, whatever follows (RFC 2046, section 5.1.1), and to others the line as a whole.
#[test]
fn lines_that_end_a_part_for_some_are_told() {
    let packed = base64(&compressed::pack(Codec::Gzip, b"EMP-004711"), 76);
    let hidden = format!("Content-Transfer-Encoding: base64\r\n\r\n{packed}\r\n");
    let head = "Content-Type: multipart/mixed; boundary=b\r\n";
    for body in [
        format!("--b\r\n\r\ntext\r\n--b of EMP-004711\r\n{hidden}--b--\r\n"),
        format!("--b\r\n\r\ntext\r\n--b-- more\r\n{hidden}--b--\r\n"),
        format!("--b x\r\n{hidden}--b--\r\n"),
        format!("--b\r\nX: y\r\n--b: z\r\n{hidden}--b--\r\n"),
    ] {
        let source = mail(head, &body);
        let done = run(&LABELS, source.as_bytes());
        assert!(matches!(done, Err(FormatError::Unknown { nested: true, .. })), "{body}: {done:?}");
        let passing = Job { on_unknown: Rule::Pass, ..LABELS.clone() };
        let (out, summary) = run(&passing, source.as_bytes()).unwrap();
        assert!(summary.passed.values().sum::<u64>() > 0);
        assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    }
    // White space says nothing, nor does what is another boundary.
    for body in ["--b \t\r\n\r\ntext\r\n--b-- \r\n", "--b\r\n\r\n-b x\r\n --b x\r\n--B x\r\n--b--\r\n"] {
        assert_eq!(scrubbed(&mail(head, body)), mail(head, body));
    }
    let nested = "--b\r\nContent-Type: multipart/mixed; boundary=bc\r\n\r\n--bc\r\n\r\ntext\r\n--bc--\r\n--b--\r\n";
    assert_eq!(scrubbed(&mail(head, nested)), mail(head, nested));
}
