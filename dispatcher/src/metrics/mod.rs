//! Figures of the host: what the parts of the server count as they work, and the text in which
//! that is read.
//!
//! Guarantees: a label's values come from a list in the code, so that how many series there are
//! does not depend on tenants, workers or clients; a count costs one relaxed addition. What is
//! known of single tenants is in their usage, not here.

mod count;
mod family;
mod histogram;

pub use count::Counts;
pub use family::{Family, text};
pub use histogram::Histogram;

/// Knows figures of the host.
pub trait Measured: Send + Sync {
    /// The figures now.
    fn measure(&self) -> Vec<Family>;
}
