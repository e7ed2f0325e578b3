#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod binding;
pub mod codec;
pub mod compat;
pub mod control;
pub mod event;
pub mod flat;
pub mod frame;
pub mod given;
pub mod id;
pub mod limit;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod name;
pub mod outcome;
pub mod recipe;
pub mod rpc;
pub mod value;

pub use id::{ContentHash, IsolateNumber, TenantId, VersionId};
pub use limits::Limits;
pub use manifest::Manifest;
pub use outcome::Outcome;
pub use recipe::Recipe;
