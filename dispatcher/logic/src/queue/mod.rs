//! Queues: what makes a batch, and what becomes of a message that was delivered.

pub mod after;
pub mod batch;
