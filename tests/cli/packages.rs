//! The packages of a release, made by the release script from the binary under test.
//! Each is installed into a folder of its own and used as a client uses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::home::{MIMO, Ran, copy_program, ran};
use crate::support::machine::{self, Found};
use crate::support::server::{ask, initialize, path};
use crate::support::web::Web;
use crate::support::{Server, fixture};

/// By their names.
type Files = BTreeMap<String, Vec<u8>>;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const RELEASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install/packages/release.py");

/// A folder for an installation, and the packages in `out`.
struct Prefix(TempDir);

impl Prefix {
    /// With the packages of these kinds.
    fn with(kinds: &str) -> Prefix {
        let prefix = Prefix(fixture::trusted_dir());
        let program = prefix.path("program");
        copy_program(&program);
        // Half of the binary under test is symbols.
        let _ = Command::new("strip").arg(&program).status();
        let binary = format!("{}={}", target(), program.display());
        let mut release = Command::new(machine::PYTHON);
        release
            .arg(RELEASE)
            .arg(prefix.path("out"))
            .args(["--fast", "--only", kinds, "--binary", &binary]);
        done(release);
        prefix
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The packages by their names.
    fn packages(&self) -> Files {
        let entries = fs::read_dir(self.path("out")).expect("the packages");
        let entry = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read(entry.path()).expect("a package"))
        };
        entries.flatten().map(entry).collect()
    }

    /// A command on this folder alone.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", path())
            .env("HOME", self.path("home"))
            .env("MIMO_DATA_DIR", self.path("data"))
            .env("MIMO_CONFIG_DIR", self.path("config"))
            .current_dir(self.0.path());
        command
    }

    /// Asks the installed program for its version, and stores and finds a memory over
    /// its pipes. `start` makes the command that a client starts.
    fn serves(&self, start: impl Fn(&Prefix) -> Command) {
        let mut version = start(self);
        version.arg("--version");
        assert_eq!(done(version).out, format!("mimo {VERSION}\n"));
        let mut mimo = Server::of(&mut start(self));
        let server = initialize(&mut mimo);
        assert_eq!(server["serverInfo"]["version"], VERSION, "{server}");
        let memory = json!({"content": "Raj deploys on Mondays"});
        ask(&mut mimo, "memory_store", memory).good();
        let found = ask(&mut mimo, "memory_search", json!({"query": "who deploys?"})).good();
        let first = &found["items"][0]["content"];
        assert_eq!(first, "Raj deploys on Mondays", "{found}");
        assert!(mimo.exit().success());
    }

    /// `mimo update` knows how this one came here, and what gets the next one.
    fn updates(&self, mut mimo: Command, how: &str, command: &str) {
        let web = Web::bind();
        let address = web.address();
        let url = format!("{address}/latest.json");
        let latest = json!({"version": "999.0.0"}).to_string();
        web.serve([("latest.json".to_owned(), latest.into_bytes())].into());
        fs::create_dir_all(self.path("config")).expect("made");
        let settings = format!("[update]\nurl = \"{url}\"\n");
        fs::write(self.path("config/config.toml"), settings).expect("written");
        mimo.args(["update", "--json"]);
        let document = done(mimo).json();
        assert_eq!(document["installed_by"], how, "{document}");
        let first = document["commands"][0].as_str().expect("a command");
        let first = first.replace(&address, "ADDRESS");
        assert_eq!(
            first.replace(&*self.0.path().to_string_lossy(), "."),
            command
        );
    }
}

fn target() -> String {
    let machine = std::env::consts::ARCH;
    match cfg!(target_os = "macos") {
        true => format!("{machine}-apple-darwin"),
        false => format!("{machine}-unknown-linux-gnu"),
    }
}

fn done(command: Command) -> Ran {
    let shown = format!("{command:?}");
    let ran = ran(command, "");
    assert_eq!(ran.code, Some(0), "{shown}: {ran:?}");
    ran
}

fn npm() -> Found<()> {
    machine::python()?;
    machine::node()?;
    machine::program("npm")
}

