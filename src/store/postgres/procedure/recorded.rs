//! Recorded calls of skills' tools.

use tokio_postgres::Row;

use crate::caller::Reach;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::postgres::transaction::Tx;
use crate::store::procedure::RecordedCall;

pub(super) async fn record(tx: &Tx, calls: &[RecordedCall], keep: usize) -> Result<(), StoreError> {
    let column = |of: fn(&RecordedCall) -> &str| calls.iter().map(of).collect::<Vec<&str>>();
    let times: Vec<i64> = calls.iter().map(|call| call.at.0).collect();
    let sql = "INSERT INTO recorded_call (id, project, called_at, tool, arguments) \
         SELECT id, project, called_at, tool, arguments \
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) \
         WITH ORDINALITY new (id, project, called_at, tool, arguments, nth) ORDER BY nth";
    tx.execute(
        sql,
        &[
            &column(|call| &call.id),
            &column(|call| &call.project),
            &times,
            &column(|call| &call.tool),
            &column(|call| &call.arguments),
        ],
    )
    .await?;
    // Numbers have gaps, so the oldest to keep is looked up.
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let sql = "DELETE FROM recorded_call WHERE number <= \
         (SELECT number FROM recorded_call ORDER BY number DESC OFFSET $1 LIMIT 1)";
    tx.execute(sql, &[&keep]).await?;
    Ok(())
}

const SELECT: &str = "SELECT c.id, c.project, c.tool, c.arguments, c.called_at";

fn from_row(row: &Row) -> RecordedCall {
    RecordedCall {
        id: row.get(0),
        project: row.get(1),
        tool: row.get(2),
        arguments: row.get(3),
        at: Timestamp(row.get(4)),
    }
}

pub(super) async fn recorded(
    tx: &Tx,
    reach: &Reach,
    ids: &[String],
) -> Result<Vec<RecordedCall>, StoreError> {
    let sql = format!(
        "{SELECT} FROM unnest($2::text[]) WITH ORDINALITY asked (id, nth) \
         JOIN recorded_call c ON c.id = asked.id \
         WHERE ($1::text[] IS NULL OR c.project = ANY ($1)) ORDER BY asked.nth"
    );
    let found = tx.query(&sql, &[&reach.readable(&[]), &ids]).await?;
    Ok(found.iter().map(from_row).collect())
}

pub(super) async fn recent(
    tx: &Tx,
    reach: &Reach,
    limit: usize,
) -> Result<Vec<RecordedCall>, StoreError> {
    let sql = format!(
        "{SELECT} FROM recorded_call c WHERE ($1::text[] IS NULL OR c.project = ANY ($1)) \
         ORDER BY c.number DESC LIMIT $2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = tx.query(&sql, &[&reach.readable(&[]), &limit]).await?;
    Ok(found.iter().map(from_row).collect())
}
