//! Edits to a document: only what is edited changes, every other byte comes out as it came in.

use std::ops::Range;

use super::write::push_escaped;
use super::{Document, Element};

/// Edits gathered over a [`Document`] and applied at the end. An element is edited once; what lies inside an element that is
/// removed or given another text goes with it.
#[derive(Debug)]
pub struct Edits<'d> {
    document: &'d Document<'d>,
    replacements: Vec<Replacement>,
    /// What is put in, one behind the other.
    added: String,
}

#[derive(Debug)]
struct Replacement {
    /// Of the source.
    replaced: Range<usize>,
    /// Of `added`.
    by: Range<usize>,
}

impl<'d> Edits<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self { document, replacements: Vec::new(), added: String::new() }
    }

    /// Gives an element another text, escaped here, in place of all that it holds.
    pub fn set_text(&mut self, element: Element<'d>, text: &str) {
        self.inner(element, |added| push_escaped(added, text));
    }

    /// Gives an element other XML to hold.
    pub fn set_inner(&mut self, element: Element<'d>, xml: &str) {
        self.inner(element, |added| added.push_str(xml));
    }

    /// Adds XML at the end of what an element holds.
    pub fn append(&mut self, element: Element<'d>, xml: &str) {
        let node = element.node();
        if node.self_closed {
            self.set_inner(element, xml);
        } else {
            let end = node.inner.end;
            self.replace(end..end, |added| added.push_str(xml));
        }
    }

    /// Adds XML behind an element.
    pub fn insert_after(&mut self, element: Element<'d>, xml: &str) {
        let end = element.node().span.end;
        self.replace(end..end, |added| added.push_str(xml));
    }

    /// Takes an element out.
    pub fn remove(&mut self, element: Element<'d>) {
        self.replace(element.node().span.clone(), |_| {});
    }

    /// The edited document.
    pub fn finish(mut self) -> Vec<u8> {
        // Stable, so that insertions at one place keep their order. At one place, insertions belong to what ends there and so come
        // before an edit of what begins there, and an outer edit before an inner one.
        self.replacements.sort_by_key(|Replacement { replaced, .. }| {
            (replaced.start, !replaced.is_empty(), std::cmp::Reverse(replaced.end))
        });
        let source = self.document.source;
        let mut out = Vec::with_capacity(source.len() + self.added.len());
        let mut done = 0;
        for Replacement { replaced, by } in &self.replacements {
            if replaced.start < done {
                continue;
            }
            out.extend_from_slice(&source.as_bytes()[done..replaced.start]);
            out.extend_from_slice(&self.added.as_bytes()[by.clone()]);
            done = replaced.end;
        }
        out.extend_from_slice(&source.as_bytes()[done..]);
        out
    }

    /// `<name attributes/>` becomes `<name attributes>…</name>`.
    fn inner(&mut self, element: Element<'d>, write: impl FnOnce(&mut String)) {
        let node = element.node();
        if !node.self_closed {
            return self.replace(node.inner.clone(), write);
        }
        let source = self.document.source;
        let tag = &source[node.span.clone()];
        let tag = tag.strip_suffix("/>").unwrap_or(tag).trim_end();
        let qualified = &source[node.span.start + 1..node.name.end];
        self.replace(node.span.clone(), |added| {
            added.extend([tag, ">"]);
            write(added);
            added.extend(["</", qualified, ">"]);
        });
    }

    fn replace(&mut self, replaced: Range<usize>, write: impl FnOnce(&mut String)) {
        let start = self.added.len();
        write(&mut self.added);
        self.replacements.push(Replacement { replaced, by: start..self.added.len() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::s3::xml::escape;

    const LISTING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Name>b</Name><Vendor a='1'><![CDATA[ & ]]></Vendor>\
        <Contents><Key>a&#13;b</Key><ETag>&#34;aa&#34;</ETag><Size>317</Size><ChecksumAlgorithm>CRC32</ChecksumAlgorithm></Contents>\n\
        <Contents><Key>c</Key><ETag/><Size>0</Size></Contents></ListBucketResult>\n";

    #[test]
    fn only_what_is_edited_changes() {
        let document = Document::parse(LISTING.as_bytes()).unwrap();
        let mut edits = document.edit();
        for row in document.root().elements("Contents") {
            let key = row.child_text("Key").unwrap().unwrap();
            edits.set_text(row.child("ETag").unwrap(), &format!("\"{}\"", key.len()));
            edits.set_text(row.child("Size").unwrap(), "29");
            for dropped in row.elements("ChecksumAlgorithm") {
                edits.remove(dropped);
            }
        }
        let expected = LISTING
            .replace("&#34;aa&#34;", "&quot;3&quot;")
            .replace("317", "29")
            .replace("<ETag/><Size>0<", "<ETag>&quot;1&quot;</ETag><Size>29<")
            .replace("<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>", "");
        assert_eq!(String::from_utf8(edits.finish()).unwrap(), expected);
    }

    #[test]
    fn insertions_and_overlaps() {
        let document = Document::parse(b"<a><b><c>1</c></b><d x='1' /><n:e/></a>").unwrap();
        let root = document.root();
        let mut edits = document.edit();
        let b = root.child("b").unwrap();
        edits.set_text(b.child("c").unwrap(), "lost");
        edits.remove(b);
        edits.insert_after(b, "<i/>");
        edits.insert_after(b, "<j/>");
        edits.append(root.child("d").unwrap(), "<k/>");
        edits.set_text(root.child("e").unwrap(), "<");
        edits.append(root, "<l/>");
        assert_eq!(String::from_utf8(edits.finish()).unwrap(), "<a><i/><j/><d x='1'><k/></d><n:e>&lt;</n:e><l/></a>");
    }

    proptest! {
        #[test]
        fn edited_documents_are_documents(texts in proptest::collection::vec("\\PC{0,20}", 1..8), removed in 0_usize..8, changed in 0_usize..8) {
            let rows: Vec<_> = texts.iter().map(|text| format!("<r><k>{}</k>\n<s a=\"&lt;\"/></r>", escape(text))).collect();
            let source = format!("<l>{}</l>", rows.concat());
            let document = Document::parse(source.as_bytes()).unwrap();
            prop_assert_eq!(document.edit().finish(), source.as_bytes());
            let mut edits = document.edit();
            let mut expected = texts.clone();
            if let Some(row) = document.root().elements("r").nth(changed) {
                edits.set_text(row.child("k").unwrap(), "new & <");
                expected[changed] = "new & <".to_owned();
            }
            if let Some(row) = document.root().elements("r").nth(removed) {
                edits.remove(row);
                expected.remove(removed);
            }
            let edited = edits.finish();
            let edited = Document::parse(&edited).unwrap();
            let read: Vec<String> = edited.root().elements("r").map(|row| row.child_text("k").unwrap().unwrap().into_owned()).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
