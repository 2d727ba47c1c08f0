use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;

use super::*;
use crate::policy::{Policy, TypeRule};
use crate::{builtin, detector};

/// A number that nobody has.
pub(super) const BADGE: &str = r#"
    [[detector]]
    name = "badge"
    type = "BADGE"
    pattern = 'EMP-[0-9]{6}'
    literals = ["EMP-"]
    score = 0.6
    max_length = 10
    examples = ["EMP-004711"]
    counter_examples = ["EMP-47"]
"#;
const MAIL_AND_NUMBER: &str = r#"
    [[detector]]
    name = "mail"
    type = "MAIL"
    pattern = '[a-z]+@[a-z]+\.com'
    literals = ["@"]
    score = 0.6
    max_length = 100
    examples = ["a@b.com"]
    counter_examples = ["a@b.org"]
    [[detector]]
    name = "number"
    type = "NUMBER"
    pattern = '4711[0-9]{4}'
    score = 0.6
    max_length = 8
    examples = ["47110815"]
    counter_examples = ["4712"]
"#;
/// What may lie over two values.
pub(super) const PAIR: &str = r#"
    [[detector]]
    name = "pair"
    type = "PAIR"
    pattern = 'left[^a-z]{1,40}right'
    score = 0.6
    max_length = 60
    examples = ["left, right"]
    counter_examples = ["left and right"]
"#;

pub(super) fn engine(strategy: crate::act::Strategy) -> Arc<Engine> {
    let toml = format!("{BADGE}{MAIL_AND_NUMBER}{PAIR}");
    let rule = TypeRule { strategy: Some(strategy), ..TypeRule::default() };
    let types = ["BADGE", "MAIL", "NUMBER", "PAIR"].map(|name| (name.to_owned(), rule.clone())).into();
    Arc::new(Engine::new(detector::read("test", &toml).unwrap(), &Policy { types, ..Policy::default() }).unwrap())
}

pub(super) fn job(engine: &Arc<Engine>) -> Job {
    Job {
        engine: Arc::clone(engine),
        actor: Some(Actor::default()),
        on_media: Rule::Refuse,
        on_unknown: Rule::Refuse,
        limits: Limits::default(),
        memory: None,
    }
}

pub(super) static LABELS: LazyLock<Job> = LazyLock::new(|| job(&engine(crate::act::Strategy::Label)));

static BUILTIN: LazyLock<Job> =
    LazyLock::new(|| job(&Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap())));

pub(super) fn run(job: &Job, mut text: &[u8]) -> Result<(Vec<u8>, Summary), FormatError> {
    let mut out = Vec::new();
    let summary = scrub(&mut text, &mut out, job)?;
    Ok((out, summary))
}

fn scrubbed(text: &str) -> String {
    String::from_utf8(run(&LABELS, text.as_bytes()).unwrap().0).unwrap()
}

