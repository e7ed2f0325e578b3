#![doc = include_str!("../README.md")]

pub mod door;
pub mod ops;

mod binding;
mod cache;
mod cloudflare;
mod console;
mod crypto;
mod event;
mod extension;
mod fetch;
mod http;
mod kv;
mod loader;
mod queue;
mod rpc;
mod timers;

pub use extension::{for_isolate, for_snapshot, op_names};
