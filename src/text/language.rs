//! A cheap guess at whether a text is English, by its function words. Pure.

/// Words that other languages hardly have.
const ENGLISH: [&str; 44] = [
    "about", "after", "and", "are", "at", "before", "but", "by", "can", "does", "every", "for",
    "from", "has", "have", "her", "his", "how", "i", "if", "in", "is", "it", "my", "not", "of",
    "on", "only", "our", "that", "the", "their", "there", "they", "this", "to", "was", "we",
    "were", "when", "which", "with", "without", "you",
];
/// Frequent words of German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish
/// and Turkish that are no English ones.
const OTHER: [&str; 68] = [
    "al", "auf", "av", "avec", "bir", "che", "com", "con", "dans", "das", "de", "del", "della",
    "dem", "den", "der", "des", "die", "di", "do", "du", "ein", "eine", "el", "en", "er", "es",
    "est", "et", "för", "het", "ich", "il", "ist", "jest", "la", "las", "le", "les", "los", "mit",
    "na", "nicht", "nie", "não", "och", "os", "para", "pas", "per", "por", "pour", "que", "se",
    "sich", "sie", "som", "sono", "sur", "um", "un", "und", "une", "van", "ve", "von", "voor",
    "zu",
];
/// With fewer words the guess is unreliable.
const WORDS_MIN: usize = 4;

/// `None` if the text has too few words to tell, as most code has.
pub(crate) fn is_english(text: &str) -> Option<bool> {
    let letters = || text.chars().filter(|char| char.is_alphabetic());
    let foreign = letters().filter(|char| *char >= '\u{370}').count();
    if 2 * foreign > letters().count() {
        return Some(false);
    }
    let words = text.split(|char: char| !char.is_alphabetic());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.len() < WORDS_MIN {
        return None;
    }
    let count = |of: &[&str]| {
        words
            .iter()
            .filter(|word| of.contains(&word.as_str()))
            .count()
    };
    let accented = words.iter().filter(|word| !word.is_ascii()).count();
    let (english, other) = (count(&ENGLISH), count(&OTHER) + accented);
    (english != other).then_some(english > other)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::is_english;

    #[test]
    fn notes_of_six_languages_are_told_apart() {
        let notes = include_str!("../../tests/recall/notes.json");
        let notes: Value = serde_json::from_str(notes).expect("JSON");
        let (mut right, mut wrong) = (0, Vec::new());
        for note in notes["memories"].as_array().expect("a list") {
            let text = note["text"].as_str().expect("a text");
            match is_english(text) {
                None => {}
                Some(english) if english == (note["lang"] == "en") => right += 1,
                Some(_) => wrong.push(text),
            }
        }
        assert!(right > 200 && wrong.len() < 5, "{right} right; {wrong:?}");
    }

    #[test]
    fn code_and_single_words_say_nothing() {
        for text in ["", "42", "deploy", "let x = y.map(f);", "SQLITE_BUSY 5"] {
            assert_eq!(is_english(text), None, "{text:?}");
        }
        assert_eq!(is_english("会议室在三楼"), Some(false));
    }
}
