//! A skill sees no other process, reaches none, inherits nothing, and gains no
//! privilege.

use std::fs::File;
use std::process::{Command, Stdio};

use mimo::skills::sandbox::policy::{Layer, LayerState, Report};

use super::world::{CLOSED, SECRET, World, finish, spec};
use crate::support::machine::{PYTHON, namespaces};

#[test]
fn gateway_and_other_processes_are_invisible() {
    skip_unless!(python);
    if namespaces().is_err() {
        // It sees their pids, but Landlock denies their contents.
        let gateway = std::process::id();
        let script = format!("attempt(lambda: open('/proc/{gateway}/environ').read())");
        return World::new().attack(&script).refused(&["EACCES"]);
    }
    let ran = World::new()
        .attack("print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), os.getpid())");
    assert_eq!(ran.out, "[1, 2] 2\n", "{ran:?}");
}

#[test]
fn no_signal_reaches_an_outside_process() {
    skip_unless!(python);
    let mut victim = Command::new("/bin/cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("a victim");
    for pid in [victim.id(), std::process::id()] {
        let script = format!("attempt(lambda: os.kill({pid}, signal.SIGKILL))");
        World::new()
            .attack(&script)
            .refused(match namespaces().is_ok() {
                true => &["ESRCH"],
                // Landlock's scope ends at the sandbox too.
                false => &["EPERM"],
            });
    }
    assert_eq!(victim.try_wait().expect("asked"), None, "it lives");
    drop(victim.stdin.take());
    assert!(victim.wait().expect("its end").success());
}

#[test]
fn sandbox_pid_1_is_not_readable_writable_or_killable() {
    skip_unless!(python);
    for attempt in [
        "open('/proc/1/mem', 'rb').read(1)",
        "open('/proc/1/environ').read()",
        "open('/proc/1/mem', 'wb')",
        "os.readlink('/proc/1/fd/3')",
        "open('/proc/1/fd/3')",
        "os.listdir('/proc/1/root/')",
        "os.kill(1, signal.SIGKILL)",
    ] {
        let ran = World::new().attack(&format!("attempt(lambda: {attempt})"));
        ran.refused(CLOSED);
    }
}

#[test]
fn no_descriptor_is_inherited() {
    skip_unless!(python);
    let secret = World::new();
    let held = File::open(secret.secret()).expect("opened");
    // A descriptor that a careless spawn would inherit.
    nix::fcntl::fcntl(
        &held,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )
    .expect("set");
    let ran = World::new().attack("print(sorted(os.listdir('/proc/self/fd')))");
    assert_eq!(
        ran.out, "['0', '1', '2', '3']\n",
        "3 reads the list: {ran:?}"
    );
}

#[test]
fn environment_is_exactly_the_specs() {
    let world = World::new();
    let mut skill = spec("/usr/bin/env", &[]);
    skill.environment.insert("TOKEN".into(), "given".into());
    skill.environment.insert("HOME".into(), "/nowhere".into());
    let ran = world.run(&skill);
    let mut names: Vec<&str> = ran
        .out
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    let expected = [
        "HOME",
        "PATH",
        "TMPDIR",
        "TOKEN",
        "UV_CACHE_DIR",
        "XDG_CACHE_HOME",
        "npm_config_cache",
        "npm_config_ignore_scripts",
    ];
    assert_eq!(names, expected, "{ran:?}");
    assert!(ran.out.contains("HOME=/nowhere\n"));
    assert!(!ran.out.contains(SECRET));
}

#[test]
fn resource_limits_cannot_be_raised() {
    skip_unless!(python);
    let ran = World::new().attack(
        "for name in ('DATA', 'NPROC', 'NOFILE', 'FSIZE', 'CORE', 'CPU', 'SIGPENDING', \
         'MEMLOCK', 'MSGQUEUE'):\n    \
         which = getattr(resource, 'RLIMIT_' + name)\n    \
         soft, hard = resource.getrlimit(which)\n    \
         try:\n        resource.setrlimit(which, (hard + 1, hard + 1)); print('RAISED', name)\n    \
         except (OSError, ValueError): print(name, soft, hard)",
    );
    let expected = "DATA 1073741824 1073741824\nNPROC 128 128\nNOFILE 384 384\n\
                    FSIZE 536870912 536870912\nCORE 0 0\nCPU 3600 3600\nSIGPENDING 256 256\n\
                    MEMLOCK 65536 65536\nMSGQUEUE 0 0\n";
    assert_eq!(ran.out, expected, "{ran:?}");
}

#[test]
fn crash_leaves_no_core_dump() {
    skip_unless!(python);
    let world = World::new();
    let ran = world.attack("os.abort()");
    assert!(matches!(
        ran.reports.last(),
        Some(Report::Ended { signal: Some(signal), .. }) if *signal == libc::SIGABRT
    ));
    let left = std::fs::read_dir(world.path("state")).expect("listed");
    let core = left
        .filter_map(Result::ok)
        .find(|file| file.file_name().to_string_lossy().starts_with("core"));
    assert!(core.is_none(), "{core:?}");
}

#[test]
fn privileges_are_dropped_for_good() {
    let ran = World::new().run(&spec("/bin/cat", &["/proc/self/status"]));
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
    ] {
        assert!(ran.out.contains(line), "{line} in {ran:?}");
    }
}

