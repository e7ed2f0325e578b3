#![doc = include_str!("../README.md")]

pub mod door;
pub mod ops;

mod extension;

pub use extension::{for_isolate, for_snapshot, op_names};
