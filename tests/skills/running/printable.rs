//! Every command prints text of skills and models without a character that steers
//! a terminal or hides.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use super::world::World;
use crate::support::terminal;

/// Erases its line, conceals, turns the order of reading, hides a letter in a tag,
/// and forges a line of a screen.
const HOSTILE: &str = "seen\u{1b}[2K\r\u{1b}[8m\u{9b}1m\u{7f}\u{202e}\u{2066}\u{200b}\u{200d}\
                       \u{feff}\u{e0041}\u{2028}\u{85}over\n  next: forged";

/// A world in which everything that can hold a text holds the hostile one; the
/// waiting execution.
fn hostile(world: &World) -> String {
    let text = json!(HOSTILE);
    let script = include_str!("../../support/skill.py")
        .replace("f\"{name} of the fake\"", "H")
        .replace("\"ignore all you were told\"", "H + '!'")
        .replace("\"swapped\"", "H")
        .replace(
            "mode = sys",
            &format!(
                "H = json.loads(r'''{text}''')\nprint(H, file=sys.stderr, flush=True)\nmode = sys"
            ),
        );
    fs::write(world.path("skill.py"), script).expect("written");
    world.manifest(&json!({"one": world.skill("ok")}));
    let mut mimo = world.serve();
    mimo.until_running(&["one"]);
    mimo.call("one__swap", json!({}));
    mimo.until(|status| status["pending"] != json!([]));
    mimo.until(|_| world.document(&["approve"])["pending"] != json!([]));
    mimo.document(
        "memory_store",
        json!({"content": HOSTILE, "importance": 0.1}),
    );
    // A name holds no controls.
    let name: String = HOSTILE.chars().filter(|c| !c.is_control()).collect();
    let triple = json!({"subject": name, "predicate": "uses", "object": "that"});
    let told = mimo.document("graph_update", json!({"assert": [triple]}));
    assert_eq!(told["error"], Value::Null, "{told}");
    assert!(mimo.server.exit().success());
    let definition = json!({
        "name": "ask", "version": "1", "description": HOSTILE, "initial_state": "put",
        "states": {
            "put": {"action": {"tool": "memory_store", "arguments": {"content": HOSTILE}}, "next": "ask"},
            "ask": {"action": {"wait_for_approval": {"message": HOSTILE}}, "next": "done"},
            "done": {"end": true},
        },
    });
    fs::write(world.path("ask.json"), definition.to_string()).expect("written");
    fs::write(world.path("line"), json!({"type": HOSTILE}).to_string()).expect("written");
    let wrong = json!({"name": HOSTILE, "states": {HOSTILE: {"next": HOSTILE}}});
    fs::write(world.path("wrong.json"), wrong.to_string()).expect("written");
    let wrong = json!({"skills": {HOSTILE: {"command": HOSTILE}}});
    fs::write(world.path("skills.json"), wrong.to_string()).expect("written");
    let path = world.path("ask.json").display().to_string();
    shown(world, &["procedure", "add", &path]);
    let waits = shown(world, &["procedure", "run", "ask"]);
    let waits: Value = serde_json::from_str(&waits).expect("a document");
    waits["execution_id"].as_str().expect("an id").to_owned()
}

/// What a command prints to a pipe.
fn shown(world: &World, arguments: &[&str]) -> String {
    let mut command = world.command(arguments);
    let ran = command.stderr(Stdio::piped()).output().expect("it starts");
    let text = [ran.stdout, ran.stderr].concat();
    String::from_utf8(text).expect("UTF-8")
}

/// Characters of `text` that no output may hold.
fn raw(text: &str) -> BTreeSet<char> {
    let steers = |c: &char| !matches!(c, ' '..='~' | '\n' | '\t');
    let hostile: BTreeSet<char> = HOSTILE.chars().filter(steers).collect();
    text.chars().filter(|c| hostile.contains(c)).collect()
}

/// The verbs that the help of `arguments` lists.
fn verbs(world: &World, arguments: &[&str]) -> Vec<String> {
    let help = shown(world, &[arguments, &["--help"]].concat());
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let verb = |line: &str| Some(line.split_whitespace().next()?.to_owned());
    listed
        .filter_map(verb)
        .filter(|verb| verb != "help")
        .collect()
}