#[test]
fn skill_has_no_terminal_and_its_own_session() {
    skip_unless!(python);
    let ran = World::new()
        .attack("print(os.getsid(0) == os.getpid())\nattempt(lambda: open('/dev/tty'))");
    let out = ran.out.replace("EACCES", "ENOENT");
    assert_eq!(out, "True\nREFUSED ENOENT\n", "{ran:?}");
}

#[test]
fn ordinary_server_operations_work() {
    skip_unless!(python);
    let ran = World::new().attack(
        "import subprocess, threading, multiprocessing\n\
         a, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))\n\
         print(subprocess.run(['/bin/echo', 'child'], capture_output=True).stdout)\n\
         t = threading.Thread(target=lambda: print('thread'))\nt.start()\nt.join()\n\
         print(len(os.urandom(8)), os.cpu_count() > 0)\nopen('/dev/null', 'w').write('x')",
    );
    assert_eq!(ran.out, "b'x'\nb'child\\n'\nthread\n8 True\n", "{ran:?}");
}

#[test]
fn program_that_cannot_be_executed_is_reported() {
    let ran = World::new().run(&spec("/usr/bin/no-such-program", &[]));
    assert!(
        ran.reports.iter().any(|report| matches!(
            report, Report::Failed { why, .. } if why.contains("no-such-program")
        )),
        "{ran:?}"
    );
}

#[test]
fn every_layer_the_kernel_has_is_enforced() {
    let ran = World::new().run(&spec("/bin/true", &[]));
    let Some(Report::Started { layers }) = ran.reports.first() else {
        panic!("{ran:?}");
    };
    for layer in Layer::ALL {
        let reported = layers.0.iter().filter(|(each, ..)| each == layer).count();
        assert_eq!(reported, 1, "{layer:?} in {layers:?}");
    }
    // Layers that every supported kernel has, with or without namespaces.
    for layer in [
        Layer::Rlimits,
        Layer::NoNewPrivileges,
        Layer::Seccomp,
        Layer::Watchdog,
    ] {
        assert_eq!(layers.state(layer), LayerState::Enforced, "{layers:?}");
    }
}

/// A process that lives in its own sandbox until its stdin closes.
fn neighbour(world: &World) -> (mimo::skills::supervised::Launched, Vec<i32>) {
    use std::io::Read;
    let mut launched = world.start(&super::world::python(
        "print('up', flush=True)\nsys.stdin.read()\nprint('alive')",
    ));
    launched.stdout.read_exact(&mut [0; 3]).expect("it is up");
    let supervisor = launched.process.pid();
    let below = |pid: i32| -> Vec<i32> {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    };
    let mut all = vec![i32::try_from(supervisor).expect("a pid")];
    let mut next = 0;
    while next < all.len() {
        all.extend(below(all[next]));
        next += 1;
    }
    (launched, all)
}

