//! The settings of memories: how they are ranked, and when they leave.

/// How memories are ranked and compared. The defaults are the measured ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MemorySettings {
    /// Share of the keyword side in a hybrid score.
    pub(crate) keyword_weight: f64,
    /// Share of the semantic side in a hybrid score.
    pub(crate) semantic_weight: f64,
    /// What a memory gains from the stronger score among its neighbors in the thread,
    /// at distance one and two.
    pub(crate) neighbour_weights: [f64; 2],
    /// The cosine from which a stored text is reported as `similar`.
    pub(crate) similar_threshold: f64,
    /// Whether texts that look like a credential are refused instead of reported.
    pub(crate) refuse_credentials: bool,
    pub(crate) retention: RetentionSettings,
}

impl Default for MemorySettings {
    fn default() -> Self {
        MemorySettings {
            keyword_weight: 0.6,
            semantic_weight: 0.4,
            neighbour_weights: [0.7, 0.4],
            similar_threshold: 0.9,
            refuse_credentials: false,
            retention: RetentionSettings::default(),
        }
    }
}

/// Which memories leave automatically, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetentionSettings {
    /// Whether a Mimo that serves cleans up hourly.
    pub(crate) enabled: bool,
    /// A memory unused for this long is archived if it is less important than
    /// `idle_importance`.
    pub(crate) idle_days: u64,
    pub(crate) idle_importance: f64,
    /// The same for memories of little importance.
    pub(crate) minor_days: u64,
    pub(crate) minor_importance: f64,
    /// Beyond this number the least important memories are archived.
    pub(crate) active_max: u64,
    /// Archived memories can be restored this long.
    pub(crate) restore_days: u64,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        RetentionSettings {
            enabled: true,
            idle_days: 30,
            idle_importance: 0.7,
            minor_days: 7,
            minor_importance: 0.3,
            active_max: 100_000,
            restore_days: 90,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;

    #[test]
    fn days_and_counts_are_whole_numbers_within_their_bounds() {
        for (line, says) in [
            (
                "idle_days = 0",
                "must be a whole number from 1 to 36500, and is 0",
            ),
            ("restore_days = 36501", "and is 36501"),
            ("minor_days = 1.5", "must be a whole number"),
            ("active_max = -1", "and is -1"),
            (
                "active_max = \"many\"",
                "must be a whole number from 1 to 100000000",
            ),
            ("enabled = 1", "must be true or false"),
            ("idle_importance = 1.1", "must be a number from 0 to 1"),
        ] {
            let text = format!("[memory.retention]\n{line}\n");
            let failure = file::parse("config.toml", &text).expect_err(line);
            assert!(failure.message.contains(says), "{line}: {failure}");
            assert!(
                failure.message.starts_with("config.toml:2: "),
                "{line}: {failure}"
            );
        }
    }
}
