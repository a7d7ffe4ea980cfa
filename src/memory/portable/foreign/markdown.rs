//! Notes in Markdown: a memory for each bullet or paragraph, with the headings above
//! it as tags; basic-memory's notes with their observations and relations. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Item, cut, server};

/// The items of a note; `name` is its file's name within the import.
pub(crate) fn notes(text: &str, name: &str) -> Vec<Item> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (front, body, line) = front_matter(text);
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let title = front.get("title").and_then(|title| title.first());
    let mut note = Note {
        name,
        title: title.map_or(stem, String::as_str),
        is_basic: front.contains_key("permalink") || title.is_some(),
        tags: front.get("tags").cloned().unwrap_or_default(),
        created: ["created", "created_at", "date"]
            .iter()
            .find_map(|key| front.get(*key)?.first().cloned()),
        date: front.get("date").and_then(|date| date.first().cloned()),
        items: Vec::new(),
        memories: 0,
    };
    if note.is_basic {
        let kind = front.get("type").and_then(|kind| kind.first());
        let kind = kind.map_or("note", String::as_str);
        note.push(
            1,
            json!({"type": "entity", "name": note.title, "entityType": kind}),
        );
    }
    for block in blocks(body, line) {
        note.add(&block);
    }
    note.items
}

/// A bullet or paragraph.
#[derive(Debug, Default)]
struct Block {
    line: usize,
    text: String,
    is_bullet: bool,
    headings: Vec<String>,
}

struct Note<'a> {
    name: &'a str,
    title: &'a str,
    is_basic: bool,
    tags: Vec<String>,
    created: Option<String>,
    /// The day that the note is about.
    date: Option<String>,
    items: Vec<Item>,
    memories: usize,
}

impl Note<'_> {
    fn push(&mut self, line: usize, document: Value) {
        self.items.push(Item {
            path: format!(":{line}"),
            document: Ok(document),
        });
    }

    fn add(&mut self, block: &Block) {
        let mut text = block.text.as_str();
        let mut category = "fact";
        let mut tags = self.tags.clone();
        match checkbox(text) {
            Some((true, rest)) => text = rest,
            Some((false, rest)) => (text, category) = (rest, "plan"),
            None => {}
        }
        if self.is_basic {
            if block.is_bullet && self.relation(block, text) {
                return;
            }
            for target in links(text) {
                self.relate(block.line, "links_to", target);
            }
        }
        let mut content = text.to_owned();
        if let Some((kind, rest)) = observation(text).filter(|_| block.is_bullet) {
            tags.push(kind.to_owned());
            category = "observation";
            content = rest.to_owned();
        }
        if self.is_basic {
            tags.extend(hashtags(&content));
            content = server::naming(self.title, &content);
        }
        tags.extend(block.headings.iter().cloned());
        self.memories += 1;
        let mut memory = json!({
            "content": content,
            "category": category,
            "tags": tags.iter().map(|tag| cut(tag.trim())).filter(|tag| !tag.is_empty()).collect::<Vec<_>>(),
            "thread": cut(&format!("markdown/{}", self.name)),
            "position": self.memories,
        });
        if let Some(created) = &self.created {
            memory["created_at"] = json!(created);
            if let Some(date) = self.date.as_ref().filter(|date| *date != created) {
                memory["said_at"] = json!(date);
            }
        }
        self.push(block.line, memory);
    }

    /// Reads `type [[Target]]`; whether the bullet is a relation.
    fn relation(&mut self, block: &Block, text: &str) -> bool {
        let Some((kind, rest)) = text.split_once("[[") else {
            return false;
        };
        let is_kind = !kind.contains(['[', '(', '.', ':']) && kind.split_whitespace().count() <= 4;
        let Some((target, _)) = rest.split_once("]]").filter(|_| is_kind) else {
            return false;
        };
        let kind = match kind.trim() {
            "" => "relates_to",
            kind => kind,
        };
        self.relate(block.line, kind, target);
        true
    }

    fn relate(&mut self, line: usize, kind: &str, target: &str) {
        // [[Target|as it is shown]], [[Target#heading]]
        let target = target.split(['|', '#']).next().unwrap_or(target).trim();
        if !target.is_empty() {
            let from = self.title;
            self.push(
                line,
                json!({"type": "relation", "from": from, "to": target, "relationType": kind}),
            );
        }
    }
}

