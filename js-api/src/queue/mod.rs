//! Queues as workers send to them: `Queue` and, for queues that a worker names as it runs,
//! `QueueNamespace`.
//!
//! A promise of `send` resolves when the messages are durable, all of a batch or none. What the
//! host needs to protect others by is checked there once more; the checks here are for early and
//! clear messages. A handle of a namespace is made at once: what is wrong with it, its first
//! call says, and that call has the host keep its options.
//!
//! Behaviour is that of workerd but for these, on purpose:
//! - `delaySeconds` is at least 0 and at most a day, and what is not a number is refused.
//! - An error of the host's says what is wrong.
//! - A value that has no JSON, such as a function, is refused as `undefined` is.
