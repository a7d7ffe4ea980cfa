//! The seccomp layer: which system calls a skill may make. Calls that programs probe
//! for fail with ENOSYS, so that they fall back; the others fail with EPERM.

use std::os::fd::OwnedFd;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition, SeccompRule,
};

use super::bpf::{Built, Rules, apply, chain, error, filter, no_calls_from};
use super::metadata::FCHMODAT2;
use super::policy::{Layer, LayerState, Layers, NetworkAccess, Policy};
use super::{landlock, notify, process};

/// Calls that lead out of the sandbox, into other processes or deep into the kernel,
/// or that allocate memory which is not counted for any process.
const REFUSED: &[c_long] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Calls whose arguments a filter cannot see, or that hold memory which is not
/// counted for any process; programs have fallbacks for them.
const UNFILTERABLE: &[c_long] = &[
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Calls that set the mode of a file, and the argument with the mode.
const MODES: &[(c_long, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (FCHMODAT2, 2),
    (libc::SYS_mknodat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
];

/// Calls that may create a file, and the argument with the flags; the mode follows.
const OPENING: &[(c_long, u8)] = &[
    (libc::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
];

/// The set-user-id and set-group-id bits: a skill could leave such a program for
/// others to run outside the sandbox.
const SETID_BITS: [u32; 2] = [libc::S_ISUID, libc::S_ISGID];

/// The flags of `clone` that create namespaces.
const NEW_NAMESPACES: [c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    // CLONE_NEWTIME, which `clone` reads as part of the signal number.
    0x80,
];

/// Controls that simulate typed input, and that change the attributes of a file
/// which is open for reading: FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR.
const CONTROLS: [u64; 4] = [0x5412, 0x541c, 0x4008_6602, 0x401c_5820];

/// Calls that name a process by their first argument; allowed with 0, the caller.
const BY_PID: &[c_long] = &[
    libc::SYS_prlimit64,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_move_pages,
    libc::SYS_get_robust_list,
];

/// Calls with a kind of target and a number, and the kind that stands for one
/// process; allowed with 0, the caller.
const BY_KIND_AND_ID: [(c_long, c_int); 2] = [
    (libc::SYS_setpriority, libc::PRIO_PROCESS as c_int),
    // IOPRIO_WHO_PROCESS
    (libc::SYS_ioprio_set, 1),
];

/// The options that enlarge the buffers of a socket.
const BUFFERS: [c_int; 4] = [
    libc::SO_SNDBUF,
    libc::SO_RCVBUF,
    libc::SO_SNDBUFFORCE,
    libc::SO_RCVBUFFORCE,
];

/// Calls that change extended attributes.
const ATTRIBUTES: &[c_long] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// Old calls that set the times of a file; programs have newer ones.
const OLD_TIMES: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

const INOTIFY: &[c_long] = &[
    libc::SYS_inotify_init1,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_inotify_init,
];

/// The first system call that did not exist when this list was checked.
const FIRST_UNLISTED_CALL: u32 = 463;

/// The arguments of `personality` that set the default and that only query.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// The flag of `clone` that shares the open files, which every thread library sets, and
/// the one of `close_range` that gives a thread its own.
const FILES: u64 = libc::CLONE_FILES.unsigned_abs() as u64;
const UNSHARE: c_int = 2;

/// Applies the filter, which has the kernel send the calls of `notify` to the returned
/// listener. Fails where that cannot be had; then these calls are refused.
pub(super) fn restrict(
    policy: &Policy,
    new_root: bool,
    layers: &mut Layers,
) -> Result<Option<OwnedFd>, String> {
    let sent = notify::calls(policy, new_root);
    let applied = |refused: &[c_long], sent: &[c_long]| {
        let program = program(policy, new_root, refused, sent).map_err(|error| error.to_string());
        program.and_then(|program| apply(program, !sent.is_empty()).map_err(|e| e.to_string()))
    };
    let mut result = applied(&[], &sent);
    let mut unsent = None;
    if !sent.is_empty()
        && let Err(why) = result
    {
        unsent = Some(why);
        result = applied(&sent, &[]);
    }
    let (state, why) = match &result {
        Ok(_) => (LayerState::Enforced, "filter applied"),
        Err(why) => (LayerState::Absent, why.as_str()),
    };
    layers.set(Layer::Seccomp, state, why);
    match unsent {
        Some(why) => Err(why),
        None => Ok(result.ok().flatten()),
    }
}

/// One program of several, since each costs as much as a mount to add. The first answer
/// that is not to allow a call holds.
fn program(
    policy: &Policy,
    new_root: bool,
    also_refused: &[c_long],
    sent: &[c_long],
) -> Built<BpfProgram> {
    let all = |calls: &[c_long]| {
        calls
            .iter()
            .map(|call| (*call, Vec::new()))
            .collect::<Rules>()
    };
    let mut unknown = all(UNFILTERABLE);
    let mut unsupported = temporary_files()?;
    let mut forbidden = refused(policy, new_root)?;
    forbidden.extend(all(also_refused));
    if !new_root {
        unknown.extend(all(OLD_TIMES));
        unsupported.extend(all(ATTRIBUTES));
    }
    let mut parts = vec![
        (forbidden, error(libc::EPERM)),
        (unknown, error(libc::ENOSYS)),
        (unsupported, error(libc::EOPNOTSUPP)),
    ];
    if !new_root {
        // What programs get where all watches are in use.
        parts.push((all(INOTIFY), error(libc::EMFILE)));
    }
    parts.push((ignored()?, error(0)));
    parts.push((all(sent), libc::SECCOMP_RET_USER_NOTIF));
    let mut programs = parts
        .into_iter()
        .filter(|(rules, _)| !rules.is_empty())
        .map(|(rules, answer)| filter(rules, answer))
        .collect::<Built<Vec<BpfProgram>>>()?;
    programs.push(no_calls_from(FIRST_UNLISTED_CALL));
    Ok(chain(programs))
}

/// Calls that seem to succeed: what they ask for would undo a limit.
fn ignored() -> Built<Rules> {
    let level = condition(1, Op::Eq, libc::SOL_SOCKET.unsigned_abs().into())?;
    let buffers = BUFFERS
        .iter()
        .map(|option| rule(vec![level.clone(), equals(2, *option)?]))
        .collect::<Built<Vec<SeccompRule>>>()?;
    // The supervisor could no longer see what it holds.
    let hiding = rule(vec![equals(0, libc::PR_SET_DUMPABLE)?, equals(1, 0)?])?;
    Ok(Rules::from([
        (libc::SYS_setsockopt, buffers),
        (libc::SYS_prctl, vec![hiding]),
    ]))
}

/// Files without a name, which no folder's size shows.
fn temporary_files() -> Built<Rules> {
    let flag = libc::O_TMPFILE & !libc::O_DIRECTORY;
    OPENING
        .iter()
        .map(|(call, flags)| Ok((*call, vec![rule(vec![has(*flags, flag)?])?])))
        .collect()
}

fn refused(policy: &Policy, new_root: bool) -> Built<Rules> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, sockets(policy, new_root)?);
    let mut pairs = vec![rule(vec![differs(0, libc::AF_UNIX)?])?];
    pairs.extend(connectionless(Vec::new())?);
    rules.insert(libc::SYS_socketpair, pairs);
    for call in BY_PID {
        rules.insert(*call, vec![rule(vec![differs(0, 0)?])?]);
    }
    for (call, process) in BY_KIND_AND_ID {
        let others = [
            rule(vec![differs(0, process)?])?,
            rule(vec![differs(1, 0)?])?,
        ];
        rules.insert(call, others.into());
    }
    let enlarging = rule(vec![equals(1, libc::F_SETPIPE_SZ)?])?;
    rules.insert(libc::SYS_fcntl, vec![enlarging]);
    for (call, flags) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        rules.insert(call, vec![rule(vec![has(flags, libc::MSG_FASTOPEN)?])?]);
    }
    // Any of the flags is refused, so each has a rule of its own.
    let mut clones = NEW_NAMESPACES
        .iter()
        .map(|flag| rule(vec![has(0, *flag)?]))
        .collect::<Built<Vec<SeccompRule>>>()?;
    // The watchdog counts the open files of a process by those of one thread.
    clones.push(rule(vec![
        has(0, libc::CLONE_THREAD)?,
        condition(0, Op::MaskedEq(FILES), 0)?,
    ])?);
    rules.insert(libc::SYS_clone, clones);
    rules.insert(libc::SYS_close_range, vec![rule(vec![has(2, UNSHARE)?])?]);
    let controls = CONTROLS
        .iter()
        .map(|control| rule(vec![condition(1, Op::Eq, *control)?]))
        .collect::<Built<Vec<SeccompRule>>>()?;
    rules.insert(libc::SYS_ioctl, controls);
    rules.extend(setid_rules()?);
    let odd = PERSONALITIES
        .iter()
        .map(|usual| condition(0, Op::Ne, *usual))
        .collect::<Built<Vec<SeccompCondition>>>()?;
    rules.insert(libc::SYS_personality, vec![rule(odd)?]);
    Ok(rules)
}

fn setid_rules() -> Built<Rules> {
    let bit = |argument, bit: u32| {
        let bit = u64::from(bit);
        condition(argument, Op::MaskedEq(bit), bit)
    };
    let mut rules = Rules::new();
    for (call, mode) in MODES {
        let each = SETID_BITS.map(|right| rule(vec![bit(*mode, right)?]));
        rules.insert(*call, each.into_iter().collect::<Built<_>>()?);
    }
    for (call, flags) in OPENING {
        let mut all = Vec::new();
        for making in [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY] {
            for right in SETID_BITS {
                all.push(rule(vec![has(*flags, making)?, bit(flags + 1, right)?])?);
            }
        }
        rules.insert(*call, all);
    }
    Ok(rules)
}

/// Allows IPv4 and IPv6 with TCP and UDP only, since MPTCP would bypass Landlock's
/// TCP rules. Without network, none of them. Unix sockets only where no others than
/// the skill's own can be reached.
fn sockets(policy: &Policy, new_root: bool) -> Built<Vec<SeccompRule>> {
    let mut families = match policy.network {
        NetworkAccess::None => Vec::new(),
        _ => vec![libc::AF_INET, libc::AF_INET6],
    };
    let own_names = policy.network == NetworkAccess::None
        || process::landlock_version() >= landlock::ABI_WITH_SCOPES;
    let unix = policy.daemon_socket || policy.unix_sockets && new_root && own_names;
    if unix {
        families.push(libc::AF_UNIX);
    }
    if families.is_empty() {
        return Ok(Vec::new());
    }
    let families = families
        .into_iter()
        .map(|family| differs(0, family))
        .collect::<Built<Vec<SeccompCondition>>>()?;
    let protocols = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP]
        .into_iter()
        .map(|protocol| differs(2, protocol))
        .collect::<Built<Vec<SeccompCondition>>>()?;
    let mut rules = vec![rule(families)?, rule(protocols)?];
    if unix {
        rules.extend(connectionless(vec![equals(0, libc::AF_UNIX)?])?);
    }
    Ok(rules)
}

