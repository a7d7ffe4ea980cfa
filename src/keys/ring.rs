//! The keys that a serving process knows, and the check of a request's
//! credentials against them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use tokio::sync::{Mutex, MutexGuard};

use super::grant::{Grant, Scopes};
use super::key::{Key, KeyState};
use super::text::{KeyHash, KeyId, id_of};
use crate::caller::Scope;
use crate::clock::{Clock, Timestamp};
use crate::failure::Failure;
use crate::limits::{KEY_CHOSEN_BYTES_MIN, KEY_TOUCH_SECONDS_MIN};
use crate::secret::Secret;

/// The id and the name of the key in the environment.
const ENVIRONMENT_KEY: &str = "MIMO_API_KEY";

/// Why a request's credentials were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are none.
    Missing,
    /// They do not have the form of a bearer key.
    Malformed,
    /// The key does not exist or is no longer usable; which of these is for the audit
    /// log only.
    Invalid(Option<UnusableKey>),
}

/// The key, if the text was right but no longer valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableKey {
    pub id: KeyId,
    /// Expired for a former text whose overlap is over, too.
    pub state: KeyState,
}

impl Refusal {
    /// The reason that the client gets, which follows from the syntax alone.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::Missing => "missing_credentials",
            Refusal::Malformed => "malformed_credentials",
            Refusal::Invalid(_) => "invalid_credentials",
        }
    }
}

/// A snapshot of all keys, which is replaced when the store has another one.
pub struct KeyRing {
    clock: Arc<dyn Clock>,
    chosen: Option<Arc<Key>>,
    snapshot: RwLock<Snapshot>,
    /// Held while the keys are read again, so that an older snapshot never
    /// replaces a newer one.
    reading: Mutex<()>,
}

#[derive(Default)]
struct Snapshot {
    /// Absent until the keys have been read.
    version: Option<i64>,
    keys: HashMap<KeyId, Entry>,
    /// The hashes that texts are compared with.
    checks: Vec<Check>,
}

/// The hashes of a key; without a former text its place is taken by that of no key.
struct Check {
    id: u64,
    current: KeyHash,
    former: KeyHash,
    key: Option<Arc<Key>>,
}

impl Check {
    /// The hash that a text with an unknown id is compared with.
    const OF_NO_KEY: Check = Check {
        id: 0,
        current: KeyHash::OF_NO_KEY,
        former: KeyHash::OF_NO_KEY,
        key: None,
    };

    fn of(key: &Arc<Key>) -> Check {
        let former = key.former.as_ref().map(|former| former.hash);
        Check {
            id: packed(key.id.as_str()),
            current: key.hash,
            former: former.unwrap_or(KeyHash::OF_NO_KEY),
            key: Some(key.clone()),
        }
    }

    /// The entry with this id. The time of the search does not depend on whether there
    /// is one.
    fn find<'a>(all: &'a [Check], id: &str) -> &'a Check {
        let id = packed(id);
        let mut place = u64::MAX;
        for (nth, check) in (0u64..).zip(all) {
            place.conditional_assign(&nth, check.id.ct_eq(&id));
        }
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        all.get(place).unwrap_or(&Check::OF_NO_KEY)
    }
}

/// The eight letters of an id as one number; 0 for what is no id of a text.
fn packed(id: &str) -> u64 {
    id.as_bytes().try_into().map_or(0, u64::from_le_bytes)
}

struct Entry {
    key: Arc<Key>,
    /// Microseconds of the last use that was recorded.
    touched: AtomicI64,
}

impl KeyRing {
    /// A ring without keys, which accepts nobody.
    pub fn new(clock: Arc<dyn Clock>) -> KeyRing {
        KeyRing {
            clock,
            chosen: None,
            snapshot: RwLock::default(),
            reading: Mutex::default(),
        }
    }

    /// Adds the key in `MIMO_API_KEY`, which may have any form: it reads and writes all
    /// projects. Fails if it is short enough to be guessed.
    pub fn with_environment_key(self, text: &Secret) -> Result<KeyRing, Failure> {
        let text = text.reveal().as_bytes();
        if text.len() < KEY_CHOSEN_BYTES_MIN {
            let why = format!("{ENVIRONMENT_KEY} has fewer than {KEY_CHOSEN_BYTES_MIN} characters");
            return Err(Failure::invalid("", why)
                .hint("unset it and make a key with `mimo keys generate --name NAME`"));
        }
        let key = Key {
            id: KeyId::stored(ENVIRONMENT_KEY),
            name: ENVIRONMENT_KEY.to_owned(),
            hash: KeyHash::of(text),
            former: None,
            grant: Grant {
                scopes: Scopes::up_to(Scope::Write),
                ..Grant::default()
            },
            created_at: self.clock.now(),
            rotated_at: None,
            expires_at: None,
            revoked_at: None,
            last_used: None,
        };
        Ok(KeyRing {
            chosen: Some(Arc::new(key)),
            ..self
        })
    }

