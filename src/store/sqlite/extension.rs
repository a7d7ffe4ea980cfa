//! Registers sqlite-vec with every connection this process opens: searches compute
//! exact cosines with it, and any sqlite3 that has the extension can search
//! the file. The one unsafe call of the store.
#![allow(unsafe_code)]

use std::sync::Once;

use rusqlite::auto_extension::{RawAutoExtension, register_auto_extension};

/// Makes `vec_distance_cosine` and its family known to later connections.
pub(super) fn register_sqlite_vec() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the crate declares the symbol without its parameters, but
        // the C function has exactly the signature of an extension's entry
        // point (sqlite-vec.h), which is the type it is given here.
        let entry: RawAutoExtension =
            unsafe { std::mem::transmute(sqlite_vec::sqlite3_vec_init as *const ()) };
        // SAFETY: the entry point is compiled in and valid for the whole life
        // of the process; it only registers functions with the connection.
        let registered = unsafe { register_auto_extension(entry) };
        if let Err(error) = registered {
            tracing::error!(%error, "sqlite-vec could not be registered");
        }
    });
}
