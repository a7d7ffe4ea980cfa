//! A file as memory: its pages are read when they are used, and every Mimo that uses the
//! file shares them.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

/// The bytes of `file`, until the process ends. Nobody may change the file: Mimo writes
/// those that it maps under another name and only then gives them theirs.
pub(super) fn map(file: &File) -> io::Result<&'static [u8]> {
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let Some(size) = NonZeroUsize::new(length) else {
        return Ok(&[]);
    };
    // SAFETY: a new mapping that nothing else knows, as long as the file and never
    // removed; that the file stays as it is, is the caller's part.
    unsafe {
        let pages = mmap(
            None,
            size,
            ProtFlags::PROT_READ,
            MapFlags::MAP_PRIVATE,
            file,
            0,
        )?;
        Ok(std::slice::from_raw_parts(pages.as_ptr().cast(), length))
    }
}
