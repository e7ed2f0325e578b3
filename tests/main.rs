//! The one integration binary: whole servers with real cordons, and the program from outside.

mod cli;
mod dev;
mod host;
mod hostile;
mod js;
mod lifecycle;
mod sandbox;
mod scale;
mod streaming;
