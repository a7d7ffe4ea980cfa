//! `mimo keys`: what it prints, what it writes, and where a key's text never is.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::home::{Home, Ran, ran};

const ID_AT: usize = "mimo_".len();
const RANDOM_AT: usize = ID_AT + 8 + 1;

/// Makes a key, whose text is all of stdout.
fn generate(home: &Home, arguments: &[&str]) -> String {
    let made = home.run(&[&["keys", "generate", "--name", "Ada's laptop"], arguments].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    let text = made.out.strip_suffix('\n').expect("a line").to_owned();
    assert_eq!(text.len(), RANDOM_AT + 43, "{made:?}");
    assert!(!made.err.contains(&text[RANDOM_AT..]), "{made:?}");
    text
}

fn id(text: &str) -> &str {
    &text[ID_AT..RANDOM_AT - 1]
}

fn check(home: &Home, input: &str) -> Ran {
    home.run_with(&["keys", "check"], input)
}

fn is_valid(home: &Home, text: &str) -> bool {
    check(home, text).code == Some(0)
}

/// Every file below `folder`.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn a_key_is_printed_once_and_says_what_it_may() {
    let home = Home::new();
    let none = home.run(&["keys", "list"]);
    assert!(none.out.starts_with("There are no keys"), "{none:?}");
    assert!(
        !home.data().join("mimo.db").exists(),
        "listing makes no database"
    );
    let text = generate(&home, &[]);
    let expected = "\
key                  ID, Ada's laptop
state                usable
scopes               read,write
projects             all
tools                all
profile              the server's
requests per minute  the server's
requests at once     the server's
expires              never
";
    for input in [
        text.clone(),
        format!("MIMO_API_KEY={text}\n"),
        format!(" {text} \n"),
    ] {
        let checked = check(&home, &input);
        assert_eq!(
            checked.out.replace(id(&text), "ID"),
            expected,
            "{checked:?}"
        );
    }
    let listed = home.run(&["keys", "list"]).out;
    let expected = "\
ID        NAME          STATE   SCOPES      PROJECTS  TOOLS  LAST USED  EXPIRES
ID        Ada's laptop  usable  read,write  all       all    never      never
";
    assert_eq!(listed.replace(id(&text), "ID      "), expected);
}

#[test]
fn json_has_every_limit() {
    let home = Home::new();
    let made = home.run(&[
        "keys",
        "generate",
        "--json",
        "--name",
        "CI",
        "--scopes",
        "write,metrics",
        "--projects",
        "website,global",
        "--tools",
        "memory_*,!memory_edit",
        "--profile",
        "core",
        "--expires",
        "90d",
        "--requests-per-minute",
        "60",
        "--at-once",
        "4",
    ]);
    let mut made = made.json();
    let text = made["key"].take();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(self::id(text.as_str().expect("a text")), id);
    made.as_object_mut().expect("an object").remove("key");
    let listed = home.run(&["keys", "list", "--json"]).json()["keys"][0].clone();
    assert_eq!(listed, made, "the same without the text");
    assert!(listed["expires_at"].is_string() && listed["created_at"].is_string());
    for (member, expected) in [
        ("name", json!("CI")),
        ("state", json!("usable")),
        ("scopes", json!(["read", "write", "metrics"])),
        ("projects", json!(["website:write", "global:read"])),
        ("tools", json!(["memory_*", "!memory_edit"])),
        ("profile", json!("core")),
        ("requests_per_minute", json!(60)),
        ("at_once", json!(4)),
        ("last_used", json!(null)),
    ] {
        assert_eq!(listed[member], expected, "{member}");
    }
}