/// The fields of the YAML between the first two `---`, the text behind them and the
/// line at which that begins. Only flat fields and lists of plain values are read.
fn front_matter(text: &str) -> (BTreeMap<String, Vec<String>>, &str, usize) {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let end = text.strip_prefix("---").and_then(|rest| {
        let rest = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
        let start = text.len() - rest.len();
        let mut at = start;
        for line in rest.split_inclusive('\n') {
            at += line.len();
            if line.trim_end() == "---" {
                return Some((start, at - line.len(), at));
            }
        }
        None
    });
    let Some((start, end, body)) = end else {
        return (fields, text, 1);
    };
    let plain = |value: &str| value.trim().trim_matches(['"', '\'']).trim().to_owned();
    let mut key = String::new();
    for line in text[start..end].lines() {
        if let Some(value) = line.trim_start().strip_prefix("- ") {
            fields.entry(key.clone()).or_default().push(plain(value));
        } else if let Some((name, value)) = line.split_once(':') {
            key = name.trim().to_owned();
            let value = value.trim();
            let list = value
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            let values = match (list, key.as_str()) {
                (Some(list), _) => list.split(',').map(plain).collect(),
                (None, "tags") => value.split(',').map(plain).collect(),
                (None, _) => vec![plain(value)],
            };
            let values: Vec<String> = values;
            let values = values.into_iter().filter(|value| !value.is_empty());
            fields.insert(key.clone(), values.collect());
        }
    }
    fields.retain(|_, values| !values.is_empty());
    (fields, &text[body..], text[..body].lines().count() + 1)
}

/// The bullets and paragraphs of a body that begins at `first`. Indented lines and code
/// belong to what they follow.
fn blocks(body: &str, first: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut headings: Vec<(usize, String)> = Vec::new();
    // Whether the next line may go on with the last block; a fence's mark; a comment.
    let (mut is_open, mut fence, mut in_comment) = (false, None::<&str>, false);
    for (line, text) in (first..).zip(body.lines()) {
        let (trimmed, indent) = (text.trim(), text.len() - text.trim_start().len());
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark));
        let block = |text: &str, is_bullet: bool| Block {
            line,
            text: text.to_owned(),
            is_bullet,
            headings: headings.iter().map(|(_, text)| text.clone()).collect(),
        };
        if let Some(open) = fence {
            extend(&mut blocks, text.trim_end());
            if mark == Some(open) {
                fence = None;
            }
            continue;
        }
        if in_comment || trimmed.starts_with("<!--") {
            in_comment = !trimmed.contains("-->");
            continue;
        }
        if mark.is_some() {
            fence = mark;
            match is_open {
                true => extend(&mut blocks, text.trim_end()),
                false => blocks.push(block(text.trim_end(), false)),
            }
            is_open = true;
        } else if trimmed.is_empty() || is_rule(trimmed) {
            is_open = false;
        } else if let Some((level, heading)) = heading(text) {
            headings.retain(|(above, _)| *above < level);
            headings.push((level, heading.to_owned()));
            is_open = false;
        } else if let Some(bullet) = bullet(trimmed).filter(|_| indent < 2) {
            blocks.push(block(bullet, true));
            is_open = true;
        } else if is_open || (indent >= 2 && blocks.last().is_some_and(|last| last.is_bullet)) {
            extend(&mut blocks, text.trim_end());
            is_open = true;
        } else {
            blocks.push(block(trimmed, false));
            is_open = true;
        }
    }
    blocks.retain(|block| !block.text.trim().is_empty());
    blocks
}

