#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod blame;
pub mod cache;
pub mod cron;
pub mod egress;
pub mod failure;
pub mod fair;
pub mod grow;
pub mod header;
pub mod kv;
pub mod live;
pub mod memory;
pub mod pattern;
pub mod place;
pub mod queue;
pub mod route;
pub mod settle;
