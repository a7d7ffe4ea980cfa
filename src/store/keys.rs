//! The part of the port that stores the keys of clients on the network.

use super::{StoreError, Stored};
use crate::clock::Timestamp;
use crate::keys::{Key, KeyHash, KeyId, KeyRing};

/// All keys at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredKeys {
    /// Opaque; differs whenever any process has changed a key in another way than by
    /// recording its use.
    pub version: i64,
    /// The oldest first, those that are no longer usable among them.
    pub keys: Vec<Key>,
}

/// Keys. Reading them makes no database where there is none.
pub trait KeyStore: Send + Sync {
    fn keys(&self) -> Stored<'_, StoredKeys>;

    /// The version of [`StoredKeys`] alone, cheap enough to be asked for each request.
    fn keys_version(&self) -> Stored<'_, i64>;

    fn key(&self, id: KeyId) -> Stored<'_, Option<Key>>;

    /// Where there are too many, the key that has been unusable for longest is
    /// forgotten. Fails with `Conflict` if all are usable.
    fn add_key(&self, key: Key) -> Stored<'_, ()>;

    /// Replaces a key's text, as [`Key::rotate`] does. Fails with `NoSuchKey`, or with
    /// `Conflict` if the key is no longer usable.
    fn rotate_key(
        &self,
        id: KeyId,
        hash: KeyHash,
        now: Timestamp,
        overlap_end: Timestamp,
    ) -> Stored<'_, Key>;

    /// Revokes a key and ends its sessions. False if it was revoked before. Fails
    /// with `NoSuchKey`.
    fn revoke_key(&self, id: KeyId, now: Timestamp) -> Stored<'_, bool>;

    /// Revokes every key and ends every session; how many were not revoked before.
    fn revoke_all_keys(&self, now: Timestamp) -> Stored<'_, usize>;

    /// Records that a key was used, at most once a minute.
    fn touch_key(&self, id: KeyId, at: Timestamp) -> Stored<'_, ()>;
}

/// Reads the keys into `ring` again if any process has changed one since. Called
/// before each check, so that a revoked key is refused at once.
pub async fn refresh(store: &dyn KeyStore, ring: &KeyRing) -> Result<(), StoreError> {
    let is_current = |version| ring.version() == Some(version);
    if is_current(store.keys_version().await?) {
        return Ok(());
    }
    let _turn = ring.begin_reading().await;
    if is_current(store.keys_version().await?) {
        return Ok(());
    }
    let StoredKeys { version, keys } = store.keys().await?;
    ring.replace(version, keys);
    Ok(())
}

/// Replaces the text of `key`. Fails with `Conflict` if it is no longer usable.
pub(super) fn rotate(
    key: &mut Key,
    hash: KeyHash,
    now: Timestamp,
    overlap_end: Timestamp,
) -> Result<(), StoreError> {
    key.rotate(hash, now, overlap_end).map_err(|state| {
        let (id, state) = (&key.id, state.name());
        StoreError::Conflict(format!("the key {id} is {state} and cannot be rotated"))
    })
}
