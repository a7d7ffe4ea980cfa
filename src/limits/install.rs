//! Bounds of the installs of packages.

/// Installs of packages at the same time.
pub(crate) const INSTALLS_AT_A_TIME_MAX: usize = 2;
/// One install with all its steps.
pub(crate) const INSTALL_SECONDS_MAX: u64 = 600;
/// How often an install polls for another process to finish the same one.
pub(crate) const INSTALL_LOCK_POLL_MILLIS: u64 = 100;
/// The trial start after an install.
pub(crate) const INSTALL_TRIAL_SECONDS_MAX: u64 = 10;
pub(crate) const INSTALL_MEMORY_MB_MAX: u64 = 2_048;
pub(crate) const INSTALL_PROCESSES_MAX: u64 = 256;
pub(crate) const INSTALL_OPEN_FILES_MAX: u64 = 4_096;
/// The tree and the package manager's cache together.
pub(crate) const INSTALL_DISK_MB_MAX: u64 = 4_096;
/// Output of an install step on one pipe.
pub(crate) const INSTALL_OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A file of an installed package that Mimo itself reads.
pub(crate) const INSTALL_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Entries that Mimo itself reads of one folder of an installed package.
pub(crate) const INSTALL_NAMES_MAX: usize = 10_000;
/// The part of a package's version in the name of its folder.
pub(crate) const INSTALL_VERSION_CHARS_MAX: usize = 100;
/// A line of a package manager in a message.
pub(crate) const INSTALL_LINE_CHARS_MAX: usize = 200;
/// The account's settings for npm.
pub(crate) const INSTALL_SETTINGS_BYTES_MAX: usize = 64 * 1024;
/// If a package fails with today's dependencies, it gets those that were current this
/// long after its release: thirty days.
pub(crate) const INSTALL_AS_OF_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Programs that a shell found, and the file that records them.
pub(crate) const RECORDED_PROGRAMS_MAX: usize = 64;
pub(crate) const RECORDED_PROGRAMS_BYTES_MAX: u64 = 64 * 1024;
