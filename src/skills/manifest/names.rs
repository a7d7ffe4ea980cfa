//! The names of skills: a key that is a valid name is kept, any other is turned into
//! one that is valid and unique in the file.

use std::collections::BTreeSet;

use crate::limits::SKILL_NAME_BYTES_MAX;
use crate::skills::spec::SkillName;

/// The name of each key, in their order. `None` where a key has no letter or digit
/// to make a name of.
pub(super) fn names(keys: &[&str]) -> Vec<Option<SkillName>> {
    let kept = keys.iter().filter_map(|key| SkillName::new(key));
    let mut taken: BTreeSet<SkillName> = kept.collect();
    let name = |key: &&str| {
        SkillName::new(key).or_else(|| {
            let made = unique(&plain(key)?, &taken)?;
            taken.insert(made.clone());
            Some(made)
        })
    };
    keys.iter().map(name).collect()
}

/// The last part of a path, in small letters, with - for what no name has.
fn plain(key: &str) -> Option<String> {
    let last = key.trim_end_matches('/').rsplit('/').next()?;
    let mut name = String::new();
    for c in last.to_lowercase().chars() {
        match c {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => name.push(c),
            '_' if !name.is_empty() && !name.ends_with(['_', '-']) => name.push('_'),
            _ if !name.is_empty() && !name.ends_with(['_', '-']) => name.push('-'),
            _ => {}
        }
    }
    name.truncate(SKILL_NAME_BYTES_MAX);
    let name = name.trim_end_matches(['-', '_']);
    (!name.is_empty()).then(|| name.to_owned())
}

fn unique(name: &str, taken: &BTreeSet<SkillName>) -> Option<SkillName> {
    let numbered = |number: usize| match number {
        1 => SkillName::new(name),
        _ => {
            let end = format!("-{number}");
            let room = name.len().min(SKILL_NAME_BYTES_MAX - end.len());
            SkillName::new(&format!("{}{end}", &name[..room]))
        }
    };
    let numbers = 1..=taken.len() + 1;
    numbers
        .filter_map(numbered)
        .find(|each| !taken.contains(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_gets_a_valid_name_of_its_own() {
        let keys = [
            "notionApi",
            "my.server",
            "github.com/upstash/context7-mcp",
            "my-server",
            "a__b",
            "Ж",
            "",
            "A",
            "a",
            "MY SERVER",
        ];
        let names: Vec<_> = names(&keys)
            .into_iter()
            .map(|name| name.map_or_else(String::new, |name| name.to_string()))
            .collect();
        assert_eq!(
            names,
            [
                "notionapi",
                "my-server-2",
                "context7-mcp",
                "my-server",
                "a_b",
                "",
                "",
                "a-2",
                "a",
                "my-server-3"
            ]
        );
    }
}
