//! Limits as people are told of them: one row for each, which the documentation, `capabilities`
//! and every error that the limit causes are made from.
//!
//! The rows here are of what [`crate::limits`] and [`crate::name`] hold; other crates have rows
//! for bounds of their own.

use std::fmt;

use crate::limits::{self, DEFAULT};
use crate::{name, rpc};

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The name, in errors too.
    pub name: &'static str,
    /// What applies where nobody set it lower; 0 if that is as the machine has it.
    pub value: u64,
    /// What is counted.
    pub unit: Unit,
    /// Where it is set, if it can be.
    pub set: Option<Setting>,
    /// What it bounds.
    pub what: &'static str,
    /// What happens at it.
    pub at: &'static str,
    /// What to do then.
    pub advice: &'static str,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

/// Where a limit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the setting there.
    pub key: &'static str,
    /// Which of server, tenant and worker have it.
    pub levels: &'static [&'static str],
}

impl Unit {
    /// The word behind a number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Bytes => "bytes",
            Self::Milliseconds => "ms",
        }
    }
}

impl Limit {
    /// A value of this limit as people read it, such as `50 ms`.
    pub fn amount(self, value: u64) -> Amount {
        Amount { value, unit: self.unit }
    }

    /// What an error says of the limit: its name, the value that applies, and what to do.
    pub fn told(self, value: impl TryInto<u64>) -> Told {
        Told { limit: self, value: value.try_into().unwrap_or(u64::MAX) }
    }

    /// The same where the value is the one that nobody can change.
    pub fn fixed(self) -> Told {
        Told { limit: self, value: self.value }
    }
}

/// A number with its unit.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    value: u64,
    unit: Unit,
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Count => write!(f, "{}", self.value),
            unit => write!(f, "{} {}", self.value, unit.as_str()),
        }
    }
}

