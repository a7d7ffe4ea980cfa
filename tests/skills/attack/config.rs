//! Configurations that are refused before any process starts. Each case asserts
//! the path and class of the refusal, and that the valid skill beside it is not
//! blamed.

use std::path::Path as FilePath;

use crate::support::fixture::{Fixture, mode};
use mimo::skills::manifest::{Manifest, check, load};
use mimo::skills::refusal::Class::{self, Command, Environment, File, Secret};
use mimo::skills::rules::Rules;
use serde_json::{Value, json};

/// The class and path of each refusal of `entry`.
pub fn refused(entry: &Value, fixture: &Fixture, rules: &Rules) -> Vec<(Class, String)> {
    let healthy = json!({"command": "npx", "args": ["-y", "healthy"]});
    let text = json!({"skills": {"x": entry, "healthy": healthy}}).to_string();
    let Err(refusals) = check(fixture.fill(&text).as_bytes(), rules).and_then(Manifest::whole)
    else {
        return Vec::new();
    };
    for each in &refusals {
        assert!(!each.reason.is_empty() && !each.fix.is_empty(), "{each:?}");
        assert!(
            !format!("{each:?}").contains("hunter2"),
            "a secret: {each:?}"
        );
    }
    let place = |path: &str| path.strip_prefix("/skills/x").unwrap_or("not x").to_owned();
    refusals
        .iter()
        .map(|each| (each.class, place(&each.path)))
        .collect()
}

pub fn hold(cases: &[(&str, Value, Class, &str)], fixture: &Fixture, rules: &Rules) {
    for (name, entry, class, path) in cases {
        let found = refused(entry, fixture, rules);
        assert_eq!(found, [(*class, (*path).to_owned())], "{name}: {entry}");
    }
}

pub fn run(command: &str, args: &[&str]) -> Value {
    json!({"command": command, "args": args})
}

#[test]
fn disguised_commands_are_refused() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.path("tmp")).expect("a folder");
    fixture.file("tmp/server", 0o755);
    fixture.file("home/npx", 0o755);
    fixture.file("home/open", 0o777);
    let cases = [
        ("a shell", run("bash", &["-c", "id"]), Command, "/command"),
        ("not allowed", run("ruby", &["x"]), Command, "/command"),
        (
            "the right basename",
            run("/FIXTURE/home/npx", &["a"]),
            Command,
            "/command",
        ),
        ("from one folder", run("./npx", &["a"]), Command, "/command"),
        (
            "upwards",
            run("/FIXTURE/bin/../home/npx", &["a"]),
            Command,
            "/command",
        ),
        ("nothing", run("/none/npx", &["a"]), Command, "/command"),
        (
            "with arguments in it",
            run("npx -y a", &[]),
            Command,
            "/command",
        ),
        ("with a space", run(" npx", &["a"]), Command, "/command"),
        ("in capitals", run("NPX", &["a"]), Command, "/command"),
        (
            "listed, and a shell",
            run("/FIXTURE/bin/bash", &["-c"]),
            Command,
            "/command",
        ),
        (
            "listed, and open to all",
            run("/FIXTURE/home/open", &[]),
            Command,
            "/command",
        ),
        (
            "listed, and temporary",
            run("/FIXTURE/tmp/server", &[]),
            Command,
            "/command",
        ),
        ("empty", run("", &[]), Class::Value, "/command"),
    ];
    hold(&cases, &fixture, &fixture.generous());
    let not_added = [
        ("uvx", run("uvx", &["a"]), Command, "/command"),
        (
            "node",
            run("node", &["/FIXTURE/home/server.js"]),
            Command,
            "/command",
        ),
        ("python3", run("python3", &["-m", "a"]), Command, "/command"),
        (
            "a path",
            run("/FIXTURE/bin/server", &[]),
            Command,
            "/command",
        ),
    ];
    hold(&not_added, &fixture, &fixture.strict());
}

