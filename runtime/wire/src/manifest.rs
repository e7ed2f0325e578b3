//! What one version of one worker is. Data only; its id is the hash of its bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::binding::Kind;
use crate::frame::BINDING_SLOT;
use crate::given::Given;
use crate::id::{ContentHash, VersionId};
use crate::limits::Lower;

/// The format that [`Manifest::to_bytes`] writes. A newer program reads every older one.
pub const FORMAT: u32 = 1;

/// What one version of one worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// The name of the module whose exports are the entrypoints.
    pub main_module: String,
    /// Every module by name.
    pub modules: BTreeMap<String, Module>,
    /// What `env` holds, by name.
    pub bindings: BTreeMap<String, Binding>,
    /// Which behaviour the worker was written for.
    pub compat: Compat,
    /// Limits lower than the tenant's.
    pub limits: Lower,
    /// Where `fetch` may go.
    pub outbound: Outbound,
    /// Whether the version is reached by name when it is not deployed.
    pub previews: bool,
    /// Patterns of the requests to custom hosts that the version takes, in their one form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Queues whose messages the version takes, while it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue_consumers: Vec<QueueConsumer>,
    /// When the version is to be run, while it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crons: Vec<String>,
    /// What it was given by the worker that registered it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
}

/// One module of a version. The bytes are elsewhere, under their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// How an import of it reads.
    pub kind: ModuleKind,
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// How many bytes it has.
    pub bytes: u64,
}

/// How an import of a module reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// An ECMAScript module.
    Es,
    /// A string.
    Text,
    /// An `ArrayBuffer`.
    Data,
    /// A parsed JSON value.
    Json,
    /// A compiled `WebAssembly.Module`.
    Wasm,
    /// A source map of another module; never imported.
    SourceMap,
    /// A CommonJS module: what it leaves in `module.exports`.
    CommonJs,
}

impl ModuleKind {
    /// Whether there can be compiled code of it.
    pub fn compiles(self) -> bool {
        matches!(self, Self::Es | Self::CommonJs | Self::Wasm)
    }
}

/// What one name in `env` stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Binding {
    /// A string, readable by whoever may read the manifest.
    PlainText {
        /// The string.
        text: String,
    },
    /// A value, as the text of its JSON.
    Json {
        /// The JSON.
        json: String,
    },
    /// A secret of the worker: the value is not part of the version.
    SecretText,
    /// A namespace of keys and values of the tenant's.
    KvNamespace {
        /// Its name.
        namespace: String,
    },
    /// A queue of the tenant's, to send to.
    Queue {
        /// Its name.
        queue: String,
        /// Seconds for which its messages are held back, where a message does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery_delay: Option<u32>,
    },
    /// The tenant's namespaces, by names that the worker makes up as it runs.
    DynamicKv,
    /// The tenant's queues, by names that the worker makes up as it runs.
    DynamicQueue,
    /// Another worker of the tenant, which is looked up at each call.
    Service {
        /// The worker's name.
        service: String,
        /// The export that is called; absent for `default`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<String>,
        /// The text of the JSON of what the callee sees as `ctx.props`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        props: Option<String>,
    },
    /// What loads other workers while the worker runs.
    WorkerLoader,
}

impl Binding {
    /// The type, as an upload has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::PlainText { .. } => "plain_text",
            Self::Json { .. } => "json",
            Self::SecretText => "secret_text",
            Self::KvNamespace { .. } => "kv_namespace",
            Self::Queue { .. } => "queue",
            Self::DynamicKv => "dynamic_kv",
            Self::DynamicQueue => "dynamic_queue",
            Self::Service { .. } => "service",
            Self::WorkerLoader => "worker_loader",
        }
    }

    /// What stands for it in `env`, if it is something that calls are made of.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::PlainText { .. } | Self::Json { .. } | Self::SecretText => None,
            Self::KvNamespace { .. } => Some(Kind::Kv),
            Self::Queue { .. } => Some(Kind::Queue),
            Self::DynamicKv => Some(Kind::DynamicKv),
            Self::DynamicQueue => Some(Kind::DynamicQueue),
            Self::Service { .. } => Some(Kind::Service),
            Self::WorkerLoader => Some(Kind::Loader),
        }
    }

    /// Bytes of what the manifest itself puts into `env`.
    pub fn value_bytes(&self) -> usize {
        match self {
            Self::PlainText { text } => text.len(),
            Self::Json { json } => json.len(),
            Self::Service { props: Some(props), .. } => props.len(),
            _ => 0,
        }
    }
}

/// A queue whose messages a version takes. What is absent is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueConsumer {
    /// The queue's name.
    pub queue: String,
    /// Messages of one batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batch_size: Option<u32>,
    /// Seconds for which a batch that is not full waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batch_timeout: Option<u32>,
    /// Times that a message is delivered again after it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Seconds before it is, where the handler does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<u32>,
    /// The queue that takes what failed for the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<String>,
    /// Batches that are delivered at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
}

