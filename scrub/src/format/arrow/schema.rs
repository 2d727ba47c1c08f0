//! What the columns of a table are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::message::MALFORMED;
use crate::find::position::{Half, halves};
use crate::format::table::flat::Flat;
use crate::format::table::form::Form;
use crate::format::table::{Fault, texts};

/// Fields in fields, at most.
const DEPTH: u32 = 128;
/// Fields, at most, and bytes of their names.
const FIELDS: usize = 1 << 16;
const NAMES: usize = 16 << 20;
/// Children of a union, at most.
const UNION: usize = 128;
/// What is said of a field, and under which name that it is one of an extension.
const SAID: usize = 6;
const EXTENSION: &[u8] = b"ARROW:extension:name";
/// The number of the type of times.
const TIMESTAMP: u8 = 10;
/// Bytes of the names of a path, at most: the innermost say most.
const PATH: usize = 1024;

/// How the values of a field are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bits,
    /// Values of so many bytes each.
    Fixed(usize, Fixed),
    /// Bytes between offsets, which may be of 64 bits.
    Bytes {
        wide: bool,
    },
    Views,
    List {
        wide: bool,
    },
    /// A list with a place and a length for each.
    ListViews {
        wide: bool,
    },
    /// Lists of so many values each.
    FixedList(usize),
    Structure,
    Map,
    Union {
        dense: bool,
    },
    RunEnds,
}

/// What values of a fixed width are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    Signed,
    Unsigned,
    Float,
    Decimal,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    /// How its values are printed, if they are looked into.
    pub form: Option<Form>,
    pub nullable: bool,
    pub children: Vec<Field>,
    /// What a union calls its children.
    pub types: Vec<u8>,
    /// The dictionary that its values are numbers of.
    pub dictionary: Option<i64>,
    /// The names that lead to it.
    pub path: Vec<String>,
    /// Those of other columns of the same dictionary, with their numbers.
    pub also: BTreeMap<Vec<String>, usize>,
    /// Its number among all.
    pub index: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    pub fields: Vec<Field>,
    /// What dictionaries hold.
    pub dictionaries: BTreeMap<i64, Field>,
    /// The zones of its times, which are any texts.
    zones: Vec<String>,
    /// Bytes of all names: many columns may be told in the same place.
    named: usize,
    /// Fields in all.
    pub count: usize,
    /// By the number of a field, which half of a position it is.
    pub halves: Vec<Option<Half>>,
}

impl Schema {
    /// Of the table that describes it.
    pub fn of(flat: &Flat, table: usize) -> Result<Self, Fault> {
        if flat.short_field(table, 0).ok_or(MALFORMED)? != 0 {
            return Err(Fault::unknown("Arrow of big-endian numbers"));
        }
        let mut schema = Self::default();
        for field in flat.tables(table, 1).ok_or(MALFORMED)? {
            let field = schema.read(flat, field, &mut Vec::new(), DEPTH)?;
            schema.fields.push(field);
        }
        schema.halves = schema.halves();
        Ok(schema)
    }

    /// All fields.
    fn all(&self) -> Vec<&Field> {
        let (mut all, mut open) = (Vec::new(), self.fields.iter().collect::<Vec<_>>());
        open.extend(self.dictionaries.values().flat_map(|field| &field.children));
        while let Some(field) = open.pop() {
            all.push(field);
            open.extend(&field.children);
        }
        all
    }

    /// The names of all fields, and of zones of times.
    pub fn names(&self) -> Vec<&[u8]> {
        let fields = self.all().into_iter().map(|field| field.name.as_bytes());
        fields.chain(self.zones.iter().map(String::as_bytes)).collect()
    }

    fn halves(&self) -> Vec<Option<Half>> {
        let all = self.all();
        let paths: Vec<Vec<_>> = all.iter().map(|field| field.path.iter().map(String::as_str).collect()).collect();
        let mut of = vec![None; self.count];
        for (field, half) in all.iter().zip(halves(paths.iter().map(Vec::as_slice))) {
            of[field.index] = half;
        }
        of
    }

    /// Counts a text that is kept.
    fn note(&mut self, text: &[u8]) -> Result<(), Fault> {
        self.named = self.named.saturating_add(text.len());
        if self.named > NAMES {
            return Err(Fault::limit(format!("the names of its columns have more than {NAMES} bytes")));
        }
        Ok(())
    }

