//! Exports on a connection and a thread of its own: one snapshot for as long as it
//! takes, without blocking the threads of searches.

use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};
use rusqlite::params;
use tokio::sync::mpsc;

use super::connection::open_reader;
use super::rows;
use crate::limits;
use crate::store::memory::{Export, ExportPage, MemoryId};
use crate::store::{ProjectSet, StoreError};

/// See `MemoryStore::export`.
pub(super) fn export(path: PathBuf, projects: ProjectSet) -> Export {
    // One page is read ahead while the previous one is written.
    let (sender, mut pages) = mpsc::channel(1);
    let read = move || {
        let send = |page| sender.blocking_send(Ok(page)).is_ok();
        if let Err(error) = each_page(&path, &projects, send) {
            let _nobody_waits_any_more = sender.blocking_send(Err(error));
        }
    };
    let thread = std::thread::Builder::new().name("store-export".to_owned());
    match thread.spawn(read) {
        Ok(_) => stream::poll_fn(move |context| pages.poll_recv(context)).boxed(),
        Err(error) => {
            let error = StoreError::Defect(Box::new(error));
            stream::once(async { Err(error) }).boxed()
        }
    }
}

/// Reads page after page, at least one, for as long as `send` takes them.
fn each_page(
    path: &Path,
    projects: &ProjectSet,
    mut send: impl FnMut(ExportPage) -> bool,
) -> Result<(), StoreError> {
    let mut connection = open_reader(path)?;
    let file = connection.transaction()?;
    let within = "(?1 IS NULL OR project IN (SELECT value FROM json_each(?1)))";
    let list = rows::json_list(projects);
    let count = format!("SELECT count(*) FROM memory WHERE {within}");
    let total = file.query_row(&count, [&list], |row| row.get::<_, i64>(0))?;
    let page = format!("SELECT id FROM memory WHERE {within} AND id > ?2 ORDER BY id LIMIT ?3");
    let mut page = file.prepare(&page)?;
    let limit = limits::PORTION_MEMORIES_MAX;
    let mut after = MemoryId::MIN;
    loop {
        let ids = page.query_map(params![list, after, limit as i64], |row| row.get(0))?;
        let ids: Vec<MemoryId> = ids.collect::<Result<_, _>>()?;
        let is_last = ids.len() < limit;
        after = ids.last().copied().unwrap_or(after);
        let page = ExportPage {
            total: total.unsigned_abs(),
            memories: rows::fetch(&file, &ids, projects)?,
        };
        if !send(page) || is_last {
            return Ok(());
        }
    }
}
