//! W3C trace contexts: the id under which one request is known everywhere that it goes.
//!
//! Guarantees: an id that a client sends is kept as it is, and so is whether its trace is
//! recorded; anything that is not well formed is as if it were absent. Ids made here are random
//! and cost no system call. What a client says beside that (`tracestate`, the span above) is the
//! worker's to read and is not kept.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

/// The header that carries a trace context.
pub const TRACEPARENT: &str = "traceparent";

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// The trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    // Two halves keep the size of what holds one by a third smaller than one number of 128 bits.
    high: u64,
    low: u64,
    sampled: bool,
}

/// One step of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(u64);

impl Trace {
    /// The trace that the headers name, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut named = headers.get_all(TRACEPARENT).iter();
        match (named.next(), named.next()) {
            (Some(one), None) => Self::parse(one.as_bytes()).unwrap_or_else(Self::random),
            _ => Self::random(),
        }
    }

    /// A new trace. It is recorded: the tail keeps every event.
    pub fn random() -> Self {
        let (high, low) = random();
        // Zero is no id.
        Self { high, low: low.max(1), sampled: true }
    }

    /// Reads a value of [`TRACEPARENT`]. A version that is not known yet is read like the one that is.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let version = byte(known, 0)?;
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let dashed = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
        let (high, low) = (number(known, 3)?, number(known, 19)?);
        let span = number(known, 36)?;
        let sampled = byte(known, 53)? & SAMPLED != 0;
        let named = (high, low) != (0, 0) && span != 0;
        (fits && dashed && named).then_some(Self { high, low, sampled })
    }

    /// The value of `traceparent` for a request that `span` makes: the same trace, the new step.
    pub fn outgoing(&self, span: Span) -> HeaderValue {
        let flags = if self.sampled { SAMPLED } else { 0 };
        let text = format!("00-{self}-{:016x}-{flags:02x}", span.0);
        // Digits and dashes are a header's value in any case.
        HeaderValue::from_maybe_shared(Bytes::from(text))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl Span {
    /// A new step.
    pub fn random() -> Self {
        Self(random().0.max(1))
    }
}

/// The number that 16 lower-case digits at `at` mean.
fn number(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..at + 16)?
        .iter()
        .try_fold(0, |sum, digit| Some((sum << 4) | u64::from(hex(*digit)?)))
}

fn byte(text: &[u8], at: usize) -> Option<u8> {
    Some((hex(*text.get(at)?)? << 4) | hex(*text.get(at + 1)?)?)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

thread_local! {
    /// Where this thread's numbers stand: seeded once, from the system's randomness.
    static STATE: Cell<(u64, u64)> = Cell::new((seed(), seed()));
}

fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

/// 128 bits that tell nothing of when or how often they are asked for.
fn random() -> (u64, u64) {
    let (a, b) = STATE.get();
    let (a, b) = (a.wrapping_add(0x9e37_79b9_7f4a_7c15), b.wrapping_add(0xd1b5_4a32_d192_ed03));
    STATE.set((a, b));
    (mix(a), mix(b ^ a.rotate_left(32)))
}

/// A bijection of 64 bits after which neighbours have nothing in common.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn of(values: &[&str]) -> Trace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).expect("a value"));
        }
        Trace::of(&headers)
    }

    #[test]
    fn a_clients_trace_goes_on_under_a_new_step_with_its_flag() {
        for (flags, out) in [("00", "00"), ("01", "01"), ("03", "01"), ("fe", "00")] {
            let trace = of(&[&format!("00-{ID}-b7ad6b7169203331-{flags}")]);
            assert_eq!(trace.to_string(), ID);
            let sent = trace.outgoing(Span(0xab));
            assert_eq!(sent, format!("00-{ID}-00000000000000ab-{out}"));
        }
        let later = of(&[&format!("cc-{ID}-b7ad6b7169203331-01-more")]);
        assert_eq!(later.to_string(), ID);
    }

    #[test]
    fn what_is_not_well_formed_is_as_if_it_were_absent() {
        let span = "b7ad6b7169203331";
        let upper = ID.to_uppercase();
        for value in [
            String::new(),
            ID.to_owned(),
            format!("00-{ID}-{span}"),
            format!("00-{ID}-{span}-01-more"),
            format!("00-{ID}-{span}-01 "),
            format!("00-{ID}-{span}-0"),
            format!("00-{ID}-{span}-0x"),
            format!("00_{ID}-{span}-01"),
            format!("0-{ID}0-{span}-01"),
            format!("00-{upper}-{span}-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("ff-{ID}-{span}-01"),
            format!("cc-{ID}-{span}-01more"),
        ] {
            let made = of(&[&value]).to_string();
            assert_ne!(made, ID, "{value}");
            assert_eq!(made.len(), 32, "{value}");
        }
        let one = format!("00-{ID}-{span}-01");
        assert_ne!(of(&[&one, &one]).to_string(), ID);
    }

    #[test]
    fn made_ids_differ_on_and_across_threads() {
        let some = || (0..1_000).map(|_| Trace::random().to_string()).collect::<Vec<_>>();
        let mut ids = std::thread::spawn(some).join().expect("ids");
        ids.extend(some());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2_000);
    }
}
