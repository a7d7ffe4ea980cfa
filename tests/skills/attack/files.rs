//! Files outside the sandbox can be neither read nor changed.

use super::world::{CLOSED, SECRET, World, python};

fn reading(path: impl std::fmt::Display) -> String {
    format!("attempt(lambda: open('{path}').read())")
}

fn writing(path: impl std::fmt::Display) -> String {
    format!("attempt(lambda: open('{path}', 'w').write('x'))")
}

#[test]
fn user_keys_cannot_be_read() {
    skip_unless!(python);
    let world = World::new();
    let ran = world.attack(&reading(world.secret().display()));
    ran.refused(CLOSED);
}

#[test]
fn mimos_data_cannot_be_read() {
    skip_unless!(python);
    let world = World::new();
    let ran = world.attack(&reading(world.path("mimo/mimo.db").display()));
    ran.refused(CLOSED);
}

#[test]
fn outside_folders_cannot_be_listed() {
    skip_unless!(python);
    let world = World::new();
    let folder = world.path("outside");
    for folder in [
        folder.to_str().expect("text"),
        "/root",
        "/home",
        "/tmp",
        "/",
    ] {
        let ran = world.attack(&format!("attempt(lambda: os.listdir('{folder}'))"));
        ran.refused(CLOSED);
    }
}

#[test]
fn working_folder_is_the_granted_one() {
    skip_unless!(python);
    let world = World::new();
    let work = world.path("work");
    std::fs::create_dir(&work).expect("a folder");
    let mut spec = python("open('made', 'w').write('x')\nattempt(os.getcwd)");
    spec.sandbox.write = vec![work.clone()];
    spec.folder = Some(work.clone());
    let ran = world.run(&spec);
    assert_eq!(
        ran.out.trim(),
        format!("DONE {}", work.display()),
        "{ran:?}"
    );
    assert!(work.join("made").exists());
}

#[test]
fn system_passwords_cannot_be_read() {
    skip_unless!(python);
    World::new().attack(&reading("/etc/shadow")).refused(CLOSED);
}

