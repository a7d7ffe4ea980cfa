//! The endpoint of a model, from `[ask.endpoint]` or `[embedding]`.

use super::environment::Environment;
use super::values::is_open;
use crate::secret::Secret;

/// The keys of one in the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct EndpointKeys {
    pub(crate) url: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) key_variable: Option<String>,
    pub(crate) plain_http: bool,
}

/// An OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndpointSettings {
    /// Up to `/v1`.
    pub(crate) url: String,
    pub(crate) model: String,
    /// The name of the variable with its key, and its value.
    pub(crate) key: Option<(String, Option<Secret>)>,
}

impl EndpointKeys {
    /// Checks that the keys of `section` agree; `example` is a model's name. Fails with
    /// the word at fault, the reason and the fix.
    pub(super) fn check(&self, section: &str, example: &str) -> Result<(), Mistake> {
        let Some(url) = &self.url else {
            if self.model.is_some() || self.key_variable.is_some() {
                let fix = "add for example url = \"http://127.0.0.1:11434/v1\"".to_owned();
                let word = section.rsplit('.').next().unwrap_or_default().to_owned();
                return Err((word, format!("{section} has no url"), fix));
            }
            return Ok(());
        };
        if self.model.is_none() {
            let fix = format!("add the model it is asked for, for example model = \"{example}\"");
            return Err(("url".into(), format!("{section} has no model"), fix));
        }
        self.check_way(section, url)
    }

    /// Checks that requests to `url` are encrypted, or stay on this machine.
    pub(super) fn check_way(&self, section: &str, url: &str) -> Result<(), Mistake> {
        if self.plain_http || !is_open(url) {
            return Ok(());
        }
        let why = format!("{section}.url {url} is not encrypted and leaves this machine");
        let fix = "use https://, or add plain_http = true if that network is yours";
        Err(("url".into(), why, fix.into()))
    }

    pub(super) fn resolve(self, environment: &Environment) -> Option<EndpointSettings> {
        let key = self.key_variable.map(|variable| {
            let value = environment.secret(&variable);
            (variable, value)
        });
        let (url, model) = self.url.zip(self.model)?;
        Some(EndpointSettings { url, model, key })
    }
}

/// The word at fault, the reason, and the fix.
pub(super) type Mistake = (String, String, String);
