//! The settings of answers: who writes them, and the endpoint of a model.

use std::net::IpAddr;

use http::Uri;

use super::Surroundings;
use crate::limits::NAME_BYTES_MAX;
use crate::secret::Secret;

/// The words for [`Synthesis`], in its order.
pub(in crate::config) const SYNTHESES: &[&str] = &["auto", "extract", "client", "endpoint"];

/// What the file says, or the defaults.
#[derive(Debug, Default, PartialEq)]
pub(in crate::config) struct AskKeys {
    pub synthesis: Option<String>,
    pub url: Option<String>,
    pub model: Option<String>,
    pub key_variable: Option<String>,
    pub plain_http: bool,
}

/// Who writes the answers of `ask_mimo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synthesis {
    /// The endpoint where there is one, else the client's model, else nobody.
    #[default]
    Auto,
    /// Nobody: they are quotations.
    Extract,
    /// The client's model, where it offers one.
    Client,
    /// The endpoint.
    Endpoint,
}

/// How answers are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AskSettings {
    /// By whom.
    pub synthesis: Synthesis,
    /// The endpoint, where one is named.
    pub endpoint: Option<EndpointSettings>,
}

/// An OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSettings {
    /// Up to `/v1`.
    pub url: String,
    /// The model it is asked for.
    pub model: String,
    /// The variable with its key, and what that holds.
    pub key: Option<(String, Option<Secret>)>,
}

impl Synthesis {
    /// The word in `config.toml`.
    pub fn name(self) -> &'static str {
        SYNTHESES[self as usize]
    }
}

impl AskSettings {
    /// Whether the client's model may be asked.
    pub fn client(&self) -> bool {
        matches!(self.synthesis, Synthesis::Auto | Synthesis::Client)
    }

    /// The endpoint that is asked.
    pub fn endpoint(&self) -> Option<&EndpointSettings> {
        let asked = matches!(self.synthesis, Synthesis::Auto | Synthesis::Endpoint);
        self.endpoint.as_ref().filter(|_| asked)
    }
}

impl AskKeys {
    /// Whether the keys go together: otherwise the key at fault, why, and what
    /// to write.
    pub fn check(&self) -> Result<(), (&'static str, String, String)> {
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

    /// The settings, with the key out of the surroundings.
    pub fn settle(self, around: &Surroundings) -> AskSettings {
        let word = self.synthesis.as_deref();
        let synthesis = match word {
            Some("extract") => Synthesis::Extract,
            Some("client") => Synthesis::Client,
            Some("endpoint") => Synthesis::Endpoint,
            _ => Synthesis::Auto,
        };
        let key = self.key_variable.map(|variable| {
            let value = around.secret_of(&variable);
            (variable, value)
        });
        let endpoint = self.url.zip(self.model);
        AskSettings {
            synthesis,
            endpoint: endpoint.map(|(url, model)| EndpointSettings { url, model, key }),
        }
    }
}

/// Whether what is sent there can be read on the way.
fn is_open(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return true;
    };
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let stays = match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    uri.scheme_str() != Some("https") && !stays
}

/// The address of an endpoint. What may hold a secret has no place in it.
pub(in crate::config) fn check_url(text: &str) -> Result<(), String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let scheme = uri.scheme_str();
    if !matches!(scheme, Some("http" | "https")) {
        return Err("it begins with http:// or https://".into());
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("a name or a password in it would be shown: use key_variable".into())
        }
        Some(_) if uri.query().is_some() || text.contains('#') => {
            Err("it ends where /chat/completions is added, before any ? or #".into())
        }
        Some(_) => Ok(()),
        None => Err("it names no host".into()),
    }
}

/// A model's name.
pub(in crate::config) fn check_model(text: &str) -> Result<(), String> {
    match text.trim().is_empty() || text.len() > NAME_BYTES_MAX || text.contains(char::is_control) {
        true => Err(format!(
            "a model's name has 1 to {NAME_BYTES_MAX} bytes on one line"
        )),
        false => Ok(()),
    }
}
