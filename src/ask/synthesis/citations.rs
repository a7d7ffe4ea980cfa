//! Citations in a model's text: those of given sources are kept, others removed.

const PREFIXES: [&str; 4] = ["memory:", "triple:", "procedure:", "skill:"];

/// `text` without citations of anything but `given`, and the remaining citations in
/// the order of the text.
pub(crate) fn retain(text: &str, given: &[String]) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut cited: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match ends_in_word(&out) {
            true => 0,
            false => citation_length(rest),
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let written = &rest[..length];
        rest = &rest[length..];
        match given.iter().find(|each| each.eq_ignore_ascii_case(written)) {
            Some(citation) => {
                out.push_str(citation);
                if !cited.contains(citation) {
                    cited.push(citation.clone());
                }
            }
            None => rest = close_up(&mut out, rest),
        }
    }
    (out, cited)
}

fn ends_in_word(out: &str) -> bool {
    out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The bytes of the citation that `text` begins with; 0 if there is none.
fn citation_length(text: &str) -> usize {
    let is_start = |prefix: &&&str| {
        let start = text.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let Some(prefix) = PREFIXES.iter().find(is_start) else {
        return 0;
    };
    let is_id_char = |c: char| c.is_alphanumeric() || "_@.+-:/".contains(c);
    let id = text[prefix.len()..].split(|c| !is_id_char(c)).next();
    // Punctuation after a citation does not belong to it.
    let id = id
        .unwrap_or_default()
        .trim_end_matches(['.', '-', ':', '/', '+']);
    match id.is_empty() {
        true => 0,
        false => prefix.len() + id.len(),
    }
}

/// Removes what a removed citation leaves behind: its brackets, its comma, its
/// space. Returns the rest of `rest`.
fn close_up<'a>(out: &mut String, rest: &'a str) -> &'a str {
    let ahead = rest.trim_start_matches(' ');
    let opens = out.ends_with(['[', '(']);
    if opens && ahead.starts_with([']', ')']) {
        out.pop();
        return separate(out, &ahead[1..]);
    }
    if opens && let Some(after) = ahead.strip_prefix([',', ';']) {
        return after.trim_start_matches(' ');
    }
    let behind = out.trim_end_matches(' ');
    if ahead.starts_with([']', ')', ',', ';']) && behind.ends_with([',', ';']) {
        out.truncate(behind.len() - 1);
        return ahead;
    }
    separate(out, rest)
}

/// Leaves one space between two words and none before punctuation. The two sides
/// stay separate, so that together they do not form a citation.
fn separate<'a>(out: &mut String, rest: &'a str) -> &'a str {
    let ahead = rest.trim_start_matches(' ');
    let after = ahead.trim_start_matches(['.', ',', ';', '!', '?']);
    let ends = after.is_empty() || after.starts_with(char::is_whitespace);
    out.truncate(out.trim_end_matches(' ').len());
    if !ends && !out.is_empty() && !out.ends_with(['\n', '[', '(']) {
        out.push(' ');
    }
    ahead
}
