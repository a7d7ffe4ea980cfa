//! Sessions of clients over HTTP.

use futures::future::join_all;
use mimo::clock::{FixedClock, SystemClock};
use mimo::keys::KeyId;
use mimo::limits::{RESOURCES_WATCHED_MAX, SESSION_TOUCH_SECONDS_MIN, SESSIONS_OF_KEY_MAX};
use mimo::store::sessions::{Session, SessionChange};
use mimo::store::{Store, StoreError};

use crate::Room;
use crate::keys::new_key;
use crate::support::{NOON, at, names};

pub(crate) fn session_of(key: &KeyId, id: &str, second: i64) -> Session {
    Session {
        id: id.to_owned(),
        key: key.clone(),
        capabilities: "{\"sampling\":{}}".to_owned(),
        protocol_version: "2025-11-25".to_owned(),
        client_name: "a client".to_owned(),
        log_level: None,
        subscribed: Vec::new(),
        opened_at: at(second),
        touched_at: at(second),
    }
}

fn new_key_id() -> KeyId {
    new_key(&SystemClock, "laptop").0.id
}

async fn load(store: &dyn Store, id: &str) -> Option<Session> {
    store.load_session(id.to_owned()).await.expect("asked")
}

pub(crate) async fn sessions_outlive_the_process<R: Room>() {
    let room = R::fresh().await;
    let key = new_key_id();
    let clock = FixedClock::at(NOON);
    let id = Session::new_id(&clock);
    assert!(id.len() == 22 && id != Session::new_id(&clock));
    let mut session = session_of(&key, &id, 0);
    {
        let store = room.open();
        let ended = store.open_session(session.clone(), 10).await;
        assert!(ended.expect("opened").is_empty());
        let level = SessionChange::LogLevel("warning".to_owned());
        let changed = store.change_session(id.clone(), level).await;
        session.log_level = Some("warning".to_owned());
        assert_eq!(changed.expect("changed").as_ref(), Some(&session));
    }
    let store = room.open();
    assert_eq!(load(&*store, &id).await.as_ref(), Some(&session));
    let minute = SESSION_TOUCH_SECONDS_MIN;
    for (second, touched) in [(minute - 1, 0), (minute, minute), (1, minute)] {
        store
            .touch_session(&session, at(second))
            .await
            .expect("touched");
        let loaded = load(&*store, &id).await.expect("open");
        assert_eq!(loaded.touched_at, at(touched));
    }
    assert!(store.close_session(id.clone()).await.expect("closed"));
    assert!(!store.close_session(id.clone()).await.expect("known"));
    assert_eq!(load(&*store, &id).await, None);
    store
        .touch_session(&session, at(9_000))
        .await
        .expect("nothing");
    let change = SessionChange::Subscribe("mimo://memory/1".to_owned());
    let changed = store.change_session(id.clone(), change).await;
    assert_eq!(changed.expect("nothing"), None);
    assert_eq!(load(&*store, &id).await, None);
}

pub(crate) async fn the_longest_unused_session_of_a_key_ends<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let (one, other) = (new_key_id(), new_key_id());
    let open = async |session: Session| store.open_session(session, 1_000).await.expect("opened");
    assert!(
        open(session_of(&other, "of another key", -1))
            .await
            .is_empty()
    );
    for nth in 0..SESSIONS_OF_KEY_MAX {
        let second = i64::try_from(nth).expect("small");
        let ended = open(session_of(&one, &format!("s{nth}"), second)).await;
        assert!(ended.is_empty(), "{ended:?}");
    }
    let first = load(&*store, "s0").await.expect("open");
    store.touch_session(&first, at(500)).await.expect("touched");
    // The new one stays, even if its clock is behind.
    assert_eq!(open(session_of(&one, "new", -5)).await, ["s1"]);
    for (id, is_open) in [
        ("s0", true),
        ("s1", false),
        ("new", true),
        ("of another key", true),
    ] {
        assert_eq!(load(&*store, id).await.is_some(), is_open, "{id}");
    }
}

