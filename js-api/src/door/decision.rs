//! What handlers decide beside their outcome: kept here as they say it, so that it reaches the
//! dispatcher however the event ends.
#![expect(unreachable_pub, reason = "the op macro repeats each op")]

use bindery_wire::event::{Decision, Settled, Verdict};
use deno_core::{OpState, op2};

use super::{Door, Error, Shared};

/// Numbers of verdicts, which are `queue.js`'s; from [`verdict::LATER`] on with a delay in seconds.
mod verdict {
    pub(super) const ACK: u32 = 1;
    pub(super) const RETRY: u32 = 2;
    pub(super) const LATER: u32 = 3;
}

impl Door {
    /// Lets the handler of an event decide: `decision` is what stands if it says nothing.
    pub fn decides(&mut self, event: u32, decision: Decision) {
        if let Some(state) = self.events.get_mut(&event) {
            state.decision = Some(decision);
        }
    }
}

/// Takes what a `queue` handler says of the message at `at`, or of the batch if that is negative.
#[op2(fast)]
pub fn op_door_settle(
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] at: i32,
    #[smi] said: u32,
) -> Result<(), Error> {
    let verdict = match said {
        verdict::ACK => Verdict::Ack,
        verdict::RETRY => Verdict::Retry { delay_s: None },
        _ => Verdict::Retry { delay_s: said.checked_sub(verdict::LATER) },
    };
    let mut door = state.borrow::<Shared>().open()?;
    let settled = match door.events.get_mut(&event).map(|state| &mut state.decision) {
        Some(Some(Decision::Queue(settled))) => settled,
        _ => return Err(Error::Ended),
    };
    *place(settled, at).ok_or(Error::Ended)? = verdict;
    Ok(())
}

fn place(settled: &mut Settled, at: i32) -> Option<&mut Verdict> {
    match usize::try_from(at) {
        Ok(at) => settled.messages.get_mut(at),
        Err(_) => Some(&mut settled.batch),
    }
}

/// Takes the word of a `scheduled` handler that it is not to be tried again.
#[op2(fast)]
pub fn op_door_no_retry(state: &mut OpState, #[smi] event: u32) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    match door.events.get_mut(&event).map(|state| &mut state.decision) {
        Some(Some(Decision::Scheduled { no_retry })) => *no_retry = true,
        _ => return Err(Error::Ended),
    }
    Ok(())
}
