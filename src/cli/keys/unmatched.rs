//! Patterns of `--tools` that match no tool: a key with only such patterns can do
//! nothing.

use std::sync::Arc;

use crate::app::{self, App};
use crate::caller::ToolGrants;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostics::did_you_mean;
use crate::failure::Failure;

/// A sentence for each pattern, with the nearest names.
pub(super) fn warnings(
    patterns: &[String],
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Result<Vec<String>, Failure> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    app::run(async {
        let app = App::build(config, clock)?;
        let mut names: Vec<String> = app
            .dispatch()
            .tools()
            .map(|tool| tool.name.into())
            .collect();
        let mut skills: Vec<String> = Vec::new();
        if let Some(all) = app.dispatch().skills() {
            let statuses = all.registry().statuses();
            skills.extend(statuses.iter().map(|status| status.name.to_string()));
            let tools = all.registry().tools();
            names.extend(
                tools
                    .iter()
                    .map(|offer| format!("{}__{}", offer.skill, offer.tool.name)),
            );
        }
        app.close().await;
        let unmatched = patterns
            .iter()
            .filter(|pattern| !matches(pattern, &names, &skills));
        let known = || names.iter().map(String::as_str);
        Ok(unmatched
            .map(|pattern| {
                let word = pattern.trim_matches(['!', '*', '?', '_']);
                let question = did_you_mean(word, known());
                let next = question.unwrap_or_else(|| "`mimo tools` names them".to_owned());
                format!("No tool that there is now matches {pattern:?}; {next}")
            })
            .collect())
    })
}

/// A skill that has not run yet may have any tool.
fn matches(pattern: &str, names: &[String], skills: &[String]) -> bool {
    let pattern = pattern.trim_start_matches('!');
    let alone = ToolGrants::Matching(vec![pattern.to_owned()]);
    let skill = pattern.split_once("__").map(|(skill, _)| skill);
    let skill = skill.map(|skill| ToolGrants::Matching(vec![skill.to_owned()]));
    names.iter().any(|name| alone.allow(name))
        || skills.iter().any(|name| {
            let is_named = skill.as_ref().is_some_and(|skill| skill.allow(name));
            is_named || alone.allow(&format!("{name}__"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_tools_and_skills() {
        let names = ["memory_store", "github__issues"].map(str::to_owned);
        let skills = ["github", "new"].map(str::to_owned);
        for pattern in [
            "*",
            "memory_*",
            "!memory_store",
            "github__*",
            "git*",
            "new__any",
            "n*",
        ] {
            assert!(matches(pattern, &names, &skills), "{pattern}");
        }
        for pattern in ["nope_*", "memory", "!other", "gitlab__*", "new_*x"] {
            assert!(!matches(pattern, &names, &skills), "{pattern}");
        }
    }
}
