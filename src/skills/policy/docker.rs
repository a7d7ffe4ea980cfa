//! The grammar of docker: `run` of one image with a few flags. Every container
//! gets Mimo's limits.

use super::{Plan, refused_argument};
use crate::skills::refusal::{Class, Refusal, shown};
use crate::skills::spec::{Network, Sandbox};

/// A flag before the image.
enum Flag {
    /// Mimo passes it anyway.
    Implied,
    /// It takes a value that the function accepts.
    Valued(fn(&str) -> bool),
    /// `-e`, checked against the environment of the skill.
    Environment,
    /// `--network`, checked against the sandbox of the skill.
    Network,
}

fn flag(name: &str) -> Option<Flag> {
    Some(match name {
        "--rm" | "-i" | "--interactive" | "--init" => Flag::Implied,
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

/// The argv that runs an image. `declared` are the variables of the skill's own
/// environment; only these may be passed into the container.
pub(super) fn plan(
    skill: &str,
    arguments: &[String],
    sandbox: &Sandbox,
    declared: &[&str],
) -> Result<Plan, Refusal> {
    if arguments.first().map(String::as_str) != Some("run") {
        return Err(Refusal::new(
            Class::Argument,
            "only \"docker run\" is allowed, and \"run\" must come first",
            "begin args with \"run\": [\"run\", \"-i\", \"--rm\", \"mcp/time\"]",
        )
        .under(0));
    }
    let mut argv = container_flags(skill, sandbox);
    let mut rest = arguments.iter().enumerate().skip(1);
    while let Some((at, argument)) = rest.next() {
        if !argument.starts_with('-') {
            argv.push(image(argument).map_err(|refusal| refusal.under(at))?);
            let runs = repository(argument).to_owned();
            argv.extend(rest.map(|(_, argument)| argument.clone()));
            return Ok(Plan {
                arguments: argv,
                runs,
                docker: true,
                ..Plan::default()
            });
        }
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (argument.as_str(), None),
        };
        let Some(flag) = flag(name) else {
            return Err(refused_argument(at, argument, why_refused(name)));
        };
        if let Flag::Implied = flag {
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
        check_value(&flag, value, sandbox, declared)
            .map_err(|why| refused_argument(place, value, &why))?;
        if !matches!(flag, Flag::Network) {
            argv.extend([name.to_owned(), value.to_owned()]);
        }
    }
    Err(Refusal::new(
        Class::Argument,
        "docker run needs an image",
        "name the image last: [\"run\", \"-i\", \"--rm\", \"mcp/time\"]",
    ))
}

fn check_value(
    flag: &Flag,
    value: &str,
    sandbox: &Sandbox,
    declared: &[&str],
) -> Result<(), String> {
    match flag {
        Flag::Implied => Ok(()),
        Flag::Valued(accepts) if accepts(value) => Ok(()),
        Flag::Valued(_) => Err("the flag does not take this value".into()),
        Flag::Network => match (value, &sandbox.network) {
            ("none", Network::None) | ("bridge", Network::Outbound(_)) => Ok(()),
            ("none" | "bridge", _) => Err("it differs from sandbox.network".into()),
            _ => {
                Err("a container may not join a network of the host or of another container".into())
            }
        },
        Flag::Environment => match value.split_once('=') {
            Some(_) if value.contains("${") => Err(
                "every process can read arguments; pass -e NAME and put the value in env".into(),
            ),
            Some((name, _)) if crate::skills::env::is_name(name) => Ok(()),
            None if declared.contains(&value) => Ok(()),
            None => Err("the skill's env has no such entry".into()),
            Some(_) => Err("it is not a valid variable name".into()),
        },
    }
}

/// The flags of every container. Its id is written to the skill's private folder
/// (`\0`), so that the container can be removed.
fn container_flags(skill: &str, sandbox: &Sandbox) -> Vec<String> {
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

/// Why a flag is refused, for a person who copied it from elsewhere.
fn why_refused(name: &str) -> &'static str {
    match name {
        "-v" | "--volume" | "--mount" | "--volumes-from" | "--device" | "--tmpfs" => {
            "a container may not use files of the host"
        }
        "--privileged" | "--cap-add" | "--security-opt" | "--use-api-socket" | "--gpus" => {
            "it gives the container rights over the host"
        }
        "--pid" | "--ipc" | "--uts" | "--userns" | "--cgroupns" | "--cgroup-parent" => {
            "a container may not share a namespace with the host"
        }
        "--env-file" | "--label-file" | "--cidfile" => {
            "the docker client would open a file of the host"
        }
        "-t" | "--tty" | "-it" | "-ti" => "a terminal would corrupt the messages; use -i alone",
        "-p" | "--publish" | "-P" | "--publish-all" => "a skill may not open a port of the host",
        "--memory" | "-m" | "--cpus" | "--pids-limit" | "--memory-swap" | "--ulimit" => {
            "limits belong under sandbox"
        }
        _ => {
            "only -i, --rm, --init, -e NAME, --network, --platform, --pull, --user and --workdir \
             are allowed, each as a separate argument"
        }
    }
}

/// Checks `[registry[:port]/]path[:tag][@sha256:..]`.
fn image(text: &str) -> Result<String, Refusal> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let digest_valid = digest.is_none_or(|digest| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(hex))
    });
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[last..].split_once(':') {
        Some((end, tag)) => (&name[..last + end.len()], Some(tag)),
        None => (name, None),
    };
    let tag_valid = tag.is_none_or(|tag| {
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
    let path_valid = path.len() <= 255 && parts.iter().all(|part| is_image_part(part));
    match path_valid && tag_valid && digest_valid {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(
            Class::Argument,
            format!("{} is not a valid image name", shown(text)),
            "write it as [registry/]path[:tag][@sha256:..], for example mcp/time:latest",
        )),
    }
}

/// An image that [`image`] accepted, without its tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let end = name[last..].find(':').map_or(name.len(), |at| last + at);
    &name[..end]
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
