use super::*;
use crate::clock::FixedClock;
use crate::keys::KeyText;

struct World {
    clock: Arc<FixedClock>,
    ring: KeyRing,
}

impl World {
    fn new() -> World {
        let clock = Arc::new(FixedClock::at(Timestamp(1_000_000_000)));
        let ring = KeyRing::new(clock.clone());
        World { clock, ring }
    }

    fn key(&self, expires_at: Option<Timestamp>) -> (Key, KeyText) {
        let made = Key::generate(&*self.clock, "laptop", Grant::default(), expires_at);
        made.expect("a key")
    }

    fn present(&self, text: &str) -> Result<Arc<Key>, Refusal> {
        let header = format!("Bearer {text}");
        self.ring.authenticate(Some(header.as_bytes()))
    }

    fn refused(&self, text: &str) -> Option<KeyState> {
        match self.present(text) {
            Err(Refusal::Invalid(unusable)) => unusable.map(|unusable| unusable.state),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn refusals_follow_from_the_syntax_alone() {
    let world = World::new();
    let (key, text) = world.key(None);
    world.ring.replace(1, vec![key.clone()]);
    let text = text.reveal();
    for (header, refusal) in [
        (None, Refusal::Missing),
        (Some(String::new()), Refusal::Missing),
        (Some("  ".to_owned()), Refusal::Missing),
        (Some(text.to_owned()), Refusal::Malformed),
        (Some("Bearer".to_owned()), Refusal::Malformed),
        (Some("Bearer ".to_owned()), Refusal::Malformed),
        (Some(format!("Bearer{text}")), Refusal::Malformed),
        (Some(format!("Basic {text}")), Refusal::Malformed),
        (Some(format!("Bearer {text} {text}")), Refusal::Malformed),
        (Some(format!("Bearer {}", &text[1..])), Refusal::Malformed),
    ] {
        let header = header.as_ref().map(|header| header.as_bytes());
        assert_eq!(world.ring.authenticate(header), Err(refusal));
    }
    assert_eq!(
        world.ring.authenticate(Some(b"Bearer \xff\xff")),
        Err(Refusal::Malformed)
    );
    for header in [format!("Bearer {text}"), format!(" bEARER   {text} ")] {
        let found = world.ring.authenticate(Some(header.as_bytes()));
        assert_eq!(found.expect("let in").id, key.id);
    }
}

#[test]
fn only_the_whole_right_text_lets_in() {
    let world = World::new();
    let (key, text) = world.key(None);
    world.ring.replace(1, vec![key]);
    let text = text.reveal();
    assert!(world.present(text).is_ok());
    for at in 14..text.len() {
        let mut wrong = text.as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).expect("UTF-8");
        assert_eq!(world.refused(&wrong), None, "{at}");
    }
    let (_, unknown) = world.key(None);
    assert_eq!(world.refused(unknown.reveal()), None);
}

#[test]
fn expired_and_revoked_keys_are_refused() {
    let world = World::new();
    let end = world.clock.now().plus_seconds(10);
    let (expiring, first) = world.key(Some(end));
    let (mut revoked, second) = world.key(None);
    revoked.revoked_at = Some(world.clock.now());
    world.ring.replace(1, vec![expiring.clone(), revoked]);
    assert_eq!(world.refused(second.reveal()), Some(KeyState::Revoked));
    assert!(world.present(first.reveal()).is_ok());
    assert_eq!(world.ring.usable().len(), 1);
    world.clock.advance_seconds(10);
    assert_eq!(world.refused(first.reveal()), Some(KeyState::Expired));
    assert_eq!(world.ring.find(&expiring.id), None);
    assert!(world.ring.usable().is_empty());
}

#[test]
fn both_texts_of_a_rotated_key_let_in_until_the_overlap_ends() {
    let world = World::new();
    let (mut key, old) = world.key(None);
    let new = KeyText::generate_for(key.id.clone(), &*world.clock);
    let now = world.clock.now();
    key.rotate(new.hash(), now, now.plus_seconds(10))
        .expect("rotated");
    world.ring.replace(1, vec![key]);
    assert!(world.present(old.reveal()).is_ok());
    assert!(world.present(new.reveal()).is_ok());
    world.clock.advance_seconds(10);
    assert_eq!(world.refused(old.reveal()), Some(KeyState::Expired));
    assert!(world.present(new.reveal()).is_ok());
}

#[test]
fn a_replaced_ring_forgets_what_is_not_in_it() {
    let world = World::new();
    let (key, text) = world.key(None);
    assert_eq!(world.refused(text.reveal()), None);
    assert_eq!(world.ring.version(), None);
    world.ring.replace(7, vec![key]);
    assert_eq!(world.ring.version(), Some(7));
    assert!(world.present(text.reveal()).is_ok());
    world.ring.replace(8, Vec::new());
    assert_eq!(world.refused(text.reveal()), None);
}

#[test]
fn a_use_is_recorded_once_a_minute() {
    let world = World::new();
    let (mut key, _) = world.key(None);
    world.ring.replace(1, vec![key.clone()]);
    let first = world.clock.now();
    assert_eq!(world.ring.touch_due(&key.id), Some(first));
    assert_eq!(world.ring.touch_due(&key.id), None);
    // Read again before the store has recorded it.
    world.ring.replace(2, vec![key.clone()]);
    assert_eq!(world.ring.touch_due(&key.id), None);
    world.clock.advance_seconds(KEY_TOUCH_SECONDS_MIN);
    // Another process has recorded a use meanwhile.
    key.last_used = Some(world.clock.now().plus_seconds(-1));
    world.ring.replace(3, vec![key.clone()]);
    assert_eq!(world.ring.touch_due(&key.id), None);
    world.clock.advance_seconds(KEY_TOUCH_SECONDS_MIN);
    assert_eq!(world.ring.touch_due(&key.id), Some(world.clock.now()));
}

#[test]
fn a_chosen_key_reads_and_writes_whatever_its_form() {
    let chosen = "correct horse battery staple 1234";
    let world = World::new();
    let ring = world.ring.with_environment_key(&Secret::new(chosen));
    let world = World {
        ring: ring.expect("long enough"),
        ..world
    };
    let (key, text) = world.key(None);
    world.ring.replace(1, vec![key]);
    let found = world.present(chosen).expect("let in");
    assert_eq!(found.name, "MIMO_API_KEY");
    assert_eq!(found.grant.scopes.names(), ["read", "write"]);
    assert_eq!(world.ring.find(&found.id), Some(found.clone()));
    assert!(world.present(text.reveal()).is_ok());
    let wrong = world.present("correct horse battery staple 1235");
    assert_eq!(wrong, Err(Refusal::Malformed));
    assert_eq!(world.ring.touch_due(&found.id), None);
    let short =
        KeyRing::new(world.clock.clone()).with_environment_key(&Secret::new("a".repeat(31)));
    let failure = short.err().expect("refused");
    assert!(failure.message.contains("fewer than 32"), "{failure}");
}
