//! What the settings say of memories that leave by themselves.

/// Who goes when; the defaults are the promised ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetentionSettings {
    /// Whether a Mimo that serves cleans up hourly.
    pub enabled: bool,
    /// Days after which a memory that was not used is archived..
    pub idle_days: u64,
    /// ..if it is less important than this.
    pub idle_importance: f64,
    /// The same for what is of little importance.
    pub minor_days: u64,
    /// See `minor_days`.
    pub minor_importance: f64,
    /// Memories that may be active.
    pub active_max: u64,
    /// Days for which an archived memory can be restored.
    pub restore_days: u64,
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
