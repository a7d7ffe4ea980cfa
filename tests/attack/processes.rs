//! Other processes, and what a skill is given at its start: it sees nobody,
//! reaches nobody, inherits nothing and cannot get more.

use std::fs::File;
use std::process::{Command, Stdio};

use mimo::skills::sandbox::policy::{Layer, Report, State};

use super::support::{SECRET, World, has_namespaces, spec};

#[test]
fn the_gateway_and_other_processes_are_not_seen() {
    if !has_namespaces() {
        // It sees their numbers, but Landlock shuts what is in them.
        let gateway = std::process::id();
        let script = format!("attempt(lambda: open('/proc/{gateway}/environ').read())");
        return World::new().attack(&script).refused(&["EACCES"]);
    }
    let ran = World::new()
        .attack("print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), os.getpid())");
    assert_eq!(ran.out, "[1, 2] 2\n", "{ran:?}");
}

#[test]
fn no_signal_reaches_a_process_outside() {
    let mut victim = Command::new("/bin/cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("a victim");
    for pid in [victim.id(), std::process::id()] {
        let script = format!("attempt(lambda: os.kill({pid}, signal.SIGKILL))");
        World::new()
            .attack(&script)
            .refused(match has_namespaces() {
                true => &["ESRCH"],
                // Landlock's scope ends at the sandbox as well.
                false => &["EPERM"],
            });
    }
    assert_eq!(victim.try_wait().expect("asked"), None, "it lives");
    drop(victim.stdin.take());
    assert!(victim.wait().expect("its end").success());
}

#[test]
fn pid_1_of_the_sandbox_is_neither_read_nor_written_nor_killed() {
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
        ran.refused(&["EACCES", "EPERM"]);
    }
}

#[test]
fn no_open_file_is_inherited() {
    let secret = World::new();
    let held = File::open(secret.secret()).expect("opened");
    // One that would be inherited by any careless spawn.
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
fn the_environment_is_the_specs_and_nothing_else() {
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
fn bounds_are_not_raised() {
    let ran = World::new().attack(
        "for name in ('DATA', 'NPROC', 'NOFILE', 'FSIZE', 'CORE', 'CPU'):\n    \
         which = getattr(resource, 'RLIMIT_' + name)\n    \
         soft, hard = resource.getrlimit(which)\n    \
         try:\n        resource.setrlimit(which, (hard + 1, hard + 1)); print('RAISED', name)\n    \
         except (OSError, ValueError): print(name, soft, hard)",
    );
    let expected = "DATA 1073741824 1073741824\nNPROC 256 256\nNOFILE 1024 1024\n\
                    FSIZE 536870912 536870912\nCORE 0 0\nCPU 3600 3600\n";
    assert_eq!(ran.out, expected, "{ran:?}");
}

#[test]
fn a_crash_leaves_no_core() {
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
fn rights_are_gone_for_good() {
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
fn it_has_no_terminal_and_a_session_of_its_own() {
    let ran = World::new()
        .attack("print(os.getsid(0) == os.getpid())\nattempt(lambda: open('/dev/tty'))");
    assert_eq!(ran.out, "True\nREFUSED EACCES\n", "{ran:?}");
}

#[test]
fn what_servers_need_still_works() {
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
fn a_program_that_cannot_be_executed_is_reported_with_the_reason() {
    let ran = World::new().run(&spec("/usr/bin/no-such-program", &[]));
    assert!(
        ran.reports.iter().any(|report| matches!(
            report, Report::Failed { why, .. } if why.contains("no-such-program")
        )),
        "{ran:?}"
    );
}

#[test]
fn every_layer_is_reported_and_enforced_where_the_kernel_has_it() {
    let ran = World::new().run(&spec("/bin/true", &[]));
    let Some(Report::Started { layers }) = ran.reports.first() else {
        panic!("{ran:?}");
    };
    for layer in Layer::ALL {
        let reported = layers.0.iter().filter(|(each, ..)| *each == layer).count();
        assert_eq!(reported, 1, "{layer:?} in {layers:?}");
    }
    // What no kernel that Mimo supports lacks, namespaces or not.
    for layer in [
        Layer::Rlimits,
        Layer::NoNewPrivileges,
        Layer::Seccomp,
        Layer::Watchdog,
    ] {
        assert_eq!(layers.state(layer), State::Enforced, "{layers:?}");
    }
}
