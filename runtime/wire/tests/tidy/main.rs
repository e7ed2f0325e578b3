//! `cargo tidy`: the repository's layout and style, as tests.
//!
//! A rule is a function from a tree of files to what it refuses there. Its test first shows it
//! refusing a small sample, then asks it about the repository, so that no rule passes because it
//! looks at nothing. What fails is printed as `path:line: what to do`.
//!
//! Leaves out what rustfmt, clippy and cargo-deny check.

mod code;
mod folders;
mod layout;
mod manifests;
mod names;
mod text;
mod tree;
