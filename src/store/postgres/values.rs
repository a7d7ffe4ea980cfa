//! Builds statements of fixed fragments and bound values; nothing of a request is
//! spliced into SQL.

use tokio_postgres::types::ToSql;

use super::transaction::Param;
use crate::store::ProjectSet;
use crate::store::memory::{Filter, WHEN, replaced_by};

/// The values of a statement.
#[derive(Default)]
pub(super) struct Values(Vec<Box<dyn ToSql + Send + Sync>>);

impl Values {
    /// Adds a value and returns its mark, such as `$3`.
    pub(crate) fn bind(&mut self, value: impl ToSql + Send + Sync + 'static) -> String {
        self.0.push(Box::new(value));
        format!("${}", self.0.len())
    }

    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let each = self.0.iter();
        each.map(|value| -> Param<'_> { value.as_ref() }).collect()
    }

    /// A condition over `memory m`: of these projects.
    pub(crate) fn within(&mut self, projects: &ProjectSet) -> String {
        match projects {
            ProjectSet::All => "TRUE".to_owned(),
            ProjectSet::Only(projects) => {
                format!("m.project = ANY ({})", self.bind(projects.clone()))
            }
        }
    }

    /// A condition over `memory m`: the memories that `filter` lets through.
    pub(crate) fn passing(&mut self, filter: &Filter) -> String {
        let mut all = self.lifetime(filter);
        if let ProjectSet::Only(_) = filter.project_set() {
            all.push(self.within(&filter.project_set()));
        }
        if let Some(category) = filter.category {
            all.push(format!("m.category = {}", self.bind(category.name())));
        }
        if let Some(since) = filter.since {
            all.push(format!("{WHEN} >= {}", self.bind(since.0)));
        }
        if let Some(thread) = &filter.thread {
            all.push(format!("m.thread = {}", self.bind(thread.clone())));
        }
        if let Some(until) = filter.until {
            all.push(format!("{WHEN} < {}", self.bind(until.0)));
        }
        // A statement for each number of tags would be prepared and kept.
        if !filter.tags.is_empty() {
            let spellings = filter.tags.iter().zip(1_i32..);
            let (tags, nths): (Vec<String>, Vec<i32>) = spellings
                .flat_map(|(spellings, nth)| spellings.iter().map(move |tag| (tag.clone(), nth)))
                .unzip();
            let count = i32::try_from(filter.tags.len()).unwrap_or(i32::MAX);
            let (tags, nths, count) = (self.bind(tags), self.bind(nths), self.bind(count));
            all.push(format!(
                "NOT EXISTS (SELECT FROM generate_series(1, {count}) every (nth) WHERE NOT EXISTS \
                 (SELECT FROM unnest({tags}::text[], {nths}::int[]) wanted (tag, nth) \
                 JOIN memory_tag t ON t.tag = wanted.tag \
                 WHERE wanted.nth = every.nth AND t.memory_id = m.id))"
            ));
        }
        all.join(" AND ")
    }

    /// Restricts to memories that are current now or at `as_of`, with older versions
    /// if they are included; never archived ones.
    fn lifetime(&mut self, filter: &Filter) -> Vec<String> {
        if let Some(then) = filter.as_of {
            let then = self.bind(then.0);
            let mut all = vec![
                "m.state <> 'archived'".to_owned(),
                format!("{WHEN} <= {then}"),
            ];
            if !filter.include_superseded {
                all.push(format!(
                    "(m.retired_at IS NULL OR m.retired_at > {then} AND NOT {})",
                    replaced_by(&then)
                ));
                all.push(format!("(m.valid_until IS NULL OR m.valid_until > {then})"));
            }
            all
        } else if filter.include_superseded {
            vec!["m.state <> 'archived'".to_owned()]
        } else {
            let now = self.bind(filter.now.0);
            vec![
                "m.state = 'active'".to_owned(),
                format!("(m.valid_until IS NULL OR m.valid_until > {now})"),
            ]
        }
    }
}