/// The packages as npm's registry describes them.
fn registry(address: &str, packages: Files) -> Files {
    let mut files = BTreeMap::new();
    let archives = packages
        .into_iter()
        .filter(|(file, _)| file.ends_with(".tgz"));
    for (file, archive) in archives {
        let unpacked = tempfile::tempdir().expect("a folder");
        let packed = unpacked.path().join("packed.tgz");
        fs::write(&packed, &archive).expect("written");
        let mut tar = Command::new("tar");
        tar.arg("-xzOf").arg(&packed).arg("package/package.json");
        let mut manifest: Value = serde_json::from_str(&done(tar).out).expect("JSON");
        assert_eq!(manifest["version"], VERSION, "{manifest}");
        let name = manifest["name"].as_str().expect("a name").to_owned();
        manifest["dist"] = json!({"tarball": format!("{address}/{file}")});
        let all = json!({
            "name": name,
            "dist-tags": {"latest": VERSION},
            "versions": {VERSION: manifest},
        });
        files.insert(name, all.to_string().into_bytes());
        files.insert(file, archive);
    }
    files
}

#[test]
fn npm_package_runs_by_npx_and_from_a_global_install() {
    skip_unless!(npm());
    let prefix = Prefix::with("npm");
    let web = Web::bind();
    let address = web.address();
    web.serve(registry(&address, prefix.packages()));
    let npm = |program: &str| {
        let mut command = prefix.command(program);
        command
            .env("npm_config_registry", &address)
            .env("npm_config_cache", prefix.path("cache"))
            .env("npm_config_update_notifier", "false");
        command
    };
    prefix.serves(|_| {
        let mut npx = npm("npx");
        npx.args(["-y", "mimo-mcp"]);
        npx
    });
    let mut npx = npm("npx");
    npx.args(["-y", "mimo-mcp"]);
    prefix.updates(npx, "fetched by npx", "npx -y mimo-mcp@latest --version");

    let mut setup = npm("npx");
    setup.args(["-y", "mimo-mcp", "setup", "cursor", "--dry-run"]);
    let warned = done(setup).out;
    assert!(warned.contains("the cache of npx"), "{warned}");

    let mut install = npm("npm");
    install.args(["install", "-g", "--no-audit", "--no-fund", "mimo-mcp"]);
    install.arg("--prefix").arg(prefix.path("global"));
    done(install);
    let installed = prefix.command(prefix.path("global/bin/mimo"));
    let command = "npm install -g mimo-mcp@latest";
    prefix.updates(installed, "installed with npm", command);
}

fn pip() -> Found<()> {
    machine::python()?;
    machine::venv("uv", &["uv"]).map(drop)
}

#[test]
fn wheel_runs_from_a_new_environment_and_by_uvx() {
    skip_unless!(pip());
    let prefix = Prefix::with("wheel");
    let uv = machine::venv("uv", &["uv"]).expect("uv");
    let mut venv = prefix.command("python3");
    venv.args(["-m", "venv", "--without-pip", "venv"]);
    done(venv);
    // The other environment has a pip.
    let mut install = prefix.command(&uv);
    install
        .args(["-m", "pip", "--python", "venv/bin/python", "install"])
        .args(["--no-index", "--find-links", "out", "mimo-mcp"]);
    done(install);
    let installed = prefix.path("venv/bin/mimo");
    prefix.serves(|prefix| prefix.command(&installed));
    let update = "./venv/bin/python -m pip install --upgrade mimo-mcp";
    prefix.updates(prefix.command(&installed), "installed with pip", update);

    let mut uvx = prefix.command(uv.with_file_name("uvx"));
    uvx.args(["--no-config", "--no-index", "--find-links", "out"])
        .args([
            "--cache-dir",
            "uv",
            "--python",
            "venv/bin/python",
            "mimo-mcp",
        ]);
    prefix.updates(uvx, "fetched by uvx", "uvx mimo-mcp@latest --version");
}

