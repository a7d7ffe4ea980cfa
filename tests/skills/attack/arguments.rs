//! Arguments that would redirect a command, before the package, image or script.

use mimo::skills::refusal::Class::{Argument, Secret};

use super::config::{hold, refused, run};
use crate::support::fixture::Fixture;

#[test]
fn dangerous_npx_arguments_are_refused() {
    let fixture = Fixture::new();
    let npx = |args: &[&str]| run("npx", args);
    let cases = [
        ("a shell's text", npx(&["-c", "id"]), Argument, "/args/0"),
        ("joined letters", npx(&["-yc", "id"]), Argument, "/args/0"),
        (
            "the long name",
            npx(&["-y", "--call", "id"]),
            Argument,
            "/args/1",
        ),
        ("an abbreviation", npx(&["--cal=id"]), Argument, "/args/0"),
        (
            "Node's options",
            npx(&["--node-options=--require=/x.js", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "npm's shell",
            npx(&["--script-shell=/bin/x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "its old name",
            npx(&["--shell", "/bin/x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "another registry",
            npx(&["--registry=http://x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "settings from a file",
            npx(&["--userconfig=/x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "another folder",
            npx(&["--prefix", "/x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "scripts after all",
            npx(&["--no-ignore-scripts", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "yes with a value",
            npx(&["--yes=false", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "a flag behind --",
            npx(&["--", "-c", "id"]),
            Argument,
            "/args/1",
        ),
        ("no package", npx(&["-y"]), Argument, "/args"),
        ("an empty one", npx(&[""]), Argument, "/args/0"),
        ("git", npx(&["git+https://x/y.git"]), Argument, "/args/0"),
        ("a repository", npx(&["github:a/b"]), Argument, "/args/0"),
        ("the same, short", npx(&["a/b"]), Argument, "/args/0"),
        ("an archive", npx(&["https://x/y.tgz"]), Argument, "/args/0"),
        ("an archive by name", npx(&["y.tgz"]), Argument, "/args/0"),
        (
            "an archive as version",
            npx(&["y@1.tar.gz"]),
            Argument,
            "/args/0",
        ),
        ("a folder", npx(&["./evil"]), Argument, "/args/0"),
        ("a whole path", npx(&["/x/evil"]), Argument, "/args/0"),
        ("a home", npx(&["~/evil"]), Argument, "/args/0"),
        ("an alias", npx(&["a@npm:evil"]), Argument, "/args/0"),
        (
            "a file as version",
            npx(&["a@file:../evil"]),
            Argument,
            "/args/0",
        ),
        ("a shell's letters", npx(&["a;id"]), Argument, "/args/0"),
        ("a substitution", npx(&["$(id)"]), Argument, "/args/0"),
        ("a line break", npx(&["a\nb"]), Argument, "/args/0"),
        ("a look-alike", npx(&["sеrver"]), Argument, "/args/0"),
        ("dots", npx(&["@a/..", "x"]), Argument, "/args/0"),
        (
            "a secret in argv",
            npx(&["a", "--key=${GITHUB_TOKEN}"]),
            Secret,
            "/args/1",
        ),
    ];
    hold(&cases, &fixture, &fixture.strict());
}

#[test]
fn dangerous_docker_arguments_are_refused() {
    let fixture = Fixture::new();
    let docker = |args: &[&str]| run("docker", &[&["run"], args].concat());
    let cases = [
        (
            "another verb",
            run("docker", &["exec", "x", "sh"]),
            Argument,
            "/args/0",
        ),
        (
            "a daemon",
            run("docker", &["-H", "tcp://x", "run", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "a volume",
            docker(&["-v", "/:/h", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "joined letters",
            docker(&["-iv/:/h", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "the long name",
            docker(&["--volume=/:/h", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "a mount",
            docker(&["--mount", "type=bind,src=/,dst=/h", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "rights",
            docker(&["--privileged", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "rights with a value",
            docker(&["--privileged=1", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "the socket",
            docker(&["--use-api-socket", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "a device",
            docker(&["--device=/dev/sda", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "capabilities",
            docker(&["--cap-add=ALL", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "no seccomp",
            docker(&["--security-opt=seccomp=unconfined", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "host processes",
            docker(&["--pid=host", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "host network",
            docker(&["--network=host", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "another's network",
            docker(&["--net", "container:x", "a"]),
            Argument,
            "/args/2",
        ),
        (
            "more network",
            docker(&["--network", "bridge", "a"]),
            Argument,
            "/args/2",
        ),
        (
            "a file of variables",
            docker(&["--env-file=/etc/x", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "Mimo's PATH",
            docker(&["-e", "PATH", "a"]),
            Argument,
            "/args/2",
        ),
        (
            "a secret in argv",
            docker(&["-e", "A=${GITHUB_TOKEN}", "a"]),
            Secret,
            "/args/2",
        ),
        (
            "more memory",
            docker(&["--memory=64g", "a"]),
            Argument,
            "/args/1",
        ),
        (
            "another program",
            docker(&["--entrypoint", "sh", "a"]),
            Argument,
            "/args/1",
        ),
        ("left behind", docker(&["-d", "a"]), Argument, "/args/1"),
        (
            "rm denied",
            docker(&["--rm=false", "a"]),
            Argument,
            "/args/1",
        ),
        ("a terminal", docker(&["-it", "a"]), Argument, "/args/1"),
        (
            "an open port",
            docker(&["-p", "80:80", "a"]),
            Argument,
            "/args/1",
        ),
        ("no image", docker(&["-i"]), Argument, "/args"),
        (
            "an image with letters of a shell",
            docker(&["a;b"]),
            Argument,
            "/args/1",
        ),
        (
            "an image in capitals",
            docker(&["A/b"]),
            Argument,
            "/args/1",
        ),
        (
            "a short digest",
            docker(&["a@sha256:12"]),
            Argument,
            "/args/1",
        ),
    ];
    for case in cases {
        let found = refused(&case.1, &fixture, &fixture.strict());
        assert!(
            found.contains(&(case.2, case.3.to_owned())),
            "{}: {found:?}",
            case.0
        );
    }
}

#[test]
fn dangerous_interpreter_arguments_are_refused() {
    let fixture = Fixture::new();
    fixture.file("home/open.js", 0o666);
    let cases = [
        (
            "node evaluates",
            run("node", &["-e", "1"]),
            Argument,
            "/args/0",
        ),
        (
            "node joined",
            run("node", &["-pe", "1"]),
            Argument,
            "/args/0",
        ),
        (
            "node requires",
            run("node", &["-r", "/x.js", "/y.js"]),
            Argument,
            "/args/0",
        ),
        (
            "node imports",
            run("node", &["--import=data:text/javascript,1"]),
            Argument,
            "/args/0",
        ),
        (
            "node inspects",
            run("node", &["--inspect=0.0.0.0"]),
            Argument,
            "/args/0",
        ),
        ("node reads stdin", run("node", &["-"]), Argument, "/args/0"),
        ("node alone", run("node", &[]), Argument, "/args"),
        (
            "a script from here",
            run("node", &["server.js"]),
            Argument,
            "/args/0",
        ),
        (
            "a script nobody has",
            run("node", &["/FIXTURE/none.js"]),
            Argument,
            "/args/0",
        ),
        (
            "a script all write",
            run("node", &["/FIXTURE/home/open.js"]),
            Argument,
            "/args/0",
        ),
        (
            "a script above",
            run("node", &["/FIXTURE/bin/../home/server.js"]),
            Argument,
            "/args/0",
        ),
        (
            "a folder as script",
            run("node", &["/FIXTURE/home"]),
            Argument,
            "/args/0",
        ),
        (
            "the listed path of node",
            run("/FIXTURE/bin/node", &["-e", "1"]),
            Argument,
            "/args/0",
        ),
        (
            "python runs text",
            run("python3", &["-c", "1"]),
            Argument,
            "/args/0",
        ),
        (
            "python joined",
            run("python3", &["-uc", "1"]),
            Argument,
            "/args/0",
        ),
        (
            "python asks",
            run("python3", &["-i", "/x.py"]),
            Argument,
            "/args/0",
        ),
        (
            "python reads stdin",
            run("python3", &["-"]),
            Argument,
            "/args/0",
        ),
        (
            "a module joined",
            run("python3", &["-mtimeit"]),
            Argument,
            "/args/0",
        ),
        (
            "a module that runs text",
            run("python3", &["-m", "timeit", "1"]),
            Argument,
            "/args/1",
        ),
        (
            "a module that installs",
            run("python3", &["-m", "pip", "install"]),
            Argument,
            "/args/1",
        ),
        ("no module", run("python3", &["-m"]), Argument, "/args/1"),
        (
            "uvx with more",
            run("uvx", &["--with", "evil", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "uvx elsewhere",
            run("uvx", &["--index-url=http://x", "a"]),
            Argument,
            "/args/0",
        ),
        (
            "uvx from git",
            run("uvx", &["--from", "git+https://x", "a"]),
            Argument,
            "/args/1",
        ),
    ];
    hold(&cases, &fixture, &fixture.generous());
}
