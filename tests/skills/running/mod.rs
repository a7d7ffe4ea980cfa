//! What a person does with skills while Mimo serves: changing the manifest,
//! approving tools, reading what skills wrote. The real binary, real children in
//! the sandbox.

mod approve;
mod containers;
mod logs;
mod reload;
mod starting;
mod world;