    fn read(&mut self, flat: &Flat, table: usize, around: &mut Vec<String>, depth: u32) -> Result<Field, Fault> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| Fault::limit(format!("its columns are nested more than {DEPTH} times")))?;
        if self.count >= FIELDS {
            return Err(Fault::limit(format!("it has more than {FIELDS} columns")));
        }
        let index = self.count;
        self.count += 1;
        let name = flat.slot(table, 0).map_or(Some(&b""[..]), |at| flat.text(at)).ok_or(MALFORMED)?;
        self.note(name)?;
        let name = String::from_utf8_lossy(name).into_owned();
        around.push(name.clone());
        let mut children = Vec::new();
        for child in flat.tables(table, 5).ok_or(MALFORMED)? {
            children.push(self.read(flat, child, around, depth)?);
        }
        let (kind, form) = kind(flat, table).ok_or(MALFORMED)?.ok_or(Fault::unknown("Arrow of an unknown type"))?;
        let form = extended(kind, flat.said(table, SAID, EXTENSION)).or(form);
        let fits = match kind {
            Kind::List { .. } | Kind::ListViews { .. } | Kind::FixedList(_) => children.len() == 1,
            Kind::Map => {
                matches!(&children[..], [entries] if entries.kind == Kind::Structure && entries.children.len() == 2)
            }
            Kind::RunEnds => {
                let are_ends =
                    |ends: &Field| ends.dictionary.is_none() && matches!(ends.kind, Kind::Fixed(2..=8, Fixed::Signed));
                matches!(&children[..], [ends, _] if are_ends(ends))
            }
            Kind::Structure | Kind::Union { .. } => true,
            _ => children.is_empty(),
        };
        if !fits {
            return Err("a column has other columns in it than its type says".into());
        }
        if let (Kind::RunEnds, [ends, _]) = (kind, &mut children[..]) {
            // They are no values.
            ends.form = None;
        }
        if flat.byte_field(table, 2) == Some(TIMESTAMP)
            && let Some(zone) = flat.slot(table, 3).and_then(|of| flat.slot(flat.follow(of)?, 1))
        {
            let zone = flat.text(zone).ok_or(MALFORMED)?;
            self.note(zone)?;
            self.zones.push(String::from_utf8_lossy(zone).into_owned());
        }
        let path = innermost(&texts::path(around));
        around.pop();
        let nullable = flat.byte_field(table, 1).ok_or(MALFORMED)? != 0;
        let types = if matches!(kind, Kind::Union { .. }) {
            union_types(flat, table, children.len()).ok_or(MALFORMED)?
        } else {
            Vec::new()
        };
        let also = BTreeMap::new();
        let field = Field { name, kind, form, nullable, children, types, dictionary: None, path, also, index };
        let Some(dictionary) = flat.slot(table, 4) else { return Ok(field) };
        let dictionary = flat.follow(dictionary).ok_or(MALFORMED)?;
        let id = flat.long_field(dictionary, 0).ok_or(MALFORMED)?;
        let kind = match flat.slot(dictionary, 1).map(|at| flat.follow(at)) {
            Some(Some(of)) => {
                let width = flat.int_field(of, 0).and_then(bytes).filter(|width| *width <= 8).ok_or(MALFORMED)?;
                let is_signed = flat.byte_field(of, 1).ok_or(MALFORMED)? != 0;
                Kind::Fixed(width, if is_signed { Fixed::Signed } else { Fixed::Unsigned })
            }
            Some(None) => return Err(MALFORMED.into()),
            None => Kind::Fixed(4, Fixed::Signed),
        };
        let numbers =
            Field { kind, form: None, children: Vec::new(), types: Vec::new(), dictionary: Some(id), ..field.clone() };
        match self.dictionaries.entry(id) {
            Entry::Occupied(known) if !known.get().is_as(&field) => return Err("a dictionary is of two types".into()),
            Entry::Occupied(mut known) => known.get_mut().share(field),
            Entry::Vacant(free) => drop(free.insert(field)),
        }
        Ok(numbers)
    }
}

impl Field {
    /// Whether a column of it may have any number of rows with no byte for each.
    pub fn takes_nothing(&self) -> bool {
        match self.kind {
            Kind::Null | Kind::Fixed(0, _) | Kind::FixedList(0) | Kind::RunEnds => true,
            Kind::Structure => self.children.is_empty(),
            _ => false,
        }
    }

    /// Whether its values are of the same type.
    fn is_as(&self, other: &Self) -> bool {
        (self.kind, self.form, self.dictionary, &self.types) == (other.kind, other.form, other.dictionary, &other.types)
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(one, other)| one.is_as(other))
    }

    /// Takes over the names of another one that has the same values.
    fn share(&mut self, other: Self) {
        if other.path != self.path {
            self.also.entry(other.path).or_insert(other.index);
        }
        self.children.iter_mut().zip(other.children).for_each(|(child, other)| child.share(other));
    }
}

