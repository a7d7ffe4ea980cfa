//! Keys of clients that come over the network.

use std::sync::Arc;

use mimo::clock::{Clock, FixedClock, SystemClock};
use mimo::keys::{Grant, GrantWords, Key, KeyId, KeyRing, KeyState, KeyText};
use mimo::limits::{KEY_TOUCH_SECONDS_MIN, KEYS_KEPT_MAX};
use mimo::store::keys::{StoredKeys, refresh};
use mimo::store::{Store, StoreError};

use crate::Room;
use crate::sessions::session_of;
use crate::support::{NOON, assert_is_whole, at, names};

pub(crate) fn new_key(clock: &dyn Clock, name: &str) -> (Key, KeyText) {
    let grant = Grant::parse(GrantWords {
        scopes: &names(&["write", "metrics"]),
        projects: &names(&["website", "global"]),
        tools: &names(&["memory_*", "!memory_edit"]),
        profile: Some("core"),
        requests_per_minute: Some(60),
        at_once: None,
    });
    Key::generate(clock, name, grant.expect("a grant"), None).expect("a key")
}

/// All keys, as they are kept.
async fn keys(store: &dyn Store) -> Vec<Key> {
    store.keys().await.expect("keys").keys
}

pub(crate) async fn a_key_comes_back_as_it_was_added<R: Room>() {
    let room = R::fresh().await;
    let clock = FixedClock::at(NOON);
    let (mut first, _) = new_key(&clock, "Ada's laptop");
    first.expires_at = Some(at(100));
    clock.advance_seconds(1);
    let (second, _) = new_key(&clock, "CI");
    let store = room.open();
    for key in [&second, &first] {
        store.add_key(key.clone()).await.expect("added");
    }
    let other = room.open();
    assert_eq!(keys(&*other).await, [first.clone(), second]);
    let found = other.key(first.id.clone()).await.expect("asked");
    assert_eq!(found, Some(first.clone()));
    let unknown = KeyText::generate(&clock).id().clone();
    assert_eq!(other.key(unknown).await.expect("asked"), None);
    // An id that is taken takes nothing over.
    let mut twin = first.clone();
    twin.name = "another".to_owned();
    let added = other.add_key(twin).await;
    assert!(matches!(added, Err(StoreError::Conflict(_))), "{added:?}");
    assert_eq!(
        store.key(first.id.clone()).await.expect("asked"),
        Some(first)
    );
    assert_is_whole(&*store).await;
}

pub(crate) async fn every_ring_follows_the_changes_of_all_processes<R: Room>() {
    let room = R::fresh().await;
    let clock = Arc::new(FixedClock::at(NOON));
    let stores = [room.open(), room.open(), room.open()];
    let rings = [(); 3].map(|()| KeyRing::new(clock.clone()));
    let let_in = async |text: &KeyText| {
        let mut each = Vec::new();
        for (store, ring) in stores.iter().zip(&rings) {
            refresh(&**store, ring).await.expect("read");
            each.push(ring.check(text.reveal().as_bytes()).is_ok());
        }
        assert!(each.iter().all(|one| *one == each[0]), "{each:?}");
        each[0]
    };
    let (key, first) = new_key(&*clock, "laptop");
    assert!(!let_in(&first).await);
    stores[0].add_key(key.clone()).await.expect("added");
    assert!(let_in(&first).await);

    let second = KeyText::generate_for(key.id.clone(), &*clock);
    let rotated = stores[1].rotate_key(key.id.clone(), second.hash(), at(0), at(10));
    let rotated = rotated.await.expect("rotated");
    assert_eq!(rotated.state(at(0)), KeyState::Rotated { until: at(10) });
    assert!(let_in(&first).await && let_in(&second).await);
    clock.advance_seconds(10);
    assert!(!let_in(&first).await && let_in(&second).await);

    let before = stores[0].keys_version().await.expect("a version");
    stores[2]
        .touch_key(key.id.clone(), clock.now())
        .await
        .expect("recorded");
    let after = stores[0].keys_version().await.expect("a version");
    assert_eq!(before, after, "a use is no change");

    let revoked = stores[2].revoke_key(key.id.clone(), clock.now()).await;
    assert!(revoked.expect("revoked"));
    assert!(!let_in(&second).await);
    let again = stores[0].revoke_key(key.id, clock.now()).await;
    assert!(!again.expect("known"));
}

const CHANGES: usize = 4;

