//! Procedures through the real binary: kills at every write, two processes on one
//! store, the shipped procedures on real servers, and the command line.

mod cli;
mod crash;
mod many;
mod nodes;
mod shipped;
mod workspace;
