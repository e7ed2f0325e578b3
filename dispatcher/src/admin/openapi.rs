//! The list of calls as an OpenAPI document. The shapes of bodies are in `schemas.json`.

use serde_json::{Map, Value, json};

use super::answer::{Answer, json as answer};
use super::call::{CALLS, Call, Content, Scope};
use crate::problem::Code;

/// The shapes of bodies by name, as JSON schemas.
const SCHEMAS: &str = include_str!("schemas.json");

pub(super) async fn show() -> Answer {
    answer(document())
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for call in CALLS {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.to_ascii_lowercase()] = operation(call);
    }
    let mut schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).unwrap_or_default();
    schemas.insert("Error".to_owned(), error_schema());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Bindery admin API", "version": env!("CARGO_PKG_VERSION") },
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas,
        },
        "paths": paths,
    });
    // One order, whichever map the build's features choose.
    document.sort_all_objects();
    document
}

fn operation(call: &Call) -> Value {
    let in_path = call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = in_path
        .map(|name| parameter(name, "path"))
        .chain(call.query.iter().map(|name| parameter(name, "query")))
        .collect();
    let mut done = json!({ "description": "Done." });
    if call.gives.iter().any(Option::is_some) {
        done["content"] = content(call.gives.iter().flatten());
    }
    let error = content(&[("application/json", "Error")]);
    let error = json!({ "description": "A failure.", "content": error });
    let mut operation = json!({
        "summary": call.doc,
        "description": call.scope.doc(),
        "parameters": parameters,
        "responses": { call.status.to_string(): done, "default": error },
        "security": if call.scope == Scope::Open { json!([]) } else { json!([{ "token": [] }]) },
    });
    if let Some(takes) = &call.takes {
        operation["requestBody"] = json!({ "content": content([takes]) });
    }
    operation
}

fn parameter(name: &str, place: &str) -> Value {
    let kind = match name {
        "after" | "expiration" | "expiration_ttl" | "from" | "limit" | "to" => "integer",
        "deploy" | "follow" | "force" => "boolean",
        _ => "string",
    };
    let schema = json!({ "type": kind });
    json!({ "name": name, "in": place, "required": place == "path", "schema": schema })
}

fn content<'a>(contents: impl IntoIterator<Item = &'a Content>) -> Value {
    let of = |(kind, schema): &Content| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        ((*kind).to_owned(), json!({ "schema": schema }))
    };
    contents.into_iter().map(of).collect::<Map<_, _>>().into()
}

fn error_schema() -> Value {
    let text = json!({ "type": "string" });
    let closed = |properties: Value, required: Value| {
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    };
    let fault = closed(json!({ "path": text, "message": text }), json!(["path", "message"]));
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let properties = json!({
        "code": { "type": "string", "enum": codes },
        "message": text,
        "requestId": text,
        "problems": { "type": "array", "items": fault },
    });
    let error = closed(properties, json!(["code", "message", "requestId"]));
    closed(json!({ "error": error }), json!(["error"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_all_calls_is_frozen() {
        let mut text = serde_json::to_string_pretty(&document()).expect("plain data");
        text.push('\n');
        expect_test::expect_file!["../../golden/openapi.json"].assert_eq(&text);
    }

    #[test]
    fn every_schema_that_is_named_is_there_and_every_one_there_is_named() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let text = document.to_string();
        for name in schemas.keys() {
            assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name}");
        }
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(schemas.contains_key(name), "{name}");
        }
    }

    #[test]
    fn every_call_that_answers_with_something_says_with_what() {
        for call in CALLS {
            let gives = call.gives.iter().any(Option::is_some);
            assert_eq!(gives, call.status != 204, "{} {}", call.method, call.path);
        }
    }
}
