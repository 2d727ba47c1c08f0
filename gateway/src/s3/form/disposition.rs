//! The headers of a part: which field it is, and the name of a file.

use percent_encoding::percent_decode_str;

use super::FormError;

/// What the headers of a part say.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Of the field, in lower case.
    pub name: String,
    /// Of the file, without folders; empty where there is none.
    pub filename: String,
}

impl Part {
    /// Reads the headers, without the empty line behind them.
    pub fn read(head: &[u8]) -> Result<Self, FormError> {
        let head =
            std::str::from_utf8(head).map_err(|_| FormError::Malformed("the headers of a part are not UTF-8"))?;
        let mut disposition = None;
        for line in head.split("\r\n") {
            let (name, value) =
                line.split_once(':').ok_or(FormError::Malformed("a part has a line that is no header"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-disposition") {
                if disposition.replace(value).is_some() {
                    return Err(FormError::Malformed("a part has Content-Disposition twice"));
                }
            } else if name.eq_ignore_ascii_case("content-transfer-encoding")
                && !["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
            {
                // RFC 7578, 4.7: nobody sends one. What is encoded must not be stored as if it were not.
                return Err(FormError::Malformed("a part has a Content-Transfer-Encoding"));
            }
        }
        let disposition = disposition.ok_or(FormError::Malformed("a part has no Content-Disposition"))?;
        let (kind, parameters) = split(disposition)?;
        if !kind.eq_ignore_ascii_case("form-data") {
            return Err(FormError::Malformed("the Content-Disposition of a part is not form-data"));
        }
        let parameter = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let name = parameter("name")
            .filter(|name| !name.is_empty())
            .ok_or(FormError::Malformed("the Content-Disposition of a part has no name"))?;
        let filename = parameter("filename*")
            .and_then(|value| extended(value))
            .or_else(|| parameter("filename").cloned())
            .unwrap_or_default();
        Ok(Self { name: name.to_ascii_lowercase(), filename: without_folders(&filename).to_owned() })
    }
}

/// Browsers of old give the whole path.
fn without_folders(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// `UTF-8''na%C3%AFve.txt` (RFC 8187), which clients made before RFC 7578 forbade it.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("utf-8").then(|| decoded.into_owned())
}

/// Names and values.
type Parameters = Vec<(String, String)>;

/// `kind; name=value; name="value"`. Names in lower case, each there once.
pub fn split(header: &str) -> Result<(&str, Parameters), FormError> {
    const WHITE: [char; 2] = [' ', '\t'];
    let malformed = || FormError::Malformed("the parameters of a header cannot be read");
    let end = header.find(';').unwrap_or(header.len());
    let (kind, mut rest) = header.split_at(end);
    let mut parameters = Parameters::new();
    loop {
        rest = rest.trim_start_matches(WHITE);
        if rest.is_empty() {
            return Ok((kind.trim(), parameters));
        }
        rest = rest.strip_prefix(';').ok_or_else(malformed)?.trim_start_matches(WHITE);
        if rest.is_empty() {
            continue;
        }
        let (name, after) = rest.split_once('=').ok_or_else(malformed)?;
        let name = name.trim_matches(WHITE).to_ascii_lowercase();
        let after = after.trim_start_matches(WHITE);
        let (value, behind) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted).ok_or_else(malformed)?
        } else {
            let (value, behind) = after.split_at(after.find([';', ' ', '\t']).unwrap_or(after.len()));
            (value.to_owned(), behind)
        };
        if name.is_empty() || parameters.iter().any(|(other, _)| *other == name) {
            return Err(malformed());
        }
        parameters.push((name, value));
        rest = behind;
    }
}

/// The string up to its closing quote, and what is behind that. A backslash quotes a quote and itself only: in other places it is one of
/// a Windows path.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let at = rest.find(['"', '\\'])?;
        value.push_str(&rest[..at]);
        let (mark, behind) = rest[at..].split_at(1);
        rest = behind;
        if mark == "\"" {
            return Some((value, rest));
        }
        match rest.chars().next()? {
            quoted @ ('"' | '\\') => {
                value.push(quoted);
                rest = &rest[1..];
            }
            _ => value.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(disposition: &str) -> (String, String) {
        let head = format!("Content-Disposition: {disposition}\r\nContent-Type: text/plain");
        let part = Part::read(head.as_bytes()).unwrap();
        (part.name, part.filename)
    }

    #[test]
    fn names_and_file_names() {
        for (disposition, name, filename) in [
            (r#"form-data; name="kEy""#, "key", ""),
            (r#"Form-Data;NAME=file ; filename = "a b.txt" ;"#, "file", "a b.txt"),
            ("form-data; name=file; filename=plain.txt", "file", "plain.txt"),
            (r#"form-data; name="file"; filename="C:\dir\new file.txt""#, "file", "new file.txt"),
            (r#"form-data; name="file"; filename="/home/me/x;y=z.txt""#, "file", "x;y=z.txt"),
            (r#"form-data; name="file"; filename="a\"b.txt""#, "file", "a\"b.txt"),
            (r#"form-data; name="file"; filename="a%22b.txt""#, "file", "a%22b.txt"),
            (r#"form-data; name="file"; filename="grün 🦀.txt""#, "file", "grün 🦀.txt"),
            (r#"form-data; name="file"; filename="?"; filename*=utf-8''na%C3%AFve.txt"#, "file", "naïve.txt"),
            (r#"form-data; name="file"; filename="kept"; filename*=latin1''na%EFve.txt"#, "file", "kept"),
            (r#"form-data; name="file"; filename="folder/""#, "file", ""),
        ] {
            assert_eq!(part(disposition), (name.to_owned(), filename.to_owned()), "{disposition}");
        }
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for head in [
            "Content-Type: text/plain",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"\"",
            "Content-Disposition: attachment; name=\"key\"",
            "Content-Disposition: form-data; name=\"key",
            "Content-Disposition: form-data; name=\"key\\\"",
            "Content-Disposition: form-data; name=\"key\" filename=\"x\"",
            "Content-Disposition: form-data; name=\"key\"; name=\"acl\"",
            "Content-Disposition: form-data; name=\"key\"; =x",
            "Content-Disposition: form-data; name=\"key\"; x",
            "Content-Disposition: form-data; name=\"key\"\r\nContent-Disposition: form-data; name=\"acl\"",
            "Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64",
            "Content-Disposition: form-data; name=\"key\"\r\n folded",
        ] {
            assert!(Part::read(head.as_bytes()).is_err(), "{head}");
        }
        assert!(Part::read(b"Content-Disposition: form-data; name=\"\xff\"").is_err());
    }
}
