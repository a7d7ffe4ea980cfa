//! Approved tool definitions: one row each in `tool_pin`. `skill_entry` says which
//! entry of the manifest each skill was seen under.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::SqliteStore;
use crate::limits::SKILL_PINS_KEPT_MAX;
use crate::meter::store::Op;
use crate::store::measured;
use crate::store::pins::{Approved, FirstListing, OnPinned, Pin, PinStore, SeenEntry};
use crate::store::{StoreError, Stored};

impl PinStore for SqliteStore {
    fn pins(&self) -> Stored<'_, Approved> {
        measured(Op::Pins, async {
            // A path that cannot be looked at is no proof that nothing is there.
            match self.path.try_exists() {
                Ok(false) => Ok(Approved::default()),
                Ok(true) | Err(_) => self.read(all).await,
            }
        })
    }

    fn trust(&self, listings: Vec<FirstListing>) -> Stored<'_, Approved> {
        measured(
            Op::Trust,
            self.write(move |file| {
                for listing in &listings {
                    see(file, listing)?;
                }
                all(file)
            }),
        )
    }

    fn pin(&self, pins: Vec<Pin>, on_pinned: OnPinned) -> Stored<'_, Approved> {
        measured(
            Op::Pin,
            self.write(move |file| {
                insert(file, &pins, on_pinned)?;
                all(file)
            }),
        )
    }
}

fn see(
    file: &Transaction<'_>,
    FirstListing { seen, pins }: &FirstListing,
) -> Result<(), StoreError> {
    let SeenEntry {
        skill,
        identity,
        entry,
    } = seen;
    let sql = "SELECT identity, entry FROM skill_entry WHERE skill = ?";
    let mut known = file.prepare_cached(sql)?;
    let known = known.query_row([skill], |row| Ok((row.get(0)?, row.get(1)?)));
    match known.optional()? {
        Some(known) if known == (identity.clone(), entry.clone()) => return Ok(()),
        Some(_) => {}
        None => {
            let sql =
                "UPDATE OR IGNORE tool_pin SET identity = ? WHERE skill = ? AND identity = ''";
            file.execute(sql, [identity, skill])?;
        }
    }
    let sql = "INSERT INTO skill_entry (skill, identity, entry) VALUES (?, ?, ?) ON CONFLICT \
               DO UPDATE SET identity = excluded.identity, entry = excluded.entry";
    file.execute(sql, [skill, identity, entry])?;
    insert(file, pins, OnPinned::Keep)
}

