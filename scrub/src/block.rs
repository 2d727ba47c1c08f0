//! Blocks with a begin and an end: private keys in PEM (RFC 7468), of OpenSSH, PGP (RFC 9580, section 6.2; messages too) and `PuTTY`, and PEM in
//! base64. They are replaced from `BEGIN` to `END`, or up to the first line that cannot belong: without an `END` all that may belong is
//! replaced. They may be longer than a segment, so an open one is a state of the stream. Certificates and public keys are no secrets.
//!
//! Lines may be quoted (`> `), indented, commented, in quotes, and end in `\n` in letters, as in JSON, in `%0A` or in `<br>`.

use std::ops::Range;

use memchr::memmem;

use crate::validate::secrets::decode;

/// The name by which a detector asks for blocks: `code = "block"`.
pub const CODE: &str = "block";

/// The least base64 that is taken for the body of a key on its own: fewer may be a word.
const BODY: usize = 16;

/// The least base64 that is taken for a begin and some of a body.
const ENCODED: usize = 64;

/// The longest label of a begin or an end, with its dashes.
const LABEL: usize = 96;

/// So much of a line is treated at once.
const PIECE: usize = 1024;

/// A block that goes on from one segment into the next.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    open: Option<Open>,
    /// So many bytes of the next segment were treated with the one before.
    ahead: usize,
}

/// What is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    armor: Armor,
    /// The segment ended in the midst of a line.
    in_line: bool,
    /// The length of the last line of base64.
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Armor {
    /// Dashes, BEGIN, label, dashes.
    Dashes,
    /// A key file of `PuTTY`: it begins with its version and ends with its MAC.
    Putty,
    /// Dashes and all in base64.
    Base64,
}

/// A block, or the part of one that lies in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// In the window. Empty when a block turns out to have ended with the segment before.
    pub range: Range<usize>,
    /// It began in a segment before.
    pub continued: bool,
    /// It goes on in the next segment.
    pub continues: bool,
}

impl Blocks {
    /// The blocks of the segment `core` of `window`; `last` when nothing follows the window.
    pub fn scan(&mut self, window: &[u8], core: Range<usize>, last: bool) -> Vec<Block> {
        let mut blocks = Vec::new();
        if self.ahead > core.len() {
            self.ahead -= core.len();
            return blocks;
        }
        let mut at = core.start + std::mem::take(&mut self.ahead);
        if let Some(open) = self.open {
            let start = at;
            at = self.follow(open, window, at, core.end, last);
            blocks.push(Block { range: start..at, continued: true, continues: self.open.is_some() });
        }
        for (range, armor) in begins(window, at..core.end.max(at)) {
            if self.open.is_some() || range.start < at || !has_body(armor, &window[range.end..], last) {
                continue;
            }
            let open = Open { armor, in_line: true, width: 0 };
            at = self.follow(open, window, range.end, core.end, last);
            blocks.push(Block { range: range.start..at, continued: false, continues: self.open.is_some() });
        }
        self.ahead = at.saturating_sub(core.end);
        blocks
    }

    /// Follows an open block from `at`, up to the first line that starts at or after `stop`; returns its end, or where it goes on.
    fn follow(&mut self, mut open: Open, window: &[u8], at: usize, stop: usize, last: bool) -> usize {
        self.open = None;
        let (mut at, mut end) = (at, at);
        while at < stop {
            let line = Line::at(window, at);
            // A long line is treated in pieces; nothing is cut at the end of the segment, since the margin is seen.
            let cut = !(line.seen || last && line.end == window.len());
            let reach = if cut { (line.end + LABEL).min(window.len()) } else { line.end };
            let closing = closing(&window[at..reach])
                .filter(|closing| open.armor == Armor::Dashes && at + closing.start < line.end);
            let content = closing.as_ref().map_or(line.end, |closing| at + closing.start);
            match open.verdict(&window[at..content]) {
                Verdict::Ends(length) => return at + length,
                Verdict::Stops(length) => return if length > 0 { at + length } else { end },
                Verdict::Belongs(length) => {
                    if let Some(closing) = closing {
                        return at + closing.end;
                    }
                    if length > 0 {
                        end = at + length;
                    }
                }
            }
            open.in_line = cut;
            at = line.next;
            if last && at == window.len() {
                return end;
            }
        }
        self.open = Some(open);
        at.max(end)
    }
}

/// What a line is to an open block. Lengths are counted from the start of the line.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// It belongs, and its content ends there; 0 when there is none.
    Belongs(usize),
    /// The block ends there, with this line.
    Ends(usize),
    /// The block ended before, or with so much of this line.
    Stops(usize),
}

