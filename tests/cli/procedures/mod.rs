//! Procedures through the real binary: kills at every write, two processes on one
//! file, the shipped procedures on real servers, and the command line.

mod cli;
mod crash;
mod many;
mod shipped;
mod workspace;
