//! The contents of `config.toml`, and what its keys may hold.

use super::GraphSettings;
use super::ask::AskKeys;
use super::embedding::EmbeddingKeys;
use super::http::HttpSettings;
use super::memory::MemorySettings;
use super::skills::SkillKeys;
use super::store::StoreSettings;

/// The contents of the file; absent keys keep the defaults of the settings.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FileSettings {
    pub(crate) project: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) fence: bool,
    pub(crate) time_zone: Option<String>,
    pub(crate) log_level: Option<String>,
    pub(crate) memory: MemorySettings,
    pub(crate) graph: GraphSettings,
    pub(crate) ask: AskKeys,
    pub(crate) embedding: EmbeddingKeys,
    pub(crate) skills: SkillKeys,
    pub(crate) http: HttpSettings,
    pub(crate) store: StoreSettings,
    pub(crate) update_url: Option<String>,
}

/// A key of the file, and what it may hold.
pub(super) struct Key {
    pub(crate) path: &'static str,
    pub(crate) rule: Rule,
}

/// The valid values of a key, and the field that they are stored in.
pub(super) enum Rule {
    Project(fn(&mut FileSettings) -> &mut Option<String>),
    OneOf(
        &'static [&'static str],
        fn(&mut FileSettings) -> &mut Option<String>,
    ),
    /// A string that passes a check, and an example of one.
    Text(
        fn(&str) -> Result<(), String>,
        &'static str,
        fn(&mut FileSettings) -> &mut Option<String>,
    ),
    Between(f64, f64, fn(&mut MemorySettings) -> &mut f64),
    /// A whole number.
    Whole(u64, u64, fn(&mut FileSettings) -> &mut u64),
    Switch(fn(&mut FileSettings) -> &mut bool),
    /// A list of strings that each pass a check, and an example of one.
    Texts(
        fn(&str) -> Result<(), String>,
        &'static str,
        fn(&mut FileSettings) -> &mut Vec<String>,
    ),
}
