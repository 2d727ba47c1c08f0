//! What a hostile review by one who had not seen the code found, and what it tried in vain.

use super::*;

static MASK: LazyLock<Job> = LazyLock::new(|| job(&engine(crate::act::Strategy::Mask)));
static DROP: LazyLock<Job> = LazyLock::new(|| job(&engine(crate::act::Strategy::Drop)));

fn with(job: &Job, text: &str) -> String {
    String::from_utf8(run(job, text.as_bytes()).unwrap().0).unwrap()
}

/// Gives so many bytes at a time, then an error if there is one, once.
struct Pieces<'a>(&'a [u8], usize, Option<io::ErrorKind>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty()
            && let Some(kind) = self.2.take()
        {
            return Err(io::Error::new(kind, "the source failed"));
        }
        let len = self.1.min(buffer.len()).min(self.0.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

fn reads(text: &str) -> Result<Vec<serde_json::Value>, serde_json::Error> {
    serde_json::Deserializer::from_str(text).into_iter().collect()
}

/// Parses before, so it has to parse after.
fn json_holds(job: &Job, text: &str) {
    let before = reads(text).unwrap();
    let out = with(job, text);
    let cut = |text: &str| {
        text.chars()
            .take(60)
            .chain(['…'])
            .chain(text.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev())
            .collect::<String>()
    };
    match reads(&out) {
        Ok(after) => assert_eq!(before.len(), after.len(), "{} became {}", cut(text), cut(&out)),
        Err(error) => panic!("{error}: {} became {}", cut(text), cut(&out)),
    }
    assert!(!out.contains("4711"), "{}", cut(&out));
}

fn is_gone(text: &str) {
    let out = scrubbed(text);
    let leaks = ["EMP-004711", "a@b.com", "47110815"].iter().any(|value| out.contains(value));
    assert!(!leaks, "{text:?} became {out:?} as {:?}", sniff(text.as_bytes(), true));
}

// --- JSON ---

#[test]
fn j1_null_and_then_digits() {
    json_holds(&LABELS, &format!("[0.47110815{}]", "0".repeat(300_000)));
}

#[test]
fn j2_number_cut_behind_its_e() {
    json_holds(&LABELS, &format!("[0.{}e47110815]", "0".repeat(17_000)));
}

#[test]
fn j3_half_of_a_surrogate_pair() {
    json_holds(&LABELS, r#"["\ud83d\ude0aa@b.com"]"#);
}

#[test]
fn j3_half_of_a_surrogate_pair_builtin() {
    json_holds(&BUILTIN, r#"["\ud83d\ude0ajohn.smith@example.com"]"#);
}

#[test]
fn j4_a_name_made_unique_twice() {
    let out = scrubbed(r#"{"a@b.com":1,"c@d.com":2,"e@f.com_2":3}"#);
    let value: BTreeMap<String, u8> = serde_json::from_str(&out).unwrap();
    assert_eq!(value.len(), 3, "{out}");
}

#[test]
fn j4_a_name_that_was_there() {
    let out = scrubbed(r#"{"<MAIL>":1,"a@b.com":2}"#);
    let value: BTreeMap<String, u8> = serde_json::from_str(&out).unwrap();
    assert_eq!(value.len(), 2, "{out}");
}

#[test]
fn j5_what_is_deep() {
    let text = format!("{}\"EMP-004711\",47110815{}", "[".repeat(600), "]".repeat(600));
    assert_eq!(scrubbed(&text), text.replace("EMP-004711", "<BADGE>").replace("47110815", "null"));
}

#[test]
fn j6_lines_that_begin_with_a_literal() {
    json_holds(&LABELS, "null\n{\"a\":47110815}\n");
}

#[test]
fn j7_a_blank_line_makes_any_text_json() {
    assert_eq!(sniff(b"\n[INFO] it is 47110815\n47110815 is it\n", true), Format::Text);
}

#[test]
fn j7_a_blank_line_makes_a_table_json() {
    assert_eq!(scrubbed("\n\"a\",\"b\"\n\"left\",\"right\"\n"), "\n\"a\",\"b\"\n\"<PAIR>\",\"<PAIR>\"\n");
}

#[test]
fn j8_a_table_with_quoted_names_and_tabs_is_json() {
    assert_eq!(scrubbed("\"a\"\t\"b\"\nleft\tright\n"), "\"a\"\t\"b\"\n<PAIR>\t<PAIR>\n");
}

#[test]
fn j9_utf16() {
    let text: Vec<u8> = "\u{feff}{\"a\":47110815}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (out, _) = run(&LABELS, &text).unwrap();
    let units: Vec<_> = out.chunks(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    assert_eq!(String::from_utf16(&units).unwrap(), "\u{feff}{\"a\":null}");
}

// --- tables ---

#[test]
fn c1_rows_longer_than_the_head() {
    let wide = "x".repeat(9000);
    let text = format!("a,b,c\n{wide},left,right\n");
    assert_eq!(scrubbed(&text), format!("a,b,c\n{wide},<PAIR>,<PAIR>\n"));
}

#[test]
fn c2_names_in_angles() {
    assert_eq!(scrubbed("<A>,<B>\nleft,right\n"), "<A>,<B>\n<PAIR>,<PAIR>\n");
}

#[test]
fn c3_lines_that_end_in_cr() {
    assert_eq!(scrubbed("a,b\rleft,right\r"), "a,b\r<PAIR>,<PAIR>\r");
}

#[test]
fn c4_one_row_that_is_no_such() {
    assert_eq!(scrubbed("# export\na,b\nleft,right\n"), "# export\na,b\n<PAIR>,<PAIR>\n");
}

// --- markup: leaks ---

#[test]
fn m01_apostrophe_in_a_comment_of_a_dtd() {
    is_gone("<?xml version='1.0'?><!DOCTYPE a [<!-- don't -->]><a>it's EMP-004711</a>");
}

#[test]
fn m02_apostrophe_in_an_instruction_of_a_dtd() {
    is_gone("<?xml version='1.0'?><!DOCTYPE a [<?x don't?>]><a>it's EMP-004711</a>");
}

#[test]
fn m03_bogus_comment_of_html_with_a_quote() {
    is_gone("<html><!don't>it's EMP-004711");
}

#[test]
fn m04_bogus_comment_of_html_with_a_bracket() {
    is_gone("<html><![a[>EMP-004711");
}

#[test]
fn m05_title_holds_no_tags() {
    is_gone("<html><title>a <b EMP-004711</title>");
}

#[test]
fn m06_textarea_holds_no_tags() {
    is_gone("<html><textarea>a <b EMP-004711</textarea>");
}

#[test]
fn m07_script_goes_on() {
    is_gone("<html><script></scripts EMP-004711</script>");
}

#[test]
fn m08_no_tag_of_html() {
    is_gone("<html><_a EMP-004711");
}

#[test]
fn m09_no_tag_of_html() {
    is_gone("<html><\u{e9} EMP-004711");
}

#[test]
fn m10_script_in_xhtml() {
    is_gone("<?xml version='1.0'?><html><script>if (a<b && c == \"EMP-004711\") d()</script></html>");
}

#[test]
fn m11_script_behind_the_head() {
    is_gone(&format!("<h1>x</h1>{}<script>if (a<b && c == \"EMP-004711\") d()</script>", " ".repeat(1024)));
}

/// A finding of names and values of attributes stands in each, and no two names are the same.
#[test]
fn m17_partly_in_the_frame_is_not_told() {
    let (out, summary) = run(&LABELS, b"<a left=\"\" A1=\"right\"/>").unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "<a PAIR=\"\" PAIR_2=\"&lt;PAIR&gt;\"/>");
    assert_eq!(summary.unfit, 0);
}

#[test]
fn m12_a_chat() {
    is_gone("<john> hello\n<jane EMP-004711> hello\n");
}

#[test]
fn m13_prose_behind_a_label() {
    is_gone("<PERSON> wrote: if x <y then call EMP-004711\n");
}

#[test]
fn m14_equals_before_a_name() {
    is_gone("<html><p =\">x\" EMP-004711");
}

#[test]
fn m15_a_quote_too_many() {
    is_gone("<html><p title='it's EMP-004711'>x</p>");
}

#[test]
fn m16_a_template() {
    is_gone("<html><p {{EMP-004711}}>x</p>");
}

// --- markup: no longer parses ---

#[test]
fn n1_xml_that_begins_otherwise() {
    let mut wrong = false;
    for text in [
        "<!DOCTYPE a><a>EMP-004711</a>",
        "<!DOCTYPE  html><a>EMP-004711</a>",
        "<\u{e9}>EMP-004711</\u{e9}>",
        "<a\u{e9}>EMP-004711</a\u{e9}>",
        "<?x ?><a>EMP-004711</a>",
        &format!("<a x=\"{}\">EMP-004711</a>", "x".repeat(1100)),
    ] {
        let out = scrubbed(text);
        let start: String = text.chars().take(30).collect();
        let is_broken = out.contains("<BADGE>");
        println!("{start}: {:?}, broken: {is_broken}", sniff(text.as_bytes(), true));
        wrong |= is_broken;
    }
    assert!(!wrong);
}

#[test]
fn n2_xml_with_scripts_is_not_html() {
    let out = scrubbed("<svg><script/><b>EMP-004711</b></svg>");
    assert!(!out.contains("<BADGE>"), "{out}");
}

#[test]
fn n3_target_of_an_instruction() {
    let out = scrubbed("<a><?EMP-004711 x?></a>");
    assert!(!out.contains("<?&"), "{out}");
}

#[test]
fn n4_public_identifier() {
    let out = scrubbed("<?xml version='1.0'?><!DOCTYPE a PUBLIC \"EMP-004711\" \"x\"><a/>");
    assert!(!out.contains("\"&lt;"), "{out}");
}

#[test]
fn n5_two_dashes_in_a_comment() {
    let out = with(&MASK, "<a><!--left-->,right</a>");
    assert_eq!(out.matches("--").count(), 2, "{out}");
}

/// The mask of what reaches over the end of a section stands in it whole.
#[test]
fn n5_end_of_a_section_in_a_section() {
    let out = with(&MASK, "<a><![CDATA[left]]>right</a>");
    assert_eq!(out.matches("]]>").count(), 1, "{out}");
}

#[test]
fn n6_half_a_reference() {
    let out = with(&MASK, "<a>left<![CDATA[&#;]]>right</a>");
    assert!(!out.split("<![CDATA[").next().unwrap().contains("&#;"), "{out}");
}

/// The name of a namespace is no text: two that became one would make one attribute of two.
#[test]
fn n7_namespaces_stay_apart() {
    let text = "<a xmlns:x=\"a@b.com\" xmlns:y=\"c@d.com\" x:i=\"1\" y:i=\"EMP-004711\"/>";
    let (out, summary) = run(&LABELS, text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), text.replace("EMP-004711", "&lt;BADGE&gt;"));
    assert_eq!(summary.unfit, 2);
}

#[test]
fn n7_namespaces_stay_apart_builtin() {
    let out =
        with(&BUILTIN, "<a xmlns:x=\"http://x.acme.com/1\" xmlns:y=\"http://y.acme.com/2\" x:i=\"1\" y:i=\"2\"/>");
    assert!(out.matches("\"&lt;URL&gt;\"").count() < 2, "{out}");
}

#[test]
fn n8_a_namespace_is_not_empty() {
    let out = with(&DROP, "<a xmlns:x=\"a@b.com\"/>");
    assert!(!out.contains("\"\""), "{out}");
}

#[test]
fn n9_a_bare_value_that_is_dropped() {
    let out = with(&DROP, "<html><a b=EMP-004711 c=d>");
    assert!(!out.contains("b= c"), "{out}");
}

#[test]
fn n10_what_is_only_signs_has_no_label() {
    // A finding without a letter or digit.
    let toml = r#"
        [[detector]]
        name = "signs"
        type = "SIGNS"
        pattern = '!!!!'
        score = 0.6
        max_length = 4
        examples = ["!!!!"]
        counter_examples = ["!"]
    "#;
    let engine = Engine::new(detector::read("test", toml).unwrap(), &Policy::default()).unwrap();
    assert_eq!(with(&job(&Arc::new(engine)), r#"["!!!!"]"#), r#"["<SIGNS>"]"#);
}

// --- out of step ---

fn tokens() -> Job {
    let toml = r#"
        [[detector]]
        name = "badge"
        type = "BADGE"
        pattern = 'EMP-[0-9]{6}'
        score = 0.6
        max_length = 10
        examples = ["EMP-004711"]
        counter_examples = ["EMP-47"]
        [[detector]]
        name = "token"
        type = "TOKEN"
        pattern = 'sk_[a-z0-9-]{4,}'
        literals = ["sk_"]
        score = 0.9
        max_length = 4096
        examples = ["sk_abcd"]
        counter_examples = ["sk_a"]
    "#;
    job(&Arc::new(Engine::new(detector::read("test", toml).unwrap(), &Policy::default()).unwrap()))
}

fn does_not_depend_on_the_cut(job: &Job, text: &str) {
    let mut outs = Vec::new();
    for size in [1 << 20, 1] {
        let mut out = Vec::new();
        scrub(&mut Pieces(text.as_bytes(), size, None), &mut out, job).unwrap();
        outs.push(String::from_utf8(out).unwrap());
    }
    let tail = |text: &str| text[text.len() - 90..].to_owned();
    assert_eq!(tail(&outs[1]), tail(&outs[0]));
}

/// The token reaches over the margin of the first segment, and the lexer waits for what is behind its last dash there.
#[test]
fn s1_pending_bytes_are_passed() {
    let job = tokens();
    for pad in [65_480, 65_481] {
        let text = format!(
            "<a><!--{} sk_{}--><b>EMP-004711</b><c>EMP-004711</c></a>",
            "x ".repeat(pad).split_at(pad).0,
            "a-".repeat(3000)
        );
        does_not_depend_on_the_cut(&job, &text);
    }
}

/// Likewise, where what is waited for is of the frame.
#[test]
fn s1_pending_frame_is_passed() {
    let job = tokens();
    // Up to the margin of the first segment: 64 KiB and 4 KiB.
    let reach = 68 * 1024;
    for behind in 0..4 {
        let head = format!("<a><!--{} sk_", "x ".repeat(32_700));
        let text = format!(
            "{head}{}--><b>EMP-004711</b><c>EMP-004711</c></a>{}",
            "a".repeat(reach - head.len() - behind),
            "<d>x</d>".repeat(20)
        );
        does_not_depend_on_the_cut(&job, &text);
        let mut out = Vec::new();
        scrub(&mut Pieces(text.as_bytes(), 1, None), &mut out, &job).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("--><b>&lt;BADGE&gt;</b><c>&lt;BADGE&gt;</c>"), "{}", &out[out.len() - 250..]);
    }
}

#[test]
fn s2_pending_bytes_are_passed_builtin() {
    for pad in 65_480..65_496 {
        let url = format!("https://example.com/?{}", "a=1&bcdefgh=2&".repeat(500));
        let text = format!(
            "<html><p>{}<a href=\"{url}\">john@example.com</a>john@example.com",
            "x ".repeat(pad).split_at(pad).0
        );
        does_not_depend_on_the_cut(&BUILTIN, &text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn s3_no_format_depends_on_the_cut(
        pieces in proptest::collection::vec(prop_oneof![
            4 => (1_usize..9000, 0_usize..4).prop_map(|(n, which)| format!("sk_{}", ["a7-", "a&b", "a=\"", "a]]"][which].repeat(n / 3))),
            3 => Just("EMP-004711".to_owned()),
            2 => (1_usize..9000).prop_map(|n| "w ".repeat(n)),
            4 => "(<a b=\"|\">|<!--|-->|\\[|\\]|\\{|\\}|\"|,|:|\n|&amp;|<!\\[CDATA\\[|\\]\\]>|true|-I|\\\\n|</a>|<script>){1,4}",
        ], 1..20),
        size in 1_usize..70_000,
    ) {
        let (job, text) = (tokens(), pieces.concat());
        for format in [Format::Json, Format::Csv(b','), Format::Markup { html: true }, Format::Markup { html: false }] {
            let mut outs = Vec::new();
            for size in [1 << 20, size, 1] {
                let mut out = Vec::new();
                super::super::text(format, &mut Pieces(text.as_bytes(), size, None), &mut out, &job, &mut Summary::default(), None).unwrap();
                outs.push(out);
            }
            prop_assert!(outs[0] == outs[1], "{format:?} {size}");
            prop_assert!(outs[0] == outs[2], "{format:?}");
        }
    }
}

// --- compression ---

const CODECS: [Codec; 6] = [Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz, Codec::Lz4, Codec::Snappy];

fn sample() -> Vec<u8> {
    let mut sample = String::new();
    for line in 0..3000 {
        writeln!(sample, "line {line} of EMP-004711 {}", line * 7919 % 1000).unwrap();
    }
    sample.into_bytes()
}

#[test]
fn x1_errors_of_the_source_are_told() {
    let mut wrong = Vec::new();
    for codec in CODECS {
        let packed = compressed::pack(codec, &sample());
        for kind in [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::WouldBlock,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::InvalidData,
            io::ErrorKind::Other,
        ] {
            for at in (11..=packed.len()).step_by(1.max(packed.len() / 200)).chain(packed.len() - 40..=packed.len()) {
                let mut out = Vec::new();
                let result = scrub(&mut Pieces(&packed[..at], 997, Some(kind)), &mut out, &LABELS);
                if !matches!(result, Err(FormatError::Read(_))) {
                    wrong.push((codec, kind, at, packed.len(), result.map(|_| ()).map_err(|error| error.to_string())));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn x2_what_is_cut_is_broken() {
    let mut wrong = Vec::new();
    for codec in CODECS {
        let packed = compressed::pack(codec, &sample());
        let head = &packed[..11];
        let mut cuts: Vec<_> = (head.len()..packed.len()).step_by(1.max(packed.len() / 300)).collect();
        cuts.extend(packed.len().saturating_sub(40)..packed.len());
        let passed: Vec<_> = cuts.into_iter().filter(|cut| run(&LABELS, &packed[..*cut]).is_ok()).collect();
        if !passed.is_empty() {
            wrong.push((codec, packed.len(), passed));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn x3_what_is_behind_is_told() {
    let mut wrong = Vec::new();
    for codec in CODECS {
        let packed = compressed::pack(codec, b"text\n");
        for len in [1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 100] {
            for byte in [b'x', 0] {
                let source = [&packed[..], &vec![byte; len]].concat();
                // Zeros in fours are padding of xz.
                let is_padding = codec == Codec::Xz && byte == 0 && len % 4 == 0;
                if run(&LABELS, &source).is_ok() && !is_padding {
                    wrong.push((codec, char::from(byte), len));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn x4_pieces_of_any_size_are_read() {
    for codec in CODECS {
        let packed =
            [compressed::pack(codec, &sample()), compressed::pack(codec, b""), compressed::pack(codec, &sample())]
                .concat();
        for size in [1, 2, 3, 5, 7, 4096] {
            let mut out = Vec::new();
            scrub(&mut Pieces(&packed, size, None), &mut out, &LABELS)
                .unwrap_or_else(|error| panic!("{codec:?} {size}: {error}"));
            let text = String::from_utf8(compressed::unpack(codec, &out)).unwrap();
            assert_eq!(text.matches("<BADGE>").count(), 6000, "{codec:?} {size}");
        }
    }
}

#[test]
fn x5_bombs_in_bombs() {
    // 1 GiB in a few KiB, of which no layer gives more than is allowed.
    let inner: Vec<u8> = (0..8_u32 << 20).flat_map(|n| if n % 512 == 0 { n.to_le_bytes() } else { [0; 4] }).collect();
    let one = compressed::pack(Codec::Zstd, &inner);
    // Frames one after the other.
    let many = one.repeat(32);
    let outer = compressed::pack(Codec::Zstd, &many);
    let job = Job { actor: None, on_unknown: Rule::Pass, ..LABELS.clone() };
    let result = run(&job, &outer);
    assert!(
        matches!(result, Err(FormatError::Limit(_))),
        "{} bytes of {} of {}: {:?}",
        outer.len(),
        many.len(),
        inner.len() * 32,
        result.map(|(_, summary)| summary.passed)
    );
}

#[test]
fn x7_frames_of_lz4_with_other_blocks() {
    let packed = [compressed::pack(Codec::Lz4, &sample()), compressed::pack(Codec::Lz4, b"text")].concat();
    run(&LABELS, &packed).unwrap();
}

#[test]
fn x8_magic_of_lz4_alone() {
    assert!(run(&LABELS, b"\x04\x22\x4D\x18").is_err());
}

#[test]
fn x6_empty_files() {
    for codec in CODECS {
        let packed = compressed::pack(codec, b"");
        let (out, _) = run(&LABELS, &packed)
            .unwrap_or_else(|error| panic!("{codec:?}: {error} {packed:?} {:?}", sniff(&packed, true)));
        assert_eq!(compressed::unpack(codec, &out), b"", "{codec:?}");
    }
    assert_eq!(run(&LABELS, b"").unwrap().0, b"");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn j10_any_strategy_leaves_json(
        values in proptest::collection::vec(values(), 1..4), which in 0_usize..crate::act::Strategy::ALL.len(),
    ) {
        let strategy = crate::act::Strategy::ALL[which];
        if strategy == crate::act::Strategy::Block {
            return Ok(());
        }
        let job = job(&engine(strategy));
        let text = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let text = text.chars().map(|c| if c.is_ascii() { c.to_string() } else { "\\ud83d\\ude0a".to_owned() }).collect::<String>();
        let mut out = Vec::new();
        super::super::text(Format::Json, &mut text.as_bytes(), &mut out, &job, &mut Summary::default(), None).unwrap();
        let out = String::from_utf8(out).unwrap();
        let read = reads(&out);
        prop_assert!(read.as_ref().is_ok_and(|read| read.len() == values.len()), "{strategy:?} {text} became {out}: {read:?}");
    }

    #[test]
    fn c10_any_strategy_leaves_tables(
        rows in proptest::collection::vec(proptest::collection::vec(words(), 3), 1..6), which in 0_usize..crate::act::Strategy::ALL.len(), all in any::<bool>(),
    ) {
        let strategy = crate::act::Strategy::ALL[which];
        if strategy == crate::act::Strategy::Block {
            return Ok(());
        }
        let job = job(&engine(strategy));
        let style = if all { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let mut writer = ::csv::WriterBuilder::new().quote_style(style).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mut out = Vec::new();
        super::super::text(Format::Csv(b','), &mut &text[..], &mut out, &job, &mut Summary::default(), None).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(&out[..]);
        let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), rows.len());
    }
}
