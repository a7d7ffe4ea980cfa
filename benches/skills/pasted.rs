//! Popular servers as they are pasted: from the start to the first answer of a tool,
//! through Mimo and directly. Cold, each side fetches the package; warm, both run the
//! files that Mimo installed, in turns.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::machine;
use super::popular;
use super::support::{Client, milliseconds};

const WARM_STARTS: usize = 5;
/// A watchdog of one server's installation.
const BOUND: Duration = Duration::from_secs(600);
/// Each server that works, with a call that it answers by itself: where the others
/// would ask the network, an argument is missing.
const CALLS: [(&str, &str, &str); 15] = [
    ("everything", "echo", r#"{"message":"hello"}"#),
    ("filesystem", "list_allowed_directories", "{}"),
    ("memory", "read_graph", "{}"),
    (
        "sequential-thinking",
        "sequentialthinking",
        r#"{"thought":"hello","nextThoughtNeeded":false,"thoughtNumber":1,"totalThoughts":1}"#,
    ),
    ("playwright", "browser_navigate", "{}"),
    (
        "github.com/upstash/context7-mcp",
        "resolve-library-id",
        "{}",
    ),
    ("github", "search_repositories", "{}"),
    ("notionApi", "API-retrieve-a-page", "{}"),
    ("exa", "web_search_exa", "{}"),
    ("brave-search", "brave_web_search", "{}"),
    ("chrome-devtools", "click", "{}"),
    ("time", "get_current_time", r#"{"timezone":"UTC"}"#),
    ("git", "git_status", r#"{"repo_path":"."}"#),
    ("fetch", "fetch", "{}"),
    ("sqlite", "list_tables", "{}"),
];

/// One server, through Mimo and directly.
struct Server<'a> {
    home: &'a Path,
    entry: &'a Value,
    tool: &'a str,
    arguments: Value,
}

pub fn pasted() {
    if let Err(missing) = popular::tools() {
        println!(
            "{}",
            json!({"bench": "skills", "pasted": format!("skipped: {missing}")})
        );
        return;
    }
    let home = tempfile::TempDir::new_in(machine::trusted_folder()).expect("a folder");
    let configuration = popular::prepare(home.path());
    for (name, tool, arguments) in CALLS {
        let server = Server {
            home: home.path(),
            entry: &configuration["mcpServers"][name],
            tool,
            arguments: serde_json::from_str(arguments).expect("JSON"),
        };
        let mut line = json!({"bench": "skills", "figure": "first_answer_ms", "server": name});
        match server.measure() {
            Ok(figures) => line["figures"] = figures,
            Err(why) => line["failed"] = why.into(),
        }
        println!("{line}");
    }
}

/// Begins what Mimo says of an error that the skill itself answered with.
const REFUSED: &str = "the skill refused";

impl Server<'_> {
    fn measure(&self) -> Result<Value, String> {
        let mut through = self.through_mimo();
        let start = Instant::now();
        let mut client = Client::start(&mut through);
        client.initialize();
        let called = json!({"tool": format!("s__{}", self.tool), "arguments": self.arguments});
        loop {
            let answer = call(&mut client, "skill_call", &called);
            // What Mimo itself says of a skill that is not ready.
            let waits = ["unavailable", "timeout", "not_found"]
                .iter()
                .any(|kind| answer.contains(&format!(r#"{{\"error\":{{\"kind\":\"{kind}\""#)));
            if !waits || answer.contains(REFUSED) {
                break;
            }
            if start.elapsed() > BOUND {
                return Err(answer);
            }
        }
        let cold = start.elapsed();
        let words = skill_command(client.pid()).ok_or("no process of the skill")?;
        if !Path::new(&words[0]).is_absolute() {
            return Err(format!(
                "it calls itself {:?}, not by its program",
                words[0]
            ));
        }
        drop(client);
        let cold_direct = self.direct_answer(&mut self.as_pasted());
        let mut direct = self.with_environment(Command::new(&words[0]));
        direct.args(&words[1..]);
        let mut times = [Vec::new(), Vec::new()];
        // The first round is a warm-up.
        for round in 0..=WARM_STARTS {
            let start = Instant::now();
            let mut client = Client::start(&mut through);
            client.initialize();
            let answer = call(&mut client, "skill_call", &called);
            let took = [start.elapsed(), self.direct_answer(&mut direct)];
            assert!(
                !answer.contains(r#"{\"error\":{\"kind\":\"unavailable"#)
                    || answer.contains(REFUSED),
                "{answer}"
            );
            if round > 0 {
                times
                    .iter_mut()
                    .zip(took)
                    .for_each(|(times, took)| times.push(took));
            }
        }
        let [warm, warm_direct] = times.map(|times| milliseconds(&times, 0.5).round());
        let whole = |time: Duration| time.as_millis() as u64;
        Ok(
            json!({"cold": whole(cold), "cold_direct": whole(cold_direct),
            "warm_p50": warm, "warm_direct_p50": warm_direct, "behind": warm - warm_direct}),
        )
    }

    fn through_mimo(&self) -> Command {
        let config = self.home.join("config");
        fs::create_dir_all(&config).expect("made");
        let file = config.join("skills.json");
        let skills = json!({"mcpServers": {"s": self.entry}});
        fs::write(&file, skills.to_string()).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mimo"));
        command
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home)
            .env("MIMO_DATA_DIR", self.home.join("data"))
            .env("MIMO_CONFIG_DIR", config)
            .envs(machine::fetching());
        command
    }

    /// As a client without Mimo starts it, with a cache of its own.
    fn as_pasted(&self) -> Command {
        let program = self.entry["command"].as_str().expect("a command");
        let mut command = self.with_environment(Command::new(program));
        let words = self.entry["args"].as_array().expect("arguments").iter();
        command
            .args(words.filter_map(Value::as_str))
            .env("npm_config_cache", self.home.join("npm"))
            .env("UV_CACHE_DIR", self.home.join("uv"))
            .envs(machine::fetching());
        command
    }

    fn with_environment(&self, mut command: Command) -> Command {
        let node = machine::node().expect("node");
        let node = node.parent().expect("a folder").display();
        let own = self.home.join(".local/bin");
        let variables = self.entry["env"].as_object().into_iter().flatten();
        let variables = variables.filter_map(|(name, value)| Some((name, value.as_str()?)));
        command
            .env_clear()
            .env("PATH", format!("{}:{node}:/usr/bin:/bin", own.display()))
            .env("HOME", self.home)
            .envs(variables)
            .current_dir(self.home)
            .process_group(0);
        command
    }

    /// How long the server takes to its first answer without Mimo.
    fn direct_answer(&self, command: &mut Command) -> Duration {
        let start = Instant::now();
        let mut client = Client::start(command);
        client.initialize();
        call(&mut client, self.tool, &self.arguments);
        let took = start.elapsed();
        // Not every server ends with its input; npx has a process below it.
        let group = Pid::from_raw(client.pid().cast_signed());
        killpg(group, Signal::SIGKILL).expect("the server runs");
        took
    }
}

/// The line of the answer.
fn call(client: &mut Client, tool: &str, arguments: &Value) -> String {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments,
    }});
    client.send(&format!("{request}\n"));
    String::from_utf8_lossy(client.answer()).into_owned()
}

/// The command line of the first process below the sandbox's own ones.
fn skill_command(root: u32) -> Option<Vec<String>> {
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let ours = pid == root || memchr::memmem::find(&words, b"__sandbox").is_some();
        if !ours && !words.is_empty() {
            let words = words.strip_suffix(b"\0").unwrap_or(&words);
            let words = words.split(|byte| *byte == 0);
            return Some(
                words
                    .map(|word| String::from_utf8_lossy(word).into_owned())
                    .collect(),
            );
        }
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    None
}
