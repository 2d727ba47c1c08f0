//! XML, bounded: a view of a document that keeps every byte, edits applied to it, readers for what clients send and writers for
//! what we answer ourselves.
//!
//! No DTD, no entity but the five predefined ones and character references, at most [`MAX_DEPTH`] levels, [`MAX_ELEMENTS`]
//! elements and [`MAX_ATTRIBUTES`] attributes of each. How many bytes a document may have is bounded by whoever reads its body.

mod edit;
mod read;
mod write;

pub use edit::Edits;
pub use read::{CompletedPart, DeleteRequest, DeleteTarget, MAX_COMPLETE, MAX_DELETE, read_complete, read_delete};
pub use write::{
    CompleteMultipartUploadResult, CopyResult, ListPartsResult, ListedPart, ObjectAttributes, ObjectParts,
    PartAttributes, PostResponse, ShownChecksum, checksum_element, escape, with_declaration,
};

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use s3s::S3ErrorCode;

use super::Error;

/// How deep elements may be nested.
pub const MAX_DEPTH: usize = 32;
/// How many elements a document may have: 10,000 parts of 8 elements, thrice.
pub const MAX_ELEMENTS: usize = 262_144;
/// How many attributes an element may have; S3 has two.
pub const MAX_ATTRIBUTES: usize = 16;

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// Not UTF-8, or declared to be something else.
    #[error("the XML is not UTF-8")]
    Encoding,
    /// A DTD.
    #[error("the XML has a document type declaration")]
    Doctype,
    /// More than [`MAX_DEPTH`] levels, [`MAX_ELEMENTS`] elements or [`MAX_ATTRIBUTES`] attributes of one.
    #[error("the XML is nested too deeply or has too many elements or attributes")]
    TooLarge,
    /// An entity that is not predefined, or a reference to no character.
    #[error("the XML has an unknown entity")]
    Entity,
    /// Not one element with balanced tags.
    #[error("the XML is not one well-formed element")]
    Structure,
    /// Not well-formed.
    #[error("the XML is not well-formed")]
    Syntax(#[from] quick_xml::Error),
}

impl XmlError {
    /// A client sent it: `MalformedXML`.
    pub fn of_client(&self) -> Error {
        malformed(self.to_string())
    }

    /// The backend sent it.
    pub fn of_backend(&self) -> Error {
        Error::Protocol(self.to_string().into())
    }
}

/// A parsed document over the bytes it came in.
#[derive(Debug)]
pub struct Document<'a> {
    source: &'a str,
    /// In document order, so an element's descendants follow it.
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// Of the local name in the start tag.
    name: Range<usize>,
    /// From `<` of the start tag to behind `>` of the end tag.
    span: Range<usize>,
    /// Between the tags; empty at the end of the span for `<name/>`.
    inner: Range<usize>,
    /// `<name/>`
    self_closed: bool,
    /// Index of the first node that is not a descendant.
    after: usize,
}

/// The XML reader drops one where it begins.
const BOM: char = '\u{feff}';

impl<'a> Document<'a> {
    /// Parses a whole document.
    pub fn parse(source: &'a [u8]) -> Result<Self, XmlError> {
        let source = std::str::from_utf8(source).map_err(|_| XmlError::Encoding)?;
        let text = source.strip_prefix(BOM).unwrap_or(source);
        if text.starts_with(BOM) {
            return Err(XmlError::Structure);
        }
        let mut parser = Parser {
            source,
            // An element of a listing, tags and text, is longer than this.
            nodes: Vec::with_capacity((text.len() / 32).min(MAX_ELEMENTS)),
            open: Vec::new(),
        };
        let mut at = source.len() - text.len();
        while at < source.len() {
            at = parser.piece(at)?;
        }
        if parser.nodes.is_empty() || !parser.open.is_empty() {
            return Err(XmlError::Structure);
        }
        Ok(Self { source, nodes: parser.nodes })
    }

    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// Every element, in document order.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len()).map(|index| Element { document: self, index })
    }

    /// Starts a set of edits.
    pub fn edit(&self) -> Edits<'_> {
        Edits::new(self)
    }
}

impl Node {
    fn new(start: usize, end: usize, qualified: &str, self_closed: bool) -> Self {
        let prefix = qualified.find(':').map_or(0, |colon| colon + 1);
        Self {
            name: start + 1 + prefix..start + 1 + qualified.len(),
            span: start..end,
            inner: end..end,
            self_closed,
            after: 0,
        }
    }
}