#[test]
fn programs_writable_by_others_are_refused() {
    let healthy = run("npx", &["a"]);
    let npx = |change: &dyn Fn(&Fixture)| {
        let fixture = Fixture::new();
        change(&fixture);
        let rules = fixture.strict();
        let text = json!({"x": healthy}).to_string();
        let refusals = check(text.as_bytes(), &rules)
            .and_then(Manifest::whole)
            .err()
            .unwrap_or_default();
        refusals
            .iter()
            .map(|each| (each.class, each.path.clone()))
            .collect::<Vec<_>>()
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&Fixture));
    let turn = |fixture: &Fixture, to: &str| {
        std::fs::remove_file(fixture.path("bin/npx")).expect("it is there");
        std::os::unix::fs::symlink(fixture.path(to), fixture.path("bin/npx")).expect("a link");
    };
    let cases: [Change<'_>; 9] = [
        ("the file", &|fixture| mode(&fixture.path("bin/npx"), 0o757)),
        ("the folder", &|fixture| mode(&fixture.path("bin"), 0o777)),
        ("the folder above", &|fixture| {
            mode(&fixture.path(""), 0o777)
        }),
        ("not executable", &|fixture| {
            mode(&fixture.path("bin/npx"), 0o644)
        }),
        ("a folder of that name", &|fixture| {
            std::fs::remove_file(fixture.path("bin/npx")).expect("it is there");
            std::fs::create_dir(fixture.path("bin/npx")).expect("a folder");
        }),
        ("a link to what all can write", &|fixture| {
            fixture.file("home/real", 0o777);
            turn(fixture, "home/real");
        }),
        ("a link into an open folder", &|fixture| {
            fixture.file("home/work/real", 0o755);
            mode(&fixture.path("home/work"), 0o777);
            turn(fixture, "home/work/real");
        }),
        ("a link to a shell", &|fixture| turn(fixture, "bin/bash")),
        ("a link to nothing", &|fixture| turn(fixture, "bin/none")),
    ];
    assert_eq!(npx(&|_| {}), [], "nothing is changed");
    for (name, change) in cases {
        assert_eq!(npx(change), [(Command, "/x/command".to_owned())], "{name}");
    }
}

#[test]
fn dangerous_environment_variables_are_refused() {
    let fixture = Fixture::new();
    let names = [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "DYLD_INSERT_LIBRARIES",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NODE_EXTRA_CA_CERTS",
        "NODE_TLS_REJECT_UNAUTHORIZED",
        "NPM_CONFIG_SCRIPT_SHELL",
        "npm_config_script_shell",
        "nPm_CoNfIg_registry",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "ENV",
        "IFS",
        "PATH",
        "Path",
        "HOME",
        "TMPDIR",
        "GIT_SSH_COMMAND",
        "SSLKEYLOGFILE",
        "PERL5OPT",
        "RUBYOPT",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "UV_INDEX_URL",
        "DOCKER_HOST",
        "SHELL",
        "GCONV_PATH",
        "XDG_CONFIG_HOME",
        "A-B",
        "1A",
        "",
        "A=B",
        "BASH_FUNC_x%%",
    ];
    for name in names {
        let entry = json!({"command": "npx", "args": ["a"], "env": {name: "x"}});
        let found = refused(&entry, &fixture, &fixture.strict());
        assert_eq!(found, [(Environment, format!("/env/{name}"))], "{name}");
    }
    let cases = [
        ("not approved", "${AWS_SECRET_ACCESS_KEY}"),
        ("approved and not set", "${EXA_API_KEY}"),
        ("not closed", "Bearer ${GITHUB_TOKEN"),
        ("VS Code's input", "${input:key}"),
        ("nested", "${${GITHUB_TOKEN}}"),
    ];
    for (name, value) in cases {
        let entry = json!({"command": "npx", "args": ["a"], "env": {"KEY": value}});
        let found = refused(&entry, &fixture, &fixture.strict());
        assert_eq!(found, [(Secret, "/env/KEY".to_owned())], "{name}");
    }
}

