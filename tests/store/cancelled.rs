//! Writes on PostgreSQL whose caller gives up: all of it is stored, or nothing, and the
//! connection is as good as before.

use mimo::caller::Reach;
use mimo::store::graph::GraphWrite;

use crate::Room;
use crate::harness;
use crate::postgres::Postgres;

/// More than a write takes.
const TURNS: usize = 400;
/// So many words are stored together.
const WORDS: usize = 5;

fn write(round: usize) -> GraphWrite {
    Box::new(move |graph| {
        Box::pin(async move {
            for nth in 0..WORDS {
                graph.intern(&[&format!("round{round}word{nth}")]).await?;
            }
            Ok(())
        })
    })
}

#[tokio::test]
async fn a_graph_write_that_is_given_up_is_whole_or_nothing() {
    if let Some(missing) = Postgres::missing() {
        return harness::machine::skip(&missing, "cancelled");
    }
    let room = Postgres::fresh().await;
    // One connection for all of them, so that what one left behind would be found.
    let store = room.open_with(|settings| settings.writers = 1);
    let mut ended = 0;
    for round in (0..TURNS).step_by(3) {
        let turns = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            written = store.write_graph(Reach::Everything, write(round)) => {
                written.expect("written");
                ended += 1;
            }
            () = turns => {}
        }
    }
    let whole = store.write_graph(Reach::Everything, write(TURNS)).await;
    whole.expect("the connection is good");
    let rounds = "SELECT count(*), min(words), max(words) FROM (SELECT count(*) words \
                  FROM graph_word WHERE word LIKE 'round%' \
                  GROUP BY split_part(word, 'word', 1)) r";
    let found = room.psql(rounds);
    let [count, min, max] = found.split('|').collect::<Vec<_>>()[..] else {
        panic!("{found}");
    };
    assert_eq!((min, max), ("5", "5"), "{found}");
    assert!(count.parse::<usize>().expect("a number") > ended, "{found}");
}
