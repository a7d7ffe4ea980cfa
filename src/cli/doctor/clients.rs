//! The entries of Mimo in the settings of clients.

use super::{FAILED, Finding, OK, PARTIAL};
use crate::cli::setup;
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
            "no file" | "not set up" => continue,
            "gone" => Finding::new(name, FAILED, format!("{file} starts {says}")).next(again),
            "broken" => Finding::new(name, PARTIAL, says.into_owned())
                .next(format!("put the file right, then restart {title}")),
            "off" => Finding::new(name, PARTIAL, format!("{file}: switched off"))
                .next(format!("switch Mimo on in {title}")),
            "other" => Finding::new(name, PARTIAL, format!("{file}: {says}")).next(again),
            _ => Finding::new(name, OK, format!("{file}: {says}")),
        });
    }
    findings
}
