//! Profiles: which of our own tools a client sees and may call. Procedures may
//! call the others too.

use super::legacy;

/// The tools of the profile `core`, for a client with little room: memory, the
/// one question over everything known, and the status that errors point to.
pub(crate) const CORE: [&str; 5] = [
    "memory_store",
    "memory_search",
    "memory_edit",
    "ask_mimo",
    "mimo_status",
];
/// Tools that `core` serves too, and lists while there are skills: some skills can
/// be reached by these alone.
pub(crate) const WITH_SKILLS: [&str; 3] = ["skill_find", "skill_read", "skill_call"];

/// A choice among the tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// [`CORE`] and [`WITH_SKILLS`].
    Core,
    /// Every tool under its own name.
    #[default]
    Standard,
    /// Every tool, also under the prototype's names.
    Legacy,
}

impl Profile {
    /// The profile that the settings call so.
    pub(crate) fn named(name: &str) -> Option<Profile> {
        match name {
            "core" => Some(Profile::Core),
            "standard" => Some(Profile::Standard),
            "legacy" => Some(Profile::Legacy),
            _ => None,
        }
    }

    /// Whether clients with this profile may call the tool.
    pub(crate) fn serves(self, name: &str) -> bool {
        match self {
            Profile::Core => CORE.contains(&name) || WITH_SKILLS.contains(&name),
            Profile::Standard => legacy::replacement(name).is_none(),
            Profile::Legacy => true,
        }
    }

    /// Whether clients with this profile see the tool; `skills` if there are any.
    pub fn lists(self, name: &str, skills: bool) -> bool {
        self.serves(name) && (skills || self != Profile::Core || !WITH_SKILLS.contains(&name))
    }

    /// Advice on using `name`, one of Mimo's own tools that the profile leaves out.
    pub(crate) fn advice(name: &str) -> String {
        let (first, profile) = match legacy::replacement(name) {
            Some(replacement) => (format!("{replacement} replaced it; "), "legacy"),
            None => (String::new(), "standard"),
        };
        format!(
            "{first}the profile {profile} has it: start Mimo with --profile {profile}, or write \
             profile = \"{profile}\" into config.toml"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_in_the_settings_exists() {
        for name in crate::config::PROFILES {
            assert!(Profile::named(name).is_some(), "{name}");
        }
        assert_eq!(
            Profile::named(crate::config::PROFILE_DEFAULT),
            Some(Profile::default())
        );
        assert_eq!(Profile::named("all"), None);
    }

    #[test]
    fn each_profile_includes_the_one_before() {
        let profiles = [Profile::Core, Profile::Standard, Profile::Legacy];
        for (name, first) in [
            ("memory_store", 0),
            ("skill_find", 0),
            ("graph_query", 1),
            ("search_vibes", 2),
        ] {
            for (nth, profile) in profiles.into_iter().enumerate() {
                assert_eq!(profile.serves(name), nth >= first, "{name} {profile:?}");
                assert_eq!(
                    profile.lists(name, true),
                    nth >= first,
                    "{name} {profile:?}"
                );
            }
        }
    }

    #[test]
    fn core_lists_the_skill_tools_while_there_are_skills() {
        for name in WITH_SKILLS {
            assert!(Profile::Core.serves(name) && !Profile::Core.lists(name, false));
            assert!(Profile::Core.lists(name, true) && Profile::Standard.lists(name, false));
        }
    }

    #[test]
    fn advice_names_the_profile_that_has_the_tool() {
        let advice = Profile::advice("graph_query");
        assert!(advice.contains("--profile standard"), "{advice}");
        let advice = Profile::advice("store_fact");
        assert!(advice.starts_with("graph_update replaced it"), "{advice}");
        assert!(advice.contains("profile = \"legacy\""), "{advice}");
    }
}
