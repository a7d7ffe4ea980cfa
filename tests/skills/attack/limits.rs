//! Resource limits: each excess is stopped near its limit with the right reason.

use std::io::Read;

use mimo::skills::sandbox::policy::{KillReason, Layer, LayerState, Report};

use super::world::{Ran, World, finish, python, spec};

const MEGABYTE: u64 = 1 << 20;

/// Runs `script` in 256 MB.
fn hog(script: &str) -> Ran {
    let mut skill = python(script);
    skill.sandbox.memory_bytes = 256 * MEGABYTE;
    World::new().run(&skill)
}

#[track_caller]
fn killed_near_its_memory(ran: &Ran) {
    let found = ran.reports.iter().find_map(|report| match report {
        Report::Killed {
            reason: KillReason::Memory,
            measured,
            allowed,
        } => Some((*measured, *allowed)),
        _ => None,
    });
    let (measured, allowed) = found.unwrap_or_else(|| panic!("{ran:?}"));
    assert_eq!(allowed, 256 * MEGABYTE);
    assert!(measured > allowed && measured < 4 * allowed, "{measured}");
    assert!(!ran.out.contains("survived"));
}

#[test]
fn oversized_allocation_is_refused() {
    skip_unless!(python);
    let ran = hog("x = bytearray(600 << 20)\nprint('survived')");
    assert!(ran.err.contains("MemoryError"), "{ran:?}");
    assert!(!ran.out.contains("survived"));
}

#[test]
fn process_over_the_memory_limit_is_killed() {
    skip_unless!(python);
    let ran = hog(
        "x = []\nfor i in range(45):\n    x.append(bytearray(os.urandom(1 << 20) * 10)); \
         time.sleep(0.02)\nprint('survived')",
    );
    killed_near_its_memory(&ran);
}

#[test]
fn shared_memory_counts_toward_the_limit() {
    skip_unless!(python);
    let ran = hog(
        "m = []\nfor i in range(400):\n    a = mmap.mmap(-1, 10 << 20)\n    \
         for page in range(0, 10 << 20, 4096): a[page] = 1\n    m.append(a)\nprint('survived')",
    );
    killed_near_its_memory(&ran);
}

#[test]
fn memory_of_all_children_counts_together() {
    skip_unless!(python);
    let ran = hog(
        "for i in range(12):\n    if os.fork() == 0:\n        x = bytearray(b'x') * (60 << 20); \
         signal.pause()\nsignal.pause()",
    );
    killed_near_its_memory(&ran);
}

const HELPERS: &str = r#"
def fill(end):
    end.setblocking(False)
    try:
        while True: end.send(b'x' * 65536)
    except BlockingIOError: pass
def pairs(count, kind=socket.SOCK_STREAM):
    return [socket.socketpair(socket.AF_UNIX, kind) for i in range(count)]
"#;

/// Runs `script` in 64 MB, with 1,024 open files for each process.
fn small_hog(script: &str) -> Ran {
    let mut skill = python(&format!("{HELPERS}{script}\nuntil_killed()"));
    skill.sandbox.memory_bytes = 64 * MEGABYTE;
    skill.sandbox.open_files = 1_024;
    World::new().run(&skill)
}

#[track_caller]
fn killed_for_memory(ran: &Ran) {
    assert_eq!(ran.killed(), Some(KillReason::Memory), "{ran:?}");
    assert!(!ran.out.contains("survived"), "{ran:?}");
}

#[test]
fn data_in_sockets_counts_toward_the_memory_limit() {
    skip_unless!(python);
    killed_for_memory(&small_hog(
        "for a, b in (kept := pairs(400)): fill(a); fill(b)",
    ));
    // The senders are gone, and with them their own count.
    killed_for_memory(&small_hog(
        "kept = []\nfor a, b in pairs(400, socket.SOCK_SEQPACKET):\n    \
         fill(a); a.close(); kept.append(b)",
    ));
}