async fn change(store: &dyn Store, nth: usize, kept: &KeyId) -> Result<(), StoreError> {
    match nth {
        0 => store.add_key(new_key(&SystemClock, "another").0).await,
        1 => {
            let text = KeyText::generate_for(kept.clone(), &SystemClock);
            let rotated = store.rotate_key(kept.clone(), text.hash(), at(1), at(2));
            rotated.await.map(drop)
        }
        2 => store.revoke_key(kept.clone(), at(1)).await.map(drop),
        _ => store.revoke_all_keys(at(1)).await.map(drop),
    }
}

pub(crate) async fn a_change_of_keys_is_whole_or_not_at_all<R: Room>() {
    for nth in 0..CHANGES {
        let room = R::fresh().await;
        let store = room.open();
        let (key, _) = new_key(&FixedClock::at(NOON), "laptop");
        store.add_key(key.clone()).await.expect("added");
        let session = session_of(&key.id, "one", 0);
        store.open_session(session, 10).await.expect("opened");
        let seen = async || {
            let session = store.load_session("one".to_owned()).await.expect("asked");
            (store.keys().await.expect("keys"), session)
        };
        let before: (StoredKeys, _) = seen().await;
        let mut changes = 0;
        loop {
            changes += 1;
            assert!(changes < 20, "change {nth} never succeeds");
            room.fail_at(Some(changes));
            let done = change(&*store, nth, &key.id).await;
            room.fail_at(None);
            let after = seen().await;
            if done.is_ok() {
                assert_ne!(before.0.version, after.0.version, "change {nth} is seen");
                assert_ne!(before.0.keys, after.0.keys, "change {nth} does something");
                break;
            }
            assert_eq!(before, after, "change {nth} at its change {changes}");
        }
        assert!(changes > 1, "change {nth} was made to fail");
    }
}

pub(crate) async fn only_usable_keys_are_rotated<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let clock = FixedClock::at(NOON);
    let hash = KeyText::generate(&clock).hash();
    let (mut expired, _) = new_key(&clock, "expired");
    expired.expires_at = Some(at(1));
    let (revoked, _) = new_key(&clock, "revoked");
    for key in [&expired, &revoked] {
        store.add_key(key.clone()).await.expect("added");
    }
    store
        .revoke_key(revoked.id.clone(), at(1))
        .await
        .expect("revoked");
    for (id, said) in [(expired.id, "expired"), (revoked.id, "revoked")] {
        let rotated = store.rotate_key(id, hash, at(1), at(2)).await;
        assert!(
            matches!(&rotated, Err(StoreError::Conflict(why)) if why.contains(said)),
            "{rotated:?}"
        );
    }
    let unknown = KeyText::generate(&clock).id().clone();
    let rotated = store.rotate_key(unknown.clone(), hash, at(1), at(2)).await;
    assert!(matches!(rotated, Err(StoreError::NoSuchKey(id)) if id == unknown.as_str()));
    let revoked = store.revoke_key(unknown, at(1)).await;
    assert!(matches!(revoked, Err(StoreError::NoSuchKey(_))));
}

pub(crate) async fn uses_are_recorded_once_a_minute<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let (key, _) = new_key(&FixedClock::at(NOON), "laptop");
    store.add_key(key.clone()).await.expect("added");
    for (second, recorded) in [
        (0, 0),
        (KEY_TOUCH_SECONDS_MIN - 1, 0),
        (KEY_TOUCH_SECONDS_MIN, KEY_TOUCH_SECONDS_MIN),
        // Another process, whose clock is behind.
        (1, KEY_TOUCH_SECONDS_MIN),
    ] {
        store
            .touch_key(key.id.clone(), at(second))
            .await
            .expect("recorded");
        assert_eq!(keys(&*store).await[0].last_used, Some(at(recorded)));
    }
}

pub(crate) async fn the_key_that_was_unusable_for_longest_makes_room<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let clock = FixedClock::at(NOON);
    let mut ids = Vec::new();
    for nth in 0..KEYS_KEPT_MAX {
        let (mut key, _) = new_key(&clock, "one of many");
        // The second has expired after the third was revoked.
        key.expires_at = (nth == 1).then(|| at(3));
        ids.push(key.id.clone());
        store.add_key(key).await.expect("added");
    }
    store
        .revoke_key(ids[2].clone(), at(2))
        .await
        .expect("revoked");
    clock.advance_seconds(10);
    for forgotten in [Some(&ids[2]), Some(&ids[1]), None] {
        let added = store.add_key(new_key(&clock, "late").0).await;
        let kept = keys(&*store).await;
        assert_eq!(kept.len(), KEYS_KEPT_MAX);
        match forgotten {
            Some(id) => {
                added.expect("added");
                assert!(kept.iter().all(|key| key.id != *id), "{id}");
            }
            None => assert!(matches!(added, Err(StoreError::Conflict(_))), "{added:?}"),
        }
    }
}
