//! What is seen of a server that runs: traces, figures, and the description of its API.

mod metrics;
mod openapi;
mod traces;
