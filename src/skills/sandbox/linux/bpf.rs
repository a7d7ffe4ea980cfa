//! Programs of seccomp: built from rules, joined, applied.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use libc::c_int;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::process;

pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;
pub(super) type Built<T> = Result<T, BackendError>;

/// Instructions of the kernel's filters: load a field of the call, compare, jump, answer.
const LOAD: u16 = 0x20;
const AT_LEAST: u16 = 0x35;
const JUMP: u16 = 0x05;
const ANSWER: u16 = 0x06;

/// What a filter returns for a call that fails with `error`, or with 0 only seems to
/// succeed.
pub(super) fn error(error: c_int) -> u32 {
    libc::SECCOMP_RET_ERRNO | error.unsigned_abs()
}

pub(super) fn filter(rules: Rules, answer: u32) -> Built<BpfProgram> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut program: BpfProgram = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Trap,
        architecture,
    )?
    .try_into()?;
    for step in &mut program {
        if step.code == ANSWER && step.k == libc::SECCOMP_RET_TRAP {
            step.k = answer;
        }
    }
    Ok(program)
}

/// Chains programs: where one allows a call, the next one decides.
pub(super) fn chain(programs: Vec<BpfProgram>) -> BpfProgram {
    let last = programs.len().saturating_sub(1);
    let mut joined = BpfProgram::new();
    for (at, program) in programs.into_iter().enumerate() {
        let length = program.len();
        for (place, step) in program.into_iter().enumerate() {
            let allows = step.code == ANSWER && step.k == libc::SECCOMP_RET_ALLOW;
            joined.push(match allows && at < last {
                true => sock_filter {
                    code: JUMP,
                    jt: 0,
                    jf: 0,
                    // Over the steps that are left, which fit in 16 bits.
                    k: (length - place - 1) as u32,
                },
                false => step,
            });
        }
    }
    joined
}

/// Refuses calls that no rule could know, and with them the x32 interface, which has
/// other numbers for the same calls.
pub(super) fn no_calls_from(first_new: u32) -> BpfProgram {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(AT_LEAST, 0, 1, first_new),
        step(ANSWER, 0, 0, error(libc::ENOSYS)),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Adds the filter to this process.
pub(super) fn apply(mut program: BpfProgram, with_listener: bool) -> io::Result<Option<OwnedFd>> {
    let described = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr().cast(),
    };
    let flags = match with_listener {
        true => libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
        false => 0,
    };
    // SAFETY: the program, which has the layout of the kernel's, and its description
    // outlive the call; the kernel copies them. It returns a descriptor or 0.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::from_ref(&described),
        )
    };
    match (done, with_listener) {
        (0, false) => Ok(None),
        _ => process::owned(done).map(Some),
    }
}
