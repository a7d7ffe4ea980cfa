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
    ("A client starts Mimo and says hello", connect),
    ("It stores what it learned, in one transaction", store),
    (
        "Later it asks in other words: no word is shared",
        by_meaning,
    ),
    ("A code is found by its letters", by_keyword),
    ("So is Japanese", in_japanese),
    (
        "A decision changes; what was believed before stays known",
        correct,
    ),
    ("The same statement again is no second memory", merge),
    ("Forgetting can be undone", forget),
    (
        "Relations told in passing answer what nobody said: three hops",
        relate,
    ),
    ("A mistake changes nothing and is explained", mistake),
    (
        "A procedure runs without a model; where it fails, it is undone",
        procedure,
    ),
    (
        "Another server's tools run in a sandbox, behind the same door",
        run_skill,
    ),
    (
        "Killed in the middle of its work, it loses nothing it acknowledged",
        kill,
    ),
    (
        "One question needs all of it: each part is answered with its source",
        ask,
    ),
];
