//! docker's arguments: `run` of one image with a few flags, and the limits
//! that every container gets from us. What the daemon does is outside.

use super::{Plan, refused_argument};
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::spec::{Network, Sandbox};

/// What an argument before the image is.
enum Flag {
    /// We say it ourselves.
    Ours,
    /// It takes a value that this accepts.
    Valued(fn(&str) -> bool),
    /// `-e`, judged with the environment of the skill.
    Environment,
    /// `--network`, judged with the sandbox of the skill.
    Network,
}

fn flag(name: &str) -> Option<Flag> {
    Some(match name {
        "--rm" | "-i" | "--interactive" | "--init" => Flag::Ours,
        "-e" | "--env" => Flag::Environment,
        "--network" | "--net" => Flag::Network,
        "--platform" => Flag::Valued(|value| is_made_of(value, "/")),
        "--pull" => Flag::Valued(|value| matches!(value, "always" | "missing" | "never")),
        "-u" | "--user" => Flag::Valued(|value| {
            value.split(':').count() <= 2
                && value.split(':').all(|id| {
                    !id.is_empty() && id.len() <= 9 && id.bytes().all(|c| c.is_ascii_digit())
                })
        }),
        "-w" | "--workdir" => Flag::Valued(|value| {
            value.starts_with('/') && is_made_of(value, "/._-") && !value.contains("..")
        }),
        _ => return None,
    })
}

fn is_made_of(value: &str, more: &str) -> bool {
    !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// The argv that runs the image `arguments` name; `declared` are the names in
/// the skill's own environment, the only ones that may be passed on.
pub(super) fn plan(
    skill: &str,
    arguments: &[String],
    sandbox: &Sandbox,
    declared: &[&str],
) -> Result<Plan, Refusal> {
    if arguments.first().map(String::as_str) != Some("run") {
        return Err(Refusal::new(
            Class::Argument,
            "docker is used for \"run\" only, and that has to come first",
            "begin args with \"run\": [\"run\", \"-i\", \"--rm\", \"mcp/time\"]",
        )
        .under(0));
    }
    let mut argv = ours(skill, sandbox);
    let mut rest = arguments.iter().enumerate().skip(1);
    while let Some((at, argument)) = rest.next() {
        if !argument.starts_with('-') {
            argv.push(image(argument).map_err(|refusal| refusal.under(at))?);
            argv.extend(rest.map(|(_, argument)| argument.clone()));
            return Ok(Plan {
                arguments: argv,
                docker: true,
                ..Plan::default()
            });
        }
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (argument.as_str(), None),
        };
        let Some(flag) = flag(name) else {
            return Err(refused_argument(at, argument, steers(name)));
        };
        if let Flag::Ours = flag {
            if joined.is_some() {
                return Err(refused_argument(at, argument, "it takes no value"));
            }
            continue;
        }
        let (place, value) = match joined {
            Some(value) => (at, value),
            None => match rest.next() {
                Some((next, value)) => (next, value.as_str()),
                None => return Err(refused_argument(at, argument, "its value is missing")),
            },
        };
        judge(&flag, value, sandbox, declared)
            .map_err(|why| refused_argument(place, value, &why))?;
        if !matches!(flag, Flag::Network) {
            argv.extend([name.to_owned(), value.to_owned()]);
        }
    }
    Err(Refusal::new(
        Class::Argument,
        "docker run is told no image",
        "name the image last: [\"run\", \"-i\", \"--rm\", \"mcp/time\"]",
    ))
}

fn judge(flag: &Flag, value: &str, sandbox: &Sandbox, declared: &[&str]) -> Result<(), String> {
    match flag {
        Flag::Ours => Ok(()),
        Flag::Valued(fits) if fits(value) => Ok(()),
        Flag::Valued(_) => Err("the flag does not take this value".into()),
        Flag::Network => match (value, &sandbox.network) {
            ("none", Network::None) | ("bridge", Network::Outbound(_)) => Ok(()),
            ("none" | "bridge", _) => Err("it differs from sandbox.network".into()),
            _ => Err("a container joins no network of the host or of others".into()),
        },
        Flag::Environment => match value.split_once('=') {
            Some(_) if value.contains("${") => {
                Err("everybody can see arguments; pass -e NAME and put the value in env".into())
            }
            Some((name, _)) if crate::skills::env::is_name(name) => Ok(()),
            None if declared.contains(&value) => Ok(()),
            None => Err("the skill's env has no such entry to pass on".into()),
            Some(_) => Err("it is no variable's name".into()),
        },
    }
}