/// A document being parsed. `<name>`, `</name>` and text, which is nearly all that there is, are read here; the XML reader reads the
/// rest, a piece at a time.
struct Parser<'a> {
    source: &'a str,
    nodes: Vec<Node>,
    /// Indices of the nodes whose end tag has not come.
    open: Vec<usize>,
}

impl Parser<'_> {
    /// Reads what begins at `at`, which is not the end. Returns where it ends.
    fn piece(&mut self, at: usize) -> Result<usize, XmlError> {
        let rest = &self.source.as_bytes()[at..];
        match rest {
            [b'<', b'/', ..] => self.end_tag(at),
            [b'<', tag @ ..] => {
                let name = tag.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                if name == 0 || tag.get(name) != Some(&b'>') {
                    return self.other(at);
                }
                let end = at + 1 + name + 1;
                self.start_tag(at..end, name, false)?;
                Ok(end)
            }
            [b'&', ..] => self.other(at),
            text => {
                let text = text.iter().position(|byte| matches!(byte, b'<' | b'&')).map_or(text, |end| &text[..end]);
                if self.open.is_empty() && !text.trim_ascii().is_empty() {
                    return Err(XmlError::Structure);
                }
                Ok(at + text.len())
            }
        }
    }

    /// `<name …>`, or `<name …/>`. An element begins inside another one, or it is the only root.
    fn start_tag(&mut self, span: Range<usize>, name: usize, self_closed: bool) -> Result<(), XmlError> {
        if self.open.is_empty() && !self.nodes.is_empty() {
            return Err(XmlError::Structure);
        }
        if self.nodes.len() == MAX_ELEMENTS || (self.open.len() == MAX_DEPTH && !self_closed) {
            return Err(XmlError::TooLarge);
        }
        let qualified = &self.source[span.start + 1..][..name];
        let mut node = Node::new(span.start, span.end, qualified, self_closed);
        if self_closed {
            node.after = self.nodes.len() + 1;
        } else {
            self.open.push(self.nodes.len());
        }
        self.nodes.push(node);
        Ok(())
    }

    /// `</name>`
    fn end_tag(&mut self, at: usize) -> Result<usize, XmlError> {
        let after = self.nodes.len();
        let node = self.open.pop().and_then(|index| self.nodes.get_mut(index)).ok_or(XmlError::Structure)?;
        let qualified = &self.source[node.span.start + 1..node.name.end];
        let rest = self.source[at + 2..].strip_prefix(qualified).ok_or(XmlError::Structure)?;
        let rest = rest.trim_start_matches([' ', '\t', '\r', '\n']).strip_prefix('>').ok_or(XmlError::Structure)?;
        let end = self.source.len() - rest.len();
        node.inner.end = at;
        node.span.end = end;
        node.after = after;
        Ok(end)
    }

    /// A tag with attributes, a reference, CDATA, a declaration, a comment.
    fn other(&mut self, at: usize) -> Result<usize, XmlError> {
        let mut reader = Reader::from_str(&self.source[at..]);
        let event = reader.read_event()?;
        let end = at + usize::try_from(reader.buffer_position()).map_err(|_| XmlError::TooLarge)?;
        match event {
            Event::Start(tag) => {
                check_tag(&tag)?;
                self.start_tag(at..end, tag.name().0.len(), false)?;
            }
            Event::Empty(tag) => {
                check_tag(&tag)?;
                self.start_tag(at..end, tag.name().0.len(), true)?;
            }
            Event::GeneralRef(reference) if !self.open.is_empty() => drop(resolve(&reference)?),
            Event::CData(_) if !self.open.is_empty() => {}
            Event::Decl(declaration) => {
                let utf8 = match declaration.encoding() {
                    None => true,
                    Some(Ok(name)) => {
                        ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
                    }
                    Some(Err(_)) => false,
                };
                if !utf8 {
                    return Err(XmlError::Encoding);
                }
            }
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Comment(_) | Event::PI(_) => {}
            Event::GeneralRef(_) | Event::CData(_) | Event::Text(_) | Event::End(_) | Event::Eof => {
                return Err(XmlError::Structure);
            }
        }
        Ok(end)
    }
}

/// The name and the attributes are well-formed, which the reader does not look at by itself (`<a//>`).
fn check_tag(tag: &BytesStart<'_>) -> Result<(), XmlError> {
    let name = tag.name().0;
    let is_name = !name.is_empty()
        && name.chars().all(|character| character.is_alphanumeric() || matches!(character, ':' | '_' | '-' | '.'));
    if !is_name {
        return Err(XmlError::Structure);
    }
    for (count, attribute) in tag.attributes().enumerate() {
        attribute.map_err(quick_xml::Error::from)?;
        if count == MAX_ATTRIBUTES {
            return Err(XmlError::TooLarge);
        }
    }
    Ok(())
}

