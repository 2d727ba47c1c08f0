//! A form is read alike however its bytes come, and gives no byte that was not in it. First byte: the size of the pieces; first line: the boundary.
#![no_main]

use bytes::Bytes;
use gateway::s3::form::{FieldReader, Fields, FormError, MAX_FIELDS};
use libfuzzer_sys::fuzz_target;

/// Fields, file name and file of a whole form.
fn read(boundary: &str, form: &[u8], step: usize) -> Result<(Fields, String, Vec<u8>), FormError> {
    let mut reader = FieldReader::new(boundary);
    let mut pieces = form.chunks(step).map(Bytes::copy_from_slice);
    loop {
        let Some(mut data) = pieces.next() else { return Err(FormError::Malformed("cut off")) };
        let Some(filename) = reader.read(&mut data)? else { continue };
        let (fields, mut file, ahead) = reader.into_file(&data);
        let mut content = file.read(ahead)?.to_vec();
        for data in pieces {
            content.extend_from_slice(&file.read(data)?);
        }
        file.finish()?;
        return Ok((fields, filename, content));
    }
}

fuzz_target!(|input: &[u8]| {
    let [step, rest @ ..] = input else { return };
    let Some(end) = rest.iter().position(|b| *b == b'\n') else { return };
    let Ok(boundary) = std::str::from_utf8(&rest[..end]) else { return };
    if boundary.is_empty() || boundary.len() > 70 || boundary.contains('\r') {
        return;
    }
    let form = &rest[end + 1..];
    let whole = read(boundary, form, form.len().max(1));
    let pieces = read(boundary, form, usize::from(*step).max(1));
    // Which of two errors comes first may depend on the pieces.
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok());
    if let Ok((fields, _, content)) = &whole {
        assert!(content.is_empty() || form.windows(content.len()).any(|window| window == content));
        assert!(fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MAX_FIELDS);
    }
});
