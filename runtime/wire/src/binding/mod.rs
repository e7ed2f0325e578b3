//! What a worker says to a binding, and what it answers.
//!
//! Both are a head and a body ([`crate::frame::Bound`]). A head is JSON, which scripts write and
//! read without an op of its own; what does not fit one, or is not text, is the body.

pub mod loader;
pub mod queue;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes of one head.
pub const HEAD_BYTES_MAX: usize = 256 << 10;

/// What kind of object stands for a binding in `env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A namespace of keys and values.
    Kv,
    /// A queue.
    Queue,
    /// Namespaces of keys and values by name.
    DynamicKv,
    /// Queues by name.
    DynamicQueue,
    /// Another worker, or an export of one.
    Service,
    /// What loads other workers.
    Loader,
    /// Something that an event of a worker has handed over.
    Stub,
}

impl Kind {
    /// The name that scripts know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Queue => "queue",
            Self::DynamicKv => "dynamic_kv",
            Self::DynamicQueue => "dynamic_queue",
            Self::Service => "service",
            Self::Loader => "loader",
            Self::Stub => "stub",
        }
    }
}

/// The bytes are not a head of this kind.
#[derive(Debug, thiserror::Error)]
#[error("the head of a call does not parse")]
pub struct Malformed(#[from] serde_json::Error);

/// Reads a head.
pub fn read<T: DeserializeOwned>(head: &[u8]) -> Result<T, Malformed> {
    Ok(serde_json::from_slice(head)?)
}

/// Writes a head.
pub fn write(head: &impl Serialize) -> Result<Vec<u8>, Malformed> {
    Ok(serde_json::to_vec(head)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_json_of_its_own_type_and_of_no_other() {
        let head = write(&("a\0\u{e9}", 7)).expect("plain data");
        assert_eq!(
            head,
            br#"["a\u0000"#.iter().chain("\u{e9}\",7]".as_bytes()).copied().collect::<Vec<_>>()
        );
        assert_eq!(read::<(String, u32)>(&head).expect("reads"), ("a\0\u{e9}".into(), 7));
        assert!(read::<(String, String)>(&head).is_err());
        assert!(read::<String>(br#""\ud800""#).is_err(), "half a character");
    }
}
