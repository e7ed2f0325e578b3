//! What the program says and does on the command line, against no server or a scripted one.

mod bundle;
mod client;
mod deploy;
mod examples;
mod fake;
mod help;
mod init;
mod machine;
mod program;
mod script;
mod tail;
mod usage;
