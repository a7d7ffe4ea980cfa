//! Modes, owners, times, attributes and names of files, which Landlock does not cover.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use mimo::skills::spec::Grant;

use super::world::{CLOSED, SECRET, World, python};

/// Everything that a change of metadata would alter.
fn metadata(path: &Path) -> (u32, u32, u32, i64, i64) {
    let found = fs::symlink_metadata(path).expect("it exists");
    let times = (found.mtime(), found.ctime_nsec());
    (found.mode(), found.uid(), found.gid(), times.0, times.1)
}

/// Changes of `path`, by each kind of call.
fn changes(path: &Path) -> Vec<String> {
    let path = path.display();
    let call = |number: i64, rest: &str| format!("call({number}, -100, b'{path}', {rest})");
    vec![
        format!("os.chmod('{path}', 0o666)"),
        call(libc::SYS_fchmodat, "0o666"),
        call(452, "0o666, 0"),
        format!("os.chown('{path}', os.getuid(), os.getgid())"),
        format!("os.lchown('{path}', os.getuid(), os.getgid())"),
        format!("os.utime('{path}', (1, 1))"),
        format!("os.utime('{path}', (1, 1), follow_symlinks=False)"),
        format!("os.setxattr('{path}', 'user.mimo', b'x')"),
        call(463, "0, b'user.mimo', 0, 0"),
        call(469, "0, 0, 0"),
        format!(
            "os.symlink('{path}', 'link%d' % os.getpid()) or os.chmod('link%d' % os.getpid(), 0o666)"
        ),
        format!("os.chmod('{path}', 0o666, dir_fd=os.open('.', os.O_PATH))"),
    ]
}

#[test]
fn metadata_of_outside_files_cannot_be_changed() {
    skip_unless!(python);
    let world = World::new();
    let before = metadata(&world.secret());
    for change in changes(&world.secret()) {
        let ran = world.attack(&format!("attempt(lambda: {change})"));
        let errors = [CLOSED, &["ENOSYS", "ENOTSUP"]].concat();
        ran.refused(&errors);
        assert_eq!(metadata(&world.secret()), before, "{change}");
    }
}

#[test]
fn metadata_of_files_granted_to_read_cannot_be_changed() {
    skip_unless!(python);
    let world = World::new();
    let file = world.path("outside/.ssh/id_ed25519");
    let before = metadata(&file);
    let path = file.display();
    let mut all = changes(&file);
    all.extend([
        format!("os.fchmod(os.open('{path}', os.O_RDONLY), 0o666)"),
        format!("os.utime(os.open('{path}', os.O_RDONLY), (1, 1))"),
        format!("os.chmod('/proc/self/fd/%d' % os.open('{path}', os.O_RDONLY), 0o666)"),
        format!("__import__('fcntl').ioctl(os.open('{path}', os.O_RDONLY), 0x40086602, bytes(8))"),
    ]);
    for change in all {
        let mut skill = python(&format!("attempt(lambda: {change})"));
        skill.sandbox.read = vec![world.path("outside")];
        let errors = [CLOSED, &["ENOSYS", "ENOTSUP"]].concat();
        world.run(&skill).refused(&errors);
        assert_eq!(metadata(&file), before, "{change}");
    }
}

#[test]
fn metadata_of_own_files_can_be_changed_in_every_way() {
    skip_unless!(python);
    let world = World::new();
    let own = world.path("state/file");
    let path = own.display();
    for change in [
        format!("os.chmod('{path}', 0o640)"),
        "os.chmod('file', 0o640)".to_owned(),
        "os.chmod('soft', 0o640)".to_owned(),
        "os.fchmod(os.open('file', os.O_RDONLY), 0o640)".to_owned(),
        "os.chmod('/proc/self/fd/%d' % os.open('file', os.O_RDONLY), 0o640)".to_owned(),
        "os.chmod('file', 0o640, dir_fd=os.open('.', os.O_RDONLY))".to_owned(),
        "os.chmod('file', 0o640) or os.chown('file', os.getuid(), os.getgid())".to_owned(),
        "os.chmod('file', 0o640) or os.chown('file', -1, -1)".to_owned(),
    ] {
        let script = format!(
            "open('file', 'w').close()\nos.chmod('file', 0o600)\n\
             os.path.islink('soft') or os.symlink('file', 'soft')\nattempt(lambda: {change})"
        );
        let ran = world.attack(&script);
        assert_eq!(ran.out, "DONE None\n", "{change}: {ran:?}");
        assert_eq!(metadata(&own).0 & 0o777, 0o640, "{change}");
    }
    for change in [
        "os.utime('file', (7, 7))",
        "os.utime(os.open('file', os.O_RDONLY), (7, 7))",
        "os.utime('soft', (7, 7))",
        "os.utime('file', (7, 7), dir_fd=os.open('.', os.O_RDONLY))",
    ] {
        let script = format!("open('file', 'w').close()\nattempt(lambda: {change})");
        let ran = world.attack(&script);
        assert_eq!(ran.out, "DONE None\n", "{change}: {ran:?}");
        assert_eq!(metadata(&own).3, 7, "{change}");
    }
    // A link's own times.
    let ran = world.attack("attempt(lambda: os.utime('soft', (9, 9), follow_symlinks=False))");
    assert_eq!(ran.out, "DONE None\n", "{ran:?}");
    assert_eq!(
        (metadata(&world.path("state/soft")).3, metadata(&own).3),
        (9, 7)
    );
}

