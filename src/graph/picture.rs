//! Pictures of the triples that hold now: GraphML for other programs, Mermaid for
//! a text, and one page to look at and click through. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::json;

use super::portable::{Line, holds};
use crate::clock::Timestamp;
use crate::printable;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Picture {
    /// The names of entities by their `type:id`.
    names: BTreeMap<String, String>,
    /// Subject, predicate and object of each triple, and its confidence.
    pub(crate) arrows: Vec<([String; 3], f64)>,
}

/// The page around the data, and where the data and [`DRAWING`] go in it.
const PAGE: &str = include_str!("picture/page.html");
const PLACEHOLDER: &str = "{\"place\":\"of the graph\"}";
const DRAWING_PLACEHOLDER: &str = "// The class Drawing stands here.";
/// A module of JavaScript that draws a graph.
pub(crate) const DRAWING: &str = include_str!("picture/drawing.js");

impl Picture {
    /// Adds a line of an export if it holds at `at`; `false` where that would be
    /// more than `limit` triples.
    pub(crate) fn add(&mut self, line: &Line, at: Timestamp, limit: usize) -> bool {
        match line {
            Line::Entity { id, name, .. } => {
                self.names.insert(id.clone(), name.clone());
            }
            Line::Triple {
                subject,
                predicate,
                object,
                confidence,
                since,
                until,
                ..
            } if holds(at, since, until.as_deref()) => {
                if self.arrows.len() == limit {
                    return false;
                }
                let parts = [subject, predicate, object].map(String::clone);
                self.arrows.push((parts, *confidence));
            }
            Line::Triple { .. } => {}
        }
        true
    }

    /// The same without entities that no triple has.
    pub(crate) fn without_isolated(mut self) -> Picture {
        let ends = self
            .arrows
            .iter()
            .flat_map(|([subject, _, object], _)| [subject, object]);
        let drawn: BTreeSet<&String> = ends.collect();
        self.names.retain(|key, _| drawn.contains(key));
        self
    }

    /// GraphML, as yEd, Gephi and networkx read it.
    pub(crate) fn graphml(&self) -> String {
        let mut out = String::from(concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
            "  <key id=\"name\" for=\"node\" attr.name=\"name\" attr.type=\"string\"/>\n",
            "  <key id=\"type\" for=\"node\" attr.name=\"type\" attr.type=\"string\"/>\n",
            "  <key id=\"predicate\" for=\"edge\" attr.name=\"predicate\" attr.type=\"string\"/>\n",
            "  <key id=\"confidence\" for=\"edge\" attr.name=\"confidence\" attr.type=\"double\"/>\n",
            "  <graph edgedefault=\"directed\">\n",
        ));
        for (key, name) in &self.names {
            let kind = key.split(':').next().unwrap_or_default();
            let (key, name, kind) = (xml(key), xml(name), xml(kind));
            let _to_a_string = writeln!(
                out,
                "    <node id=\"{key}\"><data key=\"name\">{name}</data>\
                 <data key=\"type\">{kind}</data></node>"
            );
        }
        for (parts, confidence) in &self.arrows {
            let [subject, predicate, object] = parts.each_ref().map(|part| xml(part));
            let _to_a_string = writeln!(
                out,
                "    <edge source=\"{subject}\" target=\"{object}\"><data key=\"predicate\">\
                 {predicate}</data><data key=\"confidence\">{confidence}</data></edge>"
            );
        }
        out.push_str("  </graph>\n</graphml>\n");
        out
    }

    pub(crate) fn mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        let mut numbers = BTreeMap::new();
        for (number, (key, name)) in self.names.iter().enumerate() {
            numbers.insert(key, number);
            let _to_a_string = writeln!(out, "  n{number}[\"{}\"]", label(name));
        }
        for ([subject, predicate, object], _) in &self.arrows {
            if let [Some(subject), Some(object)] = [subject, object].map(|key| numbers.get(key)) {
                let predicate = label(predicate);
                let _to_a_string = writeln!(out, "  n{subject} -->|\"{predicate}\"| n{object}");
            }
        }
        out
    }

    /// One page that needs nothing else, not even the network.
    pub(crate) fn page(&self) -> String {
        let arrows = self.arrows.iter();
        let arrows = arrows.map(|([subject, predicate, object], confidence)| {
            json!([subject, predicate, object, confidence])
        });
        let arrows: Vec<_> = arrows.collect();
        let data = json!({ "names": self.names, "arrows": arrows }).to_string();
        // Outside a module nothing is exported.
        let page = PAGE.replacen(DRAWING_PLACEHOLDER, &DRAWING.replace("export ", ""), 1);
        // Inside a script element only `<` could end it.
        page.replacen(
            PLACEHOLDER,
            &printable::json(&data).replace('<', "\\u003c"),
            1,
        )
    }
}

/// Escapes text for XML, without the characters that XML 1.0 cannot hold.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c if printable::is_hidden(c) => {
                let _to_a_string = write!(out, "&#x{:x};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Escapes text for a Mermaid label: Mermaid's own characters become entity codes.
fn label(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '|' | '[' | ']' | '{' | '}' | '(' | ')' | ';' | '`'
            | '\\' => {
                let _to_a_string = write!(out, "#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c if printable::is_hidden(c) => {
                let _to_a_string = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Picture {
        let names = [
            ("person:</script><b>", "</script><b>"),
            ("thing:\"&|];", "\"&|];"),
        ];
        Picture {
            names: names
                .map(|(key, name)| (key.to_owned(), name.to_owned()))
                .into(),
            arrows: vec![([names[0].0, "<!--", names[1].0].map(str::to_owned), 0.5)],
        }
    }

    #[test]
    fn names_are_escaped_in_every_format() {
        let picture = hostile();
        let page = picture.page();
        assert_eq!(
            page.matches("</script>").count(),
            PAGE.matches("</script>").count()
        );
        assert!(!page.contains(PLACEHOLDER) && !page.contains("<!--"));
        let graphml = picture.graphml();
        assert!(
            graphml.contains("<node id=\"person:&lt;/script&gt;&lt;b&gt;\">"),
            "{graphml}"
        );
        assert!(
            graphml.contains("<data key=\"predicate\">&lt;!--</data>"),
            "{graphml}"
        );
        let expected = "flowchart LR\n  n0[\"#60;/script#62;#60;b#62;\"]\n  \
                        n1[\"#34;#38;#124;#93;#59;\"]\n  n0 -->|\"#60;!--\"| n1\n";
        assert_eq!(picture.mermaid(), expected);
    }

    #[test]
    fn the_page_needs_no_network() {
        assert_eq!(PAGE.matches(PLACEHOLDER).count(), 1);
        for word in [
            "http:", "https:", "src=", "url(", "@import", "fetch(", "XMLHttp",
        ] {
            assert!(!PAGE.contains(word), "{word}");
        }
        assert!(PAGE.contains("default-src 'none'"));
    }
}
