//! The schema of a file: what its types are.

use std::collections::HashMap;

use crate::find::position::{Half, halves};
use crate::format::table::Fault;
use crate::format::table::form::Form;
use crate::format::table::json::Json;

/// Types in types, at most.
const DEPTH: u32 = 128;
/// Types with their paths, at most: few that are named can stand for many.
const NODES: usize = 1 << 16;
/// Bytes of the names of a path, at most: the innermost say most.
const PATH: usize = 1024;
/// Bytes of a name, at most: it is looked up time and again.
const NAME: usize = 4096;

/// A type at one place of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(usize);

impl Node {
    /// Its number.
    pub fn index(self) -> usize {
        self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    /// Of so many symbols.
    Enum(u64),
    Fixed(usize),
    Record(Vec<Node>),
    Array(Node),
    Map(Node),
    Union(Vec<Node>),
}

#[derive(Debug)]
struct At<'j> {
    kind: Kind,
    form: Option<Form>,
    /// The field that it is the type of.
    name: Option<&'j str>,
    /// The type around it.
    around: Option<Node>,
}

#[derive(Debug)]
pub struct Schema<'j> {
    nodes: Vec<At<'j>>,
    pub root: Node,
    /// By the number of a type, which half of a position its values are.
    halves: Vec<Option<Half>>,
}

impl<'j> Schema<'j> {
    pub fn of(json: &'j Json) -> Result<Self, Fault> {
        let mut named = HashMap::new();
        collect(json, "", &mut named)?;
        let mut reader = Reader { named, nodes: Vec::new(), open: Vec::new() };
        let root = reader.read(json, "", None, None, DEPTH)?;
        let mut schema = Self { nodes: reader.nodes, root, halves: Vec::new() };
        let path = |index: usize| schema.nodes[index].form.map_or(Vec::new(), |_| schema.path(Node(index)));
        let paths: Vec<_> = (0..schema.nodes.len()).map(path).collect();
        schema.halves = halves(paths.iter().map(Vec::as_slice));
        Ok(schema)
    }

    /// Which half of a position its values are.
    pub fn half(&self, node: Node) -> Option<Half> {
        self.halves[node.0]
    }

    pub fn kind(&self, node: Node) -> &Kind {
        &self.nodes[node.0].kind
    }

    /// How its values are printed; of a map, its keys.
    pub fn form(&self, node: Node) -> Option<Form> {
        self.nodes[node.0].form
    }

    /// Types that may have values.
    pub fn columns(&self) -> usize {
        self.nodes.len()
    }

    /// The names of the fields that lead to a value, the outermost first.
    pub fn path(&self, node: Node) -> Vec<&str> {
        let (mut path, mut left, mut at) = (Vec::new(), PATH, Some(node));
        while let Some(node) = at {
            let At { name, around, .. } = self.nodes[node.0];
            if let Some(name) = name {
                let Some(rest) = left.checked_sub(name.len()) else { break };
                left = rest;
                path.push(name);
            }
            at = around;
        }
        path.reverse();
        path
    }
}

/// A namespace, and a name in it.
type Name<'j> = (&'j str, &'j str);

/// The full name of a definition, whose namespace is that of those in it.
fn full_name<'j>(json: &'j Json, namespace: &'j str) -> Option<Name<'j>> {
    let name = json.get("name")?.text()?;
    let within = || (json.get("namespace").and_then(Json::text).unwrap_or(namespace), name);
    Some(name.rsplit_once('.').unwrap_or_else(within))
}

fn is_named(json: &Json) -> bool {
    matches!(json.get("type").and_then(Json::text), Some("record" | "error" | "enum" | "fixed"))
}