/// An element of a [`Document`]. Namespaces are not resolved: names are local names, as every S3 implementation reads them.
#[derive(Clone, Copy, Debug)]
pub struct Element<'d> {
    document: &'d Document<'d>,
    index: usize,
}

impl<'d> Element<'d> {
    /// Its local name.
    pub fn name(&self) -> &'d str {
        &self.document.source[self.node().name.clone()]
    }

    /// Its own text, references resolved and line ends normalized (XML 1.0, 2.11); that of its children left out.
    pub fn text(&self) -> Result<Cow<'d, str>, XmlError> {
        let raw = &self.document.source[self.node().inner.clone()];
        if !raw.bytes().any(|byte| matches!(byte, b'<' | b'&' | b'\r')) {
            return Ok(Cow::Borrowed(raw));
        }
        let mut out = String::with_capacity(raw.len());
        if !raw.bytes().any(|byte| matches!(byte, b'<' | b'\r')) {
            let mut pieces = raw.split('&');
            out.extend(pieces.next());
            for piece in pieces {
                let (reference, text) = piece.split_once(';').ok_or(XmlError::Entity)?;
                out.push(resolve(&BytesRef::new(reference))?);
                out.push_str(text);
            }
            return Ok(Cow::Owned(out));
        }
        out.extend(raw.chars().next().filter(|first| *first == BOM));
        let mut reader = Reader::from_str(raw);
        let mut depth = 0_usize;
        loop {
            match reader.read_event()? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth = depth.saturating_sub(1),
                Event::Text(text) if depth == 0 => out.push_str(&text.xml10_content()),
                Event::CData(text) if depth == 0 => out.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) if depth == 0 => out.push(resolve(&reference)?),
                Event::Eof => return Ok(Cow::Owned(out)),
                _ => {}
            }
        }
    }

    /// All of it as it came, tags included.
    pub fn raw(&self) -> &'d str {
        &self.document.source[self.node().span.clone()]
    }

    /// Its children, in order.
    pub fn children(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        let document = self.document;
        let after = self.node().after;
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            if next >= after {
                return None;
            }
            let child = Element { document, index: next };
            next = child.node().after;
            Some(child)
        })
    }

    /// Its children of one name, in order.
    pub fn elements<'n>(&self, name: &'n str) -> impl Iterator<Item = Element<'d>> + use<'d, 'n> {
        self.children().filter(move |child| child.name() == name)
    }

    /// Its first child of that name.
    pub fn child(&self, name: &str) -> Option<Element<'d>> {
        self.elements(name).next()
    }

    /// The text of its first child of that name; none where there is no such child.
    pub fn child_text(&self, name: &str) -> Result<Option<Cow<'d, str>>, XmlError> {
        self.child(name).map(|child| child.text()).transpose()
    }

    fn node(&self) -> &'d Node {
        &self.document.nodes[self.index]
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().ok_or(XmlError::Entity);
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(XmlError::Entity),
    }
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::client(S3ErrorCode::MalformedXML, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(source: &str) -> Result<Document<'_>, XmlError> {
        Document::parse(source.as_bytes())
    }

    #[test]
    fn elements_and_text() {
        let source = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><s:L xmlns:s='u'><K>a&amp;b&#13;&#xA;c</K><K/>\
            <K><![CDATA[<x>&amp;]]>!<D>deep</D>\r\n<!-- no --></K></s:L>\n";
        let document = parse(source).unwrap();
        let root = document.root();
        assert_eq!(root.name(), "L");
        let texts: Vec<_> = root.elements("K").map(|k| k.text().unwrap().into_owned()).collect();
        assert_eq!(texts, ["a&b\r\nc", "", "<x>&amp;!\n"]);
        assert_eq!(root.children().count(), 3);
        assert_eq!(document.iter().count(), 5);
        let third = root.elements("K").nth(2).unwrap();
        assert_eq!(third.child_text("D").unwrap().unwrap(), "deep");
        assert_eq!(third.child_text("E").unwrap(), None);
    }

    #[test]
    fn what_is_not_one_bounded_element_is_refused() {
        for source in [
            "",
            " ",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a/>&amp;",
            "<a",
            "<a>&</a>",
            "<a>&nope;</a>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<!DOCTYPE a><a/>",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
            "<a/><![CDATA[x]]>",
            "\u{feff}\u{feff}<a/>",
            "<a//>",
            "<a b/>",
            "<a b=/>",
            "<a b=c//>",
            "<a b='' b=''/>",
            "<(/>",
            "< a/>",
        ] {
            assert!(parse(source).is_err(), "{source}");
        }
        assert!(matches!(Document::parse(b"<a>\xff</a>"), Err(XmlError::Encoding)));
        let nested = |levels: usize| "<a>".repeat(levels) + &"</a>".repeat(levels);
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(parse(&nested(MAX_DEPTH + 1)), Err(XmlError::TooLarge)));
        let attributes = |count: usize| {
            let all: Vec<_> = (0..count).map(|index| format!(" a{index}=''")).collect();
            format!("<a{}/>", all.concat())
        };
        assert!(parse(&attributes(MAX_ATTRIBUTES)).is_ok());
        assert!(matches!(parse(&attributes(MAX_ATTRIBUTES + 1)), Err(XmlError::TooLarge)));
        let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
        assert!(parse(&many(MAX_ELEMENTS)).is_ok());
        assert!(matches!(parse(&many(MAX_ELEMENTS + 1)), Err(XmlError::TooLarge)));
    }

    #[test]
    fn errors_say_whose_fault_they_are() {
        let error = parse("<a>").unwrap_err();
        assert_eq!(error.of_client().s3().0, "MalformedXML");
        assert!(matches!(error.of_backend(), Error::Protocol(_)));
    }

    /// The elements, in the order of their start tags, as the XML reader alone finds them: qualified name and depth.
    fn by_reader(source: &str) -> Option<Vec<(String, usize)>> {
        let mut reader = Reader::from_str(source);
        let (mut found, mut depth) = (Vec::new(), 0);
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    check_tag(&tag).ok()?;
                    found.push((tag.name().0.to_owned(), depth));
                    depth += 1;
                }
                Event::Empty(tag) => {
                    check_tag(&tag).ok()?;
                    found.push((tag.name().0.to_owned(), depth));
                }
                Event::End(_) => depth -= 1,
                Event::Text(text) if depth == 0 && !text.trim_ascii().is_empty() => return None,
                Event::GeneralRef(reference) => {
                    resolve(&reference).ok().filter(|_| depth > 0)?;
                }
                Event::CData(_) if depth == 0 => return None,
                Event::DocType(_) | Event::Decl(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        let roots = found.iter().filter(|(_, depth)| *depth == 0).count();
        (depth == 0 && roots == 1).then_some(found)
    }

    fn by_document(source: &str) -> Option<Vec<(String, usize)>> {
        fn add(element: Element<'_>, depth: usize, found: &mut Vec<(String, usize)>) {
            let name = element.raw().trim_start_matches('<').split([' ', '/', '>']).next();
            found.push((name.unwrap_or_default().to_owned(), depth));
            element.children().for_each(|child| add(child, depth + 1, found));
        }
        let document = parse(source).ok()?;
        let mut found = Vec::new();
        add(document.root(), 0, &mut found);
        Some(found)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn it_reads_what_the_xml_reader_reads(
            inner in "(<[ab]>|<[ab]></[ab]>|</[ab]>|</a[ \\r]>|</ a>|</ab>|<a x='>'>|<a:b/>|<b/>|<b />|<>|</>|&(amp|#10|x);|&|;|<!-- >-->|<\\?p\\?>|<!\\[CDATA\\[<a>\\]\\]>|[x\u{feff} ]){0,6}"
        ) {
            for source in [format!("<a>{inner}</a>"), format!("<b>{inner}</b>"), inner] {
                // At its very beginning a BOM is dropped.
                if !source.starts_with(BOM) {
                    prop_assert_eq!(by_document(&source), by_reader(&source), "{:?}", source);
                }
            }
        }

        #[test]
        fn never_panics(source in "[ -~\\r\\n\u{e4}]{0,80}|(<[ab:/]{0,3}/?>|&(amp|#1[03]|x);|<!--|-->|<!\\[CDATA\\[|\\]\\]>|[x ]){0,24}") {
            if let Ok(document) = parse(&source) {
                for element in document.iter() {
                    element.text().unwrap();
                    prop_assert!(!element.name().contains(['<', '>']));
                }
                prop_assert_eq!(document.edit().finish(), source.as_bytes());
            }
        }

        #[test]
        fn escaped_text_is_read_back(text in "[^\\x00\\r]{0,60}|\\PC{0,40}") {
            let source = format!("<a>{}</a>", escape(&text));
            let document = parse(&source).unwrap();
            prop_assert_eq!(document.root().text().unwrap(), text);
        }
    }
}
