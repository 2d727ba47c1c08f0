//! The `Forwarded` header (RFC 7239, section 4): what each proxy says of the connection that it took.
//!
//! What a client writes stands left of what the proxies write, and a quote that it leaves open would swallow theirs. So a value that does not
//! hold to the grammar says nothing at all.

use std::borrow::Cow;

/// What one proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element<'a> {
    /// `for`: who came to it.
    pub address: Option<Cow<'a, str>>,
    /// `proto`: over what.
    pub scheme: Option<Cow<'a, str>>,
}

/// The elements of a value, from left to right; none where it is malformed.
pub fn elements(value: &str) -> Option<Vec<Element<'_>>> {
    pieces(value, b',')?.into_iter().filter(|piece| !piece.trim().is_empty()).map(element).collect()
}

/// `for=192.0.2.60;proto=http;by=203.0.113.43`
fn element(text: &str) -> Option<Element<'_>> {
    let mut element = Element::default();
    for pair in pieces(text, b';')?.into_iter().map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        let before = match name {
            _ if name.eq_ignore_ascii_case("for") => element.address.replace(value),
            _ if name.eq_ignore_ascii_case("proto") => element.scheme.replace(value),
            _ => continue,
        };
        if before.is_some() {
            return None;
        }
    }
    Some(element)
}

/// What stands between the separators, those within quotes not counted; none where a quote stays open.
fn pieces(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                pieces.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..)?);
    (!quoted).then_some(pieces)
}

/// A token as it is, or what a quoted string says (RFC 9110, 5.6.4).
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.is_empty() && !value.contains('"')).then_some(Cow::Borrowed(value));
    };
    let mut text = String::new();
    let mut rest = rest.chars();
    loop {
        match rest.next()? {
            '"' => return rest.as_str().is_empty().then_some(Cow::Owned(text)),
            '\\' => text.push(rest.next()?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(value: &str) -> Option<Vec<String>> {
        let part = |text: Option<Cow<'_, str>>| text.map_or_else(|| "-".into(), Cow::into_owned);
        Some(elements(value)?.into_iter().map(|e| format!("{} {}", part(e.address), part(e.scheme))).collect())
    }

    /// RFC 7239, section 4 and 7.1.
    #[test]
    fn the_examples_of_the_rfc() {
        for (value, wants) in [
            ("for=\"_gazonk\"", &["_gazonk -"][..]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["[2001:db8:cafe::17]:4711 -"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60 http"]),
            ("for=192.0.2.43, for=198.51.100.17", &["192.0.2.43 -", "198.51.100.17 -"]),
            ("for=192.0.2.43, for=\"[2001:db8:cafe::17]\"", &["192.0.2.43 -", "[2001:db8:cafe::17] -"]),
            ("proto=https", &["- https"]),
            ("by=a;host=\"a,b;c\\\"d\" ; proto=\"ht\\tps\";for=x,,", &["x https"]),
            ("", &[]),
        ] {
            assert_eq!(
                shown(value).as_deref(),
                Some(&*wants.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for value in [
            "for=\"",
            "for=10.0.0.1, x=\", for=\"[2001:db8::1]\"",
            "for=\"10.0.0.1, for=192.0.2.9",
            "for=10.0.0.1;for=192.0.2.9",
            "for",
            "for=",
            "for=a\"b\"",
            "for=\"a\"b",
            "for=\"a\\",
        ] {
            assert_eq!(shown(value), None, "{value}");
        }
    }

    proptest! {
        /// Whatever a client writes, what the proxy appends to it is read as the last element, or nothing is.
        #[test]
        fn a_client_cannot_hide_what_the_proxy_appends(own in "[a-z0-9=;,\" \\\\.]{0,40}") {
            let value = format!("{own}, for=\"[2001:db8::1]:80\"");
            if let Some(elements) = elements(&value) {
                prop_assert_eq!(elements.last().unwrap().address.as_deref(), Some("[2001:db8::1]:80"));
            }
        }
    }
}