/// Connections that wait for an answer, and sockets on their way to another process,
/// belong to no open file.
#[test]
fn data_in_sockets_without_open_file_counts_toward_the_memory_limit() {
    skip_unless!(python);
    let ran = small_hog(
        "server = socket.socket(socket.AF_UNIX)\nserver.bind('s')\nserver.listen(500)\n\
         for i in range(400):\n    a = socket.socket(socket.AF_UNIX); a.connect('s')\n    \
         fill(a); a.close()",
    );
    // Where others' sockets could be reached, there are none but pairs.
    let refused = ran.err.contains("PermissionError");
    assert!(
        refused || ran.killed() == Some(KillReason::Memory),
        "{ran:?}"
    );
    let ran = small_hog(
        "way = pairs(1)[0]\nfor a, b in pairs(300):\n    fill(a); fill(b)\n    \
         socket.send_fds(way[0], [b'x'], [a.fileno(), b.fileno()]); a.close(); b.close()",
    );
    let Some(Report::Started { layers }) = ran.reports.first() else {
        panic!("{ran:?}");
    };
    if layers.state(Layer::Network) == LayerState::Enforced {
        killed_for_memory(&ran);
    }
}

#[test]
fn idle_sockets_do_not_count_toward_the_memory_limit() {
    skip_unless!(python);
    // As long as some counts take.
    let ran = small_hog("kept = pairs(400)\nuntil_killed(3)");
    assert_eq!(ran.killed(), None, "{ran:?}");
    assert!(ran.out.contains("survived"), "{ran:?}");
}

/// `mimo doctor` states this worst case for the default bounds.
#[test]
fn memory_between_two_counts_is_as_stated() {
    skip_unless!(python);
    const PROCESSES: u64 = 8;
    const FILES: u64 = 64;
    let mut skill = python(&format!(
        "{HELPERS}for i in range(3): os.fork()\nkept = pairs(28)\nfor a, b in kept: fill(a); fill(b)\n\
         until_killed()"
    ));
    skill.sandbox.processes = PROCESSES;
    skill.sandbox.open_files = FILES;
    skill.sandbox.memory_bytes = 96 * MEGABYTE;
    let ran = World::new().run(&skill);
    let Some(Report::Killed {
        reason: KillReason::Memory,
        measured,
        allowed,
    }) = ran.reports.last()
    else {
        panic!("{ran:?}");
    };
    let worst = PROCESSES * FILES * 212 * 1024;
    assert!(*measured <= allowed + worst, "{measured}");
}

#[test]
fn data_in_pipes_counts_toward_the_memory_limit() {
    skip_unless!(python);
    killed_for_memory(&small_hog(
        "for i in range(2): os.fork()\nkept = [os.pipe() for i in range(400)]\n\
         for reader, writer in kept:\n    os.set_blocking(writer, False)\n    \
         os.write(writer, b'x' * 65536)",
    ));
}

#[test]
fn page_tables_count_toward_the_memory_limit() {
    skip_unless!(python);
    // Reading maps the kernel's page of zeros, which costs nothing but the tables.
    killed_for_memory(&small_hog(
        "m = mmap.mmap(-1, 60 << 30, flags=mmap.MAP_PRIVATE | 0x4000, \
         prot=mmap.PROT_READ)\nm.madvise(mmap.MADV_NOHUGEPAGE)\n\
         for at in range(0, 60 << 30, 2 << 20): m[at]",
    ));
}

#[test]
fn memory_counts_after_the_first_thread_has_ended() {
    skip_unless!(python);
    // Nothing of the process shows in the folder of its first thread then.
    killed_for_memory(&small_hog(
        "import threading\ndef grow():\n    \
         first = f'/proc/self/task/{os.getpid()}/stat'\n    \
         while open(first).read().rsplit(')')[1].split()[0] != 'Z': os.sched_yield()\n    \
         m = mmap.mmap(-1, 100 << 20)\n    for at in range(0, 100 << 20, 4096): m[at] = 1\n    \
         threading.Event().wait(60); print('survived', flush=True); os._exit(0)\n\
         threading.Thread(target=grow).start()\nlibc.syscall(ctypes.c_long({'x86_64': 60}.get(os.uname().machine, 93)), 0)",
    ));
}

