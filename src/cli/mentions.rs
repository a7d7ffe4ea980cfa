//! Tests that every command named in a message, an example or a page is valid.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::Cli;

/// The files that mention commands.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|end| end.to_str()) {
            _ if path.is_dir() => files(&path, all),
            Some("rs" | "md" | "mjs" | "toml") => all.push(path),
            _ => {}
        }
    }
}

/// One line for each sentence: a string or comment goes on over its line's end.
fn joined(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        let comment = line
            .strip_prefix("//!")
            .or_else(|| line.strip_prefix("///"));
        let line = comment.map_or(line, str::trim_start);
        joined.push_str(line.strip_suffix('\\').unwrap_or(line));
        joined.push(' ');
    }
    joined
}

/// The commands between backticks.
fn quoted(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    let commands = parts.filter(|part| part.starts_with("mimo ") && part.len() < 200);
    let is_form = |part: &&str| {
        let stands_for = ["VERB", "COMMAND", "__sandbox"];
        part.split(' ').any(|word| stands_for.contains(&word))
    };
    let commands = commands.filter(|part| !is_form(part));
    // The shell's part of the line is not for Mimo.
    let own = |part: &str| part.split(['|', '&']).next().unwrap_or_default().to_owned();
    commands.map(own).collect()
}

/// The commands in the examples of a help text.
fn examples(command: &clap::Command, all: &mut Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string);
    for line in help.unwrap_or_default().lines() {
        let Some(line) = line.strip_prefix("  mimo ") else {
            continue;
        };
        let end = ["  ", " |", " >", " <", " #", " &"]
            .into_iter()
            .filter_map(|end| line.find(end));
        let end = end.min().unwrap_or(line.len());
        all.push(format!("mimo {}", &line[..end]));
    }
    for command in command.get_subcommands() {
        examples(command, all);
    }
}

/// Words as a shell splits them, with a value for each placeholder.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars().chain([' ']) {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => {
                words.extend(Some(std::mem::take(&mut word)).filter(|it| !it.is_empty()))
            }
            (c, _) => word.push(c),
        }
    }
    words.retain(|word| !matches!(&**word, ".." | "…" | "..."));
    words.into_iter().map(|word| value(&word)).collect()
}

fn value(word: &str) -> String {
    let bare = word.trim_matches(['[', ']']);
    match bare {
        "CLIENT" | "CLIENT|FILE" => "cursor",
        "ID" | "{id}" | "ID.." => "1",
        "SHELL" => "bash",
        "URL" => "http://127.0.0.1:8420",
        "PLACE" => "file",
        "NUMBER" | "N" => "3",
        bare if bare.starts_with('{') => "cursor",
        bare => bare,
    }
    .to_owned()
}

#[test]
fn commands_that_texts_name_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![root.join("README.md")];
    files(&root.join("src"), &mut all);
    files(&root.join("install/guide"), &mut all);
    let mut commands = Vec::new();
    for file in all.iter().filter(|file| !file.ends_with("mentions.rs")) {
        let text = std::fs::read_to_string(file).expect("text");
        commands.extend(quoted(&joined(&text)));
    }
    examples(&Cli::command(), &mut commands);
    assert!(commands.len() > 150, "only {} were found", commands.len());
    let mut refused = Vec::new();
    for command in commands {
        let Err(error) = Cli::command().try_get_matches_from(words(&command)) else {
            continue;
        };
        // A bare name mentions the command, whatever arguments it needs.
        let is_name = matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelp
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::DisplayVersion
        );
        if !is_name {
            refused.push(format!("{command}: {:?}", error.kind()));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}
