//! The layers that drop privileges for good: capabilities, and what set-user-id
//! programs would gain.

use std::io;

use super::policy::{Layer, LayerState, Layers};

/// The header of the capset system call.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;
/// `SECBIT_NOROOT`, `SECBIT_NO_SETUID_FIXUP`, and their locks.
const NO_ROOT: libc::c_ulong = 0b1111;
/// The kernel refuses numbers of capabilities that it does not know.
const CAPABILITY_LAST: libc::c_ulong = 63;

/// Drops every capability from every set.
pub(super) fn drop_capabilities(layers: &mut Layers) {
    for capability in 0..=CAPABILITY_LAST {
        // SAFETY: integers only. Refused where we hold no capabilities.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    // SAFETY: integers only. Root has no special rights from here on.
    unsafe { libc::prctl(libc::PR_SET_SECUREBITS, NO_ROOT, 0, 0, 0) };
    // SAFETY: integers only.
    unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let nothing = [0_u32; 6];
    // SAFETY: this version reads the header and two times three words of data, and
    // both outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_capset,
            std::ptr::from_ref(&header),
            nothing.as_ptr(),
        )
    };
    match done {
        0 => layers.set(Layer::Capabilities, LayerState::Enforced, "all dropped"),
        _ => {
            let why = io::Error::last_os_error().to_string();
            layers.set(Layer::Capabilities, LayerState::Absent, why);
        }
    }
}

/// Executing a program gives no new privileges from here on.
pub(super) fn no_new_privileges(layers: &mut Layers) {
    match nix::sys::prctl::set_no_new_privs() {
        Ok(()) => layers.set(Layer::NoNewPrivileges, LayerState::Enforced, "set"),
        Err(error) => layers.set(
            Layer::NoNewPrivileges,
            LayerState::Absent,
            error.to_string(),
        ),
    }
}