impl Open {
    fn verdict(&mut self, line: &[u8]) -> Verdict {
        if let Some(name) = header(line).filter(|_| self.armor != Armor::Base64) {
            let end = line.trim_ascii_end().len();
            let closes = self.armor == Armor::Putty && matches!(name, b"Private-MAC" | b"Private-Hash");
            return if closes { Verdict::Ends(end) } else { Verdict::Belongs(end) };
        }
        let continues = std::mem::take(&mut self.in_line);
        let (mut end, mut count, mut short) = (0, 0, false);
        for token in tokens(line) {
            let length = line[token.clone()].iter().take_while(|byte| is_of_base64(**byte)).count();
            let follows = match self.armor {
                // Of several words only the last may be short: what is short and stands before another is a word of prose.
                Armor::Dashes | Armor::Putty => !short,
                Armor::Base64 => count == 0 && (continues || matches!(self.width, 64 | 76) && length <= self.width),
            };
            if !follows {
                return Verdict::Stops(if short && count == 1 && !continues { 0 } else { end });
            }
            if length < token.len() {
                let quoted = count == 0 && b"\"'\\<,&".contains(&line[token.start + length]);
                return Verdict::Stops(if length >= BODY || quoted { token.start + length } else { end });
            }
            short = length < BODY;
            self.width = length;
            count += 1;
            end = token.end;
        }
        Verdict::Belongs(end)
    }
}

/// The begins of secret blocks that start in `range`, in order, and their kinds.
fn begins(window: &[u8], range: Range<usize>) -> Vec<(Range<usize>, Armor)> {
    const BASE64: &[u8] = b"LS0tLS1CRUdJTi";
    const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
    const BEGIN: &[u8] = b"BEGIN";
    let Range { start: from, end } = range;
    // A begin may reach over the end of the segment.
    let text = &window[from..(end + LABEL).min(window.len())];
    let dashes = memmem::find_iter(text, BEGIN).filter_map(|at| {
        let start = at - [&b"-----"[..], b"---- "].into_iter().find(|dashes| text[..at].ends_with(dashes))?.len();
        let (end, name) = label(text, at + BEGIN.len())?;
        is_secret(&name).then_some((start..end, Armor::Dashes))
    });
    let putty = memmem::find_iter(text, PUTTY).filter_map(|at| {
        let line = Line::at(&text[at..text.len().min(at + LABEL)], 0).end;
        // Its version, and the kind of the key.
        matches!(&text[at + PUTTY.len()..at + line.max(PUTTY.len())], [b'0'..=b'9', b':', b' ', ..])
            .then_some((at..at + line, Armor::Putty))
    });
    let base64 = memmem::find_iter(text, BASE64).filter_map(|at| {
        let head = text[at..].iter().take(LABEL).take_while(|byte| is_of_base64(**byte) && **byte != b'=').count();
        let head = decode(&text[at..at + head / 4 * 4])?;
        let (_, name) = label(&head, b"-----BEGIN".len())?;
        is_secret(&name).then_some((at..at, Armor::Base64))
    });
    let found = dashes.chain(putty).chain(base64);
    let mut begins: Vec<_> = found
        .map(|(found, armor)| (from + found.start..from + found.end, armor))
        .filter(|(found, _)| found.start < end)
        .collect();
    begins.sort_unstable_by_key(|(found, _)| found.start);
    begins
}

/// The label behind BEGIN or END at `at`: where its dashes end, and its name with plain spaces.
fn label(text: &[u8], at: usize) -> Option<(usize, String)> {
    let rest = text.get(at..(at + LABEL).min(text.len()))?;
    let dashes = memmem::find(rest, b"----")?;
    let name = std::str::from_utf8(&rest[..dashes]).ok()?;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" +_%/.".contains(&byte)) {
        return None;
    }
    let end = dashes + rest[dashes..].iter().take_while(|byte| **byte == b'-').count();
    Some((at + end, name.replace("%20", " ").replace(['+', '_'], " ")))
}

fn is_secret(label: &str) -> bool {
    let label = label.trim().to_ascii_uppercase();
    label.contains("PRIVATE KEY") || label == "PGP MESSAGE" || label.starts_with("OPENVPN STATIC KEY")
}

/// Where an `END` in a line starts, and where its dashes end.
fn closing(line: &[u8]) -> Option<Range<usize>> {
    const END: &[u8] = b"END";
    memmem::find_iter(line, END).find_map(|at| {
        let dashes = [&b"-----"[..], b"---- "].into_iter().find(|dashes| line[..at].ends_with(dashes))?;
        let end = at + END.len();
        Some(at - dashes.len()..label(line, end).map_or(end, |(end, _)| end))
    })
}