#[test]
fn programs_settings_and_tmp_cannot_be_written() {
    skip_unless!(python);
    let world = World::new();
    let own = format!("/tmp/mimo-attack-{}", std::process::id());
    let others = [
        "/usr/mimo-attack",
        "/etc/mimo-attack",
        "/dev/shm/mimo-attack",
        &own,
    ];
    for path in others {
        world.attack(&writing(path)).refused(CLOSED);
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
}

#[test]
fn no_system_call_changes_an_outside_file() {
    skip_unless!(python);
    let world = World::new();
    let secret = world.secret();
    let path = secret.display();
    for attempt in [
        format!("os.truncate('{path}', 0)"),
        format!("os.unlink('{path}')"),
        format!("os.rename('{path}', 'taken')"),
        format!("os.link('{path}', 'linked')"),
        format!("os.open('{path}', os.O_WRONLY | os.O_APPEND)"),
        format!("os.mkdir('{path}.d')"),
        format!("os.symlink('/', '{path}.link')"),
        format!("os.mkfifo('{path}.fifo')"),
    ] {
        let ran = world.attack(&format!("attempt(lambda: {attempt})"));
        ran.refused(&[CLOSED, &["EXDEV"]].concat());
        let kept = std::fs::read_to_string(&secret).expect("still there");
        assert_eq!(kept, SECRET, "{attempt}");
        let folder = secret.parent().expect("its folder");
        assert_eq!(std::fs::read_dir(folder).expect("listed").count(), 1);
    }
}

#[test]
fn links_and_dotdot_paths_do_not_escape() {
    skip_unless!(python);
    let world = World::new();
    let secret = world.secret();
    let path = secret.display();
    for script in [
        format!("os.symlink('{path}', 'link')\nattempt(lambda: open('link').read())"),
        format!("attempt(lambda: open('/proc/self/root{path}').read())"),
        "attempt(lambda: open('../outside/.ssh/id_ed25519').read())".to_owned(),
        format!(
            "attempt(lambda: os.chroot('{}'))",
            world.path("outside").display()
        ),
    ] {
        World::new();
        let ran = world.attack(&script);
        ran.refused(CLOSED);
        let _ = std::fs::remove_file(world.path("state/link"));
    }
}

#[test]
fn symlink_in_the_skills_folder_does_not_escape() {
    skip_unless!(python);
    let world = World::new();
    std::os::unix::fs::symlink(world.path("outside"), world.path("state/door")).expect("a link");
    let ran = world.attack(&reading("door/.ssh/id_ed25519"));
    ran.refused(CLOSED);
}

#[test]
fn granted_paths_are_accessible_and_no_others() {
    skip_unless!(python);
    let world = World::new();
    for folder in ["read", "write"] {
        std::fs::create_dir(world.path(folder)).expect("a folder");
        std::fs::write(world.path(folder).join("file"), "before").expect("a file");
    }
    let (read, write) = (world.path("read/file"), world.path("write/file"));
    let mut skill = python(&format!(
        "{}\n{}\n{}",
        reading(read.display()),
        writing(read.display()),
        writing(write.display()),
    ));
    skill.sandbox.read = vec![world.path("read")];
    skill.sandbox.write = vec![world.path("write")];
    let ran = world.run(&skill);
    // The new root is read-only there; without one Landlock refuses it.
    let out = ran.out.replace("EROFS", "EACCES");
    assert_eq!(out, "DONE before\nREFUSED EACCES\nDONE 1\n", "{ran:?}");
    assert_eq!(std::fs::read_to_string(read).expect("read"), "before");
    assert_eq!(std::fs::read_to_string(write).expect("read"), "x");
}

#[test]
fn own_folders_are_writable_and_private() {
    skip_unless!(python);
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let ran = world.attack(
        "for name in ('HOME', 'TMPDIR', 'npm_config_cache', 'UV_CACHE_DIR'):\n    \
         attempt(lambda: open(os.environ[name] + '/file', 'w').write('x'))",
    );
    assert_eq!(ran.out, "DONE 1\n".repeat(4), "{ran:?}");
    for folder in ["home", "tmp", "npm", "uv"] {
        let folder = world.path("state").join(folder);
        assert!(folder.join("file").exists());
        let mode = folder.metadata().expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}

#[test]
fn manifest_approvals_and_other_skills_are_untouchable() {
    skip_unless!(python);
    let world = World::new();
    std::fs::create_dir(world.path("another")).expect("a folder");
    for name in [
        "mimo/skills.json",
        "mimo/skill-pins.json",
        "mimo/mimo.db",
        "another/token",
    ] {
        let path = world.path(name);
        std::fs::write(&path, SECRET).expect("written");
        for attempt in [reading(path.display()), writing(path.display())] {
            world.attack(&attempt).refused(CLOSED);
        }
        let text = path.display();
        for attempt in [
            format!("os.unlink('{text}')"),
            format!("os.rename('{text}', 'taken')"),
            format!("os.rename('own', '{text}')"),
            format!("os.link('{text}', 'linked')"),
            format!("os.link('own', '{text}.new')"),
        ] {
            let script = format!("open('own', 'w').close()\nattempt(lambda: {attempt})");
            world
                .attack(&script)
                .refused(&[CLOSED, &["EXDEV"]].concat());
        }
        assert_eq!(
            std::fs::read_to_string(&path).expect("there"),
            SECRET,
            "{name}"
        );
    }
}

/// A skill that may change a folder beside its own.
fn with_a_folder(world: &World, script: &str) -> mimo::skills::spec::SkillSpec {
    let _ = std::fs::create_dir(world.path("write"));
    let mut skill = python(script);
    skill.sandbox.write = vec![world.path("write")];
    skill
}

#[test]
fn writable_folder_cannot_be_escaped() {
    skip_unless!(python);
    let world = World::new();
    let (folder, secret) = (world.path("write"), world.secret());
    let (folder, secret) = (folder.display(), secret.display());
    for attempt in [
        format!("open('{folder}/../outside/.ssh/id_ed25519').read()"),
        format!("os.link('{secret}', '{folder}/hard')"),
        format!("os.rename('{secret}', '{folder}/moved')"),
        format!("os.symlink('{secret}', '{folder}/soft') or open('{folder}/soft').read()"),
        format!("os.symlink('..', '{folder}/up') or os.listdir('{folder}/up/outside')"),
        format!(
            "os.open('../outside/.ssh/id_ed25519', os.O_RDONLY, dir_fd=os.open('{folder}', os.O_PATH))"
        ),
    ] {
        let ran = world.run(&with_a_folder(
            &world,
            &format!("attempt(lambda: {attempt})"),
        ));
        ran.refused(&[CLOSED, &["EXDEV", "EISDIR"]].concat());
    }
    assert_eq!(
        std::fs::read_to_string(world.secret()).expect("there"),
        SECRET
    );
}

#[test]
fn folder_replaced_by_a_link_grants_nothing() {
    skip_unless!(python);
    let world = World::new();
    let (folder, outside) = (world.path("write"), world.path("outside/.ssh"));
    // One process swaps a folder with a link to the secret while the other
    // reads.
    let ran = world.run(&with_a_folder(
        &world,
        &format!(
            "os.chdir('{}')\nos.mkdir('a')\nopen('a/id_ed25519', 'w').write('own')\n\
             os.symlink('{}', 'b')\nif os.fork() == 0:\n    for i in range(3000):\n        \
             call({}, -100, b'a', -100, b'b', 2)\n    os._exit(0)\nseen = set()\nended = 0\n\
             while not ended:\n    ended = os.waitpid(-1, os.WNOHANG)[0]\n    \
             try: seen.add(open('a/id_ed25519').read())\n    \
             except OSError as error: seen.add(errno.errorcode[error.errno])\n\
             print(sorted(seen - {{'own', 'EACCES', 'ENOENT'}}))",
            folder.display(),
            outside.display(),
            libc::SYS_renameat2,
        ),
    ));
    assert_eq!(ran.out, "[]\n", "{ran:?}");
}

#[test]
fn link_left_by_an_earlier_run_is_not_followed() {
    skip_unless!(python);
    let world = World::new();
    let inner = world.path("write/inner");
    std::fs::create_dir_all(&inner).expect("a folder");
    let outside = world.path("outside/.ssh");
    let swap = format!(
        "os.rmdir('{0}')\nos.symlink('{1}', '{0}')",
        inner.display(),
        outside.display()
    );
    let steal = reading(inner.join("id_ed25519").display());
    let harm = writing(inner.join("id_ed25519").display());
    for (read, write) in [(vec![inner.clone()], vec![]), (vec![], vec![inner.clone()])] {
        let skill = with_a_folder(&world, &swap);
        let ran = world.run(&skill);
        assert!(ran.err.is_empty(), "{ran:?}");
        for script in [&steal, &harm] {
            let mut again = python(script);
            again.sandbox = skill.sandbox.clone();
            again.sandbox.read = read.clone();
            again.sandbox.write.extend(write.clone());
            world.run(&again).refused(CLOSED);
        }
        std::fs::remove_file(&inner).expect("the link");
        std::fs::create_dir(&inner).expect("a folder");
    }
    assert_eq!(
        std::fs::read_to_string(world.secret()).expect("there"),
        SECRET
    );
}

#[test]
fn set_user_id_files_cannot_be_made() {
    skip_unless!(python);
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    for attempt in [
        "os.chmod('file', 0o4755)",
        "os.chmod('file', 0o2755)",
        "os.fchmod(os.open('file', os.O_RDONLY), 0o4755)",
        "os.open('made', os.O_CREAT | os.O_WRONLY, 0o4755)",
        "os.open('made', os.O_CREAT | os.O_WRONLY, 0o2755)",
        "os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o4755)",
        "os.mknod('made', 0o104755)",
    ] {
        let script = format!("open('file', 'w').close()\nattempt(lambda: {attempt})");
        world.attack(&script).refused(&["EPERM"]);
        let mode = |name| {
            world
                .path(name)
                .metadata()
                .map_or(0, |file| file.permissions().mode())
        };
        assert_eq!(
            (mode("state/file") | mode("state/made")) & 0o6000,
            0,
            "{attempt}"
        );
    }
    // Ordinary modes are unchanged.
    let ran = world.attack("os.chmod('file', 0o755)\nos.close(os.open('new', os.O_CREAT, 0o700))");
    assert!(ran.err.is_empty(), "{ran:?}");
}
