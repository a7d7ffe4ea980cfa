//! Maps a file into memory: pages are read on first use, and all Mimos that map the
//! file share them.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

/// The bytes of `file`, mapped until the process ends. The file must never change: Mimo
/// writes a model under another name and renames the complete file.
pub(super) fn map(file: &File) -> io::Result<&'static [u8]> {
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let Some(size) = NonZeroUsize::new(length) else {
        return Ok(&[]);
    };
    // SAFETY: a new read-only mapping as long as the file, never unmapped and not
    // aliased. The caller guarantees that the file does not change.
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
