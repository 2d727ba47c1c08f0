use std::io::Read;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::super::tests::{LABELS, run};
use super::super::{Job, Limits, compressed};
use super::*;

/// A record with its digests; `fields`: further ones.
fn record(fields: &str, block: &[u8]) -> Vec<u8> {
    let zero = b"sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ";
    let digest = Kind::of(zero).unwrap().digest(zero, &mut &block[..]).unwrap();
    let head = format!(
        "WARC/1.0\r\n{fields}WARC-Date: 2026-01-02T03:04:05Z\r\nWARC-Record-ID: <urn:uuid:a2b1c3d4-0000-4000-8000-000000004711>\r\nWARC-Block-Digest: {}\r\nContent-Length: {}\r\n\r\n",
        String::from_utf8(digest).unwrap(),
        block.len()
    );
    [head.as_bytes(), block, b"\r\n\r\n"].concat()
}

fn response(head: &str, payload: &[u8]) -> Vec<u8> {
    let block = [format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), payload].concat();
    record("WARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n", &block)
}

/// Fields and blocks, if lengths and digests hold.
fn read(mut warc: &[u8]) -> Option<Vec<(Fields, Vec<u8>)>> {
    let mut records = Vec::new();
    loop {
        let (head, complete) = read_head(&mut warc, HEAD).unwrap();
        if head.is_empty() {
            return Some(records);
        }
        let fields = Fields::parse(&head);
        let length = number(fields.value("content-length")?)? as usize;
        let (block, rest) = warc.split_at_checked(length).filter(|_| is_warc(&head) && complete)?;
        if let Some(value) = fields.value("warc-block-digest") {
            let digest = Kind::of(value)?.digest(value, &mut &block[..]).unwrap();
            assert_eq!(digest, value);
        }
        warc = rest.strip_prefix(b"\r\n\r\n")?;
        records.push((fields, block.to_vec()));
    }
}

fn records(warc: &[u8]) -> Vec<(Fields, Vec<u8>)> {
    read(warc).unwrap_or_else(|| panic!("{}", warc.escape_ascii()))
}

fn scrubbed(source: &[u8]) -> Vec<u8> {
    let out = run(&LABELS, source).unwrap().0;
    assert!(!["EMP-004711", "a@b.com", "47110815"].iter().any(|value| out.escape_ascii().to_string().contains(value)));
    out
}

