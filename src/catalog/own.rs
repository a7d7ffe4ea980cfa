//! Mimo's own resources and prompts.

use serde_json::{Value, json};

use super::View;
use crate::failure::{Failure, Kind};
use crate::limits;
use crate::printable::prefix;
use crate::tools::{Reply, ResourceSource};

impl View {
    /// The templates of Mimo's own resources, as they are listed.
    pub(super) fn own_templates(&self) -> Vec<String> {
        let sources = self.catalog.own.resources.iter();
        sources
            .map(|source| source.template().to_string())
            .collect()
    }

    /// Mimo's own resources, as they are listed. A source that cannot be listed is
    /// left out.
    pub(super) async fn own_resources(&self) -> Vec<String> {
        let mut items = Vec::new();
        for source in &self.catalog.own.resources {
            match source.list(&self.caller()).await {
                Ok(listed) => items.extend(listed.iter().map(Value::to_string)),
                Err(failure) => {
                    tracing::warn!(prefix = source.prefix(), %failure, "left out of the list");
                }
            }
        }
        items
    }

    /// Mimo's own prompts, as they are listed. A source that cannot be listed is
    /// left out.
    pub(super) async fn own_prompts(&self) -> Vec<String> {
        let mut items = Vec::new();
        for source in &self.catalog.own.prompts {
            match source.list(&self.caller()).await {
                Ok(listed) => items.extend(listed.iter().map(Value::to_string)),
                Err(failure) => tracing::warn!(%failure, "prompts are left out of the list"),
            }
        }
        items
    }

    /// The source of one of Mimo's own resources.
    pub(super) fn own_source(&self, uri: &str) -> Option<&dyn ResourceSource> {
        let mut sources = self.catalog.own.resources.iter();
        let source = sources.find(|source| uri.starts_with(source.prefix()))?;
        Some(&**source)
    }

    /// The contents of one of Mimo's own resources; `None` if `uri` is none.
    pub(super) async fn read_own(&self, uri: &str) -> Option<Result<Reply, Failure>> {
        let source = self.own_source(uri)?;
        let (plain, page) = page_of(uri);
        let contents = source.read(plain, &self.caller()).await;
        let contents = contents.and_then(|document| contents_of(uri, plain, page, &document.0));
        if contents.is_ok() && page == 1 {
            source.note_read(plain);
        }
        let reply = |contents| Reply::Object(json!({ "contents": contents }));
        Some(contents.map(reply).map_err(without_path))
    }
}

/// Precedes the number of a page after the first.
const PAGE: &str = "?page=";

/// The URI of the whole resource, and which page of it is meant.
fn page_of(uri: &str) -> (&str, usize) {
    let page = uri.rsplit_once(PAGE).and_then(|(plain, page)| {
        let page = page.parse().ok().filter(|page| *page > 0)?;
        Some((plain, page))
    });
    page.unwrap_or((uri, 1))
}

/// A document, or one page of a long one as plain text, with the way to the next.
fn contents_of(uri: &str, plain: &str, page: usize, document: &str) -> Result<Value, Failure> {
    let most = limits::RESOURCE_TOKENS_MAX * limits::TOKEN_BYTES;
    let pages = document.len().div_ceil(most);
    if page > pages {
        let message = format!("{plain} has no page {page}; its last one is {pages}");
        return Err(Failure::new(Kind::NotFound, message).hint(format!("read {plain}")));
    }
    if pages == 1 {
        return Ok(json!([{"uri": uri, "mimeType": "application/json", "text": document}]));
    }
    let bound = |at: usize| prefix(document, at).len();
    let part = &document[bound((page - 1) * most)..bound(page * most)];
    let mut contents = vec![json!({"uri": uri, "mimeType": "text/plain", "text": part})];
    if page < pages {
        let next = format!("{plain}{PAGE}{}", page + 1);
        let text = format!("That was part {page} of {pages} of the JSON text; the next is {next}");
        contents.push(json!({"uri": next, "mimeType": "text/plain", "text": text}));
    }
    Ok(Value::Array(contents))
}

/// A failure about a URI, which is no argument of a tool and has no path.
pub(super) fn without_path(mut failure: Failure) -> Failure {
    failure.path = None;
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_long_document_are_bounded_and_whole_together() {
        let most = limits::RESOURCE_TOKENS_MAX * limits::TOKEN_BYTES;
        let document = "wörter".repeat(most / 3);
        let (mut uri, mut read, mut pages) = ("mimo://memory/7".to_owned(), String::new(), 0);
        loop {
            let (plain, page) = page_of(&uri);
            assert_eq!(plain, "mimo://memory/7");
            let contents = contents_of(&uri, plain, page, &document).expect("a page");
            let text = contents[0]["text"].as_str().expect("text");
            assert!(text.len() <= most + 3, "{}", text.len());
            read.push_str(text);
            pages += 1;
            match contents[1]["uri"].as_str() {
                Some(next) => uri = next.to_owned(),
                None => break,
            }
        }
        assert_eq!((pages, read == document), (3, true));
        let beyond = contents_of("mimo://memory/7?page=4", "mimo://memory/7", 4, &document);
        assert_eq!(beyond.expect_err("beyond").kind, Kind::NotFound);
        let short = contents_of("mimo://memory/7", "mimo://memory/7", 1, "{}").expect("whole");
        assert_eq!(short[0]["mimeType"], "application/json");
    }
}
