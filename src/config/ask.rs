//! The settings of `ask_mimo`: who writes answers, and the endpoint of a model.

use super::endpoint::{EndpointKeys, EndpointSettings, Mistake};
use super::environment::Environment;

/// The words for [`Synthesis`], in its order.
pub(super) const SYNTHESES: &[&str] = &["auto", "extract", "client", "endpoint"];

/// The keys of `[ask]` in the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AskKeys {
    pub(crate) synthesis: Option<String>,
    pub(crate) endpoint: EndpointKeys,
}

/// Who writes the answers of `ask_mimo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Synthesis {
    /// The endpoint if there is one, else the client's model, else none.
    #[default]
    Auto,
    /// No model: answers are quotations.
    Extract,
    /// The client's model, if it offers one.
    Client,
    Endpoint,
}

/// How answers are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AskSettings {
    pub(crate) synthesis: Synthesis,
    pub(crate) endpoint: Option<EndpointSettings>,
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
    /// Checks that the keys agree.
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        if self.endpoint.url.is_none() && self.synthesis.as_deref() == Some("endpoint") {
            let why = "ask.synthesis is \"endpoint\", and none is named";
            let fix = "write [ask.endpoint] with its url and model, or synthesis = \"auto\"";
            return Err(("synthesis".into(), why.into(), fix.into()));
        }
        self.endpoint.check("ask.endpoint", "qwen3:8b")
    }

    pub(crate) fn resolve(self, environment: &Environment) -> AskSettings {
        let synthesis = match self.synthesis.as_deref() {
            Some("extract") => Synthesis::Extract,
            Some("client") => Synthesis::Client,
            Some("endpoint") => Synthesis::Endpoint,
            _ => Synthesis::Auto,
        };
        AskSettings {
            synthesis,
            endpoint: self.endpoint.resolve(environment),
        }
    }
}
