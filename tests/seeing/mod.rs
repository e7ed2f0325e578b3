//! What is seen of a server that runs: traces, figures, the audit log, the server's own log, and
//! the description of its API.

mod audit;
mod logs;
mod metrics;
mod openapi;
mod traces;
