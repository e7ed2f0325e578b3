//! What isolates hold and hand to each other: capabilities.
//!
//! An isolate knows a capability by a number of its own line and by nothing else. Handed on, it gets
//! another number on the receiver's line. Guarantees: whoever holds one was handed it, by the host
//! or by somebody who held it; on its way it can lose rights and never gains any; it does not leave
//! its tenant. What it stands for is read from here at each use.

mod capability;
mod export;
mod kept;
mod size;
mod value;

pub use capability::{Capability, Props, Provide, Service, Target, What};
pub use export::Export;
pub(crate) use export::{Session, why};
pub use kept::Contents;
pub use size::{Size, depth_of};
pub use value::Value;
