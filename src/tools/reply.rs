//! The reply to a request, before the connection serializes it.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The result of a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A document of one of our tools: the text of its result.
    Document(Document),
    /// A result object that Mimo composed.
    Object(Value),
    /// Another server's result, forwarded byte for byte.
    Forwarded(Arc<RawValue>),
}

/// One compact JSON document, the text of a tool's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(pub String);

impl Document {
    pub(crate) fn of(value: &impl Serialize) -> Result<Document, Failure> {
        serde_json::to_string(value)
            .map(Document)
            .map_err(Failure::internal)
    }
}

impl Reply {
    /// The result of a tool that failed: the model reads it, the protocol does
    /// not treat it as an error.
    pub(crate) fn failed(failure: &Failure) -> Reply {
        let text = failure.document().to_string();
        Reply::Object(json!({"content": [text_block(&text)], "isError": true}))
    }

    /// The whole result object, for those who look into it.
    pub(crate) fn into_object(self) -> Result<Value, Failure> {
        match self {
            Reply::Document(Document(text)) => Ok(json!({"content": [text_block(&text)]})),
            Reply::Object(object) => Ok(object),
            Reply::Forwarded(raw) => serde_json::from_str(raw.get()).map_err(Failure::internal),
        }
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Reply::Document(Document(text)) => {
                let mut result = serializer.serialize_map(Some(1))?;
                result.serialize_entry("content", &[TextBlock { kind: "text", text }])?;
                result.end()
            }
            Reply::Object(object) => object.serialize(serializer),
            Reply::Forwarded(raw) => raw.serialize(serializer),
        }
    }
}

#[derive(serde::Serialize)]
struct TextBlock<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

impl From<Document> for Reply {
    fn from(document: Document) -> Self {
        Reply::Document(document)
    }
}