#[test]
fn forbidden_folders_are_refused() {
    let fixture = Fixture::new();
    let link = |to: &str, name: &str| {
        let to = FilePath::new(to);
        std::os::unix::fs::symlink(to, fixture.path(name)).expect("a link");
    };
    link(&fixture.fill("/FIXTURE/data"), "home/work/data");
    link("/", "home/work/root");
    link("/proc", "home/work/proc");
    let both = [
        "/",
        "//",
        "/proc",
        "/proc/self/environ",
        "/sys",
        "/dev",
        "/dev/mem",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/FIXTURE",
        "/FIXTURE/config",
        "/FIXTURE/config/skills.json",
        "/FIXTURE/data/mimo.db",
        "/FIXTURE/home/../data",
        "~/../data",
        "/FIXTURE/home/work/data",
        "/FIXTURE/home/work/data/new",
        "/FIXTURE/home/work/root",
        "/FIXTURE/home/work/proc/1",
        "work",
        "~",
        "~root/x",
        "./x",
    ];
    let only_write = [
        "/usr",
        "/etc/cron.d",
        "/bin",
        "/lib/x",
        "/boot",
        "~/",
        "~/.bashrc",
        "~/.config/autostart",
        "/FIXTURE/bin",
        "/FIXTURE/bin/npx",
    ];
    let cases = both
        .iter()
        .flat_map(|path| [("read", path), ("write", path)]);
    for (access, path) in cases.chain(only_write.iter().map(|path| ("write", path))) {
        let entry = json!({"command": "npx", "args": ["a"], "sandbox": {"fs": {access: [path]}}});
        let found = refused(&entry, &fixture, &fixture.strict());
        assert_eq!(
            found,
            [(Class::Path, format!("/sandbox/fs/{access}/0"))],
            "{access} {path}"
        );
    }
}

#[test]
fn sensitive_folders_need_a_word() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.path("home/.ssh")).expect("a folder");
    let link = fixture.path("home/work/keys");
    std::os::unix::fs::symlink(fixture.path("home/.ssh"), link).expect("a link");
    let fs = |fs: Value| json!({"command": "npx", "args": ["a"], "sandbox": {"fs": fs}});
    let paths = [
        "~/.ssh",
        "~/.ssh/id_ed25519",
        "~/.aws",
        "~/.gnupg",
        "~/.kube/config",
        "~/.docker",
        "~/.config/gcloud",
        "~/.config",
        "~/.netrc",
        "~/.mozilla/firefox",
        "~/.bashrc",
        "~/bin",
        "~/.local/bin/x",
        "~/work/keys",
        "~/",
        "/etc",
        "/etc/shadow",
        "/var/spool/cron",
        "/var",
    ];
    for path in paths {
        let entry = fs(json!({"read": [path]}));
        let found = refused(&entry, &fixture, &fixture.strict());
        assert_eq!(
            found,
            [(Class::Path, "/sandbox/fs/read/0".to_owned())],
            "{path}"
        );
        let entry = fs(json!({"read": [path], "i_know": true}));
        assert_eq!(refused(&entry, &fixture, &fixture.strict()), [], "{path}");
    }
    // The word opens nothing that is never open.
    for path in ["/proc", "/FIXTURE/data", "/"] {
        let entry = fs(json!({"read": [path], "i_know": true}));
        let found = refused(&entry, &fixture, &fixture.strict());
        assert_eq!(
            found,
            [(Class::Path, "/sandbox/fs/read/0".to_owned())],
            "{path}"
        );
    }
    // Root's home, or where this runs as root, that of nobody else here.
    let others = match nix::unistd::geteuid().is_root() {
        true => Vec::new(),
        false => vec!["/root", "/root/x"],
    };
    for path in others {
        let found = refused(&fs(json!({"read": [path]})), &fixture, &fixture.strict());
        assert_eq!(
            found,
            [(Class::Path, "/sandbox/fs/read/0".to_owned())],
            "{path}"
        );
    }
    let ordinary = fs(json!({"read": ["/srv/notes", "~/work"], "write": ["~/work/new"]}));
    assert_eq!(refused(&ordinary, &fixture, &fixture.strict()), []);
}