fn insert(file: &Transaction<'_>, pins: &[Pin], on_pinned: OnPinned) -> Result<(), StoreError> {
    let mut insert = file.prepare_cached(match on_pinned {
        OnPinned::Keep => {
            "INSERT INTO tool_pin (skill, identity, tool, hash, definition) \
             VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        }
        OnPinned::Replace => {
            "INSERT INTO tool_pin (skill, identity, tool, hash, definition) \
             VALUES (?, ?, ?, ?, ?) ON CONFLICT \
             DO UPDATE SET hash = excluded.hash, definition = excluded.definition"
        }
    })?;
    let mut full = file.prepare_cached(
        "DELETE FROM tool_pin WHERE rowid IN (SELECT rowid FROM tool_pin WHERE skill = ?1 \
         ORDER BY identity = ?2 DESC, rowid DESC LIMIT -1 OFFSET ?3)",
    )?;
    for pin in pins {
        insert.execute(params![
            pin.skill,
            pin.identity,
            pin.tool,
            pin.hash,
            pin.definition
        ])?;
    }
    // Those of other identities go first, then the oldest.
    let of: BTreeSet<_> = pins.iter().map(|pin| (&pin.skill, &pin.identity)).collect();
    for (skill, identity) in of {
        full.execute(params![skill, identity, SKILL_PINS_KEPT_MAX as i64])?;
    }
    Ok(())
}

fn all(file: &Transaction<'_>) -> Result<Approved, StoreError> {
    let sql = "SELECT skill, identity, tool, hash, definition FROM tool_pin \
               ORDER BY skill, identity, tool";
    let mut pins = file.prepare_cached(sql)?;
    let pins = pins.query_map([], |row| {
        Ok(Pin {
            skill: row.get(0)?,
            identity: row.get(1)?,
            tool: row.get(2)?,
            hash: row.get(3)?,
            definition: row.get(4)?,
        })
    })?;
    let mut seen = file.prepare_cached("SELECT skill, identity, entry FROM skill_entry")?;
    let seen = seen.query_map([], |row| {
        Ok(SeenEntry {
            skill: row.get(0)?,
            identity: row.get(1)?,
            entry: row.get(2)?,
        })
    })?;
    Ok(Approved {
        pins: pins.collect::<Result<_, _>>()?,
        seen: seen.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(skill: &str, hash: &str) -> Pin {
        Pin {
            skill: skill.to_owned(),
            identity: "i".to_owned(),
            tool: "echo".to_owned(),
            hash: hash.to_owned(),
            definition: "{}".to_owned(),
        }
    }

    #[tokio::test]
    async fn reading_pins_makes_no_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mimo.db");
        let store = SqliteStore::start(path.clone()).expect("a store");
        assert!(store.pins().await.expect("pins") == Approved::default());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn first_pin_holds_until_a_person_approves_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
        let (one, two) = (open(), open());
        one.pin(vec![pin("a", "1")], OnPinned::Keep)
            .await
            .expect("pinned");
        let both = two
            .pin(vec![pin("a", "2"), pin("b", "2")], OnPinned::Keep)
            .await;
        assert_eq!(both.expect("pinned").pins, [pin("a", "1"), pin("b", "2")]);
        two.pin(vec![pin("a", "3")], OnPinned::Replace)
            .await
            .expect("pinned");
        assert_eq!(
            one.pins().await.expect("pins").pins,
            [pin("a", "3"), pin("b", "2")]
        );
    }

    #[tokio::test]
    async fn approvals_of_many_stores_at_once_are_all_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let stores: Vec<SqliteStore> = (0..4)
            .map(|_| SqliteStore::start(folder.path().join("mimo.db")).expect("a store"))
            .collect();
        let approve = |at: usize| {
            let pins = vec![pin(&format!("s{at}"), "1")];
            stores[at % stores.len()].pin(pins, OnPinned::Replace)
        };
        for approved in futures::future::join_all((0..16).map(approve)).await {
            approved.expect("pinned");
        }
        assert_eq!(stores[0].pins().await.expect("pins").pins.len(), 16);
    }

    #[tokio::test]
    async fn pins_of_one_name_are_bounded_and_the_latest_identity_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
        let many = |identity: &str, count: usize| {
            let one = |number: usize| Pin {
                identity: identity.to_owned(),
                tool: format!("tool {number}"),
                ..pin("a", "1")
            };
            (0..count).map(one).collect::<Vec<_>>()
        };
        let other = store.pin(vec![pin("b", "1")], OnPinned::Keep).await;
        other.expect("pinned");
        let old = store
            .pin(many("old", SKILL_PINS_KEPT_MAX), OnPinned::Keep)
            .await;
        old.expect("pinned");
        let new = store.pin(many("new", 10), OnPinned::Replace).await;
        let new = new.expect("pinned").pins;
        assert_eq!(new.len(), SKILL_PINS_KEPT_MAX + 1);
        assert_eq!(new.iter().filter(|pin| pin.identity == "new").count(), 10);
        assert!(new.contains(&pin("b", "1")), "another skill's");
    }

    fn listing(identity: &str, entry: &str, pins: Vec<Pin>) -> FirstListing {
        FirstListing {
            seen: SeenEntry {
                skill: "a".to_owned(),
                identity: identity.to_owned(),
                entry: entry.to_owned(),
            },
            pins,
        }
    }

    #[tokio::test]
    async fn an_entry_is_seen_for_the_first_time_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
        let first = listing("i", "e", vec![pin("a", "1")]);
        store.trust(vec![first]).await.expect("trusted");
        let mut late = pin("a", "2");
        late.tool = "late".to_owned();
        let again = listing("i", "e", vec![late.clone()]);
        let kept = store.trust(vec![again]).await.expect("read").pins;
        assert_eq!(kept, [pin("a", "1")], "another process came first");
        let edited = listing("i", "edited", vec![late.clone()]);
        let both = store.trust(vec![edited]).await.expect("trusted").pins;
        assert_eq!(both, [pin("a", "1"), late]);
    }

    #[tokio::test]
    async fn pins_of_an_earlier_version_go_to_the_first_identity_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
        let mut old = pin("a", "1");
        old.identity = String::new();
        store
            .pin(vec![old.clone()], OnPinned::Keep)
            .await
            .expect("pinned");
        let seen = store.trust(vec![listing("i", "e", Vec::new())]).await;
        assert_eq!(seen.expect("trusted").pins, [pin("a", "1")]);
        store
            .pin(vec![old.clone()], OnPinned::Keep)
            .await
            .expect("pinned");
        let seen = store.trust(vec![listing("j", "e", Vec::new())]).await;
        assert_eq!(seen.expect("trusted").pins, [old, pin("a", "1")]);
    }
}