#[test]
fn cpu_time_of_the_process_tree_counts_together() {
    skip_unless!(python);
    // No single process reaches its limit.
    let mut skill = python("for i in range(3):\n    if os.fork() == 0: break\nwhile True: pass");
    skill.sandbox.cpu_seconds = 1;
    let ran = World::new().run(&skill);
    // The kernel's limit for one process may come first.
    let by_the_kernel = matches!(
        ran.reports.last(),
        Some(Report::Ended {
            signal: Some(_),
            ..
        })
    );
    assert!(
        ran.killed() == Some(KillReason::Cpu) || by_the_kernel,
        "{ran:?}"
    );
}

#[test]
fn cpu_time_of_exited_children_counts() {
    skip_unless!(python);
    let mut skill = python(
        "while True:\n    if os.fork() == 0:\n        end = time.process_time() + 0.3\n        \
         while time.process_time() < end: pass\n        os._exit(0)\n    os.wait()",
    );
    skill.sandbox.cpu_seconds = 1;
    let ran = World::new().run(&skill);
    assert_eq!(ran.killed(), Some(KillReason::Cpu), "{ran:?}");
}

#[test]
fn cpu_time_of_orphans_counts() {
    skip_unless!(python);
    // Each orphan holds the pipe until it ends; pid 1 reaps it.
    let mut skill = python(
        "for i in range(30):\n    reader, writer = os.pipe()\n    if os.fork() == 0:\n        \
         if os.fork() == 0:\n            end = time.process_time() + 0.1\n            \
         while time.process_time() < end: pass\n        os._exit(0)\n    os.close(writer)\n    \
         os.wait(); os.read(reader, 1); os.close(reader)\nprint('survived')",
    );
    skill.sandbox.cpu_seconds = 1;
    let ran = World::new().run(&skill);
    // The estimate alone would need more than they use.
    assert_eq!(ran.killed(), Some(KillReason::Cpu), "{ran:?}");
}

#[test]
fn cpu_time_of_children_that_nobody_waits_for_counts() {
    skip_unless!(python);
    let mut skill = python(
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nfor i in range(160):\n    \
         if os.fork() == 0:\n        end = time.process_time() + 0.05\n        \
         while time.process_time() < end: pass\n        os._exit(0)\n    try: os.wait()\n    \
         except ChildProcessError: pass\nprint('survived')",
    );
    skill.sandbox.cpu_seconds = 1;
    let ran = World::new().run(&skill);
    assert_eq!(ran.killed(), Some(KillReason::Cpu), "{ran:?}");
}

/// A program that nobody may read hides its open files from a supervisor without rights.
#[test]
fn hidden_open_files_end_the_skill() {
    skip_unless!(python);
    let ran = World::new().attack(
        "import shutil\nshutil.copy('/usr/bin/sleep', 'hidden')\nos.chmod('hidden', 0o111)\n\
         os.execv('hidden', ['hidden', '3'])",
    );
    let Some(Report::Started { layers }) = ran.reports.first() else {
        panic!("{ran:?}");
    };
    let hides = layers.state(Layer::Proc) == LayerState::Absent;
    let expected = hides.then_some(KillReason::Hidden);
    assert_eq!(ran.killed(), expected, "{ran:?}");
}

#[test]
fn stopped_skill_is_killed() {
    skip_unless!(python);
    let ran = World::new().attack("os.kill(os.getpid(), signal.SIGSTOP)\nprint('survived')");
    assert_eq!(ran.killed(), Some(KillReason::Stopped), "{ran:?}");
}