#[test]
fn swapped_path_does_not_reach_an_outside_file() {
    skip_unless!(python);
    let world = World::new();
    let before = metadata(&world.secret());
    // One process swaps a folder with a link while the other changes modes in it.
    let ran = world.attack(&format!(
        "os.mkdir('a')\nopen('a/id_ed25519', 'w').close()\nos.symlink('{}', 'b')\n\
         child = os.fork()\nif child == 0:\n    while True: call({}, -100, b'a', -100, b'b', 2)\n\
         done = 0\nfor i in range(5000):\n    try: os.chmod('a/id_ed25519', 0o666); done += 1\n    \
         except OSError: pass\nos.kill(child, 9)\nprint(done > 0)",
        world.path("outside/.ssh").display(),
        libc::SYS_renameat2,
    ));
    assert_eq!(ran.out, "True\n", "{ran:?}");
    assert_eq!(metadata(&world.secret()), before);
}

#[test]
fn names_of_outside_files_cannot_be_seen_or_watched() {
    skip_unless!(python);
    let world = World::new();
    let folder = world.path("outside/.ssh");
    let watch = format!(
        "attempt(lambda: call({}, call_id({}), b'{}', 0xfff))",
        libc::SYS_inotify_add_watch,
        libc::SYS_inotify_init1,
        folder.display()
    );
    let prelude = "def call_id(number):\n    got = libc.syscall(ctypes.c_long(number), 0)\n    \
                   if got == -1: raise OSError(ctypes.get_errno(), '')\n    return got\n";
    let ran = world.attack(&format!("{prelude}{watch}"));
    ran.refused(&[CLOSED, &["EMFILE"]].concat());
    // Without a new root names can be seen, and `mimo doctor` says so.
    skip_unless!(namespaces);
    for look in ["os.stat", "os.access", "os.readlink"] {
        let script = format!(
            "print({look}('{}'{}))",
            world.secret().display(),
            if look == "os.access" { ", os.F_OK" } else { "" }
        );
        let ran = world.attack(&script);
        assert!(
            ran.err.contains("FileNotFoundError") || ran.out == "False\n",
            "{ran:?}"
        );
    }
}

#[test]
fn inotify_instances_of_the_account_are_not_used_up() {
    skip_unless!(python);
    let ran = World::new().attack(
        "held = 0\nwhile held < 128 and libc.inotify_init1(0) != -1: held += 1\nprint(held)",
    );
    let held: u32 = ran.out.trim().parse().unwrap_or_else(|_| panic!("{ran:?}"));
    // Root without a user namespace has the machine's limit.
    let shared = std::env::var_os("MIMO_TEST_WITHOUT_USER_NAMESPACE").is_some();
    assert!(held <= 16 || shared, "{ran:?}");
}

#[test]
fn grant_inside_a_writable_folder_can_only_be_read() {
    skip_unless!(python);
    // Landlock alone would grant the union.
    skip_unless!(namespaces);
    let world = World::new();
    let (folder, inner) = (world.path("write"), world.path("write/reports"));
    fs::create_dir_all(&inner).expect("made");
    fs::write(inner.join("file"), SECRET).expect("written");
    let mut skill = python(&format!(
        "attempt(lambda: open('{0}/file').read())\nattempt(lambda: open('{0}/file', 'w').write('x'))\n\
         attempt(lambda: open('{1}/other', 'w').write('x'))",
        inner.display(),
        folder.display()
    ));
    skill.sandbox.write = vec![folder];
    skill.sandbox.read = vec![inner];
    let ran = world.run(&skill);
    assert_eq!(
        ran.out,
        format!("DONE {SECRET}\nREFUSED EROFS\nDONE 1\n"),
        "{ran:?}"
    );
}

#[test]
fn grant_below_a_linked_folder_has_its_usual_path() {
    skip_unless!(python);
    let world = World::new();
    fs::create_dir_all(world.path("real/work")).expect("made");
    symlink("real", world.path("linked")).expect("linked");
    let path = world.path("linked/work");
    let mut skill = python(&format!(
        "attempt(lambda: open('{}/file', 'w').write('x'))",
        path.display()
    ));
    skill.sandbox.write = vec![path.clone()];
    let ran = world.run(&skill);
    assert_eq!(ran.out, "DONE 1\n", "{ran:?}");
    assert!(world.path("real/work/file").exists());
    // As a manifest gives it: resolved, and with the path that it asked for.
    let real = world.path("real/work").canonicalize().expect("there");
    skill.sandbox.write = vec![real.clone()];
    skill.sandbox.grants = vec![Grant {
        asked: path,
        path: real,
        writable: true,
    }];
    let ran = world.run(&skill);
    assert_eq!(ran.out, "DONE 1\n", "{ran:?}");
}
