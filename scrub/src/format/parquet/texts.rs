//! The texts in a footer: names of columns, which stay, and what writers say about a file.

use std::borrow::Cow;

use super::footer::field;
use super::ipc;
use super::scalar::{Printed, Scalar as _};
use super::thrift::Structure;
use super::values::Values;
use super::{Fault, Task};
use crate::format::Summary;

/// Names of the groups that lists and maps are made of, which say nothing.
const GENERIC: [&str; 9] = ["list", "bag", "array", "element", "item", "array_element", "map", "key_value", "entries"];

/// The names of a column that say something, the outermost first.
pub fn path(parts: &[String]) -> Vec<&str> {
    let generic = |index: usize, name: &str| match name {
        _ if index == 0 => false,
        "key" | "value" => GENERIC.contains(&parts[index - 1].as_str()),
        _ => GENERIC.contains(&name) || name.ends_with("_tuple"),
    };
    parts
        .iter()
        .map(String::as_str)
        .enumerate()
        .filter(|(index, name)| !generic(*index, name))
        .map(|(_, name)| name)
        .collect()
}

/// Looks into the names of columns. What is found in them stays.
pub fn names(root: &Structure<'_>, task: &Task<'_>, summary: &mut Summary) -> Result<(), Fault> {
    let elements = root.list(field::FILE_SCHEMA)?;
    let mut printed = Vec::new();
    for element in &elements {
        printed.push(element.binary(field::SCHEMA_NAME)?.map(|name| Printed::Text(Cow::Borrowed(name))));
    }
    let mut values = Values::new(task, &[]);
    values.scrub(&printed)?;
    summary.unfit += values.count();
    values.finish(summary);
    Ok(())
}

/// Edits what is said about the whole file.
pub fn edit(root: &mut Structure<'_>, task: &Task<'_>, summary: &mut Summary) -> Result<(), Fault> {
    key_values(root, field::FILE_KEY_VALUES, task, summary)?;
    if let Some(writer) = root.binary(field::FILE_CREATED_BY)?
        && let Some(writer) = text("created_by", writer, task, summary)?
    {
        root.set_binary(field::FILE_CREATED_BY, &writer);
    }
    Ok(())
}

/// Edits what is said about a column.
pub fn edit_column(meta: &mut Structure<'_>, task: &Task<'_>, summary: &mut Summary) -> Result<(), Fault> {
    key_values(meta, field::META_KEY_VALUES, task, summary)
}

fn key_values(of: &mut Structure<'_>, id: i16, task: &Task<'_>, summary: &mut Summary) -> Result<(), Fault> {
    let mut changed = false;
    let mut entries = Vec::new();
    for mut entry in of.list(id)? {
        let key = String::from_utf8_lossy(entry.binary(field::KEY)?.unwrap_or_default()).into_owned();
        if let Some(value) = entry.binary(field::VALUE)? {
            let new = if key == ipc::KEY {
                ipc::scrub(value, |name, value| text(name, value, task, summary))?
            } else {
                text(&key, value, task, summary)?
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

/// What stands in the place of a text with a name; none where it stays.
fn text(name: &str, value: &[u8], task: &Task<'_>, summary: &mut Summary) -> Result<Option<Vec<u8>>, Fault> {
    let value = parquet::data_type::ByteArray::from(value);
    let mut values = Values::new(task, &[name]);
    let instead = values.scrub(&[value.print(super::Form::Text)])?;
    values.finish(summary);
    Ok(instead.into_iter().next().flatten().map(|text| text.to_vec()))
}