#[test]
fn fork_bomb_is_stopped() {
    skip_unless!(python);
    let mut skill = python("while True:\n    try: os.fork()\n    except OSError: pass");
    skill.sandbox.processes = 64;
    skill.sandbox.cpu_seconds = 4;
    let ran = World::new().run(&skill);
    // As root the watchdog finds too many. Otherwise the kernel refuses more,
    // and the rest uses up its CPU time.
    let reason = ran.killed().or_else(|| ended_by_a_signal(&ran));
    assert!(
        matches!(
            reason,
            Some(KillReason::Processes | KillReason::Cpu | KillReason::Memory)
        ),
        "{ran:?}"
    );
}

/// Doubles nine times and ends by itself: a fork bomb of harmless size.
#[test]
fn fork_bomb_of_five_hundred_leaves_no_process() {
    skip_unless!(python);
    let mut skill = python(
        "signal.alarm(5)\nfor i in range(9):\n    try: os.fork()\n    \
         except OSError: pass\n    signal.alarm(5)\nsignal.pause()",
    );
    skill.sandbox.processes = 64;
    // Five hundred processes would exceed that limit first.
    skill.sandbox.memory_bytes = 64 << 30;
    let world = World::new();
    let launched = world.start(&skill);
    let supervisor = launched.process.pid();
    // Its pipes close with the last process that holds them.
    let ran = finish(launched);
    // RLIMIT_NPROC does not apply to root, but the watchdog does.
    let alarm = Report::Ended {
        code: None,
        signal: Some(libc::SIGALRM),
    };
    let stopped = ran.killed() == Some(KillReason::Processes) || ran.reports.last() == Some(&alarm);
    assert!(stopped, "{ran:?}");
    let left = std::fs::exists(format!("/proc/{supervisor}"));
    assert!(!left.expect("asked"), "the supervisor has gone as well");
}

fn ended_by_a_signal(ran: &Ran) -> Option<KillReason> {
    match ran.reports.last() {
        Some(Report::Ended {
            signal: Some(_), ..
        }) => Some(KillReason::Cpu),
        _ => None,
    }
}

#[test]
fn open_files_are_bounded() {
    skip_unless!(python);
    let ran = World::new().attack(
        "kept = []\ndef more():\n    while True: kept.append(open('/dev/null'))\n\
         attempt(more)\nprint(len(kept) < 384)",
    );
    assert_eq!(ran.out, "REFUSED EMFILE\nTrue\n", "{ran:?}");
}

#[test]
fn file_size_is_bounded() {
    skip_unless!(python);
    let world = World::new();
    let mut skill = python(
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nout = open('big', 'wb', 0)\n\
         def more():\n    while True: out.write(b'x' * (1 << 20))\nattempt(more)",
    );
    skill.sandbox.file_bytes = 4 * MEGABYTE;
    world.run(&skill).refused(&["EFBIG"]);
    let written = world.path("state/big").metadata().expect("made").len();
    assert_eq!(written, 4 * MEGABYTE);
}

/// Runs `script` with 32 MB for its private folder, which must get it killed.
#[track_caller]
fn fills_its_folder(script: &str) {
    let world = World::new();
    let mut skill = python(script);
    skill.sandbox.disk_bytes = 32 * MEGABYTE;
    let ran = world.run(&skill);
    assert_eq!(ran.killed(), Some(KillReason::Disk), "{ran:?}");
    assert!(!ran.out.contains("survived"));
}

#[test]
fn folder_size_is_bounded() {
    skip_unless!(python);
    fills_its_folder(
        "os.makedirs('deep/er')\nfor n in range(3000):\n    \
         open(f'deep/er/{n}', 'wb').write(os.urandom(1 << 20)); time.sleep(0.01)\nprint('survived')",
    );
}

