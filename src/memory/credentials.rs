//! Detects texts that look like a credential, which every tool and client that searches
//! would see.

/// Beginnings of tokens that their issuers document, the least length of the rest, and
/// their names.
const PREFIXES: [(&str, usize, &str); 22] = [
    ("sk-ant-", 20, "an Anthropic API key"),
    ("sk-proj-", 20, "an OpenAI API key"),
    ("sk-", 32, "an API key"),
    ("sk_live_", 16, "a Stripe key"),
    ("rk_live_", 16, "a Stripe key"),
    ("ghp_", 30, "a GitHub token"),
    ("gho_", 30, "a GitHub token"),
    ("ghu_", 30, "a GitHub token"),
    ("ghs_", 30, "a GitHub token"),
    ("github_pat_", 30, "a GitHub token"),
    ("glpat-", 18, "a GitLab token"),
    ("xoxb-", 16, "a Slack token"),
    ("xoxp-", 16, "a Slack token"),
    ("xoxa-", 16, "a Slack token"),
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("AIza", 30, "a Google API key"),
    ("npm_", 30, "an npm token"),
    ("pypi-", 40, "a PyPI token"),
    ("hf_", 30, "a Hugging Face token"),
    ("SG.", 40, "a SendGrid key"),
    ("mimo_", 30, "a key of Mimo"),
];

/// Words before a secret, as `password: x`, `password is x` or `password=x`.
const LABELS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "api_key",
    "apikey",
    "api-key",
    "api key",
    "secret_key",
    "access_token",
    "auth_token",
    "client_secret",
];

/// The least length of a value that counts as a secret.
const VALUE_CHARS_MIN: usize = 6;

/// The kind of credential that `text` seems to contain.
pub(crate) fn find(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    text.split(|c: char| c.is_whitespace() || "\"'`,;()[]{}<>=".contains(c))
        .find_map(of_word)
        .or_else(|| labeled(text).then_some("a password or secret"))
}

fn of_word(word: &str) -> Option<&'static str> {
    let is_token = |rest: &str| {
        let mut bytes = rest.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && rest.bytes().any(|byte| byte.is_ascii_digit())
    };
    let known = PREFIXES.iter().find(|(prefix, least, _)| {
        let rest = word.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.len() >= *least && is_token(rest))
    });
    if let Some((_, _, name)) = known {
        return Some(name);
    }
    // A JSON web token: three parts, the first of which begins with {" in base64.
    if word.starts_with("eyJ") && word.len() >= 60 && word.matches('.').count() == 2 {
        return Some("a web token");
    }
    let (scheme, rest) = word.split_once("://")?;
    let (user, _) = rest.split('/').next()?.split_once('@')?;
    let (_, password) = user.split_once(':')?;
    let is_named = !scheme.is_empty() && is_value(password);
    is_named.then_some("a URL with a password")
}

/// Whether a label is followed by a value that is unlikely in a sentence.
fn labeled(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    LABELS.iter().any(|label| {
        lower.match_indices(label).any(|(at, _)| {
            let rest = text[at + label.len()..].trim_start_matches(['"', '\'', '*', '`']);
            let trimmed = rest.trim_start();
            let after = trimmed.strip_prefix([':', '=']).or_else(|| {
                let (word, rest) = trimmed.split_once(' ')?;
                (word.eq_ignore_ascii_case("is") && rest.len() < trimmed.len()).then_some(rest)
            });
            let value = after.and_then(|after| after.split_whitespace().next());
            value.is_some_and(|value| is_value(value.trim_matches(['"', '\'', '`', '.', ','])))
        })
    })
}

/// Whether a value is long enough and mixes letters with digits or symbols: neither a
/// word nor a placeholder such as `${PASSWORD}` or `<password>`.
fn is_value(value: &str) -> bool {
    let is_placeholder = value.starts_with(['$', '<', '{', '%', '*']) || value.starts_with("...");
    let has_letter = value.chars().any(char::is_alphabetic);
    let has_other = value.chars().any(|c| !c.is_alphabetic());
    !is_placeholder && has_letter && has_other && value.chars().count() >= VALUE_CHARS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_and_sentences_about_them_are_not() {
        for text in [
            "The token is ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "OPENAI_API_KEY=sk-proj-abcDEF1234567890abcdef12",
            "AWS: AKIAIOSFODNN7EXAMPLE",
            "the wifi password is hunter22!",
            "Password: \"Tr0ub4dor&3\"",
            "postgres://app:s3cret-pw@db.internal/app",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        ] {
            assert!(find(text).is_some(), "{text}");
        }
        for text in [
            "The password is stored in 1Password",
            "Ask Ana for the password",
            "The password is rotated monthly",
            "Set password: ${DB_PASSWORD}",
            "api key: <your key>",
            "sk-learn and ghp_ prefixes",
            "See https://example.com/a@b and ssh://git@example.com:22/x",
            "The secret_key setting is read from the environment",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
