//! The arguments of the page's calls.

use serde_json::Value;

use crate::failure::Failure;

pub(super) struct Arguments<'a>(&'a Value);

impl<'a> Arguments<'a> {
    pub(super) fn new(given: &'a Value) -> Arguments<'a> {
        Arguments(given)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0[name].as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, Failure> {
        let missing = || Failure::invalid(format!("/{name}"), format!("{name} is missing"));
        self.text(name).ok_or_else(missing)
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        usize::try_from(self.0[name].as_u64()?).ok()
    }
}
