//! Where readers of mail may make another thing of a part than is made of it here, so that what is hidden in it would be passed on unseen.

use std::io::{self, BufRead, Read};

use super::super::fields::{Field, Fields};
use super::encoding::Encoding;
use super::params::{params, without_comments};
use super::{BOUNDARY, LINE};

/// What the head of a part leaves in doubt, if anything: how it is encoded, what it is, or where its parts end.
pub fn of_head(fields: &Fields) -> Option<&'static str> {
    let all =
        |name: &'static str| fields.0.iter().filter(move |field| field.name().eq_ignore_ascii_case(name.as_bytes()));
    let encodings: Vec<_> = all("content-transfer-encoding").map(|field| Encoding::known(field.value())).collect();
    if encodings.contains(&None) {
        return Some("mail in an encoding that is not known");
    }
    let kinds: Vec<_> = all("content-type").map(|field| kind(field.value())).collect();
    let boundaries: Vec<_> = all("content-type").flat_map(boundaries).collect();
    let is_multipart = kinds.iter().any(|kind| kind.starts_with(b"multipart/"));
    if differ(&encodings) || differ(&kinds) || is_multipart && differ(&boundaries) {
        return Some("mail that can be read in two ways");
    }
    if is_multipart && boundaries.iter().any(|name| name.is_empty() || name.len() > BOUNDARY) {
        return Some("mail in parts that cannot be told apart");
    }
    kinds.iter().find_map(|kind| match &kind[..] {
        b"message/partial" => Some("a piece of a message"),
        b"application/mac-binhex40" | b"application/binhex" => Some("a file in BinHex"),
        _ => None,
    })
}

/// What a part is, in small letters: `text/plain`.
pub fn kind(value: &[u8]) -> Vec<u8> {
    let value = without_comments(value);
    let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect()
}

/// What stands between the parts of an entity.
pub fn boundary(fields: &Fields) -> Option<Vec<u8>> {
    let field = fields.0.iter().find(|field| field.name().eq_ignore_ascii_case(b"content-type"))?;
    let name = boundaries(field).into_iter().next()?;
    (!name.is_empty() && name.len() <= BOUNDARY).then_some(name)
}

/// All that may be meant for it, with what looks like comments or without.
fn boundaries(field: &Field) -> Vec<Vec<u8>> {
    let plain = Fields::parse(&without_comments(&field.bytes));
    let of = |field: &Field| {
        let named = params(field).into_iter().filter(|param| param.name == b"boundary");
        named.map(|param| param.value.trim_ascii_end().to_vec()).collect::<Vec<_>>()
    };
    [plain.0.first().map(of).unwrap_or_default(), of(field)].concat()
}

fn differ<T: PartialEq>(values: &[T]) -> bool {
    values.windows(2).any(|two| two[0] != two[1])
}

/// What a text holds that programs from before MIME wrote into it, and that readers take out of it as a file.
pub fn in_text(source: &mut dyn BufRead) -> io::Result<Option<&'static str>> {
    let (mut line, mut starts, mut begun) = (Vec::new(), true, false);
    loop {
        line.clear();
        (&mut *source).take(LINE as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let text = line.trim_ascii_end();
        if starts {
            if text.starts_with(b"=ybegin ") {
                return Ok(Some("a file in yEnc"));
            }
            if text.starts_with(b"(This file must be converted with BinHex") {
                return Ok(Some("a file in BinHex"));
            }
            // Empty lines are passed over by some.
            if begun && is_uuencoded(text) || text.starts_with(b"begin-base64 ") && is_begin(text) {
                return Ok(Some("a uuencoded file"));
            }
            begun = text.starts_with(b"begin ") && is_begin(text) || begun && text.is_empty();
        }
        starts = line.ends_with(b"\n");
    }
}

/// Whether a mode and a name follow: `begin 644 name`.
fn is_begin(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1);
    let is_mode = |word: &[u8]| word.len() <= 6 && word.iter().all(|byte| (b'0'..=b'7').contains(byte));
    words.next().is_some_and(is_mode) && words.next().is_some()
}

/// Whether all of a line can be of a uuencoded file, as no prose is.
fn is_uuencoded(line: &[u8]) -> bool {
    !line.is_empty() && line.iter().all(|byte| (b' '..=b'`').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(head: &str) -> Option<&'static str> {
        of_head(&Fields::parse(head.as_bytes()))
    }

    #[test]
    fn heads_say_one_thing() {
        for certain in [
            "",
            "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: (x) BASE64\n",
            "Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: 7bit\n",
            "Content-Transfer-Encoding:\nContent-Type:\n",
            "Content-Transfer-Encoding: (un(i\\)x)) quoted-printable (y)\n",
            "Content-Transfer-Encoding: base64; x=y\n",
            "Content-Type: text/plain\nContent-Type: Text/Plain; charset=utf-8; boundary=a; boundary=b\n",
            "Content-Type: multipart/mixed; boundary=a\nContent-Type: multipart / mixed; boundary=\"a\"\n",
            "Content-Type: (x) multipart/mixed (y); (z) boundary=\"a(b)\"\n",
            "Content-Type: multipart/mixed\n",
        ] {
            assert_eq!(head(certain), None, "{certain}");
        }
        for doubtful in [
            "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n",
            "Content-Transfer-Encoding: x-uuencode\n",
            "Content-Transfer-Encoding: UUE\n",
            "Content-Transfer-Encoding: \"base64\"\n",
            "Content-Transfer-Encoding: base64 x\n",
            "Content-Transfer-Encoding: (base64\n",
            "Content-Transfer-Encoding : x-yenc\n",
            "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n",
            "Content-Type: multipart/mixed; boundary=a\nContent-Type: multipart/mixed; boundary=b\n",
            "Content-Type: multipart/mixed; boundary=a; boundary=b\n",
            "Content-Type: multipart/mixed; boundary=a; boundary*=utf-8''b\n",
            "Content-Type: multipart/mixed; boundary=a(b)\n",
            "Content-Type: multipart/mixed; boundary=\"\"\n",
            "Content-Type: message/partial; id=x; number=2\n",
            "Content-Type: application/mac-binhex40\n",
        ] {
            assert!(head(doubtful).is_some(), "{doubtful}");
        }
        assert!(head(&format!("Content-Type: multipart/mixed; boundary={}\n", "b".repeat(BOUNDARY + 1))).is_some());
    }

    #[test]
    fn files_in_texts_are_told() {
        let run = |text: &str| in_text(&mut text.as_bytes()).unwrap();
        for held in [
            "some\nbegin 644 a b.txt\n#0V%T\n`\nend\n",
            "begin 0644 x\r\n\r\n#0V%T\r\n",
            "begin-base64 644 x\nQ2F0\n====\n",
            "=ybegin line=128 size=3 name=x\n",
            "(This file must be converted with BinHex 4.0)\n\n:",
            &format!("{}\nbegin 644 x\n#0V%T", "long ".repeat(LINE)),
        ] {
            assert!(run(held).is_some(), "{held}");
        }
        for prose in [
            "begin 644 words\nof prose\n",
            "begin here\n#0V%T\n",
            "begin 644\n#0V%T\n",
            "begin 1999 x\n#0V%T\n",
            "let us begin 644 x\n#0V%T\n",
            &format!("{}begin 644 x\n#0V%T", "l".repeat(LINE)),
        ] {
            assert_eq!(run(prose), None, "{prose}");
        }
    }
}