#[test]
fn grants_that_another_skill_could_redirect_are_refused() {
    let fixture = Fixture::new();
    let outside = fixture.path("outside");
    for folder in ["home/work/sub", "outside"] {
        std::fs::create_dir(fixture.path(folder)).expect("a folder");
    }
    let link = fixture.path("home/work/link");
    std::os::unix::fs::symlink(outside, link).expect("a link");
    let skill = |fs: Value| json!({"command": "npx", "args": ["a"], "sandbox": {"fs": fs}});
    let both = |one: Value, two: Value| {
        let text = json!({"skills": {"one": skill(one), "two": skill(two)}}).to_string();
        match check(fixture.fill(&text).as_bytes(), &fixture.strict()).and_then(Manifest::whole) {
            Ok(_) => Vec::new(),
            Err(refusals) => refusals.into_iter().map(|each| each.path).collect(),
        }
    };
    let nothing = json!({});
    let two = ["/skills/two/sandbox/fs".to_owned()];
    let writes = json!({"write": ["~/work"]});
    for inside in ["~/work/sub", "~/work/sub/deeper", "~/work/link"] {
        assert_eq!(
            both(writes.clone(), json!({"read": [inside]})),
            two,
            "{inside}"
        );
        assert_eq!(
            both(writes.clone(), json!({"write": [inside]})),
            two,
            "{inside}"
        );
    }
    // Its own folder: a link there may be its own work.
    let own = json!({"write": ["~/work"], "read": ["~/work/link"]});
    assert_eq!(both(nothing.clone(), own), two);
    for (one, two) in [
        (
            nothing,
            json!({"write": ["~/work"], "read": ["~/work/sub"]}),
        ),
        (writes.clone(), writes.clone()),
        (json!({"read": ["~/work"]}), json!({"read": ["~/work/sub"]})),
        (
            json!({"read": ["~/work"]}),
            json!({"read": ["~/work/link"]}),
        ),
    ] {
        assert_eq!(both(one.clone(), two.clone()), [""; 0], "{one} {two}");
    }
}

#[test]
fn foreign_manifest_files_are_refused() {
    let fixture = Fixture::new();
    let path = fixture.path("config/skills.json");
    let verdict = || {
        let refusals = load(&path, &fixture.strict())
            .and_then(Manifest::whole)
            .err()
            .unwrap_or_default();
        refusals
            .iter()
            .map(|each| (each.class, each.path.clone()))
            .collect::<Vec<_>>()
    };
    let file = [(File, String::new())];
    assert_eq!(verdict(), [], "none is no mistake");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_eq!(verdict(), file, "a pipe, without waiting for its writer");
    std::fs::remove_file(&path).expect("it is there");
    for device in ["/dev/zero", "/dev/null", "/proc/self", "/none"] {
        std::os::unix::fs::symlink(device, &path).expect("a link");
        assert_eq!(verdict(), file, "a link to {device}");
        std::fs::remove_file(&path).expect("it is there");
    }
    std::fs::create_dir(&path).expect("a folder");
    assert_eq!(verdict(), file, "a folder");
    std::fs::remove_dir(&path).expect("it is there");
    std::fs::write(&path, "{}").expect("a file");
    for (bits, expected) in [(0o600, 0), (0o644, 0), (0o664, 1), (0o646, 1), (0o620, 1)] {
        mode(&path, bits);
        assert_eq!(verdict().len(), expected, "mode {bits:o}");
    }
    mode(&path, 0o600);
    mode(&fixture.path("config"), 0o777);
    assert_eq!(verdict(), file, "a folder open to all");
    mode(&fixture.path("config"), 0o755);
    std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).expect("a file");
    assert_eq!(verdict(), file, "too long");
}
