//! The tables of the guide that are made from the tools' schemas.

use mimo::tools::profile::Profile;
use serde_json::Value;

use super::root;

/// Bytes that count as one token.
const TOKEN_BYTES: usize = mimo::limits::TOKEN_BYTES;

/// The definitions in a folder of `schemas`, by name.
fn definitions(folder: &str) -> Vec<Value> {
    let entries = std::fs::read_dir(root().join("schemas").join(folder)).expect("the schemas");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    let read = |file| {
        let text = std::fs::read_to_string(file).expect("a schema");
        serde_json::from_str(&text).expect("JSON")
    };
    files.into_iter().map(read).collect()
}

fn name(tool: &Value) -> &str {
    tool["name"].as_str().expect("a name")
}

/// The name, description and class of each tool.
pub fn tools() -> String {
    let mut table = String::from("| tool | what it does | class |\n| --- | --- | --- |\n");
    for tool in definitions("tools") {
        let hint = |name: &str| tool["annotations"][name] == true;
        let class = match (hint("readOnlyHint"), hint("destructiveHint")) {
            (true, _) => "reads",
            (false, false) => "writes",
            (false, true) => "destructive",
        };
        let does = tool["description"].as_str().expect("a description");
        table.push_str(&format!("| `{}` | {does} | {class} |\n", name(&tool)));
    }
    table
}

/// The tools of each profile, and the tokens of their definitions.
pub fn profiles() -> String {
    let (today, former) = (definitions("tools"), definitions("tools/legacy"));
    let all: Vec<&Value> = today.iter().chain(&former).collect();
    let listed = |profile: Profile, skills: bool| -> Vec<&Value> {
        let listed = all.iter().filter(|tool| profile.lists(name(tool), skills));
        listed.copied().collect()
    };
    let weight = |tools: &[&Value]| {
        let bytes = |tool: &&Value| {
            let listed = mimo::tools::listed::listed(&tool.to_string());
            listed.expect("an object").get().len()
        };
        let bytes: usize = tools.iter().map(bytes).sum();
        let tokens = bytes.div_ceil(TOKEN_BYTES);
        match tokens {
            0..1000 => format!("{} | {tokens}", tools.len()),
            _ => format!("{} | {},{:03}", tools.len(), tokens / 1000, tokens % 1000),
        }
    };
    let names = |tools: &[&Value]| {
        let names: Vec<String> = tools
            .iter()
            .map(|tool| format!("`{}`", name(tool)))
            .collect();
        names.join(", ")
    };
    let (bare, core) = (listed(Profile::Core, false), listed(Profile::Core, true));
    let standard = listed(Profile::Standard, true);
    let legacy = listed(Profile::Legacy, true);
    format!(
        "| profile | tools | how many | tokens |\n| --- | --- | --- | --- |\n\
         | `core` | {} | {} |\n\
         | `core`, while there are skills | and {} | {} |\n\
         | `standard`, the default | all of the table above | {} |\n\
         | `legacy` | and {} | {} |\n",
        names(&bare),
        weight(&bare),
        names(
            &core
                .iter()
                .copied()
                .filter(|tool| !bare.contains(tool))
                .collect::<Vec<_>>()
        ),
        weight(&core),
        weight(&standard),
        names(&former.iter().collect::<Vec<_>>()),
        weight(&legacy),
    )
}
