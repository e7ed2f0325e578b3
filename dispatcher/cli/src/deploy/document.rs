//! A configuration file as a tree that knows where each thing stands, whichever syntax it has.

use std::fmt::Display;
use std::path::Path;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};
use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::position;

/// A file that was parsed.
pub(crate) struct Document {
    file: String,
    text: String,
    /// What it holds.
    pub(crate) root: Node,
}

/// A value, and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    /// The byte at which it begins.
    pub(crate) at: usize,
    /// The value.
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug)]
pub(crate) enum Value {
    /// `null`, which TOML does not have.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object or table, in the order of the file.
    Table(Vec<Entry>),
}

/// A name with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name.
    pub(crate) key: String,
    /// The byte at which the name begins.
    pub(crate) at: usize,
    /// The value.
    pub(crate) node: Node,
}

impl Document {
    /// Parses a file's text: TOML if its name says so, else JSON with comments.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, String> {
        let root = if path.extension().is_some_and(|extension| extension == "toml") {
            parse_toml(&text)
        } else {
            parse_json(&text)
        };
        let file = path.display().to_string();
        match root {
            Ok(root) => Ok(Self { file, text, root }),
            Err((at, message)) => Err(located(&file, &text, at, message)),
        }
    }

    /// `file:line:column: message`.
    pub(crate) fn at(&self, at: usize, message: impl Display) -> String {
        located(&self.file, &self.text, at, message)
    }
}

fn located(file: &str, text: &str, at: usize, message: impl Display) -> String {
    let (line, column) = position(text, at);
    format!("{file}:{line}:{column}: {message}")
}

impl Node {
    /// The entry of that name; the last one if there are several.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| entry.key == key)
    }

    /// The entries of a table; none if this is something else.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Table(entries) = &self.value { entries } else { &[] }
    }

    /// Whether it says nothing: `null`, `[]`, `{}`, or tables of such.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Table(entries) => entries.iter().all(|entry| entry.node.is_empty()),
            _ => false,
        }
    }

    /// The same value without positions.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::Text(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }
}

type Failure = (usize, String);

fn parse_json(text: &str) -> Result<Node, Failure> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options)
        .map_err(|error| (error.range().start, error.kind().to_string()))?;
    from_json(&parsed.value.ok_or((0, "the file is empty".to_owned()))?)
}

fn from_json(value: &ast::Value) -> Result<Node, Failure> {
    let at = value.start();
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(lit) => Value::Bool(lit.value),
        ast::Value::NumberLit(lit) => {
            Value::Number(serde_json::from_str(lit.value).map_err(|error| (at, error.to_string()))?)
        }
        ast::Value::StringLit(lit) => Value::Text(lit.value.clone().into_owned()),
        ast::Value::Array(array) => {
            Value::List(array.elements.iter().map(from_json).collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => {
            let entry = |property: &ast::ObjectProp| {
                let key = property.name.as_str().to_owned();
                Ok(Entry { key, at: property.range.start, node: from_json(&property.value)? })
            };
            Value::Table(object.properties.iter().map(entry).collect::<Result<_, _>>()?)
        }
    };
    Ok(Node { at, value })
}

fn parse_toml(text: &str) -> Result<Node, Failure> {
    let table = DeTable::parse(text)
        .map_err(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    Ok(Node { at: 0, value: from_table(table.get_ref())? })
}

fn from_table(table: &DeTable) -> Result<Value, Failure> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue>)| {
        let name: &std::borrow::Cow<str> = key.get_ref();
        Ok(Entry { key: name.to_string(), at: key.span().start, node: from_toml(value)? })
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect::<Result<_, Failure>>()?;
    entries.sort_by_key(|entry| entry.at);
    Ok(Value::Table(entries))
}

fn from_toml(value: &Spanned<DeValue>) -> Result<Node, Failure> {
    let at = value.span().start;
    let number = || (at, "the number is out of range".to_owned());
    let value = match value.get_ref() {
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => Value::Number(
            i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| number())?.into(),
        ),
        DeValue::Float(float) => Value::Number(
            float.as_str().parse().ok().and_then(Number::from_f64).ok_or_else(number)?,
        ),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(array) => {
            Value::List(array.iter().map(from_toml).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => from_table(table)?,
    };
    Ok(Node { at, value })
}
