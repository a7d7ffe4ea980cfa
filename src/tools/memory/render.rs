//! Documents of `memory_search`: items, pages within a budget, and cursors. Pure.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::limits;
use crate::memory::{Page, Why};
use crate::store::memory::{Category, Memory, MemoryId, MemoryState};
use crate::text::{self, QueryWord};

/// The start of the next page. Opaque to clients, and bound to its query by a
/// fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// After so many of a ranked list.
    Ranked { offset: usize },
    /// Older than this memory.
    Newest { time: Timestamp, id: MemoryId },
    /// At this byte of the text of the nth memory that was asked for.
    Ids {
        /// Counted from 0.
        nth: usize,
        /// The next byte of its text.
        byte: usize,
    },
}

impl Cursor {
    fn encode(self, fingerprint: u32) -> String {
        match self {
            Cursor::Ranked { offset } => format!("r.{offset}.{fingerprint:08x}"),
            Cursor::Newest { time, id } => format!("n.{}.{id}.{fingerprint:08x}", time.0),
            Cursor::Ids { nth, byte } => format!("i.{nth}.{byte}.{fingerprint:08x}"),
        }
    }

    /// Reads a cursor of an earlier page of the same query.
    pub(crate) fn parse(text: &str, fingerprint: u32) -> Result<Cursor, Failure> {
        let parts: Vec<&str> = text.split('.').collect();
        let of_this = |print: &str| u32::from_str_radix(print, 16) == Ok(fingerprint);
        let cursor = match parts[..] {
            ["r", offset, print] if of_this(print) => {
                offset.parse().ok().map(|offset| Cursor::Ranked { offset })
            }
            ["n", time, id, print] if of_this(print) => {
                let id = id.parse().ok();
                let time = time.parse().ok().map(Timestamp);
                time.zip(id).map(|(time, id)| Cursor::Newest { time, id })
            }
            ["i", nth, byte, print] if of_this(print) => {
                let byte = byte.parse().ok();
                let nth = nth.parse().ok();
                nth.zip(byte).map(|(nth, byte)| Cursor::Ids { nth, byte })
            }
            _ => None,
        };
        cursor.ok_or_else(Cursor::unknown)
    }

    pub(crate) fn unknown() -> Failure {
        Failure::invalid("/cursor", "this cursor does not belong to this search")
            .hint("pass next_cursor unchanged, together with the same query, ids and filters")
    }
}

pub(crate) struct Rendering<'a> {
    /// For the whole document.
    pub(crate) budget_bytes: usize,
    /// The caller: items omit the caller's own project.
    pub(crate) caller: &'a Caller,
    pub(crate) fingerprint: u32,
    /// The words of the query, around which long texts are shown.
    pub(crate) asked: Vec<QueryWord>,
}

/// Reserved for the JSON around the items.
const ENVELOPE_BYTES: usize = 96;

impl Rendering<'_> {
    /// A page of found memories, and how many of them it shows; `next` makes
    /// the cursor from that count and the last one shown.
    pub(crate) fn page(
        &self,
        page: &Page,
        next: impl Fn(usize, &Memory) -> Cursor,
    ) -> (String, usize) {
        let mut room = self.room(page);
        let mut items: Vec<String> = Vec::new();
        for (memory, score) in &page.items {
            let (from, shown) = self.passage(&memory.content);
            let mut item = self.item(page, (memory, *score), shown, from);
            if item.len() > room && items.is_empty() {
                // The first item is always shown, or no cursor would get past it.
                let remaining = room.saturating_sub(item.len() - escaped_bytes(shown));
                item = self.item(page, (memory, *score), cut(shown, remaining), from);
            }
            if item.len() > room && !items.is_empty() {
                break;
            }
            room = room.saturating_sub(item.len() + 1);
            items.push(item);
        }
        let truncated = items.len() < page.items.len();
        let cursor = items
            .len()
            .checked_sub(1)
            .filter(|_| truncated || page.more)
            .map(|last| next(items.len(), &page.items[last].0));
        (self.document(&items, truncated, cursor, page), items.len())
    }

    /// Whole texts from byte `byte` of the memory `start`, and how many memories
    /// the page shows.
    pub(crate) fn full_texts(&self, page: &Page, start: usize, byte: usize) -> (String, usize) {
        let mut room = self.room(page);
        let mut items = Vec::new();
        let mut cursor = None;
        let rest = page.items.iter().enumerate().skip(start);
        for (nth, (memory, score)) in rest {
            let from = if nth == start { byte } else { 0 };
            let text = memory.content.get(from..).unwrap_or_default();
            let whole = self.item(page, (memory, *score), text, from);
            if whole.len() <= room {
                room -= (whole.len() + 1).min(room);
                items.push(whole);
                continue;
            }
            let remaining = room.saturating_sub(whole.len() - escaped_bytes(text));
            let shown = cut(text, remaining);
            // A text begins on this page only if a good part of it fits.
            let byte = if items.is_empty() || shown.len() >= limits::SNIPPET_BYTES_MAX {
                items.push(self.item(page, (memory, *score), shown, from));
                from + shown.len()
            } else {
                from
            };
            cursor = Some(Cursor::Ids { nth, byte });
            break;
        }
        let shown = items.len();
        let truncated = cursor.is_some();
        (self.document(&items, truncated, cursor, page), shown)
    }

    /// The part of a long text that matches the query, and the byte where it begins; the
    /// beginning where nothing was asked.
    fn passage<'t>(&self, text: &'t str) -> (usize, &'t str) {
        let most = limits::SNIPPET_BYTES_MAX;
        if text.len() <= most {
            return (0, text);
        }
        let from = text::passage(text, &self.asked, most);
        // A passage near the end is as long as others.
        let last = text.len() - most;
        let from = match from > last {
            true => (last..=from)
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(from),
            false => from,
        };
        (from, cut(&text[from..], most))
    }

    fn room(&self, page: &Page) -> usize {
        let degraded = page.degraded.as_deref().map_or(0, escaped_bytes);
        let hint = page.hint.as_deref().map_or(0, escaped_bytes);
        self.budget_bytes
            .saturating_sub(ENVELOPE_BYTES + degraded + hint)
    }

    fn document(
        &self,
        items: &[String],
        truncated: bool,
        cursor: Option<Cursor>,
        page: &Page,
    ) -> String {
        let mut document = format!(
            "{{\"items\":[{}],\"truncated\":{truncated}",
            items.join(",")
        );
        let mut add = |key: &str, value: &str| {
            document.push_str(&format!(",\"{key}\":{}", json!(value)));
        };
        if let Some(cursor) = cursor {
            add("next_cursor", &cursor.encode(self.fingerprint));
        }
        if let Some(degraded) = &page.degraded {
            add("degraded", degraded);
        }
        if let Some(hint) = &page.hint {
            add("hint", hint);
        }
        document.push('}');
        document
    }

    /// One memory of `page`, as text. `text` is the part of the content that is shown,
    /// from byte `from` on.
    fn item(
        &self,
        page: &Page,
        (memory, score): (&Memory, Option<f32>),
        text: &str,
        from: usize,
    ) -> String {
        let mut item = row(memory, score, text, from, self.caller.project());
        if let Some(why) = page.why.get(&memory.id) {
            item["why"] = reasons(why);
        }
        item.to_string()
    }
}

