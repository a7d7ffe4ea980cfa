//! The statements that select due memories. Both rooms must choose the same ones, so they
//! share the text, except for what each database writes in its own way.

/// What a room writes in its own way.
pub(super) struct Dialect {
    /// Precedes the number of a parameter.
    pub(super) parameter: char,
    /// When a memory was last used.
    pub(super) used: &'static str,
    /// The project that a memory is counted in: one that a key names, or `NULL`, which
    /// stands for all others together.
    pub(super) counted_in: &'static str,
}

impl Dialect {
    /// Parameters 1 to 4 are the two pairs of [`Terms::idle`].
    ///
    /// [`Terms::idle`]: super::retention::Terms::idle
    fn is_idle(&self) -> String {
        let Dialect {
            parameter: p, used, ..
        } = self;
        format!(
            "(({used} <= {p}1 AND importance < {p}2) OR ({used} <= {p}3 AND importance < {p}4))"
        )
    }

    /// Parameters: as of `is_idle`, then the limit.
    pub(super) fn idle(&self) -> String {
        let (p, is_idle) = (self.parameter, self.is_idle());
        format!(
            "SELECT id FROM memory WHERE state = 'active' AND NOT protected AND {is_idle} \
             ORDER BY id LIMIT {p}5"
        )
    }

    /// Parameters: as of `is_idle`, then `fresh`, `active_max` and the limit.
    pub(super) fn beyond(&self) -> String {
        let Dialect {
            parameter: p,
            used,
            counted_in,
        } = self;
        let is_idle = self.is_idle();
        format!(
            "SELECT id FROM (SELECT id, protected, importance, {used} AS used, \
             count(*) OVER counted AS staying, row_number() OVER (counted \
             ORDER BY protected, {used} > {p}5, importance, {used}, id) AS place \
             FROM memory WHERE state = 'active' AND (protected OR NOT {is_idle}) \
             WINDOW counted AS (PARTITION BY {counted_in})) AS active \
             WHERE NOT protected AND place <= staying - {p}6 \
             ORDER BY used > {p}5, importance, used, id LIMIT {p}7"
        )
    }

    /// Parameters: `expired` and the limit.
    pub(super) fn expired(&self) -> String {
        let p = self.parameter;
        format!(
            "SELECT id FROM memory WHERE state = 'archived' AND NOT protected \
             AND updated_at <= {p}1 ORDER BY updated_at, id LIMIT {p}2"
        )
    }

    /// Parameter: `active_max`.
    pub(super) fn excess(&self) -> String {
        let Dialect {
            parameter: p,
            counted_in,
            ..
        } = self;
        format!(
            "SELECT CAST(coalesce(sum(active - {p}1), 0) AS bigint) \
             FROM (SELECT count(*) AS active FROM memory WHERE state = 'active' \
             GROUP BY {counted_in} HAVING count(*) > {p}1) AS counted"
        )
    }
}
