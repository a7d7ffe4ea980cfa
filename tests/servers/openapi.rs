//! What `schemas/openapi.json` says of the server, tried by Schemathesis: statuses, types
//! and forms of answers, requests that break the description, methods, keys left out.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::http::HttpServer;
use crate::support::machine::{self, Found};
use crate::support::server;

const EXAMPLES: &str = "--max-examples=100";

fn schemathesis() -> Found<PathBuf> {
    let python = machine::venv("schemathesis", &["schemathesis==4.32.5"])?;
    Ok(python.with_file_name("schemathesis"))
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

#[test]
fn server_is_as_it_is_described() {
    skip_unless!(schemathesis());
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config");
    std::fs::create_dir_all(&config).expect("made");
    let settings = "[http]\nrequests_per_minute = 1000000\n";
    std::fs::write(config.join("config.toml"), settings).expect("written");
    let generate = ["keys", "generate", "--name", "all", "--scopes"];
    let made = output(
        server::mimo(folder.path())
            .args(generate)
            .arg("read,write,admin,metrics"),
    );
    let key = String::from_utf8(made.stdout).expect("UTF-8");
    let http = HttpServer::of(&mut server::mimo(folder.path()), &[]);
    let description = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/openapi.json");
    let tried = output(
        Command::new(schemathesis().expect("checked before"))
            .current_dir(folder.path())
            .args(["run", EXAMPLES, "--no-color", "--phases=coverage,fuzzing"])
            // Headers of /mcp have to agree with its body, which no description can say.
            .arg("--exclude-checks=positive_data_acceptance")
            .arg(format!("--url=http://{}", http.address))
            .args(["-H", &format!("Authorization: Bearer {}", key.trim())])
            .arg(description),
    );
    let report = String::from_utf8_lossy(&tried.stdout).replace(key.trim(), "KEY");
    assert!(tried.status.success(), "{report}");
    assert!(report.contains("Tested: 10"), "{report}");
}