fn extend(blocks: &mut [Block], line: &str) {
    if let Some(last) = blocks.last_mut() {
        last.text.push('\n');
        last.text.push_str(line);
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.len() - line.trim_start_matches('#').len();
    let text = line
        .get(level..)?
        .strip_prefix(' ')?
        .trim()
        .trim_end_matches('#')
        .trim();
    ((1..=6).contains(&level) && !text.is_empty()).then_some((level, text))
}

fn bullet(line: &str) -> Option<&str> {
    let plain = ["- ", "* ", "+ "]
        .into_iter()
        .find_map(|mark| line.strip_prefix(mark));
    let numbered = || {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest
            .strip_prefix(". ")
            .or_else(|| rest.strip_prefix(") "))?;
        line.starts_with(|c: char| c.is_ascii_digit())
            .then_some(rest)
    };
    plain.or_else(numbered).map(str::trim)
}

fn is_rule(line: &str) -> bool {
    let marks = ['-', '*', '_'];
    let is_all = |mark: char| line.chars().all(|c| c == mark || c == ' ');
    line.chars().filter(|c| *c != ' ').count() >= 3 && marks.into_iter().any(is_all)
}

/// Whether a task is done, and its text.
fn checkbox(text: &str) -> Option<(bool, &str)> {
    for (mark, is_done) in [("[ ] ", false), ("[x] ", true), ("[X] ", true)] {
        if let Some(rest) = text.strip_prefix(mark) {
            return Some((is_done, rest));
        }
    }
    None
}

/// The category and text of `[category] text`.
fn observation(text: &str) -> Option<(&str, &str)> {
    let (kind, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let is_kind = !kind.trim().is_empty() && !kind.contains(['[', ']', '\n']);
    is_kind.then_some((kind.trim(), rest.trim()))
}

fn hashtags(text: &str) -> Vec<String> {
    let words = text
        .split_whitespace()
        .filter_map(|word| word.strip_prefix('#'));
    let tags = words.map(|tag| tag.trim_matches(|c: char| !c.is_alphanumeric()));
    tags.filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

fn links(text: &str) -> Vec<&str> {
    let parts = text.split("[[").skip(1);
    parts
        .filter_map(|part| Some(part.split_once("]]")?.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<Value> {
        let items = notes(text, "docs/CLAUDE.md").into_iter();
        items.map(|item| item.document.expect("read")).collect()
    }

    #[test]
    fn each_bullet_and_paragraph_is_a_memory_with_headings_as_tags() {
        let text = "\u{feff}# Project\n\nBuild with `make`.\nIt takes a minute.\n\n## Rules\n\
            - Never push to main\n- Use tabs\n  in Makefiles\n  - not elsewhere\n\n---\n\
            1. [ ] Write the changelog\n<!-- hidden\n- hidden -->\n\n```sh\n- make test\n\n```\n\
            ## Empty\n# Other\nLast.";
        let found: Vec<(String, Value, String)> = documents(text)
            .into_iter()
            .map(|memory| {
                let text = |key: &str| memory[key].as_str().expect("text").to_owned();
                (text("content"), memory["tags"].clone(), text("category"))
            })
            .collect();
        let expected = [
            (
                "Build with `make`.\nIt takes a minute.",
                json!(["Project"]),
                "fact",
            ),
            ("Never push to main", json!(["Project", "Rules"]), "fact"),
            (
                "Use tabs\n  in Makefiles\n  - not elsewhere",
                json!(["Project", "Rules"]),
                "fact",
            ),
            ("Write the changelog", json!(["Project", "Rules"]), "plan"),
            (
                "```sh\n- make test\n\n```",
                json!(["Project", "Rules"]),
                "fact",
            ),
            ("Last.", json!(["Other"]), "fact"),
        ];
        let expected = expected.map(|(text, tags, kind)| (text.to_owned(), tags, kind.to_owned()));
        assert_eq!(found, expected);
        let places: Vec<String> = notes(text, "x.md")
            .into_iter()
            .map(|item| item.path)
            .collect();
        assert_eq!(places[..3], [":3", ":7", ":8"]);
    }

    #[test]
    fn a_note_of_basic_memory_has_observations_and_relations() {
        let text = "---\ntitle: Coffee Brewing\ntype: note\ntags:\n- coffee\n- \"drinks\"\n\
            permalink: coffee-brewing\ncreated: 2026-03-01\n---\n\n# Coffee Brewing\n\n\
            ## Observations\n- [method] Pour over is clear #brewing (tasted)\n\n\
            ## Relations\n- requires [[Grinding|the grind]]\n- [[Tea]]\n\nSee [[Water]] too.\n";
        let found = documents(text);
        assert_eq!(
            found[0],
            json!({"type": "entity", "name": "Coffee Brewing", "entityType": "note"})
        );
        assert_eq!(
            found[1]["content"],
            "Coffee Brewing: Pour over is clear #brewing (tasted)"
        );
        assert_eq!(
            found[1]["tags"],
            json!([
                "coffee",
                "drinks",
                "method",
                "brewing",
                "Coffee Brewing",
                "Observations"
            ])
        );
        assert_eq!(found[1]["created_at"], "2026-03-01");
        let relations: Vec<Value> = found
            .iter()
            .filter(|each| each["type"] == "relation")
            .map(|each| json!([each["relationType"], each["to"]]))
            .collect();
        assert_eq!(
            json!(relations),
            json!([
                ["requires", "Grinding"],
                ["relates_to", "Tea"],
                ["links_to", "Water"]
            ])
        );
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        for text in [
            "",
            "---",
            "---\n---",
            "---\nx",
            "- ",
            "#",
            "```",
            "<!--",
            "[[",
            "1.",
            "\u{feff}---\r\na: b\r\n---\r\n- x",
        ] {
            notes(text, "");
        }
    }
}
