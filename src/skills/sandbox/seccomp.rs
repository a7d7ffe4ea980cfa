//! The seccomp layer: which system calls a skill may make. Calls that programs probe
//! for fail with ENOSYS, so that they fall back; the others fail with EPERM.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, sock_filter,
};

use super::policy::{Layer, LayerState, Layers, NetworkAccess, Policy};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

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

/// Calls whose arguments a filter cannot see; programs have fallbacks for them.
const UNKNOWN: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// The number of `fchmodat2` on every architecture; libc does not name it on all.
const FCHMODAT2: c_long = 452;

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

/// Terminal controls that simulate typed input.
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// The arguments of `personality` that set the default and that only query.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// Applies the filters. The strictest comes last, since each sees every later call.
pub(super) fn restrict(policy: &Policy, layers: &mut Layers) {
    let built = programs(policy).map_err(|error| error.to_string());
    let applied = built.and_then(|programs| {
        programs
            .iter()
            .try_for_each(|program| apply_filter(program).map_err(|error| error.to_string()))
    });
    match applied {
        Ok(()) => layers.set(Layer::Seccomp, LayerState::Enforced, "filters applied"),
        Err(why) => layers.set(Layer::Seccomp, LayerState::Absent, why),
    }
}

fn programs(policy: &Policy) -> Built<Vec<BpfProgram>> {
    let mut programs = Vec::new();
    if cfg!(target_arch = "x86_64") {
        programs.push(no_x32());
    }
    let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
    programs.push(filter(unknown, libc::ENOSYS)?);
    programs.push(filter(refused(policy)?, libc::EPERM)?);
    Ok(programs)
}

fn filter(rules: Rules, error: c_int) -> Built<BpfProgram> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error.unsigned_abs()),
        architecture,
    )?
    .try_into()
}

/// Refuses the x32 interface, which has other numbers for the same calls: load the
/// number, compare, return.
fn no_x32() -> BpfProgram {
    const LOAD: u16 = 0x20;
    const AT_LEAST: u16 = 0x35;
    const ANSWER: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    const ERROR: u32 = 0x0005_0000;
    const ALLOW: u32 = 0x7fff_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(AT_LEAST, 0, 1, X32),
        step(ANSWER, 0, 0, ERROR | libc::ENOSYS.unsigned_abs()),
        step(ANSWER, 0, 0, ALLOW),
    ]
}

fn refused(policy: &Policy) -> Built<Rules> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, sockets(policy)?);
    let pairs = rule(vec![unlike(0, libc::AF_UNIX)?])?;
    rules.insert(libc::SYS_socketpair, vec![pairs]);
    for (call, flags) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        rules.insert(call, vec![rule(vec![has(flags, libc::MSG_FASTOPEN)?])?]);
    }
    // Any of the flags is refused, so each has a rule of its own.
    let namespaces = NEW_NAMESPACES
        .iter()
        .map(|flag| rule(vec![has(0, *flag)?]))
        .collect::<Built<Vec<SeccompRule>>>()?;
    rules.insert(libc::SYS_clone, namespaces);
    let typing = TYPING
        .iter()
        .map(|control| rule(vec![condition(1, Op::Eq, *control)?]))
        .collect::<Built<Vec<SeccompRule>>>()?;
    rules.insert(libc::SYS_ioctl, typing);
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
/// TCP rules. Without network, no sockets at all.
fn sockets(policy: &Policy) -> Built<Vec<SeccompRule>> {
    let mut families = match policy.network {
        NetworkAccess::None => Vec::new(),
        _ => vec![libc::AF_INET, libc::AF_INET6],
    };
    if policy.local_sockets {
        families.push(libc::AF_UNIX);
    }
    if families.is_empty() {
        return Ok(Vec::new());
    }
    let families = families
        .into_iter()
        .map(|family| unlike(0, family))
        .collect::<Built<Vec<SeccompCondition>>>()?;
    let protocols = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP]
        .into_iter()
        .map(|protocol| unlike(2, protocol))
        .collect::<Built<Vec<SeccompCondition>>>()?;
    Ok(vec![rule(families)?, rule(protocols)?])
}

fn rule(conditions: Vec<SeccompCondition>) -> Built<SeccompRule> {
    SeccompRule::new(conditions)
}

/// The kernel reads these arguments as 32 bits and ignores the upper half.
fn condition(argument: u8, op: Op, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, Width::Dword, op, value)
}

fn unlike(argument: u8, value: c_int) -> Built<SeccompCondition> {
    condition(argument, Op::Ne, u64::from(value.unsigned_abs()))
}

fn has(argument: u8, flag: c_int) -> Built<SeccompCondition> {
    let flag = u64::from(flag.unsigned_abs());
    condition(argument, Op::MaskedEq(flag), flag)
}