/// Whether what follows a begin is a key, not code or prose that speaks of one.
fn has_body(armor: Armor, rest: &[u8], last: bool) -> bool {
    if armor == Armor::Base64 {
        let length = rest.iter().take(LABEL).take_while(|byte| is_of_base64(**byte)).count();
        return length >= ENCODED || !last && length == rest.len();
    }
    let mut at = 0;
    while at < rest.len() {
        // As far as to see what it starts with; a header may be longer.
        let line = Line::at(&rest[..rest.len().min(at + LABEL)], at);
        let text = &rest[at..line.end];
        if header(text).is_some() {
            at += memchr::memchr2(b'\n', b'\\', &rest[at..]).map_or(rest.len() - at, |end| end + 1);
            continue;
        }
        if let Some(token) = tokens(text).next() {
            let length = text[token.clone()].iter().take_while(|byte| is_of_base64(**byte)).count();
            return length >= BODY || !last && at + token.start + length == rest.len();
        }
        at = line.next;
    }
    false
}

/// A line of a text, in whatever it ends; or as much of it as is treated at once.
struct Line {
    end: usize,
    /// Where what follows it starts.
    next: usize,
    /// Its end was seen.
    seen: bool,
}

impl Line {
    fn at(text: &[u8], start: usize) -> Self {
        let mut at = start;
        let text = &text[..text.len().min(start + PIECE)];
        while let Some(byte) = text.get(at) {
            let rest = &text[at..];
            let length = match byte {
                b'\n' | b'\r' => 1,
                b'\\' => {
                    let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
                    match rest.get(slashes) {
                        Some(b'n' | b'r') => slashes + 1,
                        _ => 0,
                    }
                }
                b'%' if matches!(rest, [_, b'0', b'a' | b'A' | b'd' | b'D', ..]) => 3,
                b'&' if rest.starts_with(b"&#10;") || rest.starts_with(b"&#13;") => 5,
                b'<' if rest.starts_with(b"<br") => {
                    memchr::memchr(b'>', &rest[..rest.len().min(8)]).map_or(0, |at| at + 1)
                }
                _ => 0,
            };
            if length > 0 {
                return Self { end: at, next: at + length, seen: true };
            }
            at += 1;
        }
        // What may be the start of an end is left to the next piece.
        let tail = text.len().saturating_sub(8).max(start + 1).min(text.len());
        let end = text[tail..].iter().position(|byte| b"\\&<%".contains(byte)).map_or(text.len(), |at| tail + at);
        let end = if text.len() == start + PIECE { end } else { text.len() };
        Self { end, next: end, seen: false }
    }
}

/// The words of a line, without the signs around them that quote, indent or comment.
fn tokens(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    const OPENS: &[u8] = b"\"'`>|#*;([{,:";
    const CLOSES: &[u8] = b"\"'`,;)]}>\\:&|";
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < line.len() {
            let blank = line[at..].iter().take_while(|byte| is_blank(**byte)).count();
            let start = at + blank;
            let length = line[start..].iter().take_while(|byte| !is_blank(**byte)).count();
            at = start + length;
            let opens = line[start..at].iter().take_while(|byte| OPENS.contains(byte)).count();
            let closes = line[start + opens..at].iter().rev().take_while(|byte| CLOSES.contains(byte)).count();
            let token = start + opens..at - closes;
            let signs = line[token.clone()].iter().all(|byte| b"+/-*=.$".contains(byte));
            if !signs {
                return Some(token);
            }
        }
        None
    })
}

/// The name of a header line of a block.
fn header(line: &[u8]) -> Option<&[u8]> {
    const NAMES: &[&str] = &[
        "Proc-Type",
        "DEK-Info",
        "Version",
        "Comment",
        "Hash",
        "Charset",
        "MessageID",
        "Subject",
        "Encryption",
        "Public-Lines",
        "Private-Lines",
        "Private-MAC",
        "Private-Hash",
        "Key-Derivation",
        "Argon2-Memory",
        "Argon2-Passes",
        "Argon2-Parallelism",
        "Argon2-Salt",
        "X-Vendor",
        "PuTTY-User-Key-File-2",
        "PuTTY-User-Key-File-3",
    ];
    let start = tokens(line).next()?.start;
    let colon = memchr::memchr(b':', &line[start..])?;
    let name = &line[start..start + colon];
    NAMES.iter().any(|known| known.as_bytes() == name).then_some(name)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0B | 0x0C | 0xA0 | 0xC2)
}