#[test]
fn patterns_that_match_no_tool_are_told() {
    let home = Home::new();
    let generate = ["keys", "generate", "--name", "CI", "--tools"];
    let made = home.run(&[&generate[..], &["nope_*,memory_serch,memory_*"]].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(
        made.err
            .contains(r#"No tool that there is now matches "nope_*""#),
        "{made:?}"
    );
    assert!(
        made.err.contains(r#"did you mean "memory_search"?"#),
        "{made:?}"
    );
    assert!(!made.err.contains(r#""memory_*""#), "{made:?}");
}

#[test]
fn a_key_goes_into_a_new_private_file() {
    let home = Home::new();
    let file = home.path().join("key.env");
    let named = file.to_str().expect("UTF-8");
    let arguments = ["keys", "generate", "--name", "CI", "--out", named];
    let made = home.run(&arguments);
    assert_eq!((made.code, &*made.out), (Some(0), ""), "{made:?}");
    assert!(made.err.contains(named), "{made:?}");
    let content = fs::read_to_string(&file).expect("written");
    assert!(content.starts_with("MIMO_API_KEY=mimo_") && content.ends_with('\n'));
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o600);
    assert!(is_valid(&home, &content));

    let link = home.path().join("link");
    symlink(home.path().join("nowhere"), &link).expect("linked");
    for taken in [named, link.to_str().expect("UTF-8")] {
        let refused = home.run(&["keys", "generate", "--name", "CI", "--out", taken]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("exists already"), "{refused:?}");
    }
    assert_eq!(fs::read_to_string(&file).expect("there"), content);
    let keys = home.run(&["keys", "list", "--json"]).json();
    assert_eq!(
        keys["keys"].as_array().expect("keys").len(),
        1,
        "no other was made"
    );

    // A rotation that fails leaves no file.
    let other = home.path().join("other.env");
    let named = other.to_str().expect("UTF-8");
    let failed = home.run(&["keys", "rotate", "aaaaaaaa", "--out", named]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("no key has the id"), "{failed:?}");
    assert!(!other.exists());
}

#[test]
fn a_rotated_key_has_two_texts_until_the_overlap_ends() {
    let home = Home::new();
    let first = generate(&home, &["--scopes", "read"]);
    let rotate = |more: &[&str]| {
        let rotated = home.run(&[&["keys", "rotate", id(&first)], more].concat());
        assert_eq!(rotated.code, Some(0), "{rotated:?}");
        (rotated.out.trim().to_owned(), rotated.err)
    };
    let (second, said) = rotate(&[]);
    assert!(said.contains("old one is valid until"), "{said}");
    assert_eq!(id(&first), id(&second));
    assert!(is_valid(&home, &first) && is_valid(&home, &second));
    let checked = check(&home, &second).out;
    assert!(checked.contains("its former text too until"), "{checked}");
    assert!(checked.contains("scopes               read\n"), "{checked}");
    let (third, said) = rotate(&["--overlap", "0s"]);
    assert!(said.contains("old one is no longer valid"), "{said}");
    assert!(is_valid(&home, &third));
    assert!(!is_valid(&home, &first) && !is_valid(&home, &second));
}

#[test]
fn revoked_keys_are_refused_and_stay_listed() {
    let home = Home::new();
    let [one, two, three] = [(); 3].map(|()| generate(&home, &[]));
    let revoked = home.run(&["keys", "revoke", id(&one)]);
    assert!(
        revoked.out.starts_with(&format!("revoked {}", id(&one))),
        "{revoked:?}"
    );
    let again = home.run(&["keys", "revoke", id(&one)]);
    assert_eq!(again.out, format!("{} was revoked before\n", id(&one)));
    let refused = check(&home, &one);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("is revoked"), "{refused:?}");
    let rotated = home.run(&["keys", "rotate", id(&one)]);
    assert!(rotated.err.contains("cannot be rotated"), "{rotated:?}");
    // A leaked text is at hand, its id perhaps not.
    let revoked = home.run(&["keys", "revoke", &two]);
    assert!(
        revoked.out.starts_with(&format!("revoked {}", id(&two))),
        "{revoked:?}"
    );
    assert!(!is_valid(&home, &two) && is_valid(&home, &three));
    let all = home.run(&["keys", "revoke", "--all"]);
    assert_eq!(all.out, "revoked 1 key\n");
    assert!(!is_valid(&home, &three));
    let listed = home.run(&["keys", "list"]).out;
    assert_eq!(listed.matches("revoked").count(), 3, "{listed}");
}

#[test]
fn mistakes_are_explained_without_repeating_a_key() {
    let home = Home::new();
    let text = generate(&home, &[]);
    let cut = &text[..text.len() - 1];
    for (arguments, code, said) in [
        (&["keys", "generate"][..], 2, "--name"),
        (&["keys", "generate", "--name", " "], 2, "a key's name"),
        (
            &["keys", "generate", "--name", "a", "--scopes", "raed"],
            2,
            "the scopes are",
        ),
        (
            &["keys", "generate", "--name", "a", "--expires", "2020-01-01"],
            2,
            "in the future",
        ),
        (
            &["keys", "generate", "--name", "a", "--at-once", "0"],
            2,
            "from 1 to",
        ),
        (
            &["keys", "generate", "--name", "a", "--profile", "big"],
            2,
            "core",
        ),
        (
            &["keys", "rotate", id(&text), "--overlap", "90d"],
            2,
            "up to 30 days",
        ),
        (&["keys", "revoke"], 2, "ID"),
        (&["keys", "revoke", "aaaaaaaa"], 1, "no key has the id"),
        (&["keys", "revoke", cut], 2, "not the id of a key"),
        (&["keys", "rotate", cut], 2, "not the id of a key"),
        (&["keys", "check"], 1, "form of a key"),
    ] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, Some(code), "{arguments:?}: {refused:?}");
        assert!(refused.err.contains(said), "{arguments:?}: {refused:?}");
        assert!(
            !refused.err.contains(&text[RANDOM_AT..text.len() - 1]),
            "{refused:?}"
        );
    }
    let other = generate(&Home::new(), &[]);
    let unknown = check(&home, &other);
    assert!(
        unknown.err.contains("no key in this database"),
        "{unknown:?}"
    );
    let keys = home.run(&["keys", "list", "--json"]).json();
    assert_eq!(keys["keys"].as_array().expect("keys").len(), 1);
}

#[test]
fn a_text_is_in_no_file_and_in_no_message() {
    let home = Home::new();
    let run = |arguments: &[&str], input: &str| {
        let mut command = home.command(&[&["keys"], arguments].concat());
        command.env("MIMO_LOG", "trace");
        ran(command, input)
    };
    let made = run(&["generate", "--name", "laptop"], "");
    let first = made.out.trim().to_owned();
    let rotated = run(&["rotate", id(&first)], "");
    let second = rotated.out.trim().to_owned();
    let checked = [
        run(&["check"], &first),
        run(&["check"], &second),
        run(&["check", "--json"], &format!("{second}x")),
        run(&["list"], ""),
        run(&["list", "--json"], ""),
        run(&["revoke", &second], ""),
        run(&["check"], &second),
    ];
    let mut said = made.err.clone() + &rotated.err;
    for ran in &checked {
        said.push_str(&ran.out);
        said.push_str(&ran.err);
    }
    assert!(said.contains(id(&first)), "{said}");
    let mut found = Vec::new();
    files(home.path(), &mut found);
    let is_log = |path: &&PathBuf| path.parent().is_some_and(|folder| folder.ends_with("logs"));
    assert!(
        found.iter().any(|path| path.ends_with("mimo.db")),
        "{found:?}"
    );
    let logged: String = found
        .iter()
        .filter(is_log)
        .map(|path| fs::read_to_string(path).expect("text"))
        .collect();
    assert!(logged.contains("a key was rotated"), "{logged}");
    for text in [&first, &second] {
        let random = &text[RANDOM_AT..];
        assert!(!said.contains(random), "{said}");
        for path in &found {
            let bytes = fs::read(path).expect("a file");
            let is_here = bytes
                .windows(random.len())
                .any(|part| part == random.as_bytes());
            assert!(!is_here, "{}", path.display());
        }
    }
}

#[test]
fn verify_names_keys_whose_rows_are_damaged() {
    let home = Home::new();
    let keys = [(); 3].map(|()| generate(&home, &[]));
    assert_eq!(home.run(&["verify"]).code, Some(0));
    let file = rusqlite::Connection::open(home.data().join("mimo.db")).expect("the database");
    file.execute_batch("PRAGMA ignore_check_constraints = 1")
        .expect("set");
    for (key, damage) in [(&keys[0], "grants = '{'"), (&keys[1], "hash = x'00'")] {
        let damage = format!("UPDATE api_key SET {damage} WHERE id = ?1");
        assert_eq!(file.execute(&damage, [id(key)]), Ok(1));
    }
    let report = home.run(&["verify", "--json"]);
    assert_eq!(report.code, Some(1), "{report:?}");
    assert!(
        report.out.contains("grants or a hash that cannot be read"),
        "{report:?}"
    );
    for (key, is_named) in [(&keys[0], true), (&keys[1], true), (&keys[2], false)] {
        assert_eq!(report.out.contains(id(key)), is_named, "{report:?}");
    }
}