/// What an error says of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    limit: Limit,
    value: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, value } = *self;
        write!(f, "the limit {} is {}: {}", limit.name, limit.amount(value), limit.advice)?;
        match limit.set {
            // Somebody set it lower, and can set it higher again.
            Some(set) if value < limit.value => {
                let levels = set.levels.join(" or ");
                let most = limit.amount(limit.value);
                write!(f, ", or raise `{}` of the {levels} up to {most}", set.key)?;
                if set.levels.len() > 1 { f.write_str("; the lowest applies") } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// Writes the rows of a table: each a constant, and all of them in one list.
#[macro_export]
macro_rules! limits {
    ($(#[$doc:meta])* $all:ident; $(
        $constant:ident = $name:literal $value:expr, $unit:ident, $set:expr;
        $what:literal; $at:literal; $advice:literal;
    )*) => {
        $(
            #[doc = $what]
            pub const $constant: $crate::limit::Limit = $crate::limit::Limit {
                name: $name,
                value: $value as u64,
                unit: $crate::limit::Unit::$unit,
                set: $set,
                what: $what,
                at: $at,
                advice: $advice,
            };
        )*
        $(#[$doc])*
        pub const $all: &[$crate::limit::Limit] = &[$($constant,)*];
    };
}

/// A setting that each level has.
const fn each(key: &'static str) -> Option<Setting> {
    Some(Setting { key, levels: &["server", "tenant", "worker"] })
}

limits! {
    /// Every limit of this crate.
    ALL;
    CPU = "cpu_ms_max" DEFAULT.cpu_ms_max, Milliseconds, each("limits.cpu_ms");
        "CPU time of one event"; "the event ends as EXCEEDED_CPU";
        "do less in one event";
    STARTUP_CPU = "startup_cpu_ms_max" DEFAULT.startup_cpu_ms_max, Milliseconds, None;
        "CPU time of evaluating the modules"; "the upload is refused, the start fails";
        "move work out of the modules' top level into a handler";
    MEMORY = "memory_bytes_max" DEFAULT.memory_bytes_max, Bytes, each("limits.memory_mb");
        "V8 heap and off-heap bytes of one isolate together";
        "the isolate's events end as EXCEEDED_MEMORY and ISOLATE_LOST";
        "hold less at once, for example by streaming bodies";
    WALL = "wall_ms_max" DEFAULT.wall_ms_max, Milliseconds, each("limits.wall_ms");
        "time from start to end of an event that no client waits for";
        "the event ends as EXCEEDED_WALL_TIME";
        "split the work into several events";
    AFTER_CLIENT = "after_client_ms_max" DEFAULT.after_client_ms_max, Milliseconds, None;
        "time that an event goes on for after its client has gone";
        "the event ends as EXCEEDED_WALL_TIME";
        "do less in `waitUntil`, or while the client still listens";
    RESPONSE = "response_bytes_max" DEFAULT.response_bytes_max, Bytes, None;
        "bytes of one response's body"; "writing throws a RangeError, and the response is cut";
        "answer in parts";
    LOG = "log_bytes_max" DEFAULT.log_bytes_max, Bytes, None;
        "console bytes of one event"; "further messages of the event are dropped";
        "log less";
    TIMERS = "timer_count_max" DEFAULT.timer_count_max, Count, None;
        "timers of one isolate that have not fired"; "setTimeout throws a QuotaExceededError";
        "clear timers that nobody waits for";
    SUBREQUESTS = "subrequest_count_max" DEFAULT.subrequest_count_max, Count,
        each("limits.subrequests");
        "outgoing requests and calls of bindings of one event"; "fetch throws, the call is refused";
        "send fewer requests from one event";
    EVENTS = "event_count_max" DEFAULT.event_count_max, Count, None;
        "events that one isolate runs at once"; "further events wait";
        "answer sooner";
    QUEUED_EVENTS = "queued_event_count_max" limits::QUEUED_EVENT_COUNT_MAX, Count, None;
        "events that wait for one isolate"; "the request is answered with OVERLOADED";
        "try again after `retry-after`";
    MODULES = "modules_bytes_max" limits::MODULES_BYTES_MAX, Bytes, None;
        "bytes of all modules of a version"; "the upload is refused";
        "leave out what the worker does not import";
    MODULE_COUNT = "module_count_max" limits::MODULE_COUNT_MAX, Count, None;
        "modules of a version"; "the upload is refused";
        "bundle them";
    MODULE_NAME = "module_name_bytes_max" name::MODULE_NAME_BYTES_MAX, Bytes, None;
        "bytes of a module's name"; "the upload is refused";
        "use a shorter path";
    ENV = "env_bytes_max" limits::ENV_BYTES_MAX, Bytes, None;
        "bytes of `env`: names, texts, JSON and secrets"; "the upload is refused";
        "put large values into modules";
    BINDINGS = "binding_count_max" limits::BINDING_COUNT_MAX, Count, None;
        "names in `env`, the worker's secrets included"; "the upload is refused";
        "put several values into one of JSON";
    BINDING_NAME = "binding_name_bytes_max" name::BINDING_NAME_BYTES_MAX, Bytes, None;
        "bytes of the name of a binding or secret"; "the upload is refused";
        "use a shorter name";
    NAME = "name_bytes_max" name::NAME_BYTES_MAX, Bytes, None;
        "bytes of the name of a tenant or worker"; "the call is refused";
        "use a shorter name";
    RESOURCE_NAME = "resource_name_bytes_max" name::RESOURCE_NAME_BYTES_MAX, Bytes, None;
        "bytes of the name of a namespace or queue"; "the upload or call is refused";
        "use a shorter name";
    CONSUMERS = "consumer_count_max" limits::CONSUMER_COUNT_MAX, Count, None;
        "queues that a version takes messages of"; "the upload is refused";
        "let several workers take them";
    CRONS = "cron_count_max" limits::CRON_COUNT_MAX, Count, None;
        "crons of a version"; "the upload is refused";
        "run more often and decide in the handler";
    CRON = "cron_bytes_max" limits::CRON_BYTES_MAX, Bytes, None;
        "bytes of a cron"; "the upload is refused";
        "split it into several";
    ROUTES = "route_count_max" limits::ROUTE_COUNT_MAX, Count, None;
        "routes of a version"; "the upload is refused";
        "take several paths by one pattern with `*`";
    ROUTE = "route_bytes_max" limits::ROUTE_BYTES_MAX, Bytes, None;
        "bytes of the pattern of a route"; "the upload is refused";
        "end it sooner with `*`";
    REQUEST = "request_bytes_max" limits::REQUEST_BYTES_MAX, Bytes, None;
        "bytes of a request's body"; "the request is answered with TOO_LARGE";
        "send it in several requests";
    URL = "url_bytes_max" limits::URL_BYTES_MAX, Bytes, None;
        "bytes of the path and query of a request, or of the URL of an outgoing one";
        "a request is answered with TOO_LARGE, fetch throws";
        "send what is long in the body";
    CALLS = "call_count_max" limits::CALL_COUNT_MAX, Count, None;
        "outgoing requests and calls of bindings of one event that have no answer yet";
        "further ones wait";
        "read one response before the next request";
    HOPS = "hop_count_max" limits::HOP_COUNT_MAX, Count, None;
        "calls from worker to worker that one request leads to"; "fetch throws";
        "do not let workers call each other in a circle";
    RPC_CALLS = "rpc_call_count_max" rpc::CALL_COUNT_MAX, Count, None;
        "calls of methods that one event makes, or that are made in it, and have no answer yet";
        "further ones wait, or are refused where they are made";
        "wait for answers before the next calls";
    RPC_PATH = "rpc_path_count_max" rpc::PATH_COUNT_MAX, Count, None;
        "names in a chain of properties of a stub"; "naming one more throws";
        "return what lies deep by a method of its own";
    RPC_PATH_BYTES = "rpc_path_bytes_max" rpc::PATH_BYTES_MAX, Bytes, None;
        "bytes of those names together"; "the call throws";
        "use shorter names";
    RPC_VALUE = "rpc_value_bytes_max" rpc::VALUE_BYTES_MAX, Bytes, None;
        "bytes of the arguments or the result of one call of a method"; "the call fails";
        "send what is long as a stream";
    HEADERS = "header_count_max" limits::HEADER_COUNT_MAX, Count, None;
        "headers of a request or response";
        "a request is answered with TOO_LARGE, a response throws";
        "send fewer";
    HEADERS_BYTES = "headers_bytes_max" limits::HEADERS_BYTES_MAX, Bytes, None;
        "bytes of all headers of a request or response";
        "a request is answered with TOO_LARGE, a response throws";
        "send shorter ones";
    BATCH = "batch_count_max" limits::BATCH_COUNT_MAX, Count, None;
        "messages of one batch of a queue"; "the call is refused";
        "send the others in another batch";
    BATCH_BYTES = "batch_bytes_max" limits::BATCH_BYTES_MAX, Bytes, None;
        "bytes of the messages of one batch of a queue"; "the call is refused";
        "send the others in another batch";
    MESSAGE = "message_bytes_max" limits::MESSAGE_BYTES_MAX, Bytes, None;
        "bytes of one message of a queue"; "the call is refused";
        "keep what is long elsewhere and send its name";
    DELAY = "delay_s_max" limits::DELAY_S_MAX, Count, None;
        "seconds for which a message of a queue may be held back"; "the handler throws";
        "hold it back again when it comes";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_crate_has_a_row_with_its_value() {
        let defaults = serde_json::to_value(&DEFAULT).expect("numbers");
        for (name, value) in defaults.as_object().expect("an object") {
            let row = ALL.iter().find(|limit| limit.name == name);
            assert_eq!(row.map(|limit| limit.value), value.as_u64(), "{name}");
        }
        let sources = [
            ("", include_str!("limits.rs")),
            ("", include_str!("name.rs")),
            ("rpc_", include_str!("rpc.rs")),
        ];
        for (of, source) in sources {
            let constants = source.lines().filter_map(|line| line.strip_prefix("pub const "));
            for name in constants.filter_map(|rest| rest.split_once("_MAX:")) {
                let name = format!("{of}{}_max", name.0.to_lowercase());
                assert!(ALL.iter().any(|limit| limit.name == name), "{name}");
            }
        }
    }

    #[test]
    fn every_setting_is_one_that_can_be_lowered() {
        let lower = crate::limits::Lower {
            cpu_ms: Some(1),
            subrequests: Some(1),
            memory_mb: Some(1),
            wall_ms: Some(1),
        };
        let lower = serde_json::to_value(&lower).expect("numbers");
        let keys: Vec<String> =
            lower.as_object().expect("an object").keys().map(|k| format!("limits.{k}")).collect();
        let set: Vec<&str> = ALL.iter().filter_map(|limit| Some(limit.set?.key)).collect();
        assert!(set.iter().all(|key| keys.iter().any(|known| known == key)), "{set:?} {keys:?}");
        assert_eq!(set.len(), keys.len());
    }

    #[test]
    fn an_error_tells_name_value_and_what_to_do() {
        let told = CPU.told(50_u32).to_string();
        assert_eq!(
            told,
            "the limit cpu_ms_max is 50 ms: do less in one event, or raise `limits.cpu_ms` of the \
             server or tenant or worker up to 30000 ms; the lowest applies"
        );
        assert_eq!(
            CPU.fixed().to_string(),
            "the limit cpu_ms_max is 30000 ms: do less in one event"
        );
        assert_eq!(
            TIMERS.told(7_u32).to_string(),
            "the limit timer_count_max is 7: clear timers that nobody waits for"
        );
    }
}
