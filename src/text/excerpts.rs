//! Parts of a text that is too long to be shown whole. Pure.

use crate::printable::prefix;

/// The beginning of `text` in at most `most` bytes, cut between words if possible.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let cut = prefix(text, most);
    match cut.rfind(' ') {
        Some(space) if space > cut.len() / 2 => &cut[..space],
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_is_cut_between_words() {
        assert_eq!(beginning("one two three", 9), "one two");
        assert_eq!(beginning("one", 9), "one");
        assert_eq!(beginning("\u{e9}\u{e9}\u{e9}", 3), "\u{e9}");
        assert_eq!(beginning("abc", 0), "");
    }
}
