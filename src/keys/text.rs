//! The text of a key: `mimo_<id>_<256 random bits>`. Its id is public, and names
//! the key in lists and logs.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::secret::Secret;

const PREFIX: &str = "mimo_";
const ID_LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_LENGTH: usize = 8;
const RANDOM_BYTES: usize = 32;
/// 256 bits in base64url without padding.
const RANDOM_LENGTH: usize = 43;
const LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + RANDOM_LENGTH;

/// Names a key; not secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The id of a stored key, or of the one in the environment.
    pub(crate) fn stored(id: impl Into<Arc<str>>) -> KeyId {
        KeyId(id.into())
    }

    /// Reads an id, or takes it from the whole text of a key.
    pub fn parse(text: &str) -> Option<KeyId> {
        let is_id = text.len() == ID_LENGTH && has_id_letters(text);
        let id = if is_id { text } else { id_of(text.as_bytes())? };
        Some(KeyId(id.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn random(clock: &dyn Clock) -> KeyId {
        let mut bytes = [0; ID_LENGTH];
        clock.fill_random(&mut bytes);
        let letter = |byte| char::from(ID_LETTERS[usize::from(byte) % ID_LETTERS.len()]);
        KeyId(bytes.map(letter).iter().collect::<String>().into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Borrow<str> for KeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The whole text of a key, which lets in whoever has it. It has no `Debug`, no
/// `Display`, no `Serialize`, and is overwritten when it is dropped.
pub struct KeyText {
    id: KeyId,
    text: Secret,
}

impl KeyText {
    /// A text of a new key.
    pub fn generate(clock: &dyn Clock) -> KeyText {
        KeyText::generate_for(KeyId::random(clock), clock)
    }

    /// A new text for the key `id`.
    pub fn generate_for(id: KeyId, clock: &dyn Clock) -> KeyText {
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        clock.fill_random(&mut *random);
        // Of its final size from the start: growing would leave a copy behind.
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        text.push_str(id.as_str());
        text.push('_');
        URL_SAFE_NO_PAD.encode_string(*random, &mut text);
        KeyText {
            id,
            text: Secret::new(text),
        }
    }

    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.reveal().as_bytes())
    }

    /// The text, for the one place that hands it out.
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }
}

/// The id in `text`, if that has the form of a key. Says nothing about whether
/// there is such a key.
pub(super) fn id_of(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let (id, random) = text.strip_prefix(PREFIX)?.split_at_checked(ID_LENGTH)?;
    let random = random.strip_prefix('_')?;
    // Every byte is examined, without branches: the time tells nothing about them.
    let is_url_safe = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_');
    let has_random = random
        .bytes()
        .fold(true, |all, byte| all & is_url_safe(byte));
    (has_id_letters(id) && has_random && random.len() == RANDOM_LENGTH).then_some(id)
}

fn has_id_letters(id: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() | (b'2'..=b'7').contains(&byte);
    id.bytes().fold(true, |all, byte| all & is_letter(byte))
}

/// SHA-256 of a key's whole text.
#[derive(Clone, Copy)]
pub struct KeyHash(pub(crate) [u8; 32]);

impl KeyHash {
    /// The hash that is compared where there is no key, so that it takes as long.
    pub(super) const OF_NO_KEY: KeyHash = KeyHash([0; 32]);

    pub fn of(text: &[u8]) -> KeyHash {
        KeyHash(Sha256::digest(text).into())
    }

    /// Constant-time comparison.
    pub fn equals(&self, other: &KeyHash) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &KeyHash) -> bool {
        self.equals(other).into()
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(hash)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, SystemClock};

    #[test]
    fn generated_texts_have_the_form_and_their_own_id() {
        for clock in [&SystemClock as &dyn Clock, &FixedClock::default()] {
            let (one, two) = (KeyText::generate(clock), KeyText::generate(clock));
            assert_eq!(one.reveal().len(), LENGTH);
            assert_eq!(id_of(one.reveal().as_bytes()), Some(one.id().as_str()));
            assert!(one.reveal() != two.reveal() && one.hash() != two.hash());
            let next = KeyText::generate_for(one.id().clone(), clock);
            assert_eq!(next.id(), one.id());
            assert!(next.reveal() != one.reveal());
        }
    }

    #[test]
    fn hash_is_sha_256_of_the_whole_text() {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            base16ct::lower::encode_string(&KeyHash::of(b"abc").0),
            of_abc
        );
        assert_eq!(format!("{:?}", KeyHash::of(b"abc")), "(hash)");
    }

    #[test]
    fn only_the_exact_form_is_a_key() {
        let random = "A-_9".repeat(11);
        let random = &random[..RANDOM_LENGTH];
        let valid = format!("mimo_abcdef27_{random}");
        assert_eq!(id_of(valid.as_bytes()), Some("abcdef27"));
        let id = KeyId::parse("abcdef27").expect("an id");
        assert_eq!(KeyId::parse(&valid), Some(id));
        assert_eq!(KeyId::parse("abcdef2"), None);
        assert_eq!(KeyId::parse("abcdef28"), None);
        for wrong in [
            String::new(),
            "mimo_".to_owned(),
            valid[1..].to_owned(),
            valid[..valid.len() - 1].to_owned(),
            format!("{valid}A"),
            valid.replace("abcdef27", "abcdef18"),
            valid.replace("abcdef27", "Abcdef27"),
            valid.replace("abcdef27_", "abcdef27-"),
            valid.replace("mimo_", "mino_"),
            valid.replace("A-", "A+"),
            valid.replace("A-", "é"),
            format!(" {valid}"),
        ] {
            assert_eq!(id_of(wrong.as_bytes()), None, "{wrong}");
            assert_eq!(KeyId::parse(&wrong), None, "{wrong}");
        }
        assert_eq!(id_of(&[0xff; LENGTH]), None);
    }
}