/// Finds the definitions, each with the namespace that it stands in.
fn collect<'j>(json: &'j Json, namespace: &'j str, named: &mut Named<'j>) -> Result<(), Fault> {
    match json {
        Json::Array(branches) => branches.iter().try_for_each(|branch| collect(branch, namespace, named)),
        Json::Object(..) => {
            let mut within = namespace;
            if is_named(json)
                && let Some(full) = full_name(json, namespace)
            {
                if full.0.len() + full.1.len() > NAME {
                    return Err(Fault::limit(format!("its schema has a name of more than {NAME} bytes")));
                }
                within = full.0;
                if named.insert(full, (json, namespace)).is_some() {
                    return Err("its schema defines a type twice".into());
                }
            }
            for name in ["type", "items", "values"] {
                json.get(name).into_iter().try_for_each(|inner| collect(inner, within, named))?;
            }
            let Some(Json::Array(fields)) = json.get("fields") else { return Ok(()) };
            fields.iter().filter_map(|field| field.get("type")).try_for_each(|of| collect(of, within, named))
        }
        _ => Ok(()),
    }
}

/// Definitions, each with the namespace that it stands in.
type Named<'j> = HashMap<Name<'j>, (&'j Json, &'j str)>;

struct Reader<'j> {
    named: Named<'j>,
    nodes: Vec<At<'j>>,
    /// Records that the type which is read is in.
    open: Vec<(Name<'j>, Node)>,
}

impl<'j> Reader<'j> {
    fn add(
        &mut self,
        kind: Kind,
        form: Option<Form>,
        name: Option<&'j str>,
        around: Option<Node>,
    ) -> Result<Node, Fault> {
        if self.nodes.len() >= NODES {
            return Err(Fault::limit(format!("its schema has more than {NODES} types")));
        }
        self.nodes.push(At { kind, form, name, around });
        Ok(Node(self.nodes.len() - 1))
    }

    fn read(
        &mut self,
        json: &'j Json,
        namespace: &'j str,
        name: Option<&'j str>,
        around: Option<Node>,
        depth: u32,
    ) -> Result<Node, Fault> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| Fault::limit(format!("its types are nested more than {DEPTH} times")))?;
        match json {
            Json::Text(of, _) => match primitive(of) {
                Some((kind, form)) => self.add(kind, form, name, around),
                None => self.named(of, namespace, name, around, depth),
            },
            Json::Array(branches) => {
                let node = self.add(Kind::Union(Vec::new()), None, name, around)?;
                let branches = branches.iter().map(|branch| self.read(branch, namespace, None, Some(node), depth));
                self.nodes[node.0].kind = Kind::Union(branches.collect::<Result<_, _>>()?);
                Ok(node)
            }
            Json::Object(..) => self.object(json, namespace, name, around, depth),
            _ => Err("its schema has something that is no type".into()),
        }
    }

    /// A type by its name.
    fn named(
        &mut self,
        of: &'j str,
        namespace: &'j str,
        name: Option<&'j str>,
        around: Option<Node>,
        depth: u32,
    ) -> Result<Node, Fault> {
        let within = of.rsplit_once('.').unwrap_or((namespace, of));
        let full = if self.named.contains_key(&within) { within } else { ("", of) };
        if let Some((_, node)) = self.open.iter().find(|(open, _)| *open == full) {
            return Ok(*node);
        }
        let (json, namespace) = *self.named.get(&full).ok_or("its schema has a type that it does not define")?;
        self.object(json, namespace, name, around, depth)
    }

    fn object(
        &mut self,
        json: &'j Json,
        namespace: &'j str,
        name: Option<&'j str>,
        around: Option<Node>,
        depth: u32,
    ) -> Result<Node, Fault> {
        let of = json.get("type").ok_or("its schema has something that is no type")?;
        let Json::Text(word, _) = of else { return self.read(of, namespace, name, around, depth) };
        let child = |child: &str| json.get(child).ok_or("its schema has a type that is cut");
        let (kind, form) = match word.as_str() {
            "record" | "error" => return self.record(json, namespace, name, around, depth),
            "enum" => {
                let Some(Json::Array(symbols)) = json.get("symbols") else {
                    return Err("an enum has no symbols".into());
                };
                (Kind::Enum(symbols.len() as u64), None)
            }
            "fixed" => {
                let size = json.get("size").and_then(Json::number).and_then(|size| usize::try_from(size).ok());
                (Kind::Fixed(size.ok_or("a fixed has no size")?), Some(Form::Bytes))
            }
            "array" => {
                let node = self.add(Kind::Null, None, name, around)?;
                self.nodes[node.0].kind =
                    Kind::Array(self.read(child("items")?, namespace, None, Some(node), depth)?);
                return Ok(node);
            }
            "map" => {
                let node = self.add(Kind::Null, Some(Form::Text), name, around)?;
                self.nodes[node.0].kind = Kind::Map(self.read(child("values")?, namespace, None, Some(node), depth)?);
                return Ok(node);
            }
            other => match primitive(other) {
                Some(of) => of,
                None => return self.named(other, namespace, name, around, depth),
            },
        };
        let form = logical(&kind, json).or(form);
        self.add(kind, form, name, around)
    }

    fn record(
        &mut self,
        json: &'j Json,
        namespace: &'j str,
        name: Option<&'j str>,
        around: Option<Node>,
        depth: u32,
    ) -> Result<Node, Fault> {
        let full = full_name(json, namespace).ok_or("a record has no name")?;
        let Some(Json::Array(fields)) = json.get("fields") else { return Err("a record has no fields".into()) };
        let node = self.add(Kind::Null, None, name, around)?;
        self.open.push((full, node));
        let mut nodes = Vec::with_capacity(fields.len());
        for field in fields {
            let name = field.get("name").and_then(Json::text).ok_or("a field has no name")?;
            let of = field.get("type").ok_or("a field has no type")?;
            nodes.push(self.read(of, full.0, Some(name), Some(node), depth)?);
        }
        self.open.pop();
        self.nodes[node.0].kind = Kind::Record(nodes);
        Ok(node)
    }
}

