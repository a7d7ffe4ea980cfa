//! Approved tool definitions: one row each in `tool_pin`.

use rusqlite::{Transaction, params};

use super::SqliteStore;
use crate::store::pins::{OnPinned, Pin, PinStore};
use crate::store::{StoreError, Stored};

impl PinStore for SqliteStore {
    fn pins(&self) -> Stored<'_, Vec<Pin>> {
        Box::pin(async {
            // A path that cannot be looked at is no proof that nothing is there.
            match self.path.try_exists() {
                Ok(false) => Ok(Vec::new()),
                Ok(true) | Err(_) => self.read(all).await,
            }
        })
    }

    fn pin(&self, pins: Vec<Pin>, on_pinned: OnPinned) -> Stored<'_, Vec<Pin>> {
        Box::pin(self.write(move |file| {
            let mut insert = file.prepare_cached(match on_pinned {
                OnPinned::Keep => {
                    "INSERT INTO tool_pin (skill, tool, hash, definition) VALUES (?, ?, ?, ?) \
                     ON CONFLICT DO NOTHING"
                }
                OnPinned::Replace => {
                    "INSERT INTO tool_pin (skill, tool, hash, definition) VALUES (?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET hash = excluded.hash, definition = excluded.definition"
                }
            })?;
            for pin in &pins {
                insert.execute(params![pin.skill, pin.tool, pin.hash, pin.definition])?;
            }
            all(file)
        }))
    }
}

fn all(file: &Transaction<'_>) -> Result<Vec<Pin>, StoreError> {
    let sql = "SELECT skill, tool, hash, definition FROM tool_pin ORDER BY skill, tool";
    let mut statement = file.prepare_cached(sql)?;
    let pins = statement.query_map([], |row| {
        Ok(Pin {
            skill: row.get(0)?,
            tool: row.get(1)?,
            hash: row.get(2)?,
            definition: row.get(3)?,
        })
    })?;
    Ok(pins.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(skill: &str, hash: &str) -> Pin {
        Pin {
            skill: skill.to_owned(),
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
        assert!(store.pins().await.expect("pins").is_empty());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_first_of_two_stores_decides_until_a_person_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || SqliteStore::start(folder.path().join("mimo.db")).expect("a store");
        let (one, two) = (open(), open());
        one.pin(vec![pin("a", "1")], OnPinned::Keep)
            .await
            .expect("pinned");
        let both = two
            .pin(vec![pin("a", "2"), pin("b", "2")], OnPinned::Keep)
            .await;
        assert_eq!(both.expect("pinned"), [pin("a", "1"), pin("b", "2")]);
        two.pin(vec![pin("a", "3")], OnPinned::Replace)
            .await
            .expect("pinned");
        assert_eq!(
            one.pins().await.expect("pins"),
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
        assert_eq!(stores[0].pins().await.expect("pins").len(), 16);
    }
}