#[test]
fn no_signal_reaches_another_skill_its_sandbox_or_all() {
    skip_unless!(python);
    let theirs = World::new();
    let (launched, pids) = neighbour(&theirs);
    let gateway = i32::try_from(std::process::id()).expect("a pid");
    for pid in pids.into_iter().chain([gateway]) {
        for attempt in [
            format!("os.kill({pid}, signal.SIGKILL)"),
            format!("os.killpg({pid}, signal.SIGKILL)"),
            format!("call({}, {pid}, {pid}, 9)", libc::SYS_tgkill),
            format!("call({}, {pid}, 9, bytes(128))", libc::SYS_rt_sigqueueinfo),
            format!("signal.pidfd_send_signal(os.pidfd_open({pid}), signal.SIGKILL)"),
        ] {
            let ran = World::new().attack(&format!("attempt(lambda: {attempt})"));
            ran.refused(&["ESRCH", "EPERM"]);
        }
    }
    // To all it may signal: only itself and pid 1, which ignores this.
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        World::new().attack(&format!("attempt(lambda: os.kill(-1, {signal}))"));
    }
    assert_eq!(finish(launched).out, "alive\n");
}

#[test]
fn set_user_id_program_grants_nothing() {
    use std::os::unix::fs::PermissionsExt;
    /// The user `nobody`.
    const NOBODY: u32 = 65_534;
    let world = World::new();
    std::fs::create_dir(world.path("read")).expect("a folder");
    let program = world.path("read/id");
    std::fs::copy("/usr/bin/id", &program).expect("a copy");
    if std::os::unix::fs::chown(&program, Some(NOBODY), Some(NOBODY)).is_err() {
        // An ordinary user cannot grant nobody's rights.
        return;
    }
    for folder in ["", "read"] {
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(world.path(folder), open).expect("set");
    }
    let bits = std::fs::Permissions::from_mode(0o6755);
    std::fs::set_permissions(&program, bits).expect("set");
    let outside = Command::new(&program).arg("-u").output().expect("it runs");
    let ours = nix::unistd::Uid::effective().to_string();
    let outside = String::from_utf8(outside.stdout).expect("text");
    let mut skill = spec(&program, &["-u"]);
    skill.sandbox.read = vec![world.path("read")];
    let ran = world.run(&skill);
    assert_eq!(ran.out.trim(), ours, "outside it is {outside}: {ran:?}");
}

#[test]
fn shared_memory_and_queues_are_unreachable() {
    skip_unless!(python);
    // System V: a segment with a number that anyone can guess; POSIX: a name.
    let name = format!("/mimo-attack-{}", std::process::id());
    let outside = format!(
        "import ctypes, sys\nlibc = ctypes.CDLL(None)\n\
         print(libc.shmget(0, 4096, 0o1666), libc.msgget(0, 0o1666), libc.semget(0, 1, 0o1666), \
         libc.syscall({}, b'{}', 0o102, 0o666, None) >= 0, flush=True)\nsys.stdin.read()\n\
         libc.syscall({}, b'{}')",
        libc::SYS_mq_open,
        &name[1..],
        libc::SYS_mq_unlink,
        &name[1..],
    );
    let mut holder = Command::new(PYTHON)
        .args(["-I", "-c", &outside])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a holder");
    let mut line = String::new();
    let mut told = std::io::BufReader::new(holder.stdout.take().expect("its stdout"));
    std::io::BufRead::read_line(&mut told, &mut line).expect("it tells");
    let ids: Vec<&str> = line.split_whitespace().collect();
    let [shared, queue, semaphore, _] = ids[..] else {
        panic!("{line}");
    };
    for attempt in [
        format!("call({}, {shared}, 0, 0)", libc::SYS_shmat),
        format!("call({}, {shared}, 0, 0)", libc::SYS_shmctl),
        format!("call({}, {queue}, b'x' * 16, 8, 0o4000)", libc::SYS_msgsnd),
        format!("call({}, {queue}, 0, 0)", libc::SYS_msgctl),
        format!("call({}, {semaphore}, b'\\0' * 6, 1)", libc::SYS_semop),
        format!("call({}, {semaphore}, 0, 0, 0)", libc::SYS_semctl),
        format!("call({}, b'{}', 2, 0, 0)", libc::SYS_mq_open, &name[1..]),
        format!("call({}, b'{}')", libc::SYS_mq_unlink, &name[1..]),
    ] {
        World::new()
            .attack(&format!("attempt(lambda: {attempt})"))
            .refused(&["EPERM"]);
    }
    let clean = format!(
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.shmctl({shared}, 0, None)\n\
         libc.msgctl({queue}, 0, None)\nlibc.semctl({semaphore}, 0, 0)"
    );
    let status = Command::new(PYTHON).args(["-I", "-c", &clean]).status();
    assert!(status.expect("it runs").success());
    drop(holder.stdin.take());
    assert!(holder.wait().expect("its end").success());
}

