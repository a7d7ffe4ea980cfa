//! Bounds of the check for a new version.

/// The list of releases.
pub(crate) const UPDATE_BODY_BYTES_MAX: u64 = 1024 * 1024;
/// The whole request, with its redirects.
pub(crate) const UPDATE_SECONDS_MAX: u64 = 15;
/// Download pages redirect to their files.
pub(crate) const UPDATE_REDIRECTS_MAX: u32 = 5;
