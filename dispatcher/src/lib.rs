#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod binding;
pub mod clock;
pub mod code;
pub mod config;
pub mod cordon;
pub mod egress;
pub mod event;
pub mod http;
pub mod limit;
pub mod line;
pub mod metrics;
pub mod outbound;
pub mod placement;
pub mod problem;
pub mod registry;
pub mod scheduler;
pub mod server;
pub mod source_map;
pub mod store;
pub mod tail;
pub mod tasks;
pub mod trace;
pub mod usage;
