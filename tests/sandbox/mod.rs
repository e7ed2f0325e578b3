//! What a cordon is enclosed by, asked of real ones: they try to get out themselves.

mod alone;
mod live;