/// One memory; fields with their default value (the current `project` too) are left
/// out. `text` is the part of the content that is shown, from byte `from`.
pub(crate) fn row(
    memory: &Memory,
    score: Option<f32>,
    text: &str,
    from: usize,
    project: &str,
) -> Value {
    let mut item = json!({
        "id": memory.id,
        "content": text,
        "created_at": memory.first_recorded().to_iso(),
    });
    let mut add = |key: &str, value: Value| item[key] = value;
    let said_at = memory.fields.said_at;
    if let Some(said_at) = said_at.filter(|time| *time != memory.first_recorded()) {
        add("said_at", json!(said_at.to_iso()));
    }
    if from > 0 {
        add("offset", json!(from));
    }
    if from + text.len() < memory.content.len() {
        add("content_bytes", json!(memory.content.len()));
    }
    if memory.fields.category != Category::default() {
        add("category", json!(memory.fields.category.name()));
    }
    if memory.fields.importance != 0.5 {
        add("importance", json!(memory.fields.importance));
    }
    if let Some(score) = score {
        add("score", json!((f64::from(score) * 1e4).round() / 1e4));
    }
    if memory.fields.project != project {
        add("project", json!(memory.fields.project));
    }
    if !memory.fields.tags.is_empty() {
        add("tags", json!(memory.fields.tags));
    }
    if !memory.entities.is_empty() {
        add("entities", json!(memory.entities));
    }
    if memory.state != MemoryState::default() {
        add("state", json!(memory.state.name()));
    }
    if memory.protected {
        add("protected", json!(true));
    }
    if memory.first_recorded() != memory.created_at {
        add("edited_at", json!(memory.created_at.to_iso()));
    }
    if let Some(topic_key) = &memory.fields.topic_key {
        add("topic_key", json!(topic_key));
    }
    if let Some(supersedes) = memory.supersedes {
        add("supersedes", json!(supersedes));
    }
    if let Some(valid_until) = memory.fields.valid_until {
        add("valid_until", json!(valid_until.to_iso()));
    }
    item
}

/// The parts of a score, without those that are none.
fn reasons(why: &Why) -> Value {
    // No words sum up to -0.
    let rounded = |part: f32| json!((f64::from(part) * 1e3).round() / 1e3 + 0.0);
    let mut reasons = json!({});
    let mut add = |key: &str, value: Value| reasons[key] = value;
    if let Some(bm25) = why.keyword {
        add("keyword", rounded(bm25));
    }
    if let Some(cosine) = why.cosine {
        add("meaning", rounded(cosine));
    }
    add("words", rounded(why.share));
    if why.talk > 0.0 {
        add("talk", rounded(why.talk));
    }
    if !why.neighbours.is_empty() {
        let each = why.neighbours.iter();
        let each = each.map(|(id, added)| (id.to_string(), rounded(*added)));
        add("neighbours", Value::Object(each.collect()));
    }
    if !why.rules.is_empty() {
        let each = why.rules.iter();
        let each = each.map(|(rule, factor)| ((*rule).to_owned(), rounded(*factor)));
        add("rules", Value::Object(each.collect()));
    }
    if let Some(day) = why.day {
        add("day", json!(day.to_day()));
    }
    reasons
}

/// The longest prefix of `text` that takes at most `bytes` in JSON.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += escaped_char_bytes(c);
        if used > bytes {
            return &text[..at];
        }
    }
    text
}

/// The bytes that `text` takes in JSON, without its quotes.
fn escaped_bytes(text: &str) -> usize {
    text.chars().map(escaped_char_bytes).sum()
}

fn escaped_char_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if u32::from(c) < 0x20 => 6,
        c => c.len_utf8(),
    }
}
