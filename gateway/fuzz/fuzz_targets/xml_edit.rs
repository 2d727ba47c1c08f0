//! XML: an unedited document comes out byte for byte; an edited one is a document that holds the new text.
#![no_main]

use gateway::s3::xml::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, String, &[u8])| {
    let (index, text, source) = input;
    let Ok(document) = Document::parse(source) else {
        return;
    };
    assert_eq!(document.edit().finish(), source);
    for element in document.iter() {
        element.text().expect("references were checked");
    }
    let index = usize::from(index);
    // `\0` is no XML character and cannot be read back.
    let Some(element) = document.iter().nth(index).filter(|_| !text.contains('\0')) else {
        return;
    };
    let mut edits = document.edit();
    edits.set_text(element, &text);
    let edited = edits.finish();
    let edited = Document::parse(&edited).expect("an edited document");
    let element = edited.iter().nth(index).expect("the same element");
    assert_eq!(element.text().expect("our own text"), text);
});
