//! The developer's loop: `bindery dev` as a whole program, in a directory that tests edit.

mod edit;
mod examples;
mod keys;
mod mistakes;
mod session;
mod together;