fn innermost(path: &[&str]) -> Vec<String> {
    let mut left = PATH;
    let fits = |name: &&&str| {
        let rest = left.checked_sub(name.len());
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut path: Vec<_> = path.iter().rev().take_while(fits).map(|name| (*name).to_owned()).collect();
    path.reverse();
    path
}

/// What an extension says of how the values of its storage are printed.
fn extended(kind: Kind, name: Option<&[u8]>) -> Option<Form> {
    match (name?, kind) {
        (b"arrow.uuid", Kind::Fixed(16, Fixed::Bytes)) => Some(Form::Uuid),
        (b"arrow.json", Kind::Bytes { .. } | Kind::Views) => Some(Form::Json),
        _ => None,
    }
}

/// What a union calls its children, of which there are so many: their numbers, where nothing else is said. A byte tells them, without its sign.
fn union_types(flat: &Flat, field: usize, children: usize) -> Option<Vec<u8>> {
    let of = flat.follow(flat.slot(field, 3)?)?;
    if children > UNION {
        return None;
    }
    let types: Vec<_> = if flat.slot(of, 1).is_none() {
        (0..children).map(|number| u8::try_from(number).ok()).collect::<Option<_>>()?
    } else {
        let (list, count) = flat.list(of, 1, 4).filter(|(_, count)| *count == children)?;
        (0..count).map(|index| u8::try_from(flat.int(list + 4 * index)?).ok()).collect::<Option<_>>()?
    };
    let mut seen = [false; UNION];
    let is_one = |kind: &u8| seen.get_mut(usize::from(*kind)).is_some_and(|seen| !std::mem::replace(seen, true));
    types.iter().all(is_one).then_some(types)
}

/// Bytes of a number of so many bits.
fn bytes(bits: i32) -> Option<usize> {
    usize::try_from(bits).ok().filter(|bits| matches!(bits, 8 | 16 | 32 | 64 | 128 | 256)).map(|bits| bits / 8)
}

/// How the values of a field are stored and printed; an inner none: its type is not known.
#[expect(clippy::option_option, reason = "what cannot be read is told from what is not known")]
fn kind(flat: &Flat, field: usize) -> Option<Option<(Kind, Option<Form>)>> {
    let number = flat.byte_field(field, 2)?;
    let of = flat.follow(flat.slot(field, 3)?)?;
    let wide_number = |form| (Kind::Fixed(8, Fixed::Signed), form);
    // Milliseconds where it is not told.
    let units = |of: usize| {
        let unit = if flat.slot(of, 0).is_some() { flat.short_field(of, 0)? } else { 1 };
        (unit < 4).then(|| 1000_i64.pow(unit.into()))
    };
    Some(Some(match number {
        1 => (Kind::Null, None),
        2 => {
            let width = bytes(flat.int_field(of, 0)?).filter(|width| *width <= 8)?;
            if flat.byte_field(of, 1)? != 0 {
                (Kind::Fixed(width, Fixed::Signed), Some(Form::Signed))
            } else {
                (Kind::Fixed(width, Fixed::Unsigned), Some(Form::Unsigned))
            }
        }
        3 => {
            let width = *[2, 4, 8].get(usize::from(flat.short_field(of, 0)?))?;
            (Kind::Fixed(width, Fixed::Float), Some(Form::Float))
        }
        4 => (Kind::Bytes { wide: false }, Some(Form::Bytes)),
        5 => (Kind::Bytes { wide: false }, Some(Form::Text)),
        6 => (Kind::Bits, None),
        7 => {
            let width = if flat.slot(of, 2).is_some() { bytes(flat.int_field(of, 2)?)? } else { 16 };
            let (precision, scale) = (flat.int_field(of, 0)?, flat.int_field(of, 1)?);
            // Zeros before the point are not printed.
            let form =
                Form::Decimal { scale: scale.max(0).cast_unsigned(), precision: precision.max(0).cast_unsigned() };
            (Kind::Fixed(width, Fixed::Decimal), Some(form))
        }
        // The unit is milliseconds where it is not told.
        8 => match flat.slot(of, 0) {
            Some(_) if flat.short_field(of, 0)? == 0 => (Kind::Fixed(4, Fixed::Signed), Some(Form::Date)),
            _ => wide_number(Some(Form::Timestamp { units: 1000 })),
        },
        9 => {
            let bits = if flat.slot(of, 1).is_some() { flat.int_field(of, 1)? } else { 32 };
            let kind = Kind::Fixed(bytes(bits).filter(|width| *width <= 8)?, Fixed::Signed);
            (kind, Some(Form::Time { units: units(of)? }))
        }
        TIMESTAMP => {
            let units = 1000_i64.pow(flat.short_field(of, 0).filter(|unit| *unit < 4)?.into());
            wide_number(Some(Form::Timestamp { units }))
        }
        11 => {
            let width = *[4, 8, 16].get(usize::from(flat.short_field(of, 0)?))?;
            (Kind::Fixed(width, Fixed::Bytes), Some(Form::Interval))
        }
        12 => (Kind::List { wide: false }, None),
        13 => (Kind::Structure, None),
        14 => (Kind::Union { dense: flat.short_field(of, 0)? == 1 }, None),
        15 => (Kind::Fixed(usize::try_from(flat.int_field(of, 0)?).ok()?, Fixed::Bytes), Some(Form::Bytes)),
        16 => (Kind::FixedList(usize::try_from(flat.int_field(of, 0)?).ok()?), None),
        17 => (Kind::Map, None),
        18 => wide_number(Some(Form::Duration { units: units(of)? })),
        19 => (Kind::Bytes { wide: true }, Some(Form::Bytes)),
        20 => (Kind::Bytes { wide: true }, Some(Form::Text)),
        21 => (Kind::List { wide: true }, None),
        22 => (Kind::RunEnds, None),
        23 => (Kind::Views, Some(Form::Bytes)),
        24 => (Kind::Views, Some(Form::Text)),
        25 => (Kind::ListViews { wide: false }, None),
        26 => (Kind::ListViews { wide: true }, None),
        _ => return Some(None),
    }))
}
