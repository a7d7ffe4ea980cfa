//! What clients call the tools of skills: `<skill>__<tool>`, made of the
//! characters every client takes, short enough for the strictest, and never the
//! same for two. Pure.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::SkillName;
use crate::limits::TOOL_NAME_BYTES_MAX;

/// What stands between a skill's name and its tool's.
pub const SEPARATOR: &str = "__";

/// Hexadecimal digits that tell shortened names apart.
const HASH_DIGITS: usize = 8;

/// A name for each of `tools`, in their order. A tool keeps its own name as far
/// as it can: it is changed where a client would refuse it, or where another one
/// has the same; then a hash of the whole makes it its own. Tools of Mimo's own
/// have no [`SEPARATOR`] in their names.
pub fn names<'a>(tools: impl Iterator<Item = (&'a SkillName, &'a str)> + Clone) -> Vec<String> {
    let mut plain: HashMap<String, usize> = HashMap::new();
    for (skill, tool) in tools.clone() {
        *plain.entry(joined(skill, tool)).or_default() += 1;
    }
    let fits = |name: &str| legal(name) && plain.get(name) == Some(&1);
    let mut used: HashSet<String> = plain.keys().filter(|name| fits(name)).cloned().collect();
    tools
        .map(|(skill, tool)| {
            let name = joined(skill, tool);
            if fits(&name) {
                return name;
            }
            let mut tries = 0..;
            let free = tries.find_map(|salt: u64| {
                let name = shortened(&name, skill, tool, salt);
                used.insert(name.clone()).then_some(name)
            });
            // There are more salts than tools.
            free.unwrap_or_default()
        })
        .collect()
}

fn joined(skill: &SkillName, tool: &str) -> String {
    format!("{skill}{SEPARATOR}{tool}")
}

fn legal(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    name.len() <= TOOL_NAME_BYTES_MAX && name.bytes().all(fits) && !name.ends_with(SEPARATOR)
}

fn shortened(name: &str, skill: &SkillName, tool: &str, salt: u64) -> String {
    let digest = Sha256::digest(format!("{skill}\0{tool}\0{salt}").as_bytes());
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let legal = |c: char| match c.is_ascii_alphanumeric() || c == '_' || c == '-' {
        true => c,
        false => '_',
    };
    let room = TOOL_NAME_BYTES_MAX - HASH_DIGITS - 1;
    let start: String = name.chars().map(legal).take(room).collect();
    format!("{start}_{}", &hash[..HASH_DIGITS])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(tools: &[(&str, &str)]) -> Vec<String> {
        let tools: Vec<(SkillName, &str)> = tools
            .iter()
            .map(|(skill, tool)| (SkillName::new(skill).expect("a name"), *tool))
            .collect();
        names(tools.iter().map(|(skill, tool)| (skill, *tool)))
    }

    #[test]
    fn a_name_that_clients_take_is_kept() {
        assert_eq!(
            named(&[("files", "read_file"), ("git", "git-log")]),
            ["files__read_file", "git__git-log"]
        );
    }

    #[test]
    fn what_would_be_the_same_gets_a_hash_each() {
        let names = named(&[("a_", "b"), ("a", "_b"), ("a", "b")]);
        assert_eq!(names[2], "a__b");
        assert!(names[0].starts_with("a___b_") && names[1].starts_with("a___b_"));
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn odd_and_long_names_are_made_fit_and_keep_their_beginning() {
        let long = "x".repeat(80);
        let names = named(&[("s", "read file/π"), ("s", &long), ("s", "")]);
        assert!(names[0].starts_with("s__read_file___"), "{}", names[0]);
        assert_eq!(names[1].len(), TOOL_NAME_BYTES_MAX);
        assert!(names[2].starts_with("s___"), "{}", names[2]);
    }

    proptest! {
        #[test]
        fn names_are_legal_and_never_collide(
            tools in prop::collection::btree_set(("[ab_]{1,3}", "[ab_. ]{0,4}|[a_]{40,70}"), 0..40),
        ) {
            let tools: Vec<(SkillName, String)> = tools
                .into_iter()
                .filter_map(|(skill, tool)| Some((SkillName::new(&skill)?, tool)))
                .collect();
            let given = names(tools.iter().map(|(skill, tool)| (skill, tool.as_str())));
            let different: HashSet<&String> = given.iter().collect();
            prop_assert_eq!(different.len(), tools.len());
            for name in &given {
                prop_assert!(legal(name) && name.contains(SEPARATOR), "{}", name);
            }
            // The order in which skills come does not decide anything.
            let mut turned: Vec<_> = tools.iter().map(|(skill, tool)| (skill, tool.as_str())).collect();
            turned.reverse();
            let mut again = names(turned.into_iter());
            again.reverse();
            prop_assert_eq!(again, given);
        }
    }
}