#[test]
fn blocks_are_treated_as_what_they_are() {
    let json = b"{\"n\": 47110815, \"s\": \"EMP-004711\"}";
    let packed = compressed::pack(Codec::Gzip, json);
    let source = [
        record("WARC-Type: warcinfo\r\nContent-Type: application/warc-fields\r\n", b"operator: a@b.com\r\n"),
        response("Content-Length: 34\r\nSet-Cookie: a@b.com\r\nContent-Type: application/json\r\n", json),
        response(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", packed.len()), &packed),
        record(
            "WARC-Type: request\r\nWARC-Target-URI: http://a@b.com/x\r\nContent-Type: application/http; msgtype=request\r\n",
            b"GET /a@b.com HTTP/1.1\r\nHost: x.org\r\n\r\n",
        ),
        record("WARC-Type: resource\r\nContent-Type: text/csv\r\n", b"a,b\r\nEMP-004711,1\r\n2,3\r\n"),
        record("WARC-Type: revisit\r\nContent-Type: application/http\r\n", b"HTTP/1.1 304 of a@b.com\r\nX: EMP-004711\r\n\r\n"),
    ]
    .concat();
    let found = records(&scrubbed(&source));
    let blocks: Vec<_> = found.iter().map(|(_, block)| String::from_utf8_lossy(block)).collect();
    assert_eq!(blocks[0], "operator: <MAIL>\r\n");
    assert_eq!(
        blocks[1],
        "HTTP/1.1 200 OK\r\nContent-Length: 29\r\nSet-Cookie: <MAIL>\r\nContent-Type: application/json\r\n\r\n{\"n\": null, \"s\": \"<BADGE>\"}"
            .replace("29", &r#"{"n": null, "s": "<BADGE>"}"#.len().to_string())
    );
    let (head, complete) = read_head(&mut &found[2].1[..], HEAD).unwrap();
    assert!(complete);
    assert_eq!(compressed::unpack(Codec::Gzip, &found[2].1[head.len()..]), br#"{"n": null, "s": "<BADGE>"}"#);
    assert_eq!(
        Fields::parse(&head).value("content-length").unwrap(),
        (found[2].1.len() - head.len()).to_string().as_bytes()
    );
    assert_eq!(blocks[3], "GET /<MAIL> HTTP/1.1\r\nHost: x.org\r\n\r\n");
    assert_eq!(found[3].0.value("warc-target-uri").unwrap(), b"http://<MAIL>/x");
    assert_eq!(blocks[4], "a,b\r\n<BADGE>,1\r\n2,3\r\n");
    assert_eq!(blocks[5], "HTTP/1.1 304 of <MAIL>\r\nX: <BADGE>\r\n\r\n");
    assert_eq!(found[5].0.value("warc-record-id").unwrap(), b"<urn:uuid:a2b1c3d4-0000-4000-8000-000000004711>");
}

#[test]
fn what_does_not_change_stays() {
    let chunks = b"4\r\nsome\r\n5\r\n text\r\n0\r\n\r\n";
    let mut wrong = record("WARC-Type: resource\r\n", b"a text");
    let at = wrong.windows(5).position(|bytes| bytes == b"sha1:").unwrap() + 5;
    wrong[at..at + 4].copy_from_slice(b"AAAA");
    let source = [
        response("Content-Length: 99999\r\n", b"text"),
        response("Transfer-Encoding: chunked\r\n", chunks),
        response("Transfer-Encoding: chunked\r\n", b"no chunks"),
        record("WARC-Type: resource\r\n", b""),
        record("WARC-Type: response\r\nContent-Type: application/http\r\n", b"HTTP/1.1 200 OK\r\nno end"),
        wrong,
    ]
    .concat();
    assert_eq!(run(&LABELS, &source).unwrap().0.escape_ascii().to_string(), source.escape_ascii().to_string());
    let unended = source.strip_suffix(b"\r\n\r\n").unwrap();
    assert_eq!(run(&LABELS, unended).unwrap().0, unended);
}

#[test]
fn chunks_become_one() {
    let text = b"3\r\nEMP\r\na;x=a@b.com\r\n-004711 ok\r\n0\r\nX-Mail: a@b.com\r\n\r\n";
    let raw = b"sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ";
    let kind = Kind::of(raw).unwrap();
    for (of, expected) in [
        (&text[..], &b"a\r\n<BADGE> ok\r\n0\r\n\r\n"[..]),
        // Of what is in the chunks.
        (b"EMP-004711 ok", b"<BADGE> ok"),
    ] {
        let digest = String::from_utf8(kind.digest(raw, &mut &of[..]).unwrap()).unwrap();
        let block = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], text].concat();
        let fields = format!("WARC-Payload-Digest: {digest}\r\nContent-Type: application/http\r\n");
        let found = records(&scrubbed(&record(&fields, &block)));
        assert_eq!(
            found[0].1.escape_ascii().to_string(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n<BADGE> ok\r\n0\r\n\r\n"
                .escape_ascii()
                .to_string()
        );
        assert_eq!(found[0].0.value("warc-payload-digest").unwrap(), kind.digest(raw, &mut &expected[..]).unwrap());
    }
}

#[test]
fn a_digest_of_an_unknown_kind_is_dropped() {
    let source = record("WARC-Payload-Digest: blake3:00\r\n", b"of a@b.com");
    let (out, summary) = run(&LABELS, &source).unwrap();
    let found = records(&out);
    assert!(found[0].0.value("warc-payload-digest").is_none());
    assert_eq!(summary.bad_records, 1);
    assert_eq!(summary.format, Some(Format::Warc));
}

#[test]
fn a_member_stays_a_record() {
    let source: Vec<Vec<u8>> = (0..20).map(|index| response("", format!("{index} EMP-004711").as_bytes())).collect();
    for codec in [Codec::Gzip, Codec::Zstd] {
        let packed: Vec<u8> = source.iter().flat_map(|record| compressed::pack(codec, record)).collect();
        let out = run(&LABELS, &packed).unwrap().0;
        assert_eq!(records(&compressed::unpack(codec, &out)).len(), 20);
        // Each begins where a member does.
        let magic = &compressed::pack(codec, b"")[..3];
        let starts: Vec<_> = (0..out.len()).filter(|at| out[*at..].starts_with(magic)).collect();
        let alone = |at: &&usize| {
            let mut record = Vec::new();
            match codec {
                Codec::Gzip => flate2::read::GzDecoder::new(&out[**at..]).read_to_end(&mut record).is_ok(),
                _ => zstd::stream::read::Decoder::new(&out[**at..])
                    .and_then(|decoder| decoder.single_frame().read_to_end(&mut record))
                    .is_ok(),
            }
            .then(|| assert_eq!(records(&record).len(), 1))
            .is_some()
        };
        assert_eq!(starts.iter().filter(alone).count(), 20);
    }
    // Of other kinds it is one stream.
    let packed = compressed::pack(Codec::Xz, &source.concat());
    assert_eq!(records(&compressed::unpack(Codec::Xz, &run(&LABELS, &packed).unwrap().0)).len(), 20);
}

#[test]
fn media_and_what_is_unknown_follow_their_rules() {
    let image = response("Content-Type: image/png\r\n", b"\x89PNG\r\n\x1A\n\0\0 EMP-004711");
    let error = run(&LABELS, &image);
    assert!(matches!(error, Err(FormatError::Unknown { what: "PNG", nested: true, .. })), "{error:?}");
    let passing = Job { on_media: Rule::Pass, ..LABELS.clone() };
    let (out, summary) = run(&passing, &image).unwrap();
    assert_eq!((out, summary.passed), (image, [("PNG", 1)].into()));
}

#[test]
fn what_lies_is_told() {
    let good = record("WARC-Type: resource\r\n", b"some EMP-004711 text");
    let with = |from: &str, to: &str| String::from_utf8(good.clone()).unwrap().replace(from, to).into_bytes();
    for source in [
        with("Content-Length: 20", "Content-Length: 25"),
        with("Content-Length: 20", "Content-Length: 19"),
        with("Content-Length: 20", "Content-Length: 18446744073709551615"),
        with("Content-Length: 20", "Content-Length: 99999999999999999999999"),
        with("Content-Length: 20", "Content-Length: -1"),
        with("Content-Length: 20", "Content-Length: 20\r\nContent-Length: 20"),
        with("Content-Length: 20", "Content-Size: 20"),
        good[..good.len() - 5].to_vec(),
        good[..100].to_vec(),
        [&good[..], b"EMP-004711"].concat(),
        [&good[..], &b"\r\n".repeat(200)].concat(),
    ] {
        let done = run(&LABELS, &source);
        assert!(matches!(done, Err(FormatError::Broken { format: "warc", .. })), "{done:?} {}", source.escape_ascii());
        let packed = run(&LABELS, &compressed::pack(Codec::Gzip, &source));
        assert!(matches!(packed, Err(FormatError::Broken { format: "warc", .. })), "{packed:?}");
    }
    let pieces = with("WARC-Type: resource", "WARC-Type: resource\r\nWARC-Segment-Number: 1");
    assert!(matches!(run(&LABELS, &pieces), Err(FormatError::Unknown { .. })));
    let bomb = [b"WARC/1.0\r\n", &b"a: b\r\n".repeat(HEAD / 6)[..]].concat();
    assert!(matches!(run(&LABELS, &bomb), Err(FormatError::Limit(_))));
    let deep = (0..9).fold(b"text".to_vec(), |inner, _| record("WARC-Type: resource\r\n", &inner));
    assert!(matches!(run(&LABELS, &deep), Err(FormatError::Limit(_))));
    // A head of HTTP without an end is text.
    let long = record(
        "Content-Type: application/http\r\n",
        &[b"HTTP/1.1 200 OK\r\n", &b"a: EMP-004711\r\n".repeat(100_000)[..]].concat(),
    );
    assert!(records(&scrubbed(&long))[0].1.ends_with(b"a: <BADGE>\r\n"));
}

#[test]
fn what_is_only_looked_at_is_counted() {
    let looking = Job { actor: None, limits: Limits::default(), ..LABELS.clone() };
    let source = [
        response("Transfer-Encoding: chunked\r\nX: a@b.com\r\n", b"3\r\nEMP\r\n7\r\n-004711\r\n0\r\n\r\n"),
        response("", b"EMP-004711"),
    ]
    .concat();
    for source in [source.clone(), compressed::pack(Codec::Gzip, &source)] {
        let (out, summary) = run(&looking, &source).unwrap();
        assert!(out.is_empty());
        assert_eq!((summary.findings["BADGE"], summary.findings["MAIL"]), (2, 1));
    }
}

/// What is called text is treated as what it is.
#[test]
fn a_block_of_fields_is_no_cover() {
    let packed = compressed::pack(Codec::Gzip, b"EMP-004711");
    for fields in ["WARC-Type: warcinfo\r\n", "Content-Type: application/warc-fields\r\n"] {
        let found = records(&scrubbed(&record(fields, &packed)));
        assert_eq!(compressed::unpack(Codec::Gzip, &found[0].1), b"<BADGE>");
        let image = run(&LABELS, &record(fields, b"\x89PNG\r\n\x1A\n\0\0 EMP-004711"));
        assert!(matches!(image, Err(FormatError::Unknown { what: "PNG", nested: true, .. })), "{image:?}");
    }
}

#[test]
fn only_what_has_its_exact_form_is_not_looked_at() {
    for hidden in [
        "WARC-Refers-To-Date: 47110815",
        "WARC-Refers-To-Date: 2026-01-02T47110815Z",
        "WARC-Refers-To-Date: 2026-01-02T03:04:05.0047110815Z",
        "WARC-Refers-To: <urn:uuid:47110815---------------------------->",
        "WARC-Refers-To: <urn:uuid:4711081500000000000000000000000000>",
        "WARC-Concurrent-To: <urn:uuid:EMP-004711>",
        "WARC-Profile: http://netpreserve.org/warc/1.0/47110815",
        "WARC-Profile: http://netpreserve.org/warc/47110815",
    ] {
        scrubbed(&record(&format!("{hidden}\r\n"), b""));
    }
    for (name, value) in [
        ("WARC-Date", "2026"),
        ("WARC-Date", "2026-01-02"),
        ("WARC-Date", "2026-01-02T03:04Z"),
        ("WARC-Date", "2026-01-02T03:04:05.123456789Z"),
        ("warc-refers-to", "<urn:uuid:4711081f-0000-4000-8000-000047110815>"),
        ("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"),
    ] {
        assert!(is_fixed(name.as_bytes(), value.as_bytes()), "{value}");
    }
}

proptest! {
    /// Lengths and digests hold, whatever is in the blocks.
    #[test]
    fn what_was_warc_is_warc(
        blocks in proptest::collection::vec((any::<bool>(), any::<bool>(), "(EMP-004711|a@b\\.com|[a-z0-9 {\",\r\n:]){0,40}"), 1..5),
        cut in any::<proptest::sample::Index>(),
    ) {
        let of = |(http, chunked, text): &(bool, bool, String)| match (http, chunked) {
            (false, _) => record("", text.as_bytes()),
            (true, false) => response("A: b\r\n", text.as_bytes()),
            (true, true) => response("Transfer-Encoding: chunked\r\n", text.as_bytes()),
        };
        let source: Vec<u8> = blocks.iter().flat_map(of).collect();
        let out = run(&LABELS, &source).unwrap().0;
        prop_assert_eq!(records(&out).len(), blocks.len());
        prop_assert!(!out.windows(7).any(|bytes| bytes == b"a@b.com"));
        // Cut anywhere it is told, or ends behind a record.
        let cut = &source[..cut.index(source.len())];
        if let Ok((out, _)) = run(&LABELS, cut) {
            prop_assert!(out.is_empty() || !is_warc(cut) || records_end(&out));
        }
    }
}

/// Whether the last block is complete; the line ends behind it may be cut.
fn records_end(warc: &[u8]) -> bool {
    (0..=4).any(|missing| read(&[warc, &b"\r\n\r\n"[4 - missing..]].concat()).is_some())
}
