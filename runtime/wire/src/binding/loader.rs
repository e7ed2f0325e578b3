//! What a worker asks of a loader, and what it is answered.
//!
//! Code is a body: an [`Index`] in JSON, then the bytes of each module in its order, then the value
//! of `env`. What the index refers to by count is attached to the call, in this order: the right to
//! load, if the code has a name; where `fetch` goes, if that is given; the tails; and what `env`
//! holds.

use serde::{Deserialize, Serialize};

use crate::limits::Lower;
use crate::manifest::ModuleKind;

/// Bytes of one index.
pub const INDEX_BYTES_MAX: usize = 4 << 20;
/// Workers that are told of each event of a loaded one.
pub const TAIL_COUNT_MAX: usize = 8;
/// Bytes of the name of a loaded worker.
pub const LOADED_NAME_BYTES_MAX: usize = 512;

/// What is asked of a loader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// The worker of a name. Answered with [`Got`].
    Get {
        /// The name.
        name: String,
    },
    /// To load the code in the body. Handed back: the worker.
    Load {
        /// Bytes of the index.
        index: u32,
    },
    /// An export of the worker that is attached first. The body is what it sees as `ctx.props`,
    /// if anything. Handed back: the export.
    Entrypoint {
        /// The export; absent for `default`.
        #[serde(default)]
        entrypoint: Option<String>,
        /// Whether there are props.
        #[serde(default)]
        props: bool,
        /// Limits of its events.
        #[serde(default)]
        limits: Lower,
    },
    /// To keep the code in the body under a name, so that it can be started when nobody is calling.
    Register {
        /// The name.
        name: String,
        /// Bytes of the index.
        index: u32,
        /// JSON: what runs it without a request, as the metadata of an upload names it.
        #[serde(default)]
        triggers: Option<String>,
    },
    /// To forget what is kept under a name. Answered with whether there was something.
    Unregister {
        /// The name.
        name: String,
    },
    /// The worker that is kept under a name. Handed back: the worker.
    Registered {
        /// The name.
        name: String,
    },
}

/// The worker of a name, or whoever may load it: one of them is handed with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Got {
    /// Whether it is loaded. If not, the asker has the right to load it, until it lets that go.
    pub loaded: bool,
}

/// What code is, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Whether the code has a name: then the right to load it is attached.
    #[serde(default)]
    pub named: bool,
    /// The name of the module whose exports are the entrypoints.
    pub main_module: String,
    /// `YYYY-MM-DD`.
    pub compat_date: String,
    /// Compatibility flags.
    #[serde(default)]
    pub compat_flags: Vec<String>,
    /// Each module's name, kind and bytes.
    pub modules: Vec<(String, ModuleKind, u64)>,
    /// Bytes of the value of `env`; absent if there is none.
    #[serde(default)]
    pub env: Option<u64>,
    /// Limits lower than the loading worker's.
    #[serde(default)]
    pub limits: Lower,
    /// Where `fetch` goes.
    #[serde(default)]
    pub outbound: Outbound,
    /// How many tails are attached.
    #[serde(default)]
    pub tails: usize,
}

/// Where the `fetch` of loaded code goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outbound {
    /// Where that of the loading worker goes.
    #[default]
    Inherit,
    /// Nowhere.
    None,
    /// To what is attached.
    Attached,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_what_it_does_not_hold_and_nothing_else() {
        let text =
            r#"{"main_module":"a.js","compat_date":"2026-08-01","modules":[["a.js","es",3]]}"#;
        let index: Index = serde_json::from_str(text).expect("reads");
        assert_eq!(index.modules, [("a.js".into(), ModuleKind::Es, 3)]);
        assert_eq!((index.outbound, index.env, index.tails), (Outbound::Inherit, None, 0));
        let more = text.replace("\"modules\"", "\"extra\":1,\"modules\"");
        assert!(serde_json::from_str::<Index>(&more).is_err());
    }

    #[test]
    fn what_is_asked_reads_back() {
        let asks = [
            Ask::Get { name: "a".into() },
            Ask::Load { index: 7 },
            Ask::Entrypoint { entrypoint: None, props: true, limits: Lower::default() },
        ];
        for ask in asks {
            let text = serde_json::to_string(&ask).expect("plain data");
            assert_eq!(serde_json::from_str::<Ask>(&text).expect("reads"), ask);
        }
    }
}
