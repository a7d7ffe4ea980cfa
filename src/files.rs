//! Replacing a file in one atomic step: a reader, a crash or a full disk meets
//! the old file or the new one, whole.