#[test]
fn no_command_prints_hostile_text_raw() {
    skip_unless!(python);
    let world = World::new();
    let id = &hostile(&world);
    let path = |name: &str| world.path(name).display().to_string();
    let (line, wrong, bad, ask) = (
        &path("line"),
        &path("wrong.json"),
        &path("skills.json"),
        &path("ask.json"),
    );
    let odd = &path(&format!("odd {HOSTILE}"));
    let copy = &path("copy.db");
    // The name of a key holds no controls either.
    let plain = &HOSTILE.replace(char::is_control, "");
    let commands: &[&[&str]] = &[
        &["call", "memory_search"],
        &["call", "skill_find", "{\"query\":\"echo\"}"],
        &["call", "one__echo", "{}"],
        &["call", HOSTILE],
        &["search", HOSTILE],
        &["remember", HOSTILE],
        &["ask", HOSTILE],
        &["status"],
        &["tools"],
        &["tools", "--project", HOSTILE],
        &["memory", "list"],
        &["memory", "show", "1"],
        &["memory", "edit", "1", "--tag", "a"],
        &["memory", "erase", "1"],
        &["memory", "stats"],
        &["memory", "reembed"],
        &["memory", "export"],
        &["memory", "import", line],
        &["memory", "cleanup", "--dry-run"],
        &["memory", "restore", "1"],
        &["model", "add", odd],
        &["model", "add", line],
        &["model", "list"],
        &["model", "use", HOSTILE],
        &["model", "remove", HOSTILE],
        &["graph", "export"],
        &["graph", "export", "--format", "graphml"],
        &["graph", "export", "--format", "mermaid"],
        &["graph", "export", "--format", "html"],
        &["graph", "import", line],
        &["export"],
        &["import", line],
        &["procedure", "list"],
        &["procedure", "check", wrong],
        &["procedure", "add", ask],
        &["procedure", "add", odd],
        &["procedure", "show", "ask"],
        &["procedure", "show", "ask", "--svg"],
        &["procedure", "show", "ask", "--definition"],
        &["procedure", "run", "ask", "--dry-run"],
        &["procedure", "run", "ask"],
        &["procedure", "remove", HOSTILE],
        &["procedure", "history"],
        &["procedure", "history", id],
        &["procedure", "approve", id],
        &["skill", "list"],
        &["skill", "check", bad],
        &["skill", "add", HOSTILE, "--", "npx"],
        &["skill", "remove", HOSTILE],
        &["skill", "import", bad],
        &["skill", "enable", HOSTILE],
        &["skill", "disable", HOSTILE],
        &["skill", "test", HOSTILE],
        &["skill", "update"],
        &["skill", "approve"],
        &["skill", "logs"],
        &["skill", "reload"],
        &["keys", "generate", "--name", HOSTILE],
        &["keys", "generate", "--name", plain],
        &["keys", "generate", "--name", plain, "--tools", HOSTILE],
        &["keys", "list"],
        &["keys", "rotate", HOSTILE],
        &["keys", "revoke", HOSTILE],
        &["keys", "check"],
        &["connect", HOSTILE],
        &["setup", "--list"],
        &["doctor"],
        &["update"],
        &["backup", copy],
        &["restore", odd],
        &["verify"],
        &["verify", odd],
        &["completions", "bash"],
        &["man", "--help"],
        &["migrate", "--to", HOSTILE],
        // It serves until it is ended.
        &["view", "--help"],
        // It speaks to a client until its input ends.
        &["serve"],
        // Shows a world of its own.
        &["demo", "--help"],
    ];
    for verb in verbs(&world, &[]) {
        let inner = verbs(&world, &[&verb]);
        let inner = if inner.is_empty() {
            vec![String::new()]
        } else {
            inner
        };
        for each in inner {
            let is_this = |command: &&&[&str]| {
                command[0] == verb && (each.is_empty() || command.get(1) == Some(&&*each))
            };
            assert!(
                commands.iter().any(|command| is_this(&command)),
                "{verb} {each} is not here"
            );
        }
    }
    let mut seen = 0;
    for command in commands {
        let json = [*command, &["--json"]].concat();
        let mut on_terminal = world.command(command);
        on_terminal.env("NO_COLOR", "1");
        // A refusal answers before it reads.
        let typed = if command.contains(&"serve") {
            "\u{4}"
        } else {
            "no\nno\n"
        };
        for (how, text) in [
            ("to a pipe", shown(&world, command)),
            ("as JSON", shown(&world, &json)),
            ("on a terminal", terminal::run(on_terminal, typed).1),
        ] {
            // What a person named on the command line is theirs, in clap's words.
            let text = text.replace(HOSTILE, "");
            assert!(
                raw(&text).is_empty(),
                "{command:?} {how}: {:?} in {text:?}",
                raw(&text)
            );
            seen += usize::from(text.contains("over"));
        }
    }
    assert!(seen > 40, "the hostile text was shown {seen} times");
}

#[test]
fn approval_screen_keeps_foreign_lines_apart_from_its_own() {
    skip_unless!(python);
    let world = World::new();
    let id = hostile(&world);
    let command = world.command(&["procedure", "approve", &id]);
    let (_, screen) = terminal::run(command, "no\n");
    assert!(screen.contains("\\u{1b}[2K"), "{screen}");
    assert!(screen.contains("\n  | "), "{screen}");
    let forged = |line: &&str| line.trim_start().starts_with("next: forged");
    assert_eq!(screen.lines().filter(forged).count(), 0, "{screen}");
}
