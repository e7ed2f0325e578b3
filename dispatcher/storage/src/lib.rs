#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod backup;
pub mod blob;
pub mod code;
pub mod embedded;
pub mod engine;
pub mod key;
pub mod memory;
pub mod tables;
pub mod value;

mod disk;
mod plan;
mod redb;
