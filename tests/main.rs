//! The one integration binary: whole servers with real cordons, and the program from outside.

mod cache;
mod cli;
mod crons;
mod dev;
mod fetch;
mod host;
mod hostile;
mod js;
mod kill;
mod kv;
mod lifecycle;
mod loader;
mod queue;
mod routes;
mod rpc;
mod sandbox;
mod scale;
mod seeing;
mod streaming;
