//! Facts about a server, for the person who operates it.

use std::time::Instant;

use super::connection::Connector;
use super::{migrate, pooler};
use crate::clock::{Clock, SystemClock};
use crate::limits;
use crate::store::StoreError;
use crate::store::integrity::Observation;

/// How often the round trip to the server is measured.
const ROUNDS: usize = 5;

/// Asks on connections of its own, so that a full pool does not hide anything.
pub(super) async fn examine(connector: &Connector) -> Result<Vec<Observation>, StoreError> {
    let client = connector.open().await?;
    let sql = "SELECT current_setting('server_version'), \
               (SELECT extversion FROM pg_extension WHERE extname = 'vector'), \
               current_setting('max_connections')::bigint \
               - current_setting('superuser_reserved_connections')::bigint, \
               (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
               pg_is_in_recovery()";
    let row = client.query_one(sql, &[]).await?;
    let version: &str = row.get(0);
    let extension: Option<&str> = row.get(1);
    let (allowed, used): (i64, i64) = (row.get(2), row.get(3));
    let is_standby: bool = row.get(4);
    let settings = &connector.settings;
    let version_there = migrate::version(&client, &settings.schema).await?;
    let schema = match version_there {
        Some(found) => format!("schema {} of version {found}", settings.schema),
        None => format!("no schema {} yet", settings.schema),
    };
    let extension = match extension {
        Some(version) => format!("pgvector {version}"),
        None => "no pgvector".to_owned(),
    };
    let mut found = vec![Observation {
        name: "database",
        is_good: !is_standby,
        value: format!(
            "PostgreSQL {version}{}, {extension}, {schema}",
            match is_standby {
                true => ", a standby that takes no writes",
                false => "",
            }
        ),
    }];
    let mut times = Vec::new();
    let mut ahead = 0;
    for _ in 0..ROUNDS {
        let (before, begun) = (SystemClock.now(), Instant::now());
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let there: i64 = client.query_one(sql, &[]).await?.get(0);
        let took = begun.elapsed();
        times.push(took);
        let middle = before.0 + i64::try_from(took.as_micros() / 2).unwrap_or(0);
        ahead = there - middle;
    }
    times.sort_unstable();
    let middle = times[ROUNDS / 2].as_secs_f64() * 1e3;
    found.push(Observation {
        name: "latency",
        is_good: middle <= limits::DATABASE_LATENCY_MILLIS_GOOD,
        value: format!("{middle:.1} ms there and back"),
    });
    let own = settings.readers + settings.writers + 1;
    let free = allowed - used;
    found.push(Observation {
        name: "connections",
        is_good: free >= i64::try_from(own).unwrap_or(i64::MAX),
        value: format!("{free} of {allowed} free, a Mimo takes up to {own}"),
    });
    found.push(Observation {
        name: "clock",
        is_good: ahead.abs() <= limits::DATABASE_CLOCK_MICROS_GOOD,
        value: format!("the server's differs by {:.3} s", ahead as f64 / 1e6),
    });
    found.push(observe_pooler(connector).await?);
    Ok(found)
}

async fn observe_pooler(connector: &Connector) -> Result<Observation, StoreError> {
    let (one, two) = (connector.open().await?, connector.open().await?);
    let shared = pooler::is_pooled(&one, &two).await?;
    Ok(Observation {
        name: "pooler",
        is_good: !shared,
        value: match shared {
            false => "none that shares connections".to_owned(),
            true => "shares connections by transaction, which Mimo refuses: connect to the \
                     server itself, or let it pool by session"
                .to_owned(),
        },
    })
}
