//! Servers for measurements: one that answers at once, and failing ones. The bench
//! starts itself again with the mode as its argument.

use std::io::{BufRead, Write, stderr, stdin, stdout};

/// How many tools it lists, unless it has many.
const TOOLS: usize = 5;
/// Each of the many tools does one of these to one of the objects.
pub const VERBS: [&str; 11] = [
    "list", "get", "create", "update", "delete", "search", "archive", "share", "export", "move",
    "compare",
];
pub const OBJECTS: [&str; 7] = [
    "issues",
    "files",
    "messages",
    "events",
    "dashboards",
    "customers",
    "branches",
];

/// Serves where this program was started as a server, else runs `bench`.
pub fn serve_or(bench: fn()) {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "child") {
        Some(at) => serve(&arguments[at + 1]),
        None => bench(),
    }
}

/// Behaves as `mode` says until its input ends.
fn serve(mode: &str) {
    if mode == "fail" {
        std::process::exit(7);
    }
    let mut input = stdin().lock();
    let mut line = Vec::new();
    while input
        .read_until(b'\n', &mut line)
        .is_ok_and(|bytes| bytes > 0)
    {
        let method = after(&line, b"\"method\":\"").unwrap_or_default();
        let id = after(&line, b"\"id\":").unwrap_or_default();
        let id = String::from_utf8_lossy(id).into_owned();
        match method {
            b"initialize" if mode != "hang" => {
                // Any protocol version.
                let revision = after(&line, b"\"protocolVersion\":\"").unwrap_or_default();
                let revision = String::from_utf8_lossy(revision);
                let rest =
                    r#""capabilities":{"tools":{}},"serverInfo":{"name":"fast","version":"1"}"#;
                answer(
                    &id,
                    &format!("{{\"protocolVersion\":\"{revision}\",{rest}}}"),
                );
            }
            b"tools/list" => {
                let tools = if mode == "many" { many() } else { tools() };
                answer(&id, &format!("{{\"tools\":[{tools}]}}"));
                match mode {
                    "flood-out" => flood(stdout()),
                    "flood-err" => flood(stderr()),
                    _ => {}
                }
            }
            b"tools/call" if mode == "die" => std::process::exit(3),
            b"tools/call" => answer(
                &id,
                r#"{"content":[{"type":"text","text":"hello, world"}]}"#,
            ),
            b"initialize" => {}
            _ if id.is_empty() => {}
            // Empty lists.
            _ => say(&id, "error", r#"{"code":-32601,"message":"unknown"}"#),
        }
        line.clear();
    }
}

/// The value of the member `name` in a line.
fn after<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = &line[memchr::memmem::find(line, name)? + name.len()..];
    value.split(|c| matches!(c, b'"' | b',' | b'}')).next()
}

fn answer(id: &str, result: &str) {
    say(id, "result", result);
}

fn say(id: &str, member: &str, value: &str) {
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{member}\":{value}}}\n");
    let mut out = stdout().lock();
    out.write_all(line.as_bytes()).expect("somebody reads");
    out.flush().expect("somebody reads");
}

fn tools() -> String {
    let tool = |n| {
        format!(
            r#"{{"name":"test_echo{n}","description":"Says hello, the {n}th time.","inputSchema":{{"type":"object"}}}}"#
        )
    };
    (0..TOOLS).map(tool).collect::<Vec<_>>().join(",")
}

/// Tools as long as those of popular servers: about 400 tokens each.
fn many() -> String {
    let property = |n| {
        format!(
            r#""field_{n}":{{"type":"string","description":"Limits the result to entries whose field {n} contains this text, ignoring case"}}"#
        )
    };
    let properties = (0..12).map(property).collect::<Vec<_>>().join(",");
    let tool = |(verb, object): (&str, &str)| {
        format!(
            r#"{{"name":"{verb}_{object}","description":"Use this to {verb} {object} of the workspace. Returns the {object} with their ids, titles, owners and times of change, newest first, at most one hundred at once.","inputSchema":{{"type":"object","properties":{{{properties}}}}}}}"#
        )
    };
    let pairs = VERBS
        .iter()
        .flat_map(|verb| OBJECTS.map(|object| (*verb, object)));
    pairs.map(tool).collect::<Vec<_>>().join(",")
}

/// Floods its output from another thread.
fn flood(mut to: impl Write + Send + 'static) {
    std::thread::spawn(move || {
        let block = b"this is no message\n".repeat(3000);
        while to.write_all(&block).is_ok() {}
    });
}
