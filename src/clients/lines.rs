//! The difference between two texts by lines, to show a change and to keep the
//! line ends that an editor of the text would lose.

/// The lines that two texts both begin with, those that differ, and those that
/// both end with. Common lines are the older text's, whose line ends they keep.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineDiff<'a> {
    pub(crate) before: Vec<&'a str>,
    pub(crate) removed: Vec<&'a str>,
    pub(crate) added: Vec<&'a str>,
    pub(crate) after: Vec<&'a str>,
}

pub(crate) fn difference<'a>(old: &'a str, new: &'a str) -> LineDiff<'a> {
    let (old, new) = (lines(old), lines(new));
    let same = |pair: &(&&str, &&str)| bare(pair.0) == bare(pair.1);
    let first = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (&old[first..], &new[first..]);
    let backwards = old_rest.iter().rev().zip(new_rest.iter().rev());
    let last = backwards.take_while(same).count();
    LineDiff {
        before: old[..first].to_vec(),
        removed: old_rest[..old_rest.len() - last].to_vec(),
        added: new_rest[..new_rest.len() - last].to_vec(),
        after: old_rest[old_rest.len() - last..].to_vec(),
    }
}

/// `new` with the line ends that `old` has: each line that both have keeps its
/// own, and the others get the first one of `old`.
pub(crate) fn with_ends_of(old: &str, new: &str) -> String {
    let end = match old.split_inclusive('\n').next() {
        Some(line) if line.ends_with("\r\n") => "\r\n",
        _ => "\n",
    };
    let change = difference(old, new);
    let mut text = change.before.concat();
    for line in &change.added {
        // The last line may have had no end.
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(end);
        }
        text.push_str(bare(line));
        text.push_str(end);
    }
    text + &change.after.concat()
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A line without its end.
pub(crate) fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_excludes_common_lines_at_both_ends() {
        let found = difference("a\nb\nc\n", "a\nx\ny\nc\n");
        assert_eq!(found.before, ["a\n"]);
        assert_eq!(
            (found.removed, found.added),
            (vec!["b\n"], vec!["x\n", "y\n"])
        );
        assert_eq!(found.after, ["c\n"]);
        // A line counts once, although it ends both and begins both.
        let found = difference("a\na\n", "a\n");
        assert_eq!((found.before, found.removed), (vec!["a\n"], vec!["a\n"]));
        assert_eq!(found.after, [""; 0]);
    }

    #[test]
    fn kept_lines_keep_their_line_ends() {
        for (old, new, expected) in [
            ("a\r\nb\nc", "a\nb\nc\n", "a\r\nb\nc"),
            ("a\r\nb\n", "a\nx\nb\n", "a\r\nx\r\nb\n"),
            ("a\nb", "a\nb\nc\n", "a\nb\nc\n"),
            ("a\r\nb", "a\nb\nc\n", "a\r\nb\r\nc\r\n"),
            ("a\nb\nc\n", "a\nc\n", "a\nc\n"),
            ("", "a\n", "a\n"),
        ] {
            assert_eq!(with_ends_of(old, new), expected, "{old:?} {new:?}");
        }
    }
}