/// Of base64, of what is wrapped in quoted-printable or percent signs.
const fn is_of_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'%')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy;

    use super::*;
    use crate::act::Actor;
    use crate::policy::Policy;
    use crate::segment::{HARD, SOFT};
    use crate::template::fill;
    use crate::{Engine, Finding, Scrubber, Sink, detector};

    #[derive(Default)]
    struct Out {
        bytes: Vec<u8>,
        findings: usize,
        /// The most bytes that came in and did not come out.
        held: usize,
        taken: usize,
    }

    impl Sink for Out {
        fn bytes(&mut self, bytes: &[u8]) {
            self.bytes.extend_from_slice(bytes);
        }

        fn finding(&mut self, _: Finding) {
            self.findings += 1;
        }
    }

    fn engine() -> Arc<Engine> {
        let toml = "[[detector]]\nname = 'block'\ntype = 'SECRET'\ncode = 'block'\nscore = 1.0\nmax_length = 4096\n\
                    examples = ['a']\ncounter_examples = ['b']";
        Arc::new(Engine::new(detector::read("test", toml).unwrap(), &Policy::default()).unwrap())
    }

    fn scrub(chunks: &[&[u8]]) -> Out {
        let mut out = Out::default();
        let mut scrubber = Scrubber::new(engine(), Actor::default());
        for chunk in chunks {
            scrubber.push(chunk, &mut out).unwrap();
            out.taken += chunk.len();
            out.held = out.held.max(out.taken.saturating_sub(out.bytes.len()));
        }
        scrubber.finish(&mut out).unwrap();
        out
    }

    fn scrubbed(text: &str) -> String {
        String::from_utf8(scrub(&[text.as_bytes()]).bytes).unwrap()
    }

    /// A key of so many lines, its lines ended by `end`, without the dashes of its begin and end.
    fn body(lines: usize, end: &str) -> String {
        (0..lines).map(|line| fill(&format!("{{base64:{}}}", if line + 1 == lines { 22 } else { 64 })) + end).collect()
    }

    fn key(label: &str, end: &str) -> String {
        format!("-----BEGIN {label}-----{end}{}-----END {label}-----", body(5, end))
    }

    #[test]
    fn every_kind_of_private_key_is_replaced() {
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "EC PRIVATE KEY",
            "DSA PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
            "PGP MESSAGE",
            "OpenVPN Static key V1",
        ] {
            assert_eq!(scrubbed(&format!("a\n{}\nb", key(label, "\n"))), "a\n<SECRET>\nb", "{label}");
        }
        let ssh = format!(
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"x y\"\n{}---- END SSH2 ENCRYPTED PRIVATE KEY ----",
            body(3, "\n")
        );
        assert_eq!(scrubbed(&format!("{ssh}\nb")), "<SECRET>\nb");
        let old = format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{}-----END RSA PRIVATE KEY-----",
            body(3, "\n")
        );
        assert_eq!(scrubbed(&format!("{old}\nb")), "<SECRET>\nb");
        let putty = format!(
            "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: me at home\r\nPublic-Lines: 2\r\n{}Private-Lines: 1\r\n{}Private-MAC: {}\r\nnext",
            body(2, "\r\n"),
            body(1, "\r\n"),
            "0f".repeat(32)
        );
        assert_eq!(scrubbed(&putty), "<SECRET>\r\nnext");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            key("CERTIFICATE", "\n"),
            key("PUBLIC KEY", "\n"),
            key("PGP PUBLIC KEY BLOCK", "\n"),
            "if text.contains(\"-----BEGIN PRIVATE KEY-----\") { return Err(Key) }".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----".to_owned(),
            fill("certificate-authority-data: {b64:-----BEGIN CERTIFICATE-----\n{base64:64}\n{base64:64}\n}"),
        ] {
            assert_eq!(scrubbed(&text), text);
        }
    }

    #[test]
    fn lines_are_quoted_indented_escaped_and_joined() {
        for (end, about) in [
            ("\r\n", "CRLF"),
            ("\n> ", "mail"),
            ("\n    ", "YAML"),
            ("\\n", "JSON"),
            ("\\\\n", "JSON in JSON"),
            ("\\n\" +\n  \"", "code"),
            (" ", "blanks"),
            ("\n// ", "comment"),
            ("\\r\\n", "JSON, CRLF"),
            ("%0A", "URL"),
            ("<br>\n", "HTML"),
            ("\n\n", "blank lines"),
        ] {
            let text = format!("x \"{}\", y", key("RSA PRIVATE KEY", end));
            assert_eq!(scrubbed(&text), "x \"<SECRET>\", y", "{about}");
        }
    }

    #[test]
    fn a_block_without_an_end_ends_with_what_may_belong() {
        let open = format!("-----BEGIN PRIVATE KEY-----\n{}", body(4, "\n"));
        assert_eq!(scrubbed(&format!("{open}This is the next line.\nx")), "<SECRET>\nThis is the next line.\nx");
        assert_eq!(scrubbed(&open), "<SECRET>\n");
        assert_eq!(scrubbed(&open[..open.len() - 30]), "<SECRET>");
        let json = open.replace('\n', "\\n");
        assert_eq!(scrubbed(&format!("{{\"a\":\"{json}abcd==\",\"b\":\"c\"}}")), "{\"a\":\"<SECRET>\",\"b\":\"c\"}");
        assert_eq!(scrubbed(&format!("{open}{}", key("EC PRIVATE KEY", "\n"))), "<SECRET>\n<SECRET>");
    }

    #[test]
    fn base64_of_a_key_is_replaced() {
        let text =
            fill("{b64:-----BEGIN RSA PRIVATE KEY-----\n{base64:64}\n{base64:64}\n-----END RSA PRIVATE KEY-----\n}");
        assert_eq!(scrubbed(&format!("client-key-data: {text}\nname: x")), "client-key-data: <SECRET>\nname: x");
        assert_eq!(scrubbed(&format!("{{\"k\":\"{text}\",\"n\":\"x\"}}")), "{\"k\":\"<SECRET>\",\"n\":\"x\"}");
        let wrapped: Vec<_> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        assert_eq!(scrubbed(&format!("k: |\n  {}\nname", wrapped.join("\n  "))), "k: |\n  <SECRET>\nname");
    }

    #[test]
    fn a_block_of_a_megabyte_is_one_finding_in_little_memory() {
        for end in ["\n", "\\n", ""] {
            for before in [0, SOFT - 40, HARD - 20, HARD + 7] {
                let label = "OPENSSH PRIVATE KEY";
                let text = format!(
                    "{}-----BEGIN {label}-----{end}{}-----END {label}----- tail{}",
                    "w ".repeat(before / 2),
                    body(16_000, end),
                    " more words".repeat(20_000)
                );
                let chunks: Vec<_> = text.as_bytes().chunks(10_007).collect();
                let out = scrub(&chunks);
                let expected = format!("{}<SECRET> tail{}", "w ".repeat(before / 2), " more words".repeat(20_000));
                assert!(out.bytes == expected.as_bytes(), "{end:?} {before}: {}", out.bytes.len());
                assert_eq!(out.findings, 1);
            }
        }
    }

    #[test]
    fn time_is_linear_in_the_text() {
        for piece in [
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN",
            "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",
            "-----BEGIN PRIVATE KEY-----\n",
            "\\",
            "PuTTY-User-Key-File-2: a ",
        ] {
            let text = piece.repeat(1_000_000 / piece.len());
            let from = std::time::Instant::now();
            scrub(&[text.as_bytes()]);
            assert!(from.elapsed().as_secs() < 5, "{piece}: {:?}", from.elapsed());
        }
    }

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            (0_usize..900, any::<bool>()).prop_map(|(lines, ends)| {
                let end = if ends { "-----END PRIVATE KEY-----\n" } else { "no end\n" };
                format!("-----BEGIN PRIVATE KEY-----\n{}{end}", body(lines, "\n"))
            }),
            (0_usize..900).prop_map(|lines| format!("-----BEGIN PRIVATE KEY-----\\n{}", body(lines, "\\n"))),
            (0_usize..20_000).prop_map(|count| "word ".repeat(count)),
            (0_usize..70_000).prop_map(|count| "y".repeat(count)),
            Just("-----END PRIVATE KEY-----".to_owned()),
            Just("-----BEGIN PRIVATE KEY-----".to_owned()),
            "(\n|\\\\n|-----BEGIN|-----END|---- BEGIN|LS0tLS1CRUdJTi|PuTTY-User-Key-File-2: |Private-MAC: |%0A|&#10;|<br|[A-Za-z0-9=]){0,30}",
            "\\PC{0,40}",
        ];
        proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn the_result_does_not_depend_on_the_cut(text in texts(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8)) {
            let whole = scrub(&[&text]);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.insert(0, 0);
            cuts.push(text.len());
            let chunks: Vec<_> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let cut = scrub(&chunks);
            prop_assert_eq!(&cut.bytes, &whole.bytes);
            prop_assert_eq!(cut.findings, whole.findings);
            // No line of a key is left that follows a begin with its body.
            let start = format!("-----BEGIN PRIVATE KEY-----\n{}", fill("{base64:64}"));
            prop_assert!(memmem::find(&whole.bytes, start.as_bytes()).is_none());
        }
    }
}
