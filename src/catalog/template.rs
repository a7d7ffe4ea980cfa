//! Whether a URI may come of a template (RFC 6570). Pure. Only the text between
//! the expressions decides: what an expression may hold is for its skill.

/// Whether `uri` has the fixed parts of `template` in their order, something or
/// nothing standing for each `{..}`.
pub fn fits(template: &str, uri: &str) -> bool {
    let mut parts = template.split('{');
    let start = parts.next().unwrap_or_default();
    let Some(mut rest) = uri.strip_prefix(start) else {
        return false;
    };
    let fixed: Vec<&str> = parts
        .map(|part| part.split_once('}').map_or("", |(_, fixed)| fixed))
        .collect();
    let Some((last, between)) = fixed.split_last() else {
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
    fn the_fixed_parts_decide() {
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
            assert_eq!(fits(template, uri), expected, "{template} {uri}");
        }
    }
}
