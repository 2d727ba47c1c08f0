//! The texts in a footer: names of columns, which stay, and what writers say about a file.

use std::collections::HashSet;

use super::footer::field;
use super::ipc;
use super::thrift::Structure;
use crate::format::table::Fault;
use crate::format::table::texts::{self, text};
use crate::format::{Summary, Work};

/// The names of columns.
pub fn names<'s>(elements: &'s [Structure<'_>]) -> Result<Vec<&'s [u8]>, Fault> {
    let mut names = Vec::new();
    for element in elements {
        names.extend(element.binary(field::SCHEMA_NAME)?);
    }
    Ok(names)
}

/// Edits what is said about the whole file.
pub fn edit(root: &mut Structure<'_>, work: &Work<'_>, summary: &mut Summary) -> Result<(), Fault> {
    let elements = root.list(field::FILE_SCHEMA)?;
    let known = names(&elements)?.into_iter().map(<[u8]>::to_vec).collect();
    key_values(root, field::FILE_KEY_VALUES, &known, work, summary)?;
    if let Some(writer) = root.binary(field::FILE_CREATED_BY)?
        && let Some(writer) = text("created_by", writer, work, summary)?
    {
        root.set_binary(field::FILE_CREATED_BY, &writer);
    }
    Ok(())
}

/// Edits what is said about a column.
pub fn edit_column(meta: &mut Structure<'_>, work: &Work<'_>, summary: &mut Summary) -> Result<(), Fault> {
    key_values(meta, field::META_KEY_VALUES, &HashSet::new(), work, summary)
}

/// `known`: names of columns that were looked into.
fn key_values(
    of: &mut Structure<'_>,
    id: i16,
    known: &HashSet<Vec<u8>>,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), Fault> {
    let mut changed = false;
    let mut entries = Vec::new();
    for mut entry in of.list(id)? {
        let key = String::from_utf8_lossy(entry.binary(field::KEY)?.unwrap_or_default()).into_owned();
        if let Some(value) = entry.binary(field::VALUE)? {
            let new = if key == ipc::KEY {
                let names = ipc::names(value)?;
                let others = names.iter().filter(|name| !known.contains(*name));
                texts::names(others.map(Vec::as_slice), work, summary)?;
                ipc::scrub(value, |name, value| text(name, value, work, summary))?
            } else {
                text(&key, value, work, summary)?
            };
            if let Some(new) = new {
                entry.set_binary(field::VALUE, &new);
                changed = true;
            }
        }
        entries.push(entry.into_owned());
    }
    if changed {
        of.set_list(id, &entries);
    }
    Ok(())
}