#[test]
fn json_stays_json() {
    for (text, expected) in [
        (r#"{"a": "is EMP-004711.", "n": 47110815, "m": 1}"#, r#"{"a": "is <BADGE>.", "n": null, "m": 1}"#),
        (r#"{"a@b.com": 1, "c@d.com": 2, "x": {"e@f.com": 3}}"#, r#"{"<MAIL>": 1, "<MAIL>_2": 2, "x": {"<MAIL>": 3}}"#),
        ("[147110815, 1.47110815e3, -47110815]", "[null, null, null]"),
        (r#"{"":"left"," ":"right"}"#, r#"{"":"<PAIR>","_":"<PAIR>"}"#),
        (r#"["left", "right", "left"]"#, r#"["<PAIR>", "<PAIR>", "left"]"#),
        (r#"{"x":"a\u0040b.com\\n\"EMP-004711"}"#, r#"{"x":"<MAIL>\\n\"<BADGE>"}"#),
        (
            "{\"a\":\"EMP-004711\"}\n{\"a\": EMP-004711}\n{\"a\":47110815}\n",
            "{\"a\":\"<BADGE>\"}\n{\"a\": <BADGE>}\n{\"a\":null}\n",
        ),
    ] {
        assert_eq!(scrubbed(text), expected);
    }
    let (_, summary) = run(&LABELS, b"{\"a\":1}\n{\"a\": EMP-004711}\n").unwrap();
    assert_eq!((summary.format, summary.bad_records, summary.findings["BADGE"]), (Some(Format::Json), 1, 1));
}

#[test]
fn strategies_fit_where_they_stand() {
    let mask = job(&engine(crate::act::Strategy::Mask));
    for (text, expected) in [
        (r#"{"n": 47110815, "s": "47110815"}"#, r#"{"n": null, "s": "****0815"}"#),
        ("a,b\nEMP-004711,\"left, \"\"right\"\n", "a,b\n***-**4711,\"****, \"\"*ight\"\n"),
    ] {
        let (out, _) = run(&mask, text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    let drop = job(&engine(crate::act::Strategy::Drop));
    assert_eq!(run(&drop, br#"{"n": 47110815, "s": "x 47110815"}"#).unwrap().0, br#"{"n": null, "s": "x "}"#);
    let block = job(&engine(crate::act::Strategy::Block));
    assert!(matches!(run(&block, br#"{"n": 47110815}"#), Err(FormatError::Blocked(_))));
}

#[test]
fn tables_keep_their_columns() {
    assert_eq!(
        scrubbed("a@b.com,c@d.com\nEMP-004711,\"x, EMP-004711\"\n"),
        "<MAIL>,<MAIL>_2\n<BADGE>,\"x, <BADGE>\"\n"
    );
    assert_eq!(scrubbed("id,x\nleft,right\n"), "id,x\n<PAIR>,<PAIR>\n");
}

#[test]
fn markup_stays_markup() {
    assert_eq!(
        scrubbed("<?xml version=\"1.0\"?>\n<p m=\"a@b.com\">EMP-004711 &amp; left<b/>right</p>"),
        "<?xml version=\"1.0\"?>\n<p m=\"&lt;MAIL&gt;\">&lt;BADGE&gt; &amp; left<b/>right</p>"
    );
    assert_eq!(
        scrubbed("<html><script>x = \"a@b.com\"</script>a@b.com"),
        "<html><script>x = \"<MAIL>\"</script>&lt;MAIL&gt;"
    );
    let (out, summary) = run(&LABELS, b"<a><EMP-004711/></a>").unwrap();
    assert_eq!((out, summary.unfit), (b"<a><EMP-004711/></a>".to_vec(), 1));
}

#[test]
fn compression_is_undone_and_done_again() {
    let text = b"{\"a\": \"EMP-004711\"}\n".repeat(5000);
    let expected = b"{\"a\": \"<BADGE>\"}\n".repeat(5000);
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz, Codec::Lz4, Codec::Snappy] {
        let packed = compressed::pack(codec, &text);
        let twice = compressed::pack(Codec::Gzip, &packed);
        let several = [compressed::pack(codec, &text), compressed::pack(codec, &text)].concat();
        for (source, layers, expected) in [
            (packed, vec![codec], expected.clone()),
            (twice, vec![Codec::Gzip, codec], expected.clone()),
            (several, vec![codec], expected.repeat(2)),
        ] {
            let (mut out, summary) = run(&LABELS, &source).unwrap();
            for codec in layers {
                assert_eq!(sniff(&out, false), Format::Compressed(codec));
                out = compressed::unpack(codec, &out);
            }
            assert!(out == expected, "{codec:?}");
            assert_eq!(summary.format, Some(Format::Json));
        }
    }
}

#[test]
fn what_is_broken_or_not_known_is_told() {
    let packed = compressed::pack(Codec::Gzip, b"some text");
    let cut = run(&LABELS, &packed[..packed.len() - 4]);
    assert!(matches!(cut, Err(FormatError::Broken { format: "gzip", .. })), "{cut:?}");
    let behind = run(&LABELS, &[&packed[..], b"behind"].concat());
    assert!(matches!(behind, Err(FormatError::Broken { .. })), "{behind:?}");
    assert!(matches!(run(&LABELS, b"%PDF-1.7"), Err(FormatError::Unknown { what: "PDF", nested: false, .. })));
    let inner = compressed::pack(Codec::Zstd, b"\x7FELF\x02\x01");
    assert!(matches!(run(&LABELS, &inner), Err(FormatError::Unknown { what: "ELF", nested: true, .. })));
    let passing = Job { on_unknown: Rule::Pass, ..LABELS.clone() };
    let (out, summary) = run(&passing, b"\x7FELF\x02\x01").unwrap();
    assert_eq!((&out[..], summary.passed), (&b"\x7FELF\x02\x01"[..], [("ELF", 1)].into()));
    let strict = Job { limits: Limits { bad_records: 0, ..Limits::default() }, ..LABELS.clone() };
    assert!(matches!(run(&strict, b"{}\n{x\n"), Err(FormatError::Limit(_))));
}

/// A shell's `>>` to what another one wrote: letters of one byte, or moved by one, are no UTF-16.
#[test]
fn bytes_behind_utf_16_follow_its_rule() {
    let start = "{\"a\": \"\u{6771}\u{4eac} is prose.\"}\r\n";
    let tails: [(&[u8], u64); 5] = [
        (b"badge EMP-004711 of the one\r\n", 1),
        (b"and EMP-004711\r\n", 1),
        (b"nothing that is known here, and a lot of it\r\n", 0),
        (b"EMP-004711", 1),
        (b"4711081", 0),
    ];
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(bytes).collect() };
        let moved = [&b"x"[..], &utf16("his EMP-004711, and more\r\n")].concat();
        let long =
            [&b"prose of no account "[..].repeat(4_000), &b"EMP-004711 "[..], &b"and more "[..].repeat(9_000)].concat();
        let drawn = utf16(&"\u{2500}\u{2550}\u{4e00}\u{6f22}\u{5b57}\u{915}\u{92e}".repeat(900));
        for (tail, told) in tails.into_iter().chain([(&moved[..], 1), (&long, 1), (&long[3..], 1), (&drawn, 0)]) {
            for more in ["", start] {
                let source = [utf16("\u{feff}"), utf16(&start.repeat(300)), tail.to_vec(), utf16(more)].concat();
                for rule in [Rule::Refuse, Rule::Quarantine] {
                    let done = run(&Job { on_unknown: rule, ..LABELS.clone() }, &source);
                    let is_told =
                        matches!(&done, Err(FormatError::Unknown { nested: true, rule: of, .. }) if *of == rule);
                    assert_eq!(is_told, told == 1, "{:?} {:?}", String::from_utf8_lossy(tail), done.map(|done| done.1));
                }
                let (out, summary) = run(&Job { on_unknown: Rule::Pass, ..LABELS.clone() }, &source).unwrap();
                assert_eq!(summary.passed.values().sum::<u64>(), told, "{:?}", summary.passed);
                assert!(out == source);
            }
        }
    }
}

/// Behind the bytes that tell what a file is: what is appended to a text is no text because the start is.
#[test]
fn data_behind_a_text_follows_its_rule() {
    let wide: Vec<u8> = "EMP-004711".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut state = 1;
    let mut random = move || crate::format::table::tests::random(&mut state);
    let mut lines = String::new();
    for _ in 0..400 {
        let _ = write!(lines, "EMP-{:06} ", random() % 1_000_000);
    }
    let packed = compressed::pack(Codec::Gzip, lines.as_bytes());
    let chance: Vec<u8> = (0..600).map(|_| 1 + random() as u8 % 255).collect();
    let wider: Vec<u8> = "EMP-004711, ".repeat(9).chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
    let greek: Vec<u8> = "\u{3b1}\u{3b2}".repeat(300).encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (start, line) in
        [("{\"a\":1}\n", "{\"a\": \"x\"}\n"), ("a,b\n", "1,x\n"), ("<a>", "<b>x</b>\n"), ("some ", "prose.\n")]
    {
        let text = format!("{start}{}", line.repeat(80_000 / line.len()));
        for tail in [&wide[..], &wide[1..], &packed, &chance, &wider, &greek] {
            for more in ["", line] {
                let source = [text.as_bytes(), tail, more.as_bytes()].concat();
                for rule in [Rule::Refuse, Rule::Quarantine] {
                    let done = run(&Job { on_unknown: rule, ..LABELS.clone() }, &source);
                    let is_told =
                        matches!(&done, Err(FormatError::Unknown { nested: true, rule: of, .. }) if *of == rule);
                    assert!(is_told, "{start} {:?}", done.map(|done| done.1));
                }
                let (out, summary) = run(&Job { on_unknown: Rule::Pass, ..LABELS.clone() }, &source).unwrap();
                assert_eq!(summary.passed.values().sum::<u64>(), 1, "{:?}", summary.passed);
                assert!(out.starts_with(text.as_bytes()));
            }
        }
        // What texts have of such.
        let colours = "\u{1b}[31mred\u{1b}[0m \u{8}\u{c}\u{7}".repeat(3);
        let source = format!("{text}{colours}{}", "caf\u{e9}\n".repeat(300));
        assert!(run(&LABELS, source.as_bytes()).unwrap().1.passed.is_empty());
        let latin1: Vec<u8> = source.chars().map(|letter| letter as u8).collect();
        assert!(run(&LABELS, &latin1).unwrap().1.passed.is_empty());
    }
}

/// A log is not refused for zeros where a block was not written, nor for the signs of a protocol or a terminal.
#[test]
fn some_bytes_of_a_log_are_no_data() {
    let lines = "12:00:01 all is well\n".repeat(1000);
    let fix = "8=FIX.4.2\u{1}9=65\u{1}35=A\u{1}49=A\u{1}56=B\u{1}34=1\u{1}52=2\u{1}98=0\u{1}108=30\u{1}112=x\u{1}113=y\u{1}10=062\u{1}\n";
    let captured = format!("{}\u{f}\u{e}\n", "\u{7}\u{1b}[K ls\n".repeat(20));
    for odd in
        ["\0", "\0\0", &"\0".repeat(9), &"\0".repeat(4096), &"\0".repeat(100_000), "EMP-\x004711 ", fix, &captured]
    {
        for behind in ["", &lines, "by EMP-004711\n"] {
            let source = format!("{lines}{odd}{behind}");
            let (out, summary) = run(&LABELS, source.as_bytes()).unwrap();
            assert!(summary.passed.is_empty(), "{odd:?}");
            assert!(out == source.replace("EMP-004711", "<BADGE>").into_bytes(), "{odd:?}");
        }
    }
    // Many of one kind are what they are at the start, too.
    let many = format!("{lines}{}", fix.repeat(200));
    assert!(matches!(run(&LABELS, many.as_bytes()), Err(FormatError::Unknown { .. })));
}

/// Of one member.
fn tarred(path: &str, content: &[u8], also: impl FnOnce(&mut ::tar::Builder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = ::tar::Builder::new(&mut out);
    let mut header = ::tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o640);
    builder.append_data(&mut header, path, content).unwrap();
    also(&mut builder);
    builder.finish().unwrap();
    drop(builder);
    out
}

fn members(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ::tar::Archive::new(tar);
    let members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().to_string_lossy().into_owned(), content)
    });
    members.collect()
}

#[test]
fn members_of_archives_are_treated_as_files() {
    let line = b"{\"a\": \"EMP-004711\"}\n";
    let (many, expected) = (line.repeat(1000), b"{\"a\": \"<BADGE>\"}\n".repeat(1000));
    let source = tarred("set/0001.json", &many, |builder| {
        for (path, content) in [
            ("set/0001.json.gz", &compressed::pack(Codec::Gzip, line)[..]),
            ("EMP-004711.txt", b"none"),
            ("EMP-004712.txt", b"none"),
            (&format!("{}a@b.com", "long/".repeat(40)), b"x a@b.com"),
            ("empty", b""),
        ] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content).unwrap();
        }
    });
    for source in [source.clone(), compressed::pack(Codec::Zstd, &source), tarred("inner.tar", &source, |_| {})] {
        let is_packed = sniff(&source, false) != Format::Tar;
        let (mut out, summary) = run(&LABELS, &source).unwrap();
        if is_packed {
            out = compressed::unpack(Codec::Zstd, &out);
        }
        let mut found = members(&out);
        if found.len() == 1 {
            found = members(&found[0].1);
        }
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        let long = format!("{}<MAIL>", "long/".repeat(40));
        assert_eq!(names, ["set/0001.json", "set/0001.json.gz", "<BADGE>.txt", "<BADGE>.txt_2", &long, "empty"]);
        assert!(found[0].1 == expected);
        assert_eq!(compressed::unpack(Codec::Gzip, &found[1].1), b"{\"a\": \"<BADGE>\"}\n");
        assert_eq!((&found[4].1[..], &found[5].1[..]), (&b"x <MAIL>"[..], &b""[..]));
        assert_eq!((summary.findings["BADGE"], summary.findings["MAIL"]), (1003, 2));
    }
}

/// A header of a tar with other bytes in it, and a checksum that holds.
fn with_header(tar: &[u8], edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut tar = tar.to_vec();
    edit(&mut tar[..512]);
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    // As some writers write it.
    tar[148..156].copy_from_slice(format!("{sum:6o}\0 ").as_bytes());
    tar
}

/// Behind the ends of names, and where a header has no field.
#[test]
fn nothing_hides_in_headers_of_a_tar() {
    let source = tarred("a.txt", b"none", |_| {});
    let gnu = |header: &mut [u8]| header[257..265].copy_from_slice(b"ustar  \0");
    let hide = |at: usize| {
        move |header: &mut [u8]| {
            header[at] = 0;
            header[at + 1..at + 11].copy_from_slice(b"EMP-004711");
        }
    };
    for at in [20, 180, 270, 300, 360, 500] {
        for source in [with_header(&source, hide(at)), with_header(&with_header(&source, gnu), hide(at))] {
            let (out, _) = run(&LABELS, &source).unwrap();
            assert!(memchr::memmem::find(&out, b"EMP-").is_none(), "{at}");
            assert_eq!(members(&out), [("a.txt".to_owned(), b"none".to_vec())], "{at}");
        }
    }
    // From before there were names of owners.
    let old = with_header(&source, |header| header[257..].fill(0));
    let (out, _) = run(&LABELS, &with_header(&old, hide(400))).unwrap();
    assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    // Before a record, whose header repeats the name.
    let long = format!("{}/x", "long".repeat(40));
    let source = tarred(&long, b"none", |builder| {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(4);
        builder.append_data(&mut header, &long, &b"none"[..]).unwrap();
    });
    let record = [1024, 0].into_iter().find(|at| source[at + 156] == b'L').unwrap();
    let mut hidden = source.clone();
    let header = with_header(&source[record..], |header| header[..13].copy_from_slice(b"./EMP-004711\0"));
    hidden[record..].copy_from_slice(&header);
    let (out, summary) = run(&LABELS, &hidden).unwrap();
    assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    assert_eq!((summary.findings["BADGE"], members(&out).len()), (1, 2));
}

/// Behind the digits of numbers, and in what is none.
#[test]
fn nothing_hides_in_numbers_of_a_tar() {
    let source = tarred("a.txt", b"none", |_| {});
    // Mode, owner, group, length, time, devices.
    for (at, len) in [(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8)] {
        let old = source[at..at + len].to_vec();
        let value = if at == 124 { &b"4"[..] } else { b"17" };
        for (start, kept) in [(value, value), (&b""[..], b"")] {
            if at == 124 && start.is_empty() {
                continue;
            }
            for sign in [0, b' '] {
                let hidden = with_header(&source, |header| {
                    header[at..at + len].fill(0);
                    header[at..at + start.len()].copy_from_slice(start);
                    header[at + start.len()] = sign;
                    header[at + start.len() + 1..at + len].copy_from_slice(&b"\0ab@c.com.de"[..len - start.len() - 1]);
                });
                let (out, _) = run(&LABELS, &hidden).unwrap();
                assert!(memchr::memmem::find(&out, b"ab@").is_none(), "{at}");
                assert_eq!(members(&out), [("a.txt".to_owned(), b"none".to_vec())], "{at}");
                let number = String::from_utf8_lossy(&out[at..at + len]).trim_matches('\0').to_owned();
                let kept = String::from_utf8_lossy(kept);
                assert_eq!(number.trim_start_matches('0'), kept, "{at}");
            }
        }
        // Base 256 has as many bytes as a text.
        if at != 124 {
            let hidden = with_header(&source, |header| {
                header[at] = 0x80;
                header[at + 1..at + 8].copy_from_slice(b"EMP-004");
            });
            let (out, _) = run(&LABELS, &hidden).unwrap();
            assert!(memchr::memmem::find(&out, b"EMP-").is_none(), "{at}");
            assert!(out[at..at + len].iter().all(|byte| *byte == 0), "{at} {old:?}");
        }
    }
    // The checksum, which has a byte more than it needs.
    let mut hidden = with_header(&source, |_| {});
    hidden[155] = b'!';
    let (out, _) = run(&LABELS, &hidden).unwrap();
    assert!(out[155] == b' ' && members(&out).len() == 1);
}

/// What a record has in full a header has in part.
#[test]
fn names_that_are_cut_leave_nothing() {
    let long = format!("{}EMP-004711/x", "a".repeat(95));
    let gnu = tarred("a.txt", b"none", |builder| {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(4);
        builder.append_data(&mut header, &long, &b"none"[..]).unwrap();
    });
    let pax = |record: &str, field: usize, value: &[u8]| {
        let mut records = Vec::new();
        let text = format!(" {record}=\n");
        let len = text.len() + value.len() + 3;
        records.extend_from_slice(format!("{len} {record}=").as_bytes());
        records.extend_from_slice(value);
        records.push(b'\n');
        let mut out = Vec::new();
        let mut builder = ::tar::Builder::new(&mut out);
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(::tar::EntryType::XHeader);
        header.set_size(records.len() as u64);
        header.set_path("PaxHeaders/a.txt").unwrap();
        header.set_cksum();
        builder.append(&header, &records[..]).unwrap();
        drop(builder);
        // Without the end.
        out.truncate(out.len() - 1024);
        let member = tarred("a.txt", b"none", |_| {});
        let width = if field == 0 || field == 157 { 100 } else { 32 };
        [out, with_header(&member, |header| header[field..field + width].copy_from_slice(&value[..width]))].concat()
    };
    let owner = format!("{}EMP-004711{}", "a".repeat(27), "b".repeat(80));
    let mut sources = vec![gnu, pax("path", 0, long.as_bytes()), pax("linkpath", 157, long.as_bytes())];
    sources.extend([pax("uname", 265, owner.as_bytes()), pax("gname", 297, owner.as_bytes())]);
    for source in sources {
        assert!(memchr::memmem::find(&source, b"aEMP-0").is_some());
        let (out, summary) = run(&LABELS, &source).unwrap();
        assert!(memchr::memmem::find(&out, b"EMP").is_none());
        assert_eq!(summary.findings["BADGE"], 1);
        assert!(!members(&out).is_empty());
    }
    // Of a record's own header, whose name may be in two fields.
    let source = pax("path", 0, "b".repeat(107).as_bytes());
    let split = with_header(&source, |header| {
        header[..6].copy_from_slice(b"right\0");
        header[6..100].fill(0);
        header[345..349].copy_from_slice(b"left");
    });
    let (out, _) = run(&LABELS, &split).unwrap();
    assert!(out.starts_with(b"<PAIR>\0") && out[345..500].iter().all(|byte| *byte == 0));
}

/// Owners are people.
#[test]
fn owners_in_a_tar_are_names() {
    let owned = |user: &[u8], group: &[u8]| {
        with_header(&tarred("a.txt", b"none", |_| {}), |header| {
            header[265..265 + user.len()].copy_from_slice(user);
            header[297..297 + group.len()].copy_from_slice(group);
        })
    };
    let owners = |tar: &[u8]| {
        let mut archive = ::tar::Archive::new(tar);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        (text(entry.header().username_bytes()), text(entry.header().groupname_bytes()))
    };
    let (out, summary) = run(&LABELS, &owned(b"EMP-004711", b"x a@b.com")).unwrap();
    assert_eq!(owners(&out), ("<BADGE>".to_owned(), "x <MAIL>".to_owned()));
    assert_eq!((summary.findings["BADGE"], summary.findings["MAIL"]), (1, 1));
    // What is longer than its field stands in a record, as names do.
    let toml = MAIL_AND_NUMBER.replace("\"MAIL\"", "\"MAIL_OF_SOMEBODY\"");
    let longer = job(&Arc::new(Engine::new(detector::read("test", &toml).unwrap(), &Policy::default()).unwrap()));
    let (out, _) = run(&longer, &owned(b"root", b"a@b.com,a@b.com")).unwrap();
    let whole = "<MAIL_OF_SOMEBODY>,<MAIL_OF_SOMEBODY>";
    let record = format!(" gname={whole}\n");
    assert!(memchr::memmem::find(&out, record.as_bytes()).is_some() && memchr::memmem::find(&out, b"a@b").is_none());
    assert_eq!(owners(&out), ("root".to_owned(), whole[..32].to_owned()));
}

/// Numbers stay as they are written, too.
#[test]
fn a_tar_without_findings_stays() {
    let source = tarred("a.txt", b"none", |builder| {
        for path in ["folder/b.txt", &format!("{}/x", "long".repeat(40))] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(4);
            header.set_username("root").unwrap();
            builder.append_data(&mut header, path, &b"none"[..]).unwrap();
        }
    });
    let spaced = with_header(&source, |header| header[124..136].copy_from_slice(b"          4 "));
    let star = with_header(&source, |header| {
        header[476..500].copy_from_slice(b"14712345671 14712345671 ");
        header[508..].copy_from_slice(b"tar\0");
    });
    let times = with_header(&source, |header| {
        header[257..265].copy_from_slice(b"ustar  \0");
        header[345..369].copy_from_slice(b"14712345671 14712345671\0");
    });
    // `star -H xustar` sets no mark; what is negative or large is in base 256.
    let unmarked = with_header(&source, |header| {
        header[476..500].copy_from_slice(b"14712345671 14712345671 ");
    });
    let long_prefix = with_header(&source, |header| header[345..500].fill(b'p'));
    let early = with_header(&source, |header| {
        header[257..265].copy_from_slice(b"ustar  \0");
        header[345..357].copy_from_slice(&[&[0xFF; 9][..], &[1, 2, 3]].concat());
        header[357..369].copy_from_slice(b"\x80\0\0\0\0\0\0\x03\x01\x02\x03\x04");
        header[136..148].copy_from_slice(&[0xFF; 12]);
        header[108..116].copy_from_slice(b"\x80\0\0\0\xFF\x01\x02\x03");
    });
    for source in [source, spaced, star, times, unmarked, long_prefix, early] {
        let (out, summary) = run(&LABELS, &source).unwrap();
        assert!(out == source && summary.findings.is_empty(), "{summary:?}");
    }
}

#[test]
fn archives_that_are_broken_are_refused() {
    let source = tarred("a.txt", b"EMP-004711", |_| {});
    let mut behind = source.clone();
    behind.extend_from_slice(b"EMP-004711");
    behind.resize(behind.len().next_multiple_of(512), 0);
    let mut damaged = tarred("a.txt", &[b'x'; 600], |_| {});
    damaged.splice(1536..1536, [b'!'; 512]);
    for source in [&behind, &damaged, &source[..700].to_vec(), &source[..520].to_vec()] {
        let done = run(&LABELS, source);
        assert!(matches!(done, Err(FormatError::Broken { format: "tar", .. })), "{done:?}");
    }
    let holds_pdf = run(&LABELS, &tarred("a.pdf", b"%PDF-1.7", |_| {}));
    assert!(matches!(holds_pdf, Err(FormatError::Unknown { what: "PDF", nested: true, .. })), "{holds_pdf:?}");
}

#[test]
fn members_of_zips_are_treated_as_files() {
    let content = b"{\"a\": \"EMP-004711\"}\n".repeat(1000);
    let options = ::zip::write::SimpleFileOptions::default();
    let stored = options.compression_method(::zip::CompressionMethod::Stored).unix_permissions(0o600);
    let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    writer.set_comment("of a@b.com").unwrap();
    writer.add_directory("set/", options).unwrap();
    for (name, content) in [("set/0001.json", &content[..]), ("a@b.com", b"x a@b.com"), ("c@d.com", b"")] {
        writer.start_file(name, stored).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.add_symlink("link", "a@b.com", options).unwrap();
    let source = writer.finish().unwrap().into_inner();
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert!(!out.windows(7).any(|bytes| bytes == b"a@b.com"));
    assert_eq!((summary.findings["BADGE"], summary.findings["MAIL"]), (1000, 4));
    let mut archive = ::zip::ZipArchive::new(io::Cursor::new(out)).unwrap();
    let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["set/", "set/0001.json", "<MAIL>", "<MAIL>_2", "link"]);
    let mut read = |name: &str| {
        let mut entry = archive.by_name(name).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (content, entry.compression(), entry.unix_mode().map(|mode| mode & 0o777))
    };
    let expected = b"{\"a\": \"<BADGE>\"}\n".repeat(1000);
    assert!(read("set/0001.json") == (expected, ::zip::CompressionMethod::Stored, Some(0o600)));
    assert_eq!((read("<MAIL>").0, read("link").0), (b"x <MAIL>".to_vec(), b"<MAIL>".to_vec()));

    // Of a file that is two things at once, it is the one that it begins as.
    let before = run(&LABELS, &[b"EMP-004711", &source[..]].concat());
    assert!(matches!(before, Err(FormatError::Unknown { .. })), "{before:?}");
    let cut = run(&LABELS, &source[..source.len() - 30]);
    assert!(matches!(cut, Err(FormatError::Broken { format: "zip", .. })), "{cut:?}");
}

#[test]
fn bombs_are_bounded() {
    let bomb = compressed::pack(Codec::Gzip, &vec![b' '; 200 << 20]);
    assert!(matches!(run(&LABELS, &bomb), Err(FormatError::Limit(_))));
    let deep = (0..9).fold(b"text".to_vec(), |inner, _| compressed::pack(Codec::Zstd, &inner));
    assert!(matches!(run(&LABELS, &deep), Err(FormatError::Limit(_))));
}

fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("EMP-004711".to_owned()),
        2 => Just("a@b.com".to_owned()),
        2 => Just("47110815".to_owned()),
        1 => Just("left".to_owned()),
        1 => Just("right".to_owned()),
        2 => "[ \"'\\\\\n,;<>&\t\u{e9}\u{1f600}\u{0}]{1,3}",
        4 => "[a-z0-9 ]{1,6}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        4 => words().prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::from(47_110_815)),
        1 => Just(serde_json::Value::Null),
        1 => any::<bool>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(words(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whether two values have the same shape: numbers may have become null.
fn same_shape(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Null, Number, Object, String};
    match (a, b) {
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b)),
        // Changed names sort elsewhere.
        (Object(a), Object(b)) => a.len() == b.len(),
        (String(_), String(_)) | (Number(_), Null) => true,
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_json_is_json(values in proptest::collection::vec(values(), 1..4), pretty in any::<bool>(), ascii in any::<bool>()) {
        let text = |value: &serde_json::Value| {
            let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap();
            if !ascii {
                return text;
            }
            let mut out = String::new();
            for character in text.chars() {
                match character {
                    '\0'..='\x7F' => out.push(character),
                    _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(out, "\\u{unit:04x}").unwrap()),
                }
            }
            out
        };
        let text = values.iter().map(text).collect::<Vec<_>>().join("\n");
        let mut source = text.as_bytes();
        let mut out = Vec::new();
        let mut summary = Summary::default();
        super::text(Format::Json, &mut source, &mut out, &LABELS, &mut summary, None).unwrap();
        let read = serde_json::Deserializer::from_slice(&out).into_iter().collect::<Result<Vec<serde_json::Value>, _>>();
        let read = read.unwrap_or_else(|error| panic!("{error}: {text} became {}", String::from_utf8_lossy(&out)));
        prop_assert_eq!(read.len(), values.len());
        prop_assert!(values.iter().zip(&read).all(|(a, b)| same_shape(a, b)), "{} became {}", text, String::from_utf8_lossy(&out));
        prop_assert_eq!(summary.bad_records, 0);
        let out = String::from_utf8(out).unwrap();
        for value in ["EMP-004711", "a@b.com", "47110815"] {
            prop_assert!(!out.contains(value), "{} in {}", value, out);
        }
    }

    #[test]
    fn what_was_a_table_is_one(rows in proptest::collection::vec(proptest::collection::vec(words(), 3), 1..6), tabs in any::<bool>(), all in any::<bool>()) {
        let delimiter = if tabs { b'\t' } else { b',' };
        let style = if all { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let mut writer = ::csv::WriterBuilder::new().delimiter(delimiter).quote_style(style).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mut out = Vec::new();
        super::text(Format::Csv(delimiter), &mut &text[..], &mut out, &LABELS, &mut Summary::default(), None).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(&out[..]);
        let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), rows.len());
        prop_assert!(read.iter().all(|row| row.len() == 3));
    }

    /// Any bytes: nothing is lost where nothing is found, and the result does not depend on the format that is assumed but where findings are.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in words()) {
        for source in [&bytes[..], text.as_bytes()] {
            for format in [Format::Json, Format::Csv(b','), Format::Markup { html: true }, Format::Markup { html: false }] {
                let mut out = Vec::new();
                let mut summary = Summary::default();
                super::text(format, &mut &source[..], &mut out, &LABELS, &mut summary, None).unwrap();
                if summary.findings.is_empty() {
                    prop_assert_eq!(&out[..], source);
                }
            }
            let _ = run(&LABELS, source);
        }
    }
}

#[test]
fn with_all_detectors_json_stays_json() {
    let text = r#"{"name": "Mary Johnson", "ssn": 219099999, "address": {"street": "12 Main Street", "city": "Springfield", "zip": "62704"}, "tags": ["John Smith", "Paris"]}"#;
    let (out, summary) = run(&BUILTIN, text.as_bytes()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["name"], "<PERSON>");
    assert_eq!(value["ssn"], serde_json::Value::Null);
    assert_eq!(value["tags"].as_array().unwrap().len(), 2);
    assert!(summary.findings["PERSON"] >= 2, "{summary:?}");
}

mod hostile;
mod layers;
mod memory;
mod oddities;

/// Line and column of each finding, in bytes of the file.
fn placed(source: &[u8], most: usize) -> Vec<(u64, u64, u64, u64)> {
    let mut out = Vec::new();
    let (summary, placed) = scrub_with_places(&mut &source[..], &mut out, &LABELS, most).unwrap();
    assert_eq!((out, summary), run(&LABELS, source).unwrap());
    placed.iter().map(|at| (at.line, at.column, at.finding.start, at.finding.end)).collect()
}

#[test]
fn places_are_those_of_the_file() {
    for text in ["x\nis EMP-004711\na@b.com", "[1,\n \"EMP-004711\",\n\"a@b.com\"]", "a,b\n1,EMP-004711\na@b.com,2\n"] {
        let (badge, mail) = (text.find("EMP").unwrap() as u64, text.find("a@b").unwrap() as u64);
        let column = |at: u64| at - text[..at as usize].rfind('\n').unwrap() as u64;
        let expected = vec![(2, column(badge), badge, badge + 10), (3, column(mail), mail, mail + 7)];
        assert_eq!(placed(text.as_bytes(), 9), expected);
        assert_eq!(placed(text.as_bytes(), 1), expected[..1]);
        // What is in it has no line of the file.
        assert_eq!(placed(&compressed::pack(Codec::Gzip, text.as_bytes()), 9), []);
        assert_eq!(placed(&tarred("a.txt", text.as_bytes(), |_| {}), 9), []);
    }
    let utf16 = |text: &str, little: bool| -> Vec<u8> {
        let units = [0xFEFF].into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    for little in [true, false] {
        // A unit of which a byte is that of a line end ends none.
        let text = format!("{}\u{10A}\u{1F600}\n\u{E9} EMP-004711", "word \u{6771}\n".repeat(40_000));
        let before = 2 + 14 * 40_000 + 8;
        assert_eq!(placed(&utf16(&text, little), 9), [(40_002, 5, before + 4, before + 24)]);
    }
}
