//! The parts of a file that an import skipped.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::output::{Exit, Output};
use crate::diagnostics::counted;
use crate::failure::Failure;
use crate::limits;
use crate::printable;

#[derive(Default)]
pub(super) struct Skips {
    count: usize,
    /// The first of them: location, reason.
    shown: Vec<(String, String)>,
}

impl Skips {
    pub(super) fn add(&mut self, place: &str, failure: &Failure) {
        self.count += 1;
        if self.shown.len() < limits::IMPORT_SKIPS_SHOWN_MAX {
            let path = failure.path.as_deref().filter(|path| !path.is_empty());
            let path = path.map_or_else(String::new, |path| format!(" (at {path})"));
            let why = format!("{}{path}", failure.message);
            self.shown.push((place.to_owned(), why));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn document(&self) -> Value {
        let shown = self.shown.iter();
        shown
            .map(|(at, why)| json!({"at": at, "why": why}))
            .collect()
    }

    /// Prints them to stderr, if there are any.
    pub(super) fn print(&self, output: &Output) {
        if self.count == 0 {
            return;
        }
        let parts = counted(self.count, "part", "parts");
        let mut text = format!("mimo: skipped {parts} that cannot be imported\n");
        self.list(&mut text);
        text.push_str("  next: correct them and import again: what is in already is not doubled\n");
        output.print_error(text);
    }

    /// Ends a strict import that found any.
    pub(super) fn refuse(&self, output: &Output) -> Result<()> {
        if output.json {
            let (skipped, items) = (self.count, self.document());
            output.document(
                &json!({"imported": false, "skipped": skipped, "skipped_items": items}),
            )?;
            return Err(Exit(1).into());
        }
        let parts = counted(self.count, "part", "parts");
        let mut text = format!("mimo: nothing was imported: {parts} cannot be\n");
        self.list(&mut text);
        text.push_str("  next: correct them, or import without --strict, which skips them\n");
        output.print_error(text);
        Err(Exit(1).into())
    }

    fn list(&self, text: &mut String) {
        for (place, why) in &self.shown {
            text.push_str(&format!(
                "  {}\n",
                printable::line(&format!("{place}: {why}"))
            ));
        }
        if self.count > self.shown.len() {
            text.push_str(&format!("  and {} more\n", self.count - self.shown.len()));
        }
    }
}
