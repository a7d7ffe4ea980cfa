//! The PostgreSQL room: a schema for each case. It is made to fail by triggers, so it
//! needs no hook.

use std::sync::Arc;

use mimo::secret::Secret;
use mimo::store::Store;
use mimo::store::postgres::{PostgresSettings, PostgresStore};

use crate::Room;
use crate::harness::postgres::{Server, server};

pub(crate) struct Postgres {
    server: &'static Server,
    schema: String,
}

impl Postgres {
    /// A store with settings that `change` has changed.
    pub(crate) fn open_with(&self, change: impl FnOnce(&mut PostgresSettings)) -> Arc<dyn Store> {
        let mut settings = PostgresSettings::new(Secret::new(self.server.url()));
        settings.schema = self.schema.clone();
        change(&mut settings);
        Arc::new(PostgresStore::start(settings).expect("it starts"))
    }

    /// The rows of a statement, columns separated by `|`.
    pub(crate) fn psql(&self, sql: &str) -> String {
        let sql = format!("SET search_path = {}, public; {sql}", self.schema);
        self.server.psql(&sql).expect("psql")
    }
}

/// Every row that changes counts down; the transaction fails at the last, which also
/// takes back its part of the count.
const FAULTS: &str = "
CREATE TABLE fault (changes_left int);
INSERT INTO fault VALUES (NULL);
CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE counted int;
BEGIN
    UPDATE fault SET changes_left = changes_left - 1 WHERE changes_left IS NOT NULL
        RETURNING changes_left INTO counted;
    IF counted = 0 THEN
        RAISE EXCEPTION 'fault';
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = current_schema() AND tablename <> 'fault'
    LOOP
        EXECUTE format('CREATE TRIGGER fault AFTER INSERT OR UPDATE OR DELETE ON %I \
                        FOR EACH ROW EXECUTE FUNCTION fault()', name);
    END LOOP;
END $$;";

impl Room for Postgres {
    fn missing() -> Option<String> {
        server().err()
    }

    async fn fresh() -> Postgres {
        let server = server().expect("a server");
        let room = Postgres {
            server,
            schema: server.new_schema(),
        };
        room.open().ready().await.expect("it opens");
        room.psql(FAULTS);
        room
    }

    fn open(&self) -> Arc<dyn Store> {
        self.open_with(|_| ())
    }

    fn fail_at(&self, change: Option<u32>) {
        let left = change.map_or("NULL".to_owned(), |change| change.to_string());
        self.psql(&format!("UPDATE fault SET changes_left = {left}"));
    }
}
