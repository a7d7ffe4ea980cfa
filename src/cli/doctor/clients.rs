//! The entries of Mimo in the settings of clients.

use super::{Finding, State};
use crate::cli::setup::{self, EntryState};
use crate::config::Environment;
use crate::printable;

/// One finding for each settings file that has an entry, or that its client cannot read.
pub(super) fn entries(environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in setup::rows(environment) {
        let (name, title) = (row.client.name(), row.client.title());
        let file = row.file.display();
        let says = printable::line(&row.why);
        let again = format!("`mimo setup {name}` puts this program there");
        findings.push(match row.state {
            EntryState::NoFile | EntryState::NotSetUp => continue,
            EntryState::Gone => {
                Finding::new(name, State::Failed, format!("{file} starts {says}")).next(again)
            }
            EntryState::Broken => Finding::new(name, State::Partial, says.into_owned())
                .next(format!("fix the file, then restart {title}")),
            EntryState::Off => Finding::new(name, State::Partial, format!("{file}: switched off"))
                .next(format!("switch Mimo on in {title}")),
            EntryState::Other => {
                Finding::new(name, State::Partial, format!("{file}: {says}")).next(again)
            }
            EntryState::SetUp | EntryState::Remote => {
                Finding::new(name, State::Ok, format!("{file}: {says}"))
            }
        });
    }
    findings
}
