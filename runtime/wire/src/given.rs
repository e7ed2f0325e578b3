//! What a worker that another one registered was given by it, as it is kept.

use serde::{Deserialize, Serialize};

use crate::id::ContentHash;
use crate::limits::Lower;
use crate::manifest::Binding;
use crate::value::Rights;

/// What a registered worker is started with, beside what a manifest declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The value whose properties `env` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Value>,
    /// Where `fetch` goes, if not where the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Service>,
    /// What is told of each of its events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tails: Vec<Service>,
}

/// A value that an isolate wrote. Its bytes are a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// [`crate::value::FORMAT`] of whoever wrote it.
    pub format: u32,
    /// The hash of the bytes.
    pub hash: ContentHash,
    /// What goes with them, in the order in which they name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
}

/// What goes with a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// What a version can declare, and what may be done with it.
    Binding(Binding, Rights),
    /// An export of a worker of the tenant's.
    Service(Service),
}

/// An export of a worker of the tenant's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The worker's name.
    pub worker: String,
    /// The export; absent for `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// What it sees as `ctx.props`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub props: Option<Props>,
    /// Limits of its events.
    #[serde(default)]
    pub limits: Lower,
}

/// What an export sees as `ctx.props`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Props {
    /// The text of JSON.
    Json(String),
    /// A value.
    Value(Value),
}

impl Given {
    /// The contents that it names.
    pub fn hashes(&self) -> Vec<ContentHash> {
        let mut hashes = Vec::new();
        let mut values: Vec<&Value> = self.env.iter().collect();
        let mut services: Vec<&Service> = self.outbound.iter().chain(&self.tails).collect();
        loop {
            if let Some(service) = services.pop() {
                if let Some(Props::Value(value)) = &service.props {
                    values.push(value);
                }
            } else if let Some(value) = values.pop() {
                hashes.push(value.hash);
                services.extend(value.held.iter().filter_map(|held| match held {
                    Held::Service(service) => Some(service),
                    Held::Binding(..) => None,
                }));
            } else {
                return hashes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Given {
        let value = |text: &[u8], held| Value { format: 1, hash: ContentHash::of(text), held };
        let service = |props| Service {
            worker: "main".into(),
            entrypoint: Some("Out".into()),
            props,
            limits: Lower { cpu_ms: Some(5), ..Lower::NONE },
        };
        let kv = Binding::KvNamespace { namespace: "notes".into() };
        let held = vec![
            Held::Binding(kv, Rights::Read),
            Held::Service(service(Some(Props::Value(value(b"props", vec![]))))),
        ];
        Given {
            env: Some(value(b"env", held)),
            outbound: Some(service(Some(Props::Json("{}".into())))),
            tails: vec![service(Some(Props::Value(value(b"tail", vec![]))))],
        }
    }

    #[test]
    fn what_is_given_is_frozen() {
        let text = serde_json::to_string(&given()).expect("plain data");
        expect_test::expect_file!["../golden/given-1.json"].assert_eq(&text);
        assert_eq!(serde_json::from_str::<Given>(&text).expect("reads"), given());
    }

    #[test]
    fn every_content_that_it_names_is_found() {
        let mut found = given().hashes();
        found.sort_unstable_by_key(|hash| hash.0);
        let mut wanted = [&b"env"[..], b"props", b"tail"].map(ContentHash::of);
        wanted.sort_unstable_by_key(|hash| hash.0);
        assert_eq!(found, wanted);
    }
}