fn primitive(word: &str) -> Option<(Kind, Option<Form>)> {
    Some(match word {
        "null" => (Kind::Null, None),
        "boolean" => (Kind::Boolean, None),
        "int" => (Kind::Int, Some(Form::Signed)),
        "long" => (Kind::Long, Some(Form::Signed)),
        "float" => (Kind::Float, Some(Form::Float)),
        "double" => (Kind::Double, Some(Form::Float)),
        "bytes" => (Kind::Bytes, Some(Form::Bytes)),
        "string" => (Kind::Text, Some(Form::Text)),
        _ => return None,
    })
}

/// How a logical type is printed, if it is one of this type: others are as if they were not there.
fn logical(kind: &Kind, json: &Json) -> Option<Form> {
    let number = |name: &str| json.get(name).and_then(Json::number).and_then(|number| u32::try_from(number).ok());
    Some(match (kind, json.get("logicalType")?.text()?) {
        (Kind::Bytes | Kind::Fixed(_), "decimal") => {
            Form::Decimal { scale: number("scale").unwrap_or(0), precision: number("precision")? }
        }
        (Kind::Int, "date") => Form::Date,
        (Kind::Long, "timestamp-millis" | "local-timestamp-millis") => Form::Timestamp { units: 1000 },
        (Kind::Long, "timestamp-micros" | "local-timestamp-micros") => Form::Timestamp { units: 1_000_000 },
        (Kind::Long, "timestamp-nanos" | "local-timestamp-nanos") => Form::Timestamp { units: 1_000_000_000 },
        (Kind::Int, "time-millis") => Form::Time { units: 1000 },
        (Kind::Long, "time-micros") => Form::Time { units: 1_000_000 },
        (Kind::Fixed(16), "uuid") => Form::Uuid,
        (Kind::Fixed(12), "duration") => Form::Interval,
        _ => return None,
    })
}
