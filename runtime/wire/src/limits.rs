//! What an isolate and an event may use.
//!
//! A limit is set per server, tenant, worker and event; the lowest wins, so the only operation
//! is [`Limits::lowered_by`].

use serde::{Deserialize, Serialize};

/// What one isolate and each of its events may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time of one event, in milliseconds.
    pub cpu_ms_max: u32,
    /// CPU time of evaluating the modules, in milliseconds.
    pub startup_cpu_ms_max: u32,
    /// V8 heap and off-heap bytes of the isolate together.
    pub memory_bytes_max: u64,
    /// Wall time of an event that no client waits for, in milliseconds.
    pub wall_ms_max: u32,
    /// Wall time that an event may go on for after its client has gone, in milliseconds.
    pub after_client_ms_max: u32,
    /// Bytes of one response's body.
    pub response_bytes_max: u64,
    /// Console bytes of one event.
    pub log_bytes_max: u32,
    /// Timers of one isolate that have not fired.
    pub timer_count_max: u32,
    /// Outgoing requests of one event.
    pub subrequest_count_max: u32,
    /// Events that one isolate runs at once.
    pub event_count_max: u32,
}

/// What applies where nobody said otherwise.
pub const DEFAULT: Limits = Limits {
    cpu_ms_max: 30_000,
    startup_cpu_ms_max: 1_000,
    memory_bytes_max: 128 << 20,
    wall_ms_max: 15 * 60 * 1_000,
    after_client_ms_max: 60_000,
    response_bytes_max: 8 << 30,
    log_bytes_max: 256 << 10,
    timer_count_max: 10_000,
    subrequest_count_max: 1_000,
    event_count_max: 100,
};

const _: () = assert!(DEFAULT.cpu_ms_max <= DEFAULT.wall_ms_max);

/// Bytes of all modules of a version.
pub const MODULES_BYTES_MAX: u64 = 64 << 20;
/// Modules of a version.
pub const MODULE_COUNT_MAX: usize = 10_000;
/// Bytes of `env`: names, texts, JSON and secrets.
pub const ENV_BYTES_MAX: u64 = 1 << 20;
/// Bindings of a version.
pub const BINDING_COUNT_MAX: usize = 128;
/// Bytes of one request's body.
pub const REQUEST_BYTES_MAX: u64 = 100_000_000;
/// Bytes of the URL of one outgoing request.
pub const URL_BYTES_MAX: usize = 16 << 10;
/// Headers of one request or response.
pub const HEADER_COUNT_MAX: usize = 128;
/// Bytes of all headers of one request or response.
pub const HEADERS_BYTES_MAX: usize = 64 << 10;
/// Outgoing requests of one event whose responses have not begun; more wait in the isolate.
pub const CALL_COUNT_MAX: usize = 6;
/// Calls from worker to worker that one request leads to.
pub const HOP_COUNT_MAX: u32 = 16;
/// Routes of a version.
pub const ROUTE_COUNT_MAX: usize = 100;
/// Bytes of the pattern of a route.
pub const ROUTE_BYTES_MAX: usize = 512;
/// Queues that a version takes messages of.
pub const CONSUMER_COUNT_MAX: usize = 100;
/// Crons of a version.
pub const CRON_COUNT_MAX: usize = 100;
/// Bytes of a cron.
pub const CRON_BYTES_MAX: usize = 256;
/// Events that wait for one isolate.
pub const QUEUED_EVENT_COUNT_MAX: usize = 100;

/// Messages of one batch of a queue.
pub const BATCH_COUNT_MAX: usize = 100;
/// Bytes of the messages of one batch of a queue.
pub const BATCH_BYTES_MAX: usize = 256_000;
/// Bytes of one message of a queue.
pub const MESSAGE_BYTES_MAX: usize = 128_000;
/// Seconds for which a message of a queue may be held back.
pub const DELAY_S_MAX: u32 = 86_400;

/// Limits as somebody asked for them: what is absent is not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lower {
    /// CPU time of one event, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u32>,
    /// Outgoing requests of one event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subrequests: Option<u32>,
    /// V8 heap and off-heap bytes together, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u32>,
    /// Wall time of an event without a client, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u32>,
}

impl Lower {
    /// Asks for nothing.
    pub const NONE: Self = Self { cpu_ms: None, subrequests: None, memory_mb: None, wall_ms: None };

    /// The lower of both.
    pub fn and(&self, other: &Self) -> Self {
        fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
            one.into_iter().chain(other).min()
        }
        Self {
            cpu_ms: least(self.cpu_ms, other.cpu_ms),
            subrequests: least(self.subrequests, other.subrequests),
            memory_mb: least(self.memory_mb, other.memory_mb),
            wall_ms: least(self.wall_ms, other.wall_ms),
        }
    }

    /// What is asked for and has no effect, because these limits are lower: the name of each,
    /// what was asked, and what applies.
    pub fn over(&self, limits: &Limits) -> Vec<(&'static str, u64, u64)> {
        let asked = [
            ("cpu_ms", self.cpu_ms, limits.cpu_ms_max.into()),
            ("subrequests", self.subrequests, limits.subrequest_count_max.into()),
            ("memory_mb", self.memory_mb, limits.memory_bytes_max >> 20),
            ("wall_ms", self.wall_ms, limits.wall_ms_max.into()),
        ];
        let over = asked.into_iter().filter_map(|(name, asked, max)| {
            let asked = u64::from(asked?);
            (asked > max).then_some((name, asked, max))
        });
        over.collect()
    }
}

impl Limits {
    /// These limits, each lowered to what `lower` says if that is less.
    pub fn lowered_by(mut self, lower: &Lower) -> Self {
        fn take<T: Ord + Copy>(limit: &mut T, asked: Option<T>) {
            if let Some(asked) = asked {
                *limit = asked.min(*limit);
            }
        }
        take(&mut self.cpu_ms_max, lower.cpu_ms);
        take(&mut self.subrequest_count_max, lower.subrequests);
        take(&mut self.memory_bytes_max, lower.memory_mb.map(|mb| u64::from(mb) << 20));
        take(&mut self.wall_ms_max, lower.wall_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_wins_and_nobody_can_raise_one() {
        let asked = Lower { cpu_ms: Some(50), memory_mb: Some(4096), ..Lower::default() };
        let limits = DEFAULT.lowered_by(&asked);
        assert_eq!(limits.cpu_ms_max, 50);
        assert_eq!(limits.memory_bytes_max, DEFAULT.memory_bytes_max);
        assert_eq!(limits.startup_cpu_ms_max, DEFAULT.startup_cpu_ms_max);
        assert_eq!(asked.over(&DEFAULT), [("memory_mb", 4096, 128)]);
        let other = Lower { cpu_ms: Some(60), subrequests: Some(1), ..Lower::NONE };
        let both = Lower { cpu_ms: Some(50), ..other.clone() };
        assert_eq!(other.and(&asked), Lower { memory_mb: Some(4096), ..both });
    }
}