    /// Checks the value of a request's `Authorization` header.
    pub fn authenticate(&self, header: Option<&[u8]>) -> Result<Arc<Key>, Refusal> {
        let header = header.map(<[u8]>::trim_ascii).unwrap_or_default();
        if header.is_empty() {
            return Err(Refusal::Missing);
        }
        self.check(bearer(header).ok_or(Refusal::Malformed)?)
    }

    /// Checks the text of a key in a time that tells nothing about it: an unknown id is
    /// compared with a hash too, and a key's state is checked only after its text was
    /// right.
    pub fn check(&self, text: &[u8]) -> Result<Arc<Key>, Refusal> {
        let id = id_of(text);
        if id.is_none() && self.chosen.is_none() {
            return Err(Refusal::Malformed);
        }
        let hash = KeyHash::of(text);
        if let Some(chosen) = &self.chosen
            && chosen.hash == hash
        {
            return Ok(chosen.clone());
        }
        let id = id.ok_or(Refusal::Malformed)?;
        let snapshot = self.snapshot();
        let check = Check::find(&snapshot.checks, id);
        let is_current = hash.equals(&check.current);
        let is_former = hash.equals(&check.former);
        let is_right = bool::from(is_current | is_former);
        let key = check.key.as_ref().filter(|_| is_right);
        let key = key.ok_or(Refusal::Invalid(None))?;
        let state = key.state(self.clock.now());
        let state = match state {
            // Not `Rotated`: the overlap is over.
            KeyState::Usable if !bool::from(is_current) => KeyState::Expired,
            state => state,
        };
        match state.is_usable() {
            true => Ok(key.clone()),
            false => Err(Refusal::Invalid(Some(UnusableKey {
                id: key.id.clone(),
                state,
            }))),
        }
    }

    /// The current state of the key, for work that outlives its request: `None` once it
    /// is no longer usable.
    pub fn find(&self, id: &KeyId) -> Option<Arc<Key>> {
        let chosen = self.chosen.as_ref().filter(|key| key.id == *id);
        let snapshot = self.snapshot();
        let key = chosen.or_else(|| Some(&snapshot.keys.get(id)?.key))?;
        key.state(self.clock.now()).is_usable().then(|| key.clone())
    }

    /// The keys that are usable now.
    pub fn usable(&self) -> Vec<Arc<Key>> {
        let now = self.clock.now();
        let snapshot = self.snapshot();
        let keys = snapshot.keys.values().map(|entry| &entry.key);
        let keys = keys.chain(&self.chosen).cloned();
        keys.filter(|key| key.state(now).is_usable()).collect()
    }

    /// The moment to record as the key's last use; `None` while the record is less
    /// than a minute old.
    pub fn touch_due(&self, id: &KeyId) -> Option<Timestamp> {
        let now = self.clock.now();
        let snapshot = self.snapshot();
        let touched = &snapshot.keys.get(id)?.touched;
        let before = touched.load(Ordering::Relaxed);
        if Timestamp(before).plus_seconds(KEY_TOUCH_SECONDS_MIN) > now {
            return None;
        }
        // Of concurrent requests, one records it.
        let exchanged =
            touched.compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed);
        exchanged.is_ok().then_some(now)
    }

    /// The store's version of the keys in the ring.
    pub fn version(&self) -> Option<i64> {
        self.snapshot().version
    }

    /// Waits while another caller reads the keys again. Compare the version once more
    /// under the guard.
    pub async fn begin_reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().await
    }

    /// Replaces all keys, except the one in the environment, with `keys`, which the
    /// store had at `version`.
    pub fn replace(&self, version: i64, keys: Vec<Key>) {
        let snapshot = self.snapshot.write();
        let mut snapshot = snapshot.unwrap_or_else(PoisonError::into_inner);
        let entries = keys.into_iter().map(|key| {
            // The store's record may be older than this process's own.
            let before = snapshot.keys.get(&key.id);
            let before = before.map_or(i64::MIN, |entry| entry.touched.load(Ordering::Relaxed));
            let touched = key.last_used.map_or(i64::MIN, |at| at.0).max(before);
            let entry = Entry {
                touched: touched.into(),
                key: Arc::new(key),
            };
            (entry.key.id.clone(), entry)
        });
        let keys: HashMap<KeyId, Entry> = entries.collect();
        *snapshot = Snapshot {
            version: Some(version),
            checks: keys.values().map(|entry| Check::of(&entry.key)).collect(),
            keys,
        };
    }

    fn snapshot(&self) -> RwLockReadGuard<'_, Snapshot> {
        let snapshot = self.snapshot.read();
        snapshot.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credentials in `Bearer CREDENTIALS`; the scheme is case-insensitive.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, rest) = header.split_at_checked(SCHEME.len())?;
    let credentials = rest.trim_ascii_start();
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME)
        && credentials.len() < rest.len()
        && !credentials.is_empty();
    is_bearer.then_some(credentials)
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
