//! Procedures through the real binary: killed at every write, two Mimos on one
//! file, the shipped ones on real servers, and the command line.

mod cli;
mod crash;
mod many;
mod place;
mod shipped;