/// Any type of socket but SOCK_STREAM (1) and SOCK_SEQPACKET (5): a datagram reaches
/// any server by its name, also from a pair. Flags share the argument.
fn connectionless(family: Vec<SeccompCondition>) -> Built<Vec<SeccompRule>> {
    [(1, 0), (2, 2), (8, 8)]
        .into_iter()
        .map(|(bit, value)| {
            let mut all = family.clone();
            all.push(condition(1, Op::MaskedEq(bit), value)?);
            rule(all)
        })
        .collect()
}

fn rule(conditions: Vec<SeccompCondition>) -> Built<SeccompRule> {
    SeccompRule::new(conditions)
}

/// The kernel reads these arguments as 32 bits and ignores the upper half.
fn condition(argument: u8, op: Op, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, Width::Dword, op, value)
}

fn differs(argument: u8, value: c_int) -> Built<SeccompCondition> {
    condition(argument, Op::Ne, u64::from(value.unsigned_abs()))
}

fn equals(argument: u8, value: c_int) -> Built<SeccompCondition> {
    condition(argument, Op::Eq, u64::from(value.unsigned_abs()))
}

fn has(argument: u8, flag: c_int) -> Built<SeccompCondition> {
    let flag = u64::from(flag.unsigned_abs());
    condition(argument, Op::MaskedEq(flag), flag)
}
