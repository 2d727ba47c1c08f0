//! The texts in a schema, edited where they stand.

use std::ops::Range;

use crate::format::table::json::Json;
use crate::format::table::scalar::Printed;
use crate::format::table::values::Values;
use crate::format::table::{Fault, texts};
use crate::format::{Summary, Work};

/// The text of a schema with what it says scrubbed; none where it stays. Names, those of attributes too, symbols and defaults that are no strings stay:
/// what is found in them is unfit.
pub fn edit(text: &str, json: &Json, work: &Work<'_>, summary: &mut Summary) -> Result<Option<String>, Fault> {
    let mut editor = Editor { work, summary, edits: Vec::new(), names: Vec::new() };
    editor.visit(json)?;
    let Editor { mut edits, names, .. } = editor;
    texts::names(names.iter().map(|name| name.as_bytes()), work, summary)?;
    if edits.is_empty() {
        return Ok(None);
    }
    edits.sort_by_key(|(range, _)| range.start);
    let (mut out, mut at) = (String::new(), 0);
    for (range, new) in edits {
        out += &text[at..range.start];
        out += &serde_json::Value::from(new).to_string();
        at = range.end;
    }
    Ok(Some(out + &text[at..]))
}

struct Editor<'e, 'j> {
    work: &'e Work<'e>,
    summary: &'e mut Summary,
    edits: Vec<(Range<usize>, String)>,
    names: Vec<&'j str>,
}

impl<'j> Editor<'_, 'j> {
    /// A type, or a field.
    fn visit(&mut self, json: &'j Json) -> Result<(), Fault> {
        match json {
            Json::Array(branches) => branches.iter().try_for_each(|branch| self.visit(branch)),
            Json::Text(name, _) => {
                self.names.push(name);
                Ok(())
            }
            Json::Number(_) => self.unfit("", json),
            Json::Object(members, _) => {
                let is_text = json.get("type").is_some_and(is_text);
                let field = json.get("name").and_then(Json::text).unwrap_or_default();
                for (key, value) in members {
                    match key.as_str() {
                        "type" | "name" | "namespace" | "items" | "values" | "fields" | "symbols" | "aliases"
                        | "logicalType" | "order" | "size" | "precision" | "scale" => self.visit(value)?,
                        "default" if is_text && value.text().is_some() => self.said(field, value)?,
                        "default" => self.unfit(field, value)?,
                        other => {
                            self.names.push(other);
                            self.said(other, value)?;
                        }
                    }
                }
                Ok(())
            }
            Json::Other => Ok(()),
        }
    }

    /// What may be changed.
    fn said(&mut self, name: &str, value: &'j Json) -> Result<(), Fault> {
        match value {
            Json::Text(text, range) => {
                let new = texts::text(name, text.as_bytes(), self.work, self.summary)?;
                let new = new.map(|new| String::from_utf8_lossy(&new).into_owned());
                self.edits.extend(new.map(|new| (range.clone(), new)));
                Ok(())
            }
            Json::Array(values) => values.iter().try_for_each(|value| self.said(name, value)),
            Json::Object(members, _) => members.iter().try_for_each(|(key, value)| {
                self.names.push(key);
                self.said(key, value)
            }),
            Json::Number(_) => self.unfit(name, value),
            Json::Other => Ok(()),
        }
    }

    /// What stays.
    fn unfit(&mut self, name: &str, value: &'j Json) -> Result<(), Fault> {
        match value {
            Json::Text(text, _) | Json::Number(text) => {
                let mut values = Values::new(self.work, &[name]);
                let is_number = matches!(value, Json::Number(_));
                let printed =
                    if is_number { Printed::Number(text.clone()) } else { Printed::Text(text.as_bytes().into()) };
                values.scrub(&[Some(printed)])?;
                self.summary.unfit += values.count();
                values.finish(self.summary);
                Ok(())
            }
            Json::Array(values) => values.iter().try_for_each(|value| self.unfit(name, value)),
            Json::Object(members, _) => members.iter().try_for_each(|(key, value)| {
                self.names.push(key);
                self.unfit(key, value)
            }),
            Json::Other => Ok(()),
        }
    }
}

/// Whether a default of this type is a string that may be any other.
fn is_text(of: &Json) -> bool {
    match of {
        Json::Text(word, _) => word == "string",
        Json::Array(branches) => branches.first().is_some_and(is_text),
        _ => of.get("type").is_some_and(is_text),
    }
}
