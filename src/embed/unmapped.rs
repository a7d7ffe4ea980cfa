//! A file as memory, where no file is mapped: each Mimo reads the whole of it.

use std::fs::File;
use std::io::{self, Read as _};

/// The bytes of `file`, until the process ends.
pub(super) fn map(mut file: &File) -> io::Result<&'static [u8]> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.leak())
}
