//! Calls from worker to worker, and the values that travel with them.
//!
//! - `value.js`: values as bytes that the engine writes, with a table of what bytes can not carry.
//! - `fetcher.js`: what stands for an export of a worker.
