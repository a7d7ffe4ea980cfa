//! The contract of a store: what every room behind `Store` must do, tested
//! through the port alone, for each room.

mod cancelled;
mod concurrency;
mod encoding;
mod filters;
mod graph;
mod halves;
#[path = "../support/mod.rs"]
mod harness;
mod keys;
mod nodes;
mod postgres;
mod procedures;
mod ranking;
mod reach;
mod rules;
mod sessions;
mod sqlite;
mod support;
mod words;

use std::sync::Arc;

use mimo::store::Store;

/// An empty store that can be opened several times and made to fail.
pub(crate) trait Room: Sized {
    /// What the room needs and this machine lacks.
    fn missing() -> Option<String> {
        None
    }

    async fn fresh() -> Self;

    /// Another store on the same data, as another process would have it.
    fn open(&self) -> Arc<dyn Store>;

    /// From now on a transaction fails at its nth change of a row; `None` lets
    /// all of them through.
    fn fail_at(&self, change: Option<u32>);
}

macro_rules! contract {
    ($room:ty, $($module:ident :: $case:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                if let Some(missing) = <$room as Room>::missing() {
                    return harness::machine::skip(&missing, stringify!($case));
                }
                $module::$case::<$room>().await;
            }
        )+
    };
}

macro_rules! for_each_case {
    ($room:ty) => {
        contract! {
            $room,
            filters::filters_agree_with_a_plain_model,
            filters::an_export_is_one_moment,
            filters::due_memories_agree_with_a_plain_model,
            reach::every_read_ends_at_reach,
            reach::every_write_ends_at_reach,
            rules::ids_grow_and_are_never_used_again,
            rules::every_error_has_its_kind,
            words::spellings_find_each_other,
            halves::nothing_is_half_written_at_any_change,
            graph::scans_agree_with_a_plain_model,
            graph::the_graph_ends_at_reach,
            graph::projects_of_the_graph_are_found_in_any_case,
            graph::failed_work_leaves_the_graph_as_it_was,
            concurrency::equal_texts_stored_at_once_become_one_memory,
            concurrency::one_topic_key_has_one_holder,
            concurrency::of_a_supersede_and_an_edit_one_sees_the_other,
            concurrency::one_cleanup_runs_at_a_time,
            encoding::each_memory_gets_vectors_of_another_model_once,
            encoding::vectors_are_changed_whole_or_not_at_all,
            procedures::only_the_owner_appends_and_only_at_the_end,
            procedures::a_cancel_request_is_not_lost_while_its_execution_parks,
            procedures::one_of_two_claims_wins,
            procedures::a_failed_write_leaves_its_group_alone,
            procedures::a_journal_is_whole_at_any_change,
            procedures::only_old_ended_executions_are_deleted,
            procedures::procedures_end_at_reach,
            procedures::activity_is_counted_by_spans_within_reach,
            keys::a_key_comes_back_as_it_was_added,
            keys::every_ring_follows_the_changes_of_all_processes,
            keys::a_change_of_keys_is_whole_or_not_at_all,
            keys::only_usable_keys_are_rotated,
            keys::uses_are_recorded_once_a_minute,
            keys::the_key_that_was_unusable_for_longest_makes_room,
            sessions::sessions_outlive_the_process,
            sessions::the_longest_unused_session_of_a_key_ends,
            sessions::idle_sessions_expire_and_all_are_bounded,
            sessions::changes_at_once_are_all_kept,
            sessions::subscriptions_are_bounded,
            sessions::sessions_end_with_their_key,
        }
    };
}

mod on_sqlite {
    use super::*;

    for_each_case!(sqlite::Sqlite);
}

mod on_postgres {
    use super::*;

    for_each_case!(postgres::Postgres);
}
