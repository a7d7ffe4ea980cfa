//! Approved tool definitions: one row each in `tool_pin`. `skill_entry` says which
//! entry of the manifest each skill was seen under.

use std::collections::BTreeSet;

use super::PostgresStore;
use super::locks::Lock;
use super::transaction::Tx;
use crate::limits::SKILL_PINS_KEPT_MAX;
use crate::meter::store::Op;
use crate::store::changes::Topic;
use crate::store::measured;
use crate::store::pins::{Approved, FirstListing, OnPinned, Pin, PinStore, SeenEntry};
use crate::store::{StoreError, Stored};

impl PinStore for PostgresStore {
    fn pins(&self) -> Stored<'_, Approved> {
        measured(Op::Pins, async move {
            let tx = self.begin_read().await?;
            let approved = all(&tx).await?;
            tx.commit().await?;
            Ok(approved)
        })
    }

    fn trust(&self, listings: Vec<FirstListing>) -> Stored<'_, Approved> {
        measured(Op::Trust, async move {
            let tx = self.begin_write(&[Lock::Pins]).await?;
            let mut is_new = false;
            for listing in &listings {
                is_new |= see(&tx, listing).await?;
            }
            // Each start of a skill comes here, and hardly any sees something new.
            if is_new {
                self.announce(&tx, Topic::Approvals).await?;
            }
            let approved = all(&tx).await?;
            tx.commit().await?;
            Ok(approved)
        })
    }

    fn pin(&self, pins: Vec<Pin>, on_pinned: OnPinned) -> Stored<'_, Approved> {
        measured(Op::Pin, async move {
            let tx = self.begin_write(&[Lock::Pins]).await?;
            insert(&tx, &pins, on_pinned).await?;
            self.announce(&tx, Topic::Approvals).await?;
            let approved = all(&tx).await?;
            tx.commit().await?;
            Ok(approved)
        })
    }
}

/// Whether the entry was seen for the first time.
async fn see(tx: &Tx, FirstListing { seen, pins }: &FirstListing) -> Result<bool, StoreError> {
    let SeenEntry {
        skill,
        identity,
        entry,
    } = seen;
    let sql = "SELECT identity, entry FROM skill_entry WHERE skill = $1";
    match tx.query_opt(sql, &[skill]).await? {
        Some(known) if known.get::<_, &str>(0) == identity && known.get::<_, &str>(1) == entry => {
            return Ok(false);
        }
        Some(_) => {}
        None => {
            let sql = "UPDATE tool_pin p SET identity = $1 WHERE skill = $2 AND identity = '' \
                       AND NOT EXISTS (SELECT 1 FROM tool_pin o WHERE o.skill = p.skill \
                       AND o.identity = $1 AND o.tool = p.tool)";
            tx.execute(sql, &[identity, skill]).await?;
        }
    }
    let sql = "INSERT INTO skill_entry (skill, identity, entry) VALUES ($1, $2, $3) \
               ON CONFLICT (skill) \
               DO UPDATE SET identity = excluded.identity, entry = excluded.entry";
    tx.execute(sql, &[skill, identity, entry]).await?;
    insert(tx, pins, OnPinned::Keep).await?;
    Ok(true)
}

async fn insert(tx: &Tx, pins: &[Pin], on_pinned: OnPinned) -> Result<(), StoreError> {
    // One statement changes no row twice, so of equal names one pin is kept.
    let mut kept: Vec<&Pin> = pins.iter().collect();
    if on_pinned == OnPinned::Replace {
        kept.reverse();
    }
    let mut names = BTreeSet::new();
    kept.retain(|pin| names.insert((&pin.skill, &pin.identity, &pin.tool)));
    let column =
        |part: fn(&Pin) -> &String| -> Vec<&str> { kept.iter().map(|pin| &**part(pin)).collect() };
    let conflict = match on_pinned {
        OnPinned::Keep => "DO NOTHING",
        OnPinned::Replace => {
            "(skill, identity, tool) \
             DO UPDATE SET hash = excluded.hash, definition = excluded.definition"
        }
    };
    let sql = format!(
        "INSERT INTO tool_pin (skill, identity, tool, hash, definition) \
         SELECT s, i, t, h, d FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], \
         $5::text[]) WITH ORDINALITY p(s, i, t, h, d, n) ORDER BY n ON CONFLICT {conflict}"
    );
    let columns = [
        column(|pin| &pin.skill),
        column(|pin| &pin.identity),
        column(|pin| &pin.tool),
        column(|pin| &pin.hash),
        column(|pin| &pin.definition),
    ];
    let [skills, identities, tools, hashes, definitions] = &columns;
    tx.execute(&sql, &[skills, identities, tools, hashes, definitions])
        .await?;
    // Those of other identities go first, then the oldest.
    let of: BTreeSet<_> = pins.iter().map(|pin| (&pin.skill, &pin.identity)).collect();
    for (skill, identity) in of {
        let sql = "DELETE FROM tool_pin WHERE number IN (SELECT number FROM tool_pin \
                   WHERE skill = $1 ORDER BY identity = $2 DESC, number DESC OFFSET $3)";
        let kept = SKILL_PINS_KEPT_MAX as i64;
        tx.execute(sql, &[skill, identity, &kept]).await?;
    }
    Ok(())
}

async fn all(tx: &Tx) -> Result<Approved, StoreError> {
    let sql = "SELECT skill, identity, tool, hash, definition FROM tool_pin \
               ORDER BY skill, identity, tool";
    let pins = tx.query(sql, &[]).await?;
    let pins = pins.iter().map(|row| Pin {
        skill: row.get(0),
        identity: row.get(1),
        tool: row.get(2),
        hash: row.get(3),
        definition: row.get(4),
    });
    let sql = "SELECT skill, identity, entry FROM skill_entry ORDER BY skill";
    let seen = tx.query(sql, &[]).await?;
    let seen = seen.iter().map(|row| SeenEntry {
        skill: row.get(0),
        identity: row.get(1),
        entry: row.get(2),
    });
    Ok(Approved {
        pins: pins.collect(),
        seen: seen.collect(),
    })
}