pub(crate) async fn idle_sessions_expire_and_all_are_bounded<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    for nth in 0..6 {
        let session = session_of(&new_key_id(), &format!("s{nth}"), nth);
        let ended = store.open_session(session, 5).await.expect("opened");
        assert_eq!(ended, if nth == 5 { vec!["s0"] } else { vec![] });
    }
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    let ended = store.expire_sessions(at(3), 5).await.expect("expired");
    assert_eq!(sorted(ended), ["s1", "s2"]);
    let ended = store.expire_sessions(at(3), 1).await.expect("expired");
    assert_eq!(sorted(ended), ["s3", "s4"]);
    assert!(load(&*store, "s5").await.is_some());
}

pub(crate) async fn changes_at_once_are_all_kept<R: Room>() {
    let room = R::fresh().await;
    let stores = [room.open(), room.open()];
    let session = session_of(&new_key_id(), "one", 0);
    stores[0].open_session(session, 10).await.expect("opened");
    let uri = |nth: usize| format!("mimo://memory/{nth:02}");
    let change = |change: SessionChange, nth: usize| {
        stores[nth % 2].change_session("one".to_owned(), change)
    };
    let all = join_all((0..20).map(|nth| change(SessionChange::Subscribe(uri(nth)), nth))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let again = change(SessionChange::Subscribe(uri(3)), 0).await;
    assert_eq!(again.expect("known").expect("open").subscribed.len(), 20);
    let gone = join_all((2..20).map(|nth| change(SessionChange::Unsubscribe(uri(nth)), nth))).await;
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    let loaded = load(&*stores[1], "one").await.expect("open");
    assert_eq!(loaded.subscribed, names(&[&uri(0), &uri(1)]));
}

pub(crate) async fn subscriptions_are_bounded<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let session = session_of(&new_key_id(), "one", 0);
    store.open_session(session, 10).await.expect("opened");
    let subscribe =
        |uri: String| store.change_session("one".to_owned(), SessionChange::Subscribe(uri));
    let too_long = subscribe("a".repeat(10_000)).await;
    assert!(
        matches!(too_long, Err(StoreError::Conflict(_))),
        "{too_long:?}"
    );
    for nth in 0..RESOURCES_WATCHED_MAX {
        subscribe(nth.to_string()).await.expect("subscribed");
    }
    let one_more = subscribe("one more".to_owned()).await;
    assert!(
        matches!(one_more, Err(StoreError::Conflict(_))),
        "{one_more:?}"
    );
    let loaded = load(&*store, "one").await.expect("open");
    assert_eq!(loaded.subscribed.len(), RESOURCES_WATCHED_MAX);
    let mut large = session_of(&new_key_id(), "large", 0);
    large.capabilities = format!("{{\"a\":\"{}\"}}", "a".repeat(70_000));
    let opened = store.open_session(large, 10).await;
    assert!(matches!(opened, Err(StoreError::Conflict(_))), "{opened:?}");
}

pub(crate) async fn sessions_end_with_their_key<R: Room>() {
    let room = R::fresh().await;
    let store = room.open();
    let [one, two, three] = [(); 3].map(|()| new_key(&SystemClock, "laptop").0);
    for key in [&one, &two, &three] {
        store.add_key(key.clone()).await.expect("added");
        let session = session_of(&key.id, key.id.as_str(), 0);
        store.open_session(session, 10).await.expect("opened");
    }
    let open = async || {
        let mut open = Vec::new();
        for key in [&one, &two, &three] {
            open.push(load(&*store, key.id.as_str()).await.is_some());
        }
        open
    };
    store
        .revoke_key(one.id.clone(), at(1))
        .await
        .expect("revoked");
    assert_eq!(open().await, [false, true, true]);
    let revoked = store.revoke_all_keys(at(1)).await;
    assert_eq!(revoked.expect("revoked"), 2);
    assert_eq!(open().await, [false; 3]);
}
