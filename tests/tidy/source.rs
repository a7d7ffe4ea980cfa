//! Rust source as the checks read it: comments and literals blanked out, test code
//! separated, line numbers kept.

pub struct Source {
    /// `src/tools/memory.rs`.
    pub path: String,
    /// The code without comments and literals.
    pub code: String,
    /// The same without what only tests compile.
    pub shipped: String,
    pub lines: usize,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = without_literals(text);
        Source {
            path: path.to_owned(),
            shipped: match is_test(path) {
                true => String::new(),
                false => without_tests(&code),
            },
            code,
            lines: text.lines().count(),
        }
    }
}

/// Whether the file never ships: `tests/..`, `benches/..`, `tests.rs`,
/// `x_tests.rs`.
pub fn is_test(path: &str) -> bool {
    path.split('/')
        .map(|part| part.trim_end_matches(".rs"))
        .any(|part| matches!(part, "tests" | "benches") || part.ends_with("_tests"))
}

/// The places where `word` stands in `code` as a word of its own.
pub fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joined = |character: Option<char>| character.is_some_and(is_word);
    code.match_indices(word).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let inside = joined(word.chars().next()) && joined(before)
            || joined(word.chars().next_back()) && joined(after);
        (!inside).then_some(at)
    })
}

/// The line that `at` is on, from 1.
pub fn line_of(code: &str, at: usize) -> usize {
    1 + code[..at].matches('\n').count()
}

pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `text` with every comment and every literal's inside turned to spaces; line
/// breaks stay, so that places keep their lines.
pub fn without_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let previous = out.chars().next_back();
        let length = match skipped(rest, previous) {
            Some(length) => {
                blank(&rest[..length], &mut out);
                length
            }
            None => {
                out.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// The length of the comment or literal that `rest` begins with.
fn skipped(rest: &str, previous: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if !previous.is_some_and(is_word)
        && let Some(length) = raw_string(rest)
    {
        return Some(length);
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    // 'a' and '\n' are literals, 'a alone is a lifetime.
    let mut after = rest.strip_prefix('\'')?.chars();
    let (first, second) = (after.next()?, after.next());
    (first == '\\' || second == Some('\'')).then(|| quoted(rest, '\''))
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"..."`, `br#"..."#` and so on.
fn raw_string(rest: &str) -> Option<usize> {
    let start = ["r", "br", "cr"]
        .iter()
        .find(|start| {
            rest.strip_prefix(**start)
                .is_some_and(|after| after.starts_with(['"', '#']))
        })?
        .len();
    let hashes = rest[start..].chars().take_while(|c| *c == '#').count();
    let body = start + hashes + 1;
    if !rest[start + hashes..].starts_with('"') {
        return None; // r#type is a name.
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(match rest[body..].find(&end) {
        Some(at) => body + at + end.len(),
        None => rest.len(),
    })
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

fn blank(text: &str, out: &mut String) {
    out.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

/// `code` without the items that stand under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let length = MARK.len() + item_length(&rest[at + MARK.len()..]);
        blank(&rest[at..at + length], &mut out);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// An item ends with `;` or with the brace that closes its first one.
fn item_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in rest.char_indices() {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && character == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
