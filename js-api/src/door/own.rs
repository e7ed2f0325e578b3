//! Exports of its own that an isolate holds. The dispatcher keeps their props: how many there are, and
//! how large, is bounded here with an error that the worker sees, and there for good.

use std::collections::HashMap;

use bindery_wire::rpc::Loopback;
use bindery_wire::value::{INLINE_BYTES_MAX, OWN_BYTES_MAX, OWN_COUNT_MAX, OWN_SLOTS};

use super::Error;

/// Bytes that the dispatcher needs for what goes with props, each.
const ATTACHED_BYTES: usize = 64;

/// What is held, by slot.
#[derive(Default)]
pub(super) struct Own {
    held: HashMap<u32, Held>,
    bytes: usize,
}

struct Held {
    event: Option<u32>,
    bytes: usize,
}

impl Own {
    /// Holds one more.
    pub(super) fn add(&mut self, loopback: &Loopback<'_>) -> Result<(), Error> {
        let Loopback { slot, event, entrypoint, props, attached } = loopback;
        let props = props.map_or(0, <[u8]>::len);
        if props > INLINE_BYTES_MAX {
            return Err(Error::PropsTooLong { got: props });
        }
        let name = entrypoint.map_or(0, str::len);
        let with = attached.len().saturating_mul(ATTACHED_BYTES);
        let bytes = props.saturating_add(name).saturating_add(with);
        let all = self.bytes.saturating_add(bytes);
        if self.held.len() >= OWN_COUNT_MAX || all > OWN_BYTES_MAX || !OWN_SLOTS.contains(slot) {
            return Err(Error::TooManyOwn);
        }
        self.bytes = all;
        self.held.insert(*slot, Held { event: *event, bytes });
        Ok(())
    }

    /// Lets go of what a slot holds, if it is one of these.
    pub(super) fn release(&mut self, slot: u32) {
        if let Some(held) = self.held.remove(&slot) {
            self.bytes = self.bytes.saturating_sub(held.bytes);
        }
    }

    /// Lets go of what an event holds: the dispatcher has heard of its end.
    pub(super) fn drop_event(&mut self, event: u32) {
        let bytes = &mut self.bytes;
        self.held.retain(|_, held| {
            let stays = held.event != Some(event);
            if !stays {
                *bytes = bytes.saturating_sub(held.bytes);
            }
            stays
        });
    }
}
