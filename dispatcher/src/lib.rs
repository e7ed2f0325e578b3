#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod binding;
pub mod cache;
pub mod clock;
pub mod code;
pub mod config;
pub mod cordon;
pub mod cron;
pub mod egress;
pub mod event;
pub mod http;
pub mod kv;
pub mod limit;
pub mod line;
pub mod loader;
mod lock;
pub mod metrics;
pub mod outbound;
pub mod placement;
pub mod problem;
pub mod queue;
pub mod registry;
pub mod rpc;
pub mod scheduler;
pub mod server;
pub mod source_map;
pub mod store;
pub mod tail;
pub mod tasks;
pub mod trace;
pub mod usage;
