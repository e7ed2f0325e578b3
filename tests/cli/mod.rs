//! What the program says and does on the command line, against no server or a scripted one.

mod client;
mod deploy;
mod fake;
mod help;
mod program;
mod tail;
mod usage;