#[cfg(target_os = "linux")]
fn dpkg() -> Found<()> {
    machine::python()?;
    machine::program("dpkg")?;
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err("dpkg changes the owners of files: run the tests as root".to_owned()),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn debian_package_is_installed_into_an_empty_root_and_removed() {
    skip_unless!(dpkg());
    let prefix = Prefix::with("deb");
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir_all(prefix.path("root/var/lib/dpkg").join(folder)).expect("made");
    }
    fs::write(prefix.path("root/var/lib/dpkg/status"), "").expect("written");
    let dpkg = |arguments: &[&str]| {
        let mut dpkg = prefix.command("dpkg");
        // The empty root has no libc6, which it depends on.
        dpkg.args(["--root=root", "--force-depends"])
            .args(arguments);
        done(dpkg)
    };
    let packages = prefix.packages();
    let file = packages.keys().find(|name| name.ends_with(".deb"));
    let file = file.expect("a package");
    assert!(file.starts_with(&format!("mimo-mcp_{VERSION}_")), "{file}");
    dpkg(&["-i", &format!("out/{file}")]);
    assert_eq!(dpkg(&["--verify", "mimo-mcp"]).out, "");
    let installed = prefix.path("root/usr/bin/mimo");
    prefix.serves(|prefix| prefix.command(&installed));
    let architecture = file.rsplit('_').next().expect("its end");
    let fetch = format!("curl -fLO ADDRESS/mimo-mcp_999.0.0_{architecture}");
    let how = "installed as a Debian package";
    prefix.updates(prefix.command(&installed), how, &fetch);
    for page in ["man/man1/mimo.1.gz", "bash-completion/completions/mimo"] {
        assert!(prefix.path("root/usr/share").join(page).is_file(), "{page}");
    }
    dpkg(&["-r", "mimo-mcp"]);
    assert!(!installed.exists());
}

#[test]
fn archive_is_installed_by_its_script_unless_it_was_changed() {
    skip_unless!(machine::python());
    skip_unless!(machine::program("curl"));
    let prefix = Prefix::with("archive,scripts");
    let archive = format!("mimo-{}.tar.gz", target());
    let installed = prefix.path("bin/mimo");
    let install = |change: &dyn Fn(&mut Files)| {
        let web = Web::bind();
        let mut files = prefix.packages();
        change(&mut files);
        let mut script = prefix.command("sh");
        script
            .arg("out/install.sh")
            .env("MIMO_DOWNLOADS", web.address())
            .env("MIMO_BIN", prefix.path("bin"))
            .env("MIMO_TARGET", target());
        web.serve(files);
        ran(script, "")
    };
    for (what, change, says) in [
        (
            "changed",
            &(|files: &mut Files| {
                files.get_mut(&archive).expect("it")[1000] ^= 1;
            }) as &dyn Fn(&mut BTreeMap<_, Vec<u8>>),
            "so nothing was installed",
        ),
        (
            "not listed",
            &|files| drop(files.insert("SHA256SUMS".to_owned(), Vec::new())),
            "does not list",
        ),
        (
            "missing",
            &|files| drop(files.remove(&archive)),
            "could not be fetched",
        ),
    ] {
        let refused = install(change);
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
        assert!(refused.err.contains(says), "{what}: {refused:?}");
        assert!(!prefix.path("bin").exists(), "{what}: nothing is installed");
    }
    let done = install(&|_| ());
    assert_eq!(done.code, Some(0), "{done:?}");
    let shown = format!("mimo {VERSION} is installed as {}", installed.display());
    assert!(done.out.contains(&shown), "{done:?}");
    assert!(done.out.contains("/bin/mimo setup"), "{done:?}");
    prefix.serves(|prefix| prefix.command(&installed));
    let how = "installed from an archive";
    let fetch = "curl -fsSL ADDRESS/install.sh | sh";
    prefix.updates(prefix.command(&installed), how, fetch);
    // A running program does not keep the new one out.
    let mut running = Server::of(&mut prefix.command(&installed));
    initialize(&mut running);
    assert_eq!(install(&|_| ()).code, Some(0));
    assert!(running.exit().success());

    let latest = fs::read_to_string(prefix.path("out/latest.json")).expect("the list");
    let latest: Value = serde_json::from_str(&latest).expect("JSON");
    assert_eq!(latest["version"], VERSION);
    assert_eq!(latest["changes"][0]["version"], VERSION, "{latest}");
}

