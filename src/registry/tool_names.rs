//! The names of skills' tools for clients: `<skill>__<tool>`, in characters and of a
//! length that every client accepts, and unique. Pure.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::SkillName;
use crate::limits::TOOL_NAME_BYTES_MAX;

/// Separates the skill's name from the tool's. Mimo's own tools do not contain it.
pub(crate) const SEPARATOR: &str = "__";

/// Hexadecimal digits that make changed names unique.
const HASH_DIGITS: usize = 8;

/// A name for each of `tools`, in their order. The plain name is changed only where a
/// client would refuse it or where two tools share it; then it ends with a hash.
pub(crate) fn names<'a>(
    tools: impl Iterator<Item = (&'a SkillName, &'a str)> + Clone,
) -> Vec<String> {
    let mut plain: HashMap<String, usize> = HashMap::new();
    for (skill, tool) in tools.clone() {
        *plain.entry(joined(skill, tool)).or_default() += 1;
    }
    let is_free = |name: &str| is_valid(name) && plain.get(name) == Some(&1);
    let mut used: HashSet<String> = plain.keys().filter(|name| is_free(name)).cloned().collect();
    tools
        .map(|(skill, tool)| {
            let name = joined(skill, tool);
            if is_free(&name) {
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

fn is_valid(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    name.len() <= TOOL_NAME_BYTES_MAX && name.bytes().all(allowed) && !name.ends_with(SEPARATOR)
}

fn shortened(name: &str, skill: &SkillName, tool: &str, salt: u64) -> String {
    let hash = base16ct::lower::encode_string(&Sha256::digest(
        format!("{skill}\0{tool}\0{salt}").as_bytes(),
    ));
    let valid = |c: char| match c.is_ascii_alphanumeric() || c == '_' || c == '-' {
        true => c,
        false => '_',
    };
    let length = TOOL_NAME_BYTES_MAX - HASH_DIGITS - 1;
    let start: String = name.chars().map(valid).take(length).collect();
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
    fn a_valid_name_is_kept() {
        assert_eq!(
            named(&[("files", "read_file"), ("git", "git-log")]),
            ["files__read_file", "git__git-log"]
        );
    }

    #[test]
    fn equal_names_each_get_a_hash() {
        let names = named(&[("a_", "b"), ("a", "_b"), ("a", "b")]);
        assert_eq!(names[2], "a__b");
        assert!(names[0].starts_with("a___b_") && names[1].starts_with("a___b_"));
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn invalid_and_long_names_keep_their_beginning() {
        let long = "x".repeat(80);
        let names = named(&[("s", "read file/π"), ("s", &long), ("s", "")]);
        assert!(names[0].starts_with("s__read_file___"), "{}", names[0]);
        assert_eq!(names[1].len(), TOOL_NAME_BYTES_MAX);
        assert!(names[2].starts_with("s___"), "{}", names[2]);
    }

    proptest! {
        #[test]
        fn names_are_valid_and_unique(
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
                prop_assert!(is_valid(name) && name.contains(SEPARATOR), "{}", name);
            }
            // The order of skills does not matter.
            let mut turned: Vec<_> = tools.iter().map(|(skill, tool)| (skill, tool.as_str())).collect();
            turned.reverse();
            let mut again = names(turned.into_iter());
            again.reverse();
            prop_assert_eq!(again, given);
        }
    }
}
