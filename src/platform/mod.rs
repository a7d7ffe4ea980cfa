//! What operating systems do differently, behind functions that are the same on each:
//! private files, locks, identities of files, accounts, signals.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

pub(crate) use system::*;

/// Tells a file from every other one while it exists: its volume and its number there.
pub(crate) type FileId = (u64, u64);

/// The home folders of the machine's accounts.
#[derive(Default)]
pub(crate) struct HomeFolders {
    /// Of this account.
    pub(crate) own: Vec<std::path::PathBuf>,
    /// Of root and of other people.
    pub(crate) others: Vec<std::path::PathBuf>,
}