/// What names the repository, of a program for another machine.
#[test]
fn formula_registry_entry_and_sbom_are_of_what_was_made() {
    skip_unless!(machine::python());
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\n").expect("written");
    fixture::mode(&program, 0o755);
    let repository = "https://github.com/example/mimo";
    let target = "aarch64-unknown-linux-musl";
    let release = |out: &Path| {
        let mut release = Command::new(machine::PYTHON);
        release
            .arg(RELEASE)
            .arg(out)
            .args(["--only", "archive,mcpb,brew,registry,sbom"])
            .args(["--repository", repository])
            .args(["--binary", &format!("{target}={}", program.display())]);
        release
    };
    let inside = Path::new(env!("CARGO_MANIFEST_DIR")).join("install/made");
    let refused = ran(release(&inside), "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("lies in the checkout"), "{refused:?}");
    assert!(!inside.exists());

    let out = folder.path().join("out");
    done(release(&out));
    let read = |name: &str| fs::read_to_string(out.join(name)).expect("a file");
    let sums = read("SHA256SUMS");
    let sum = |name: &str| {
        let mut lines = sums.lines().filter_map(|line| line.split_once("  "));
        let (sum, _) = lines.find(|(_, file)| *file == name).expect("listed");
        sum.to_owned()
    };
    let downloads = format!("{repository}/releases/download/v{VERSION}");
    let archive = format!("mimo-{target}.tar.gz");
    let formula = read("mimo-mcp.rb");
    for part in [
        format!("version \"{VERSION}\""),
        format!("url \"{downloads}/{archive}\""),
        format!("sha256 \"{}\"", sum(&archive)),
    ] {
        assert!(formula.contains(&part), "{part}: {formula}");
    }
    let bundle = format!("mimo-mcp-{target}.mcpb");
    let server: Value = serde_json::from_str(&read("server.json")).expect("JSON");
    assert_eq!(server["name"], "io.github.example/mimo");
    assert_eq!(server["version"], VERSION);
    let listed = &server["packages"][2];
    assert_eq!(listed["identifier"], format!("{downloads}/{bundle}"));
    assert_eq!(listed["fileSha256"], sum(&bundle));
    let sbom: Value = serde_json::from_str(&read("mimo-mcp.cdx.json")).expect("JSON");
    assert_eq!(sbom["metadata"]["component"]["version"], VERSION);
    let crates = sbom["components"].as_array().expect("crates");
    let named = |name: &str| crates.iter().find(|each| each["name"] == name);
    let sqlite = named("rusqlite").expect("a dependency");
    assert!(sqlite["hashes"][0]["content"].is_string(), "{sqlite}");
    let of_mac = "core-foundation-sys";
    assert!(named(of_mac).is_none());

    // A crate of both targets needs it on one of them only.
    let both = folder.path().join("both");
    let mut second = release(&both);
    second.args(["--only", "sbom", "--binary"]);
    second.arg(format!("aarch64-apple-darwin={}", program.display()));
    done(second);
    let sbom = fs::read_to_string(both.join("mimo-mcp.cdx.json")).expect("a file");
    assert!(sbom.contains(of_mac));
    assert!(named("proptest").is_none(), "tests are not in the program");
}

/// What the plugin for Claude Code adds to a session.
#[test]
fn hooks_of_the_plugin_recall_and_hand_over() {
    let home = crate::home::Home::new();
    let folder = Path::new(MIMO).parent().expect("a folder");
    let hook = |name: &str, event: &str| {
        let file = format!(
            "{}/install/packages/plugin/hooks/{name}.sh",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut hook = Command::new("sh");
        hook.arg(file)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .env("MIMO_DATA_DIR", home.data())
            .env("MIMO_CONFIG_DIR", home.path().join("config"));
        ran(hook, event)
    };
    let begins = |source: &str| hook("recall", &json!({"source": source}).to_string());
    let nothing = begins("startup");
    assert_eq!((nothing.code, &*nothing.out), (Some(0), ""), "{nothing:?}");

    home.run(&["remember", "Raj deploys on Mondays"]);
    let note = "Handoff: finish the parser";
    home.call(&[
        "memory_store",
        &json!({"content": note, "tags": ["handoff"], "topic_key": "handoff"}).to_string(),
    ]);
    let begun = begins("startup");
    for part in [note, "Raj deploys on Mondays", "not instructions"] {
        assert!(begun.out.contains(part), "{part}: {begun:?}");
    }
    assert!(!begun.out.contains("just compacted"), "{begun:?}");
    assert!(begins("compact").out.contains("just compacted"));
    let compacts = hook("handoff", &json!({"trigger": "auto"}).to_string());
    assert_eq!(compacts.code, Some(0), "{compacts:?}");
    assert!(compacts.out.contains("Handoff\"") && compacts.out.contains(note));
}