#[test]
fn deleted_files_count_while_they_are_open_or_mapped() {
    skip_unless!(python);
    fills_its_folder(
        "kept = []\nfor n in range(8):\n    f = open('x', 'wb', 0); os.unlink('x'); kept.append(f)\n    \
         f.write(os.urandom(8 << 20))\nuntil_killed()",
    );
    // Python's own mmap would keep a descriptor.
    fills_its_folder(
        "libc.mmap.restype = ctypes.c_void_p\nfor n in range(8):\n    \
         f = os.open('x', os.O_RDWR | os.O_CREAT); os.unlink('x')\n    \
         os.write(f, os.urandom(8 << 20))\n    \
         libc.mmap(None, ctypes.c_size_t(8 << 20), 1, 1, f, ctypes.c_long(0)); os.close(f)\n\
         until_killed()",
    );
}

#[test]
fn folders_without_rights_count() {
    skip_unless!(python);
    fills_its_folder(
        "for mode in (0, 0o400):\n    name = f'hidden{mode}'; os.mkdir(name)\n    \
         for n in range(3): open(f'{name}/{n}', 'wb').write(os.urandom(8 << 20))\n    \
         os.chmod(name, mode)\nuntil_killed()",
    );
}

#[test]
fn deep_folders_are_refused_and_removed() {
    skip_unless!(python);
    let world = World::new();
    // Deeper than a path can name or a process has descriptors for.
    let deep = python(
        "name = 'd' * 190\nfor n in range(5000):\n    os.mkdir(name)\n    os.chdir(name)\n    \
         open('file', 'w').close()\nuntil_killed(10)",
    );
    let quiet = python("until_killed(1)");
    // Where the file system does not count its files, the next run finds it.
    let found = world
        .run(&deep)
        .killed()
        .or_else(|| world.run(&quiet).killed());
    assert_eq!(found, Some(KillReason::Depth));
    let ran = world.run(&quiet);
    assert_eq!(ran.out, "survived\n", "{ran:?}");
    // This needs a descriptor for each level.
    std::fs::remove_dir_all(world.path("state")).expect("few levels are left");
}

#[test]
fn flooding_skill_blocks_until_it_is_read() {
    let world = World::new();
    let mut launched = world.start(&spec("/usr/bin/yes", &[]));
    let mut some = [0; 1 << 16];
    launched.stdout.read_exact(&mut some).expect("it floods");
    // Without a reader the pipe holds only the kernel's buffer.
    launched.process.kill().expect("killed");
    let mut rest = Vec::new();
    launched.stdout.read_to_end(&mut rest).expect("its end");
    assert!(rest.len() <= 1 << 20, "{}", rest.len());
    assert!(finish(launched).out.is_empty());
}

#[test]
fn stop_terminates_or_kills_the_whole_tree() {
    skip_unless!(python);
    let world = World::new();
    let mut launched = world.start(&python(
        "os.fork()\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n\
         print('ready', flush=True)\nwhile True: signal.pause()",
    ));
    let mut ready = [0; 12];
    launched
        .stdout
        .read_exact(&mut ready)
        .expect("both are ready");
    launched.process.terminate().expect("asked");
    let ended = Report::Ended {
        code: Some(7),
        signal: None,
    };
    assert_eq!(finish(launched).reports.last(), Some(&ended));

    let mut launched = world.start(&python(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0: os.setsid()\n\
         print('ready', flush=True)\nwhile True: signal.pause()",
    ));
    launched
        .stdout
        .read_exact(&mut ready)
        .expect("both are ready");
    launched.process.terminate().expect("asked");
    launched.process.kill().expect("killed");
    let ran = finish(launched);
    assert_eq!(ran.killed(), Some(KillReason::Asked), "{ran:?}");
}

#[test]
fn dropped_skill_leaves_no_process() {
    skip_unless!(python);
    let world = World::new();
    let launched = world.start(&python("if os.fork() == 0: os.setsid()\nsignal.pause()"));
    let mut stdout = launched.stdout;
    drop(launched.process);
    // The pipe closes with the last process that holds it.
    stdout.read_to_end(&mut Vec::new()).expect("its end");
}
