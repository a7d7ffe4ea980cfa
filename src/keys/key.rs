//! A key as it is stored, and its state at a time.

use super::grant::Grant;
use super::text::{KeyHash, KeyId, KeyText};
use crate::clock::{Clock, Timestamp};
use crate::failure::Failure;
use crate::limits::NAME_BYTES_MAX;

/// A key without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    /// What a person calls it; need not be unique.
    pub name: String,
    pub hash: KeyHash,
    pub former: Option<FormerText>,
    pub grant: Grant,
    pub created_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Accurate to about a minute.
    pub last_used: Option<Timestamp>,
}

/// The text that a key had before it was rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerText {
    pub hash: KeyHash,
    pub until: Timestamp,
}

/// Whether a key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Usable,
    /// Usable, and its previous text is too until this moment.
    Rotated {
        until: Timestamp,
    },
    Expired,
    Revoked,
}

impl KeyState {
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Usable => "usable",
            KeyState::Rotated { .. } => "rotated",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        }
    }

    pub fn is_usable(self) -> bool {
        matches!(self, KeyState::Usable | KeyState::Rotated { .. })
    }
}

impl Key {
    /// A new key and its text, of which no other copy exists.
    pub fn generate(
        clock: &dyn Clock,
        name: &str,
        grant: Grant,
        expires_at: Option<Timestamp>,
    ) -> Result<(Key, KeyText), Failure> {
        let name = check_name(name)?;
        let text = KeyText::generate(clock);
        let key = Key {
            id: text.id().clone(),
            name,
            hash: text.hash(),
            former: None,
            grant,
            created_at: clock.now(),
            rotated_at: None,
            expires_at,
            revoked_at: None,
            last_used: None,
        };
        Ok((key, text))
    }

    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            return KeyState::Revoked;
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return KeyState::Expired;
        }
        match &self.former {
            Some(former) if now < former.until => KeyState::Rotated {
                until: former.until,
            },
            _ => KeyState::Usable,
        }
    }

    /// Replaces the key's text; the current one stays valid until `overlap_end`,
    /// earlier ones end now. Fails with the state of a key that is no longer usable.
    pub fn rotate(
        &mut self,
        hash: KeyHash,
        now: Timestamp,
        overlap_end: Timestamp,
    ) -> Result<(), KeyState> {
        let state = self.state(now);
        if !state.is_usable() {
            return Err(state);
        }
        let former = std::mem::replace(&mut self.hash, hash);
        self.former = (overlap_end > now).then_some(FormerText {
            hash: former,
            until: overlap_end,
        });
        self.rotated_at = Some(now);
        Ok(())
    }
}

fn check_name(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    let is_valid =
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    match is_valid {
        true => Ok(name.to_owned()),
        false => Err(Failure::invalid(
            "",
            format!("a key's name has 1 to {NAME_BYTES_MAX} bytes on one line"),
        )
        .hint("say whose key it is, for example \"Ada's laptop\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    const DAY: i64 = 24 * 60 * 60;

    fn key(clock: &FixedClock, expires_at: Option<Timestamp>) -> Key {
        let made = Key::generate(clock, "laptop", Grant::default(), expires_at);
        made.expect("a key").0
    }

    #[test]
    fn a_key_is_usable_until_the_moment_it_expires() {
        let clock = FixedClock::at(Timestamp(0));
        let end = clock.now().plus_seconds(DAY);
        let key = key(&clock, Some(end));
        assert_eq!(key.state(end.plus_seconds(-1)), KeyState::Usable);
        assert_eq!(key.state(end), KeyState::Expired);
    }

    #[test]
    fn rotation_keeps_one_former_text_until_the_overlap_ends() {
        let clock = FixedClock::at(Timestamp(0));
        let mut key = key(&clock, None);
        let (first, now) = (key.hash, clock.now());
        let texts = [KeyText::generate(&clock), KeyText::generate(&clock)];
        let until = now.plus_seconds(DAY);
        key.rotate(texts[0].hash(), now, until).expect("rotated");
        let former = key.former.clone().expect("an overlap");
        assert!(former.hash == first && key.hash == texts[0].hash());
        assert_eq!(key.state(now), KeyState::Rotated { until });
        assert_eq!(key.state(until), KeyState::Usable);
        key.rotate(texts[1].hash(), now, now).expect("rotated");
        assert_eq!(key.former, None, "neither the second nor the first");
        assert_eq!(key.state(now), KeyState::Usable);
    }

    #[test]
    fn expired_and_revoked_keys_are_not_rotated() {
        let clock = FixedClock::at(Timestamp(0));
        let hash = KeyText::generate(&clock).hash();
        let mut expired = key(&clock, Some(clock.now()));
        let now = clock.now();
        assert_eq!(expired.rotate(hash, now, now), Err(KeyState::Expired));
        let mut revoked = key(&clock, None);
        revoked.revoked_at = Some(now);
        assert_eq!(revoked.rotate(hash, now, now), Err(KeyState::Revoked));
        assert_eq!(revoked.rotated_at, None);
    }

    #[test]
    fn names_are_short_and_on_one_line() {
        let clock = FixedClock::default();
        let named = |name: &str| Key::generate(&clock, name, Grant::default(), None).map(drop);
        assert!(named("Ada's laptop").is_ok());
        for wrong in ["", "  ", "a\nb", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(named(wrong).is_err(), "{wrong:?}");
        }
    }
}