/// Which behaviour a version was written for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compat {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Flags, in the order given.
    pub flags: Vec<String>,
}

/// Where a version's `fetch` may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outbound {
    /// To public addresses.
    #[default]
    Public,
    /// Nowhere.
    None,
    /// To another worker of the tenant, which is looked up at each call.
    Service {
        /// The worker's name.
        service: String,
        /// The export whose handler runs; absent for `default`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<String>,
    },
}

/// Why bytes are not a manifest that this program reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON of this shape.
    #[error("the manifest does not parse")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer program.
    #[error("the manifest has format {0}; this program reads up to {FORMAT}")]
    TooNew(u32),
}

impl Manifest {
    /// The bytes that are stored and hashed: JSON, its maps in byte order of their keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps with string keys only")
    }

    /// Reads what [`Manifest::to_bytes`] of this program or an older one wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_slice(bytes)?;
        if format > FORMAT {
            return Err(Error::TooNew(format));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The bindings that calls are made of, each with its slot, what stands for it and its name.
    pub fn bound(&self) -> impl Iterator<Item = (u32, Kind, &str, &Binding)> {
        let kinds = self.bindings.iter();
        let kinds = kinds.filter_map(|(name, binding)| Some((binding.kind()?, name, binding)));
        let slots = (BINDING_SLOT..).zip(kinds);
        slots.map(|(slot, (kind, name, binding))| (slot, kind, name.as_str(), binding))
    }

    /// The version's id.
    pub fn id(&self) -> VersionId {
        VersionId::of(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let module = Module { kind: ModuleKind::Es, hash: ContentHash::of(b"1"), bytes: 1 };
        Manifest {
            format: FORMAT,
            main_module: "index.js".into(),
            modules: BTreeMap::from([("index.js".into(), module)]),
            bindings: BTreeMap::from([
                ("GREETING".into(), Binding::PlainText { text: "hi".into() }),
                ("CFG".into(), Binding::Json { json: r#"{"b":1,"a":2}"#.into() }),
                ("KEY".into(), Binding::SecretText),
            ]),
            compat: Compat { date: "2026-08-01".into(), flags: vec![] },
            limits: Lower { cpu_ms: Some(50), ..Lower::default() },
            outbound: Outbound::Public,
            previews: true,
            routes: vec![],
            queue_consumers: vec![],
            crons: vec![],
            given: None,
        }
    }

    #[test]
    fn the_bytes_of_a_manifest_are_frozen() {
        let bytes = example().to_bytes();
        expect_test::expect_file!["../golden/manifest-1.json"]
            .assert_eq(&String::from_utf8_lossy(&bytes));
        assert_eq!(Manifest::from_bytes(&bytes).expect("reads"), example());
    }

    #[test]
    fn an_outbound_worker_is_kept_by_name() {
        let outbound = Outbound::Service { service: "proxy".into(), entrypoint: None };
        let bytes = Manifest { outbound: outbound.clone(), ..example() }.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(r#""outbound":{"service":{"service":"proxy"}}"#), "{text}");
        assert_eq!(Manifest::from_bytes(&bytes).expect("reads").outbound, outbound);
    }

    /// Declarations that the first programs of this format did not know.
    #[test]
    fn what_a_version_declares_of_the_tenants_own_is_frozen_too() {
        let kv = Binding::KvNamespace { namespace: "notes".into() };
        let queue = Binding::Queue { queue: "jobs".into(), delivery_delay: Some(5) };
        let manifest = Manifest {
            bindings: BTreeMap::from([
                ("A_TEXT".into(), Binding::PlainText { text: "x".into() }),
                ("KV".into(), kv.clone()),
                ("KVS".into(), Binding::DynamicKv),
                ("QUEUE".into(), queue.clone()),
                ("QUEUES".into(), Binding::DynamicQueue),
            ]),
            queue_consumers: vec![QueueConsumer {
                queue: "jobs".into(),
                max_retries: Some(0),
                dead_letter_queue: Some("dead".into()),
                ..QueueConsumer::default()
            }],
            crons: vec!["*/5 * * * *".into()],
            ..example()
        };
        let bytes = manifest.to_bytes();
        expect_test::expect_file!["../golden/manifest-1-bindings.json"]
            .assert_eq(&String::from_utf8_lossy(&bytes));
        assert_eq!(Manifest::from_bytes(&bytes).expect("reads"), manifest);
        let bound: Vec<_> = manifest.bound().collect();
        let expected = [
            (2, Kind::Kv, "KV", &kv),
            (3, Kind::DynamicKv, "KVS", &Binding::DynamicKv),
            (4, Kind::Queue, "QUEUE", &queue),
            (5, Kind::DynamicQueue, "QUEUES", &Binding::DynamicQueue),
        ];
        assert_eq!(bound, expected);
    }

    #[test]
    fn a_newer_format_is_refused_by_number() {
        let bytes = Manifest { format: 2, ..example() }.to_bytes();
        assert!(matches!(Manifest::from_bytes(&bytes), Err(Error::TooNew(2))));
    }
}
