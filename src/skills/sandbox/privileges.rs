//! The layers that take rights away for good: capabilities, and the gains of
//! programs with the set-user-id bit.

use std::io;

use super::policy::{Layer, LayerState, Layers};

/// The kernel's header of a capability call: its third version, ourselves.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;
/// `SECBIT_NOROOT`, `SECBIT_NO_SETUID_FIXUP`, and their locks.
const NO_ROOT: libc::c_ulong = 0b1111;
/// Capabilities are numbered from 0; the kernel refuses those it does not know.
const CAPABILITY_LAST: libc::c_ulong = 63;

/// Drops every capability from every set.
pub(super) fn drop_capabilities(layers: &mut Layers) {
    for capability in 0..=CAPABILITY_LAST {
        // SAFETY: integers only. Refused where we hold none to begin with.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    // SAFETY: integers only. Being root gives nothing from here on.
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
    // SAFETY: the header and two times three words of data are what this
    // version reads, and both outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_capset,
            std::ptr::from_ref(&header),
            nothing.as_ptr(),
        )
    };
    match done {
        0 => layers.put(Layer::Capabilities, LayerState::Enforced, "all dropped"),
        _ => {
            let why = io::Error::last_os_error().to_string();
            layers.put(Layer::Capabilities, LayerState::Absent, why);
        }
    }
}

/// No execution gives more than we have.
pub(super) fn no_new_privileges(layers: &mut Layers) {
    match nix::sys::prctl::set_no_new_privs() {
        Ok(()) => layers.put(Layer::NoNewPrivileges, LayerState::Enforced, "set"),
        Err(error) => layers.put(
            Layer::NoNewPrivileges,
            LayerState::Absent,
            error.to_string(),
        ),
    }
}
