//! Output on a terminal.

use super::home::Home;
use crate::support::terminal::run;

/// Ctrl-D: the end of input.
const END: &str = "\x04";

/// Runs mimo on a terminal of 60 columns; its exit code and output.
fn on_a_terminal(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    typing(home, arguments, variables, "")
}

/// The same with typed input.
fn typing(
    home: &Home,
    arguments: &[&str],
    variables: &[(&str, &str)],
    typed: &str,
) -> (i32, String) {
    let mut command = home.command(arguments);
    command.envs(variables.iter().copied());
    run(command, typed)
}

#[test]
fn mimo_without_arguments_on_a_terminal_prints_help() {
    let home = Home::new();
    let (code, shown) = on_a_terminal(&home, &[], &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("mimo demo"), "{shown}");
    assert!(shown.lines().count() <= 15, "short: {shown}");
    assert!(!home.data().exists(), "nothing was made");
}

#[test]
fn serve_on_a_terminal_explains_itself_and_serves() {
    let home = Home::new();
    let typed = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}}\n{END}");
    let (code, shown) = typing(&home, &["serve"], &[], &typed);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("\"mcpServers\""), "{shown}");
    let answer = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";
    assert!(shown.contains(answer), "{shown}");
}

#[test]
fn tool_table_fits_the_terminal() {
    let home = Home::new();
    let (code, shown) = on_a_terminal(&home, &["tools"], &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains('…'), "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() <= 60),
        "{shown}"
    );
}

#[test]
fn result_is_indented_on_a_terminal_unless_json() {
    let home = Home::new();
    let (_, shown) = on_a_terminal(&home, &["call", "memory_search"], &[]);
    assert!(shown.contains("\n  \"items\": []"), "{shown}");
    let (_, shown) = on_a_terminal(&home, &["call", "memory_search", "--json"], &[]);
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[test]
fn demo_is_colored_unless_no_color() {
    let home = Home::new();
    let (code, shown) = on_a_terminal(&home, &["demo"], &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("\x1b[32m✓"), "{shown}");
    let (_, shown) = on_a_terminal(&home, &["demo"], &[("NO_COLOR", "1")]);
    assert!(!shown.contains('\x1b'), "{shown}");
}
