//! Where configuration comes from, and how its errors name the place.

use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::check::Invalid;
use super::raw::Raw;

/// Prefix of environment variables: `DATA_VAULT__SECTION__KEY`.
const PREFIX: &str = "DATA_VAULT__";

/// Where to read the configuration from. Later ones win.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file. None: `data-vault.toml` in the working directory if it is there.
    pub file: Option<PathBuf>,
    /// Environment variables; those without our prefix are ignored.
    pub environment: Vec<(String, String)>,
    /// `section.key`, value, and the flag as the user wrote it.
    pub flags: Vec<(String, String, String)>,
}

/// Why the configuration cannot be used: one message for people, with place and remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in a source is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// All sources, each already found right on its own.
pub(super) struct Layers(Vec<Layer>);

struct Layer {
    origin: Origin,
    table: Table,
}

enum Origin {
    File {
        path: PathBuf,
        text: String,
    },
    /// The variable or flag by name.
    Named(String),
}

impl Layers {
    pub(super) fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let mut layers = Vec::new();
        if let Some(path) = sources.file.clone().or_else(|| {
            let path = PathBuf::from("data-vault.toml");
            path.exists().then_some(path)
        }) {
            let text =
                std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            layers.push(Layer::file(path, text)?);
        }
        let mut variables: Vec<_> = sources.environment.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        variables.sort();
        for (name, value) in variables {
            let path = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            layers.push(Layer::value(name.clone(), &path, value)?);
        }
        for (path, value, flag) in &sources.flags {
            layers.push(Layer::value(flag.clone(), path, value)?);
        }
        Ok(Self(layers))
    }

    pub(super) fn of_file(path: PathBuf, text: String) -> Result<Self, ConfigError> {
        Ok(Self(vec![Layer::file(path, text)?]))
    }

    pub(super) fn merged(&self) -> Result<Raw, ConfigError> {
        let mut all = Table::new();
        for layer in &self.0 {
            merge(&mut all, &layer.table);
        }
        Raw::deserialize(Value::Table(all)).map_err(|e| ConfigError::Wrong(e.message().to_owned()))
    }

    /// Names the source that last set the key, and the line where that is the file.
    pub(super) fn place(&self, error: &Invalid) -> ConfigError {
        let path: Vec<&str> = error.key.split('.').collect();
        // A bucket name may hold dots: `buckets.<name>.<key>` is three steps however many dots there are.
        let path = match path.as_slice() {
            ["buckets", middle @ .., last] if middle.len() > 1 => {
                vec!["buckets".to_owned(), middle.join("."), (*last).to_owned()]
            }
            plain => plain.iter().map(|s| (*s).to_owned()).collect(),
        };
        let message = format!("`{}`: {}", error.key, error.message);
        let setter = self.0.iter().rev().find(|l| has(&l.table, &path));
        ConfigError::Wrong(match setter.map(|l| &l.origin) {
            None => message,
            Some(Origin::Named(name)) => format!("{name}: {message}"),
            Some(Origin::File { path: file, text }) => {
                let span = DeTable::parse(text).ok().and_then(|t| span_of(t.get_ref(), &path));
                render(&file.display().to_string(), text, span, &message)
            }
        })
    }
}

impl Layer {
    fn file(path: PathBuf, text: String) -> Result<Self, ConfigError> {
        let wrong =
            |e: &toml::de::Error| ConfigError::Wrong(render(&path.display().to_string(), &text, e.span(), e.message()));
        toml::from_str::<Raw>(&text).map_err(|e| wrong(&e))?;
        let table = toml::from_str(&text).map_err(|e| wrong(&e))?;
        Ok(Self { table, origin: Origin::File { path, text } })
    }

    /// One value: a string if the key takes one, else whatever TOML makes of it.
    fn value(name: String, path: &str, value: &str) -> Result<Self, ConfigError> {
        let as_string = Self::nested(path, Value::String(value.to_owned()));
        let literal = toml::from_str::<Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut t| t.remove("value"))
            .filter(|v| !v.is_str())
            .map(|v| Self::nested(path, v));
        let mut error = None;
        // The literal is tried last, so its error, which speaks of the type the user meant, is the one that is shown.
        for table in [Some(as_string), literal].into_iter().flatten() {
            match Raw::deserialize(Value::Table(table.clone())) {
                Ok(_) => {
                    return Ok(Self { table, origin: Origin::Named(name) });
                }
                Err(e) => error = Some(e.message().to_owned()),
            }
        }
        // What the parser says of a value repeats it, and this one may hold a secret.
        let message = if path.contains("secret") || path.starts_with("credentials") {
            "must have the form that `docs/configuration.md` shows for this key".to_owned()
        } else {
            error.unwrap_or_default()
        };
        Err(ConfigError::Wrong(format!("{name} (`{path}`): {message}")))
    }

    fn nested(path: &str, value: Value) -> Table {
        let mut steps = path.rsplit('.');
        let last = steps.next().unwrap_or_default();
        let mut table = Table::from_iter([(last.to_owned(), value)]);
        for step in steps {
            table = Table::from_iter([(step.to_owned(), Value::Table(table))]);
        }
        table
    }
}

fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn has(table: &Table, path: &[String]) -> bool {
    let Some((last, sections)) = path.split_last() else {
        return false;
    };
    let mut table = table;
    for section in sections {
        match table.get(section) {
            Some(Value::Table(inner)) => table = inner,
            _ => return false,
        }
    }
    table.contains_key(last)
}

fn span_of(table: &DeTable<'_>, path: &[String]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(k, _)| k.get_ref() == first.as_str())?;
    match (value.get_ref(), rest) {
        (_, []) => Some(key.span().start..value.span().end.max(key.span().end)),
        (DeValue::Table(inner), rest) => span_of(inner, rest),
        _ => None,
    }
}

/// `file:line:column: message`, then the line with the place marked. A line that may hold a secret is not repeated.
pub(super) fn render(file: &str, text: &str, span: Option<Range<usize>>, message: &str) -> String {
    let Some(span) = span.filter(|s| s.start <= text.len()) else {
        return format!("{file}: {message}");
    };
    let before = &text[..text.floor_char_boundary(span.start)];
    let number = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let column = before[line_start..].chars().count();
    let head = format!("{file}:{number}:{}: {message}", column + 1);
    if line.contains("secret") {
        return head;
    }
    let rest = line.chars().count().saturating_sub(column);
    let width = text.get(span).map_or(1, |s| s.lines().next().unwrap_or_default().chars().count());
    let gutter = " ".repeat(number.to_string().len());
    format!(
        "{head}\n{gutter} |\n{number} | {line}\n{gutter} | {}{}",
        " ".repeat(column),
        "^".repeat(width.min(rest).max(1)),
    )
}