#[test]
fn sibling_cannot_read_the_gateway() {
    skip_unless!(python);
    let theirs = World::new();
    let (launched, pids) = neighbour(&theirs);
    let gateway = i32::try_from(std::process::id()).expect("a pid");
    for pid in pids.into_iter().chain([gateway]) {
        for attempt in [
            format!("open('/proc/{pid}/environ').read()"),
            format!("open('/proc/{pid}/mem', 'rb').read(1)"),
            format!("open('/proc/{pid}/mem', 'r+b')"),
            format!("os.readlink('/proc/{pid}/fd/0')"),
            format!("open('/proc/{pid}/fd/0')"),
            format!("os.listdir('/proc/{pid}/root/')"),
            format!("call({}, 16, {pid}, 0, 0)", libc::SYS_ptrace),
        ] {
            let ran = World::new().attack(&format!("attempt(lambda: {attempt})"));
            // Inside, the same number may be the skill itself or pid 1.
            if pid > 2 {
                ran.refused(&["ENOENT", "EACCES", "EPERM", "ESRCH"]);
            }
        }
    }
    assert_eq!(finish(launched).out, "alive\n");
}

/// What another process may do, as the operating system shows it.
fn limits_of(pid: u32) -> (String, i32) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    let fields = stat.rsplit_once(')').expect("its name").1;
    let nice = fields
        .split_ascii_whitespace()
        .nth(16)
        .expect("its priority");
    (limits, nice.parse().expect("a number"))
}

#[test]
fn limits_and_priorities_of_other_processes_cannot_be_changed() {
    skip_unless!(python);
    let mut victim = Command::new("/bin/cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("a victim");
    let before = limits_of(victim.id());
    for pid in [victim.id(), std::process::id()] {
        for attempt in [
            format!("resource.prlimit({pid}, resource.RLIMIT_NOFILE, (3, 3))"),
            format!("os.setpriority(os.PRIO_PROCESS, {pid}, 19)"),
            "os.setpriority(os.PRIO_USER, 0, 19)".to_owned(),
            "os.setpriority(os.PRIO_PGRP, 0, 19)".to_owned(),
            format!("os.sched_setaffinity({pid}, {{0}})"),
            format!("os.sched_setscheduler({pid}, os.SCHED_IDLE, os.sched_param(0))"),
            format!("call({}, 1, {pid}, 3 << 13)", libc::SYS_ioprio_set),
            format!("call({}, {pid}, {pid}, 0, 0, 0)", libc::SYS_kcmp),
            format!("call({}, {pid}, 8, 0, 0)", libc::SYS_migrate_pages),
            format!("call({}, {pid}, 0, 0)", libc::SYS_get_robust_list),
        ] {
            let ran = World::new().attack(&format!("attempt(lambda: {attempt})"));
            ran.refused(&["EPERM"]);
        }
    }
    assert_eq!(limits_of(victim.id()), before);
    // Its own are its own business.
    let ran = World::new().attack(
        "attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))\n\
         attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, 5))\n\
         attempt(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))",
    );
    assert_eq!(ran.out, "DONE None\n".repeat(3), "{ran:?}");
    drop(victim.stdin.take());
    assert!(victim.wait().expect("its end").success());
}
