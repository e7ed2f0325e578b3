#![doc = include_str!("../README.md")]

pub mod cordon;
pub mod sandbox;

mod isolate;
mod sys;
