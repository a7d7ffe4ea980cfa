//! Matches URIs against templates (RFC 6570), by the literal text between the
//! expressions alone: what an expression may hold is for its skill to say.

/// Whether `uri` has the literal parts of `template` in their order, with any
/// text in place of each `{..}`.
pub(super) fn matches(template: &str, uri: &str) -> bool {
    let mut parts = template.split('{');
    let start = parts.next().unwrap_or_default();
    let Some(mut rest) = uri.strip_prefix(start) else {
        return false;
    };
    let literals: Vec<&str> = parts
        .map(|part| part.split_once('}').map_or("", |(_, literal)| literal))
        .collect();
    let Some((last, between)) = literals.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_parts_must_match_in_order() {
        for (template, uri, expected) in [
            ("demo://text/{id}", "demo://text/3", true),
            ("demo://text/{id}", "demo://blob/3", false),
            ("repo://{owner}/{name}/x", "repo://a/b/x", true),
            ("repo://{owner}/{name}/x", "repo://a/b/y", false),
            ("file:///a", "file:///a", true),
            ("file:///a", "file:///ab", false),
            ("{+uri}", "anything", true),
            ("a{", "a", true),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }
}
