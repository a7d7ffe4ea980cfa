//! Citations in a text that a model wrote: those of given sources are kept as
//! they are spelt, whatever else looks like one goes.

/// How the citations of the four stores begin.
const BEGINNINGS: [&str; 4] = ["memory:", "triple:", "procedure:", "skill:"];

/// `text` without citations of anything but `given`, and which of those it has,
/// in the order of the text.
pub fn kept(text: &str, given: &[String]) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut cited: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match joins(&out) {
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

/// Whether a word that is being written would go on with what comes.
fn joins(out: &str) -> bool {
    out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The bytes of the citation that `text` begins with; 0 where it does not.
fn citation_length(text: &str) -> usize {
    let starts = |beginning: &&&str| {
        let start = text.get(..beginning.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(beginning))
    };
    let Some(beginning) = BEGINNINGS.iter().find(starts) else {
        return 0;
    };
    let goes_on = |c: char| c.is_alphanumeric() || "_@.+-:/".contains(c);
    let id = text[beginning.len()..].split(|c| !goes_on(c)).next();
    // What ends a sentence is not a part of it.
    let id = id
        .unwrap_or_default()
        .trim_end_matches(['.', '-', ':', '/', '+']);
    match id.is_empty() {
        true => 0,
        false => beginning.len() + id.len(),
    }
}

/// Removes what a citation that went leaves behind: its brackets, its comma,
/// its space. Gives what is left of `rest`.
fn close_up<'a>(out: &mut String, rest: &'a str) -> &'a str {
    let ahead = rest.trim_start_matches(' ');
    let opens = out.ends_with(['[', '(']);
    if opens && ahead.starts_with([']', ')']) {
        out.pop();
        return part(out, &ahead[1..]);
    }
    if opens && let Some(after) = ahead.strip_prefix([',', ';']) {
        return after.trim_start_matches(' ');
    }
    let behind = out.trim_end_matches(' ');
    if ahead.starts_with([']', ')', ',', ';']) && behind.ends_with([',', ';']) {
        out.truncate(behind.len() - 1);
        return ahead;
    }
    part(out, rest)
}

/// One space between two words, none before a full stop. What was apart stays
/// so: else the two sides could make a citation together.
fn part<'a>(out: &mut String, rest: &'a str) -> &'a str {
    let ahead = rest.trim_start_matches(' ');
    let after = ahead.trim_start_matches(['.', ',', ';', '!', '?']);
    let ends = after.is_empty() || after.starts_with(char::is_whitespace);
    out.truncate(out.trim_end_matches(' ').len());
    if !ends && !out.is_empty() && !out.ends_with(['\n', '[', '(']) {
        out.push(' ');
    }
    ahead
}
