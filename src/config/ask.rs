//! The settings of `ask_mimo`: who writes answers, and the endpoint of a model.

use super::environment::Environment;
use super::values::is_open;
use crate::secret::Secret;

/// The words for [`Synthesis`], in its order.
pub(super) const SYNTHESES: &[&str] = &["auto", "extract", "client", "endpoint"];

/// The keys of `[ask]` in the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AskKeys {
    pub(crate) synthesis: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) key_variable: Option<String>,
    pub(crate) plain_http: bool,
}

/// Who writes the answers of `ask_mimo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Synthesis {
    /// The endpoint where there is one, else the client's model, else nobody.
    #[default]
    Auto,
    /// Nobody: they are quotations.
    Extract,
    /// The client's model, where it offers one.
    Client,
    Endpoint,
}

/// How answers are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AskSettings {
    pub(crate) synthesis: Synthesis,
    pub(crate) endpoint: Option<EndpointSettings>,
}

/// An OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndpointSettings {
    /// Up to `/v1`.
    pub(crate) url: String,
    pub(crate) model: String,
    /// The variable with its key, and what that holds.
    pub(crate) key: Option<(String, Option<Secret>)>,
}

impl Synthesis {
    /// The word in `config.toml`.
    pub(crate) fn name(self) -> &'static str {
        SYNTHESES[self as usize]
    }
}

impl AskSettings {
    /// Whether the client's model may be asked.
    pub(crate) fn client(&self) -> bool {
        matches!(self.synthesis, Synthesis::Auto | Synthesis::Client)
    }

    pub(crate) fn endpoint(&self) -> Option<&EndpointSettings> {
        let asked = matches!(self.synthesis, Synthesis::Auto | Synthesis::Endpoint);
        self.endpoint.as_ref().filter(|_| asked)
    }
}

impl AskKeys {
    /// Checks that the keys agree. Fails with the key at fault, the reason and
    /// the fix.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String, String)> {
        let Some(url) = &self.url else {
            if self.synthesis.as_deref() == Some("endpoint") {
                let why = "ask.synthesis is \"endpoint\", and none is named";
                let fix = "write [ask.endpoint] with its url and model, or synthesis = \"auto\"";
                return Err(("synthesis", why.into(), fix.into()));
            }
            if self.model.is_some() || self.key_variable.is_some() {
                let why = "ask.endpoint has no url";
                let fix = "add for example url = \"http://127.0.0.1:11434/v1\"";
                return Err(("endpoint", why.into(), fix.into()));
            }
            return Ok(());
        };
        if self.model.is_none() {
            let fix = "add the model it is asked for, for example model = \"qwen3:8b\"";
            return Err(("url", "ask.endpoint has no model".into(), fix.into()));
        }
        if !self.plain_http && is_open(url) {
            let why = format!("ask.endpoint.url {url} is not encrypted and leaves this machine");
            let fix = "use https://, or add plain_http = true if that network is yours";
            return Err(("url", why, fix.into()));
        }
        Ok(())
    }

    pub(crate) fn resolve(self, environment: &Environment) -> AskSettings {
        let synthesis = match self.synthesis.as_deref() {
            Some("extract") => Synthesis::Extract,
            Some("client") => Synthesis::Client,
            Some("endpoint") => Synthesis::Endpoint,
            _ => Synthesis::Auto,
        };
        let key = self.key_variable.map(|variable| {
            let value = environment.secret(&variable);
            (variable, value)
        });
        let endpoint = self.url.zip(self.model);
        AskSettings {
            synthesis,
            endpoint: endpoint.map(|(url, model)| EndpointSettings { url, model, key }),
        }
    }
}
