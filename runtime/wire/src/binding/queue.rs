//! What a worker says to a queue, and what it answers.
//!
//! The bodies of the messages that are sent are the body of the call, one behind the other.

use serde::{Deserialize, Serialize};

/// A call of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Which queue, where the binding stands for all of a tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// How the queue is to be from now on, where the binding stands for all of a tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
    /// What is to be done.
    pub call: Call,
}

/// What is to be done with a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Send messages.
    Send {
        /// Each with its kind, its bytes and the seconds for which it is held back.
        messages: Vec<(Kind, usize, Option<f64>)>,
        /// Seconds for which those are held back that do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_s: Option<f64>,
    },
    /// Tell what waits in it.
    Metrics,
}

/// What the body of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value, as the text of its JSON.
    Json,
    /// A string.
    Text,
    /// Bytes.
    Bytes,
    /// A value as the engine serializes it.
    V8,
}

/// How a queue is to be. What is absent is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    /// Who takes its messages; absent for the worker that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Consumer>,
    /// Messages of one batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_size: Option<f64>,
    /// Seconds for which a batch that is not full waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_timeout: Option<f64>,
    /// Times that a message is delivered again after it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<f64>,
    /// Seconds before it is, where the handler does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<f64>,
    /// The queue that takes what failed for the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<String>,
    /// Batches that are delivered at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<f64>,
    /// Seconds for which a message is held back that does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_delay: Option<f64>,
    /// Seconds after which a message is dropped that nobody took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_retention_period: Option<f64>,
}

/// Who takes the messages of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Consumer {
    /// A worker of the tenant's.
    Worker(String),
    /// An export of a worker of the tenant's.
    Entrypoint {
        /// The worker; absent for the one that asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// The export; absent for `default`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<String>,
    },
}

/// What waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// How many messages.
    pub count: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    /// When the oldest was sent, in milliseconds since 1970, if there is one.
    pub oldest: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::{read, write};

    #[test]
    fn calls_are_read_as_scripts_write_them() {
        let sent = br#"{"call":{"send":{"messages":[["json",5,null],["v8",2,1.5]],"delay_s":7}}}"#;
        let messages = vec![(Kind::Json, 5, None), (Kind::V8, 2, Some(1.5))];
        let call = Call::Send { messages, delay_s: Some(7.0) };
        assert_eq!(read::<Ask>(sent).expect("reads"), Ask { queue: None, options: None, call });
        let asked =
            br#"{"queue":"a\u0000","options":{"consumer":"mail","maxRetries":0},"call":"metrics"}"#;
        let options = Options {
            consumer: Some(Consumer::Worker("mail".into())),
            max_retries: Some(0.0),
            ..Options::default()
        };
        let ask = Ask { queue: Some("a\0".into()), options: Some(options), call: Call::Metrics };
        assert_eq!(read::<Ask>(asked).expect("reads"), ask);
        for wrong in [&br#"{"call":"purge"}"#[..], br#"{"call":"metrics","tenant":"x"}"#] {
            assert!(read::<Ask>(wrong).is_err());
        }
    }

    #[test]
    fn a_consumer_is_a_worker_or_an_export_of_one() {
        let of = |json: &str| serde_json::from_str::<Consumer>(json).expect("reads");
        let service = Some("mail".to_owned());
        let entrypoint = Some("Out".to_owned());
        assert_eq!(of(r#""mail""#), Consumer::Worker("mail".into()));
        let both = Consumer::Entrypoint { service, entrypoint };
        assert_eq!(of(r#"{"service":"mail","entrypoint":"Out"}"#), both);
        let metrics = write(&Metrics { count: 1, bytes: 2, oldest: None }).expect("plain data");
        assert_eq!(metrics, br#"{"count":1,"bytes":2,"oldest":null}"#);
    }
}