/// What every container gets. `\0` is the skill's private folder, put in at
/// the launch: the container's id is kept there, so that it can be removed.
fn ours(skill: &str, sandbox: &Sandbox) -> Vec<String> {
    let memory = format!("--memory={}b", sandbox.memory_bytes);
    let swap = format!("--memory-swap={}b", sandbox.memory_bytes);
    let network = match sandbox.network {
        Network::None => "none",
        Network::Outbound(_) => "bridge",
    };
    let fixed = [
        "run",
        "--rm",
        "-i",
        "--init",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    argv.extend([
        memory,
        swap,
        "--cpus=1".into(),
        format!("--pids-limit={}", sandbox.processes),
        format!("--ulimit=nofile={}", sandbox.open_files),
        format!("--network={network}"),
        format!("--label=mimo.skill={skill}"),
        "--cidfile=\0/container".into(),
    ]);
    argv
}

/// Why this one is refused, for a person who copied it from somewhere.
fn steers(name: &str) -> &'static str {
    match name {
        "-v" | "--volume" | "--mount" | "--volumes-from" | "--device" | "--tmpfs" => {
            "a container is given no file of the host"
        }
        "--privileged" | "--cap-add" | "--security-opt" | "--use-api-socket" | "--gpus" => {
            "it gives the container rights over the host"
        }
        "--pid" | "--ipc" | "--uts" | "--userns" | "--cgroupns" | "--cgroup-parent" => {
            "a container shares no namespace with the host"
        }
        "--env-file" | "--label-file" | "--cidfile" => "the client would open a file of the host",
        "-t" | "--tty" | "-it" | "-ti" => "a terminal would spoil the messages; use -i alone",
        "-p" | "--publish" | "-P" | "--publish-all" => "a skill opens no port of the host",
        "--memory" | "-m" | "--cpus" | "--pids-limit" | "--memory-swap" | "--ulimit" => {
            "limits stand under sandbox"
        }
        _ => {
            "only -i, --rm, --init, -e NAME, --network, --platform, --pull, --user and --workdir \
             are understood, each for itself"
        }
    }
}

/// `[registry[:port]/]path[:tag][@sha256:..]`, as docker writes it.
fn image(text: &str) -> Result<String, Refusal> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let digest_fits = digest.is_none_or(|digest| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(hex))
    });
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[last..].split_once(':') {
        Some((end, tag)) => (&name[..last + end.len()], Some(tag)),
        None => (name, None),
    };
    let tag_fits = tag.is_none_or(|tag| {
        tag.len() <= 128 && is_made_of(tag, "._-") && !tag.starts_with(['.', '-'])
    });
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() > 1 && parts[0].contains(['.', ':']) {
        let (host, port) = parts[0].split_once(':').unwrap_or((parts[0], "443"));
        let is_port = port.len() <= 5 && port.parse::<u16>().is_ok();
        if is_port && is_made_of(host, ".-") && !host.starts_with(['.', '-']) {
            parts.remove(0);
        }
    }
    let fits = path.len() <= 255 && parts.iter().all(|part| is_image_part(part));
    match fits && tag_fits && digest_fits {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(
            Class::Argument,
            format!("{} is no image's name", shown(text)),
            "write it as [registry/]path[:tag][@sha256:..], for example mcp/time:latest",
        )),
    }
}

fn is_image_part(part: &str) -> bool {
    let end = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    end(part.bytes().next())
        && end(part.bytes().next_back())
        && part
            .bytes()
            .all(|c| end(Some(c)) || matches!(c, b'.' | b'_' | b'-'))
        && !part.contains("..")
}
