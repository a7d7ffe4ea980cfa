//! The story: a bakery builds its ordering site, and a client remembers for
//! it. Each step calls the server and checks its answers.

use super::ask::ask;
use super::crash::kill;
use super::graph::relate;
use super::hello::connect;
use super::memory::{by_keyword, by_meaning, correct, forget, in_japanese, merge, mistake, store};
use super::procedure::procedure;
use super::session::Session;
use super::skill::run_skill;
use super::step_log::StepLog;
use crate::failure::Failure;

/// A title and what the step does.
pub(super) type Step = (
    &'static str,
    fn(&mut Session<'_>, &mut StepLog) -> Result<(), Failure>,
);

pub(super) const STEPS: [Step; 14] = [
    ("A client starts Mimo and connects", connect),
    ("It stores what it learned in one transaction", store),
    (
        "A question finds a memory that shares no word with it",
        by_meaning,
    ),
    ("An error code finds the memory that names it", by_keyword),
    (
        "A question in Japanese finds a Japanese memory",
        in_japanese,
    ),
    (
        "A decision changes, and its earlier version stays on record",
        correct,
    ),
    (
        "Storing the same statement again adds no second memory",
        merge,
    ),
    ("A forgotten memory can be restored", forget),
    (
        "Three stored relations answer a question that none answers alone",
        relate,
    ),
    ("A wrong argument is explained and changes nothing", mistake),
    (
        "A procedure runs without a model and undoes its steps on failure",
        procedure,
    ),
    (
        "Another server runs in a sandbox, and Mimo serves its tools",
        run_skill,
    ),
    (
        "Killed while storing, Mimo loses nothing that it acknowledged",
        kill,
    ),
    (
        "One question draws on every store, and each part cites its source",
        ask,
    ),
];
