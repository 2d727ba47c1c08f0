//! Texts beside the values: names of columns, which stay, and what writers say about a file.

use std::borrow::Cow;

use super::Fault;
use super::form::Form;
use super::scalar::{Printed, print_text};
use super::values::Values;
use crate::format::{Summary, Work};

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

/// Looks into names of columns. What is found in them stays.
pub fn names<'n>(
    names: impl IntoIterator<Item = &'n [u8]>,
    work: &Work<'_>,
    summary: &mut Summary,
) -> Result<(), Fault> {
    let printed: Vec<_> = names.into_iter().map(|name| Some(Printed::Text(Cow::Borrowed(name)))).collect();
    let mut values = Values::new(work, &[]);
    values.scrub(&printed)?;
    summary.unfit += values.count();
    values.finish(summary);
    Ok(())
}

/// What stands in the place of a text with a name; none where it stays.
pub fn text(name: &str, value: &[u8], work: &Work<'_>, summary: &mut Summary) -> Result<Option<Vec<u8>>, Fault> {
    // A short text may have any name, and many the same.
    work.take(name.len() as u64)?;
    let mut values = Values::new(work, &[name]);
    let instead = values.scrub(&[print_text(value, Form::Text)])?;
    values.finish(summary);
    Ok(instead.into_iter().next().flatten().map(|text| text.to_vec()))
}
