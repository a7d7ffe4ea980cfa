//! The architecture: rooms, arrows, invariants.
//!
//! Mimo remembers for AI clients: a client starts it, speaks MCP to it over
//! stdin and stdout, and calls its tools. `src/main.rs` turns argv into an exit
//! code; everything else is in this library, one room a module.
//!
//! # Rooms
//!
//! | room | what it owns |
//! | --- | --- |
//! | [`cli`] | what may be typed, one file a subcommand |
//! | [`app`] | builds the parts, connects them, shuts them down in order |
//! | [`clients`] | the settings files of AI clients, and Mimo's entry in them |
//! | [`config`] | the environment, the folders, `config.toml` |
//! | [`telemetry`] | where log lines go |
//! | [`server`] | MCP to calls and back, both lifecycles; translation only |
//! | [`dispatch`] | a call's permit, deadline, cancellation, and its one reply |
//! | [`catalog`] | resources and prompts, ours and the skills', each kind in one list |
//! | [`tools`] | one file a family: schema, arguments, domain call, rendering |
//! | [`memory`] | what remembering and recalling mean; no SQL |
//! | [`ask`] | one question over all stores: routing, search, selection, answer |
//! | [`endpoint`] | the model that the settings name, over HTTP |
//! | [`graph`] | entities and triples, their rules, following and joining them; no SQL |
//! | [`procedure`] | definitions and their check, the machine that runs them, its journal |
//! | [`store`] | the port in the domain's words, and SQLite behind it |
//! | [`embed`] | a text to a vector |
//! | [`vector`] | distances between vectors |
//! | [`text`] | when two texts are equal, and which words find them |
//! | [`registry`] | which skills there are, the leases of their calls, how the set changes |
//! | [`skills`] | programs that Mimo runs: what their manifest may say, their sandbox, their pipes |
//! | [`wire`] | lines of JSON-RPC, bounded |
//! | [`failure`], [`clock`], [`limits`], [`caller`] | what every room may use: errors, time and ids, bounds, who calls |
//! | [`diagnostics`] | likewise: what is wrong in a document, where, and the fix |
//! | [`files`] | likewise: replacing a file in one atomic step |
//! | [`secret`] | likewise: a value that is never shown |
//!
//! # Arrows
//!
//! They go one way:
//!
//! ```text
//! main -> cli -> app -> server -> dispatch -> tools -> memory, graph, procedure -> store
//!                         |                |     |       |
//!                         +-> catalog      |     |       +-> embed -> vector
//!                         |       |        |     +-> ask -> endpoint
//!                         |       +--------+-> registry -> skills -> wire, telemetry
//!                         +-> wire
//! ```
//!
//! A room may name those to its right and those that are everyone's;
//! `tests/tidy/arrows.rs` has the whole table and a test holds the imports to
//! it.
//!
//! # A call
//!
//! `wire` reads a line, [`server`] makes a typed call of it, `dispatch` gives it a
//! permit and a deadline, and a handler in `tools` checks the arguments and asks
//! the domain, which ends in one transaction of `store`. What comes back is a
//! value, written once.
//!
//! # Invariants
//!
//! - stdout carries protocol lines only; logs go to stderr and to files.
//! - Each request is answered exactly once, on timeout, cancellation and panic
//!   too.
//! - Only `skills/launcher.rs` makes processes; only the sandbox's supervisor,
//!   which is one of those and has one thread, forks.
//! - Only `store` knows SQL.
//! - Only [`config`] reads the environment.
//! - Only [`endpoint`] speaks over the network, and only to what the settings name.
//! - `unsafe` stands in `vector`, `skills/sandbox` and the registration of the
//!   vector extension, nowhere else, each block with its reason.
//! - Time and randomness come from [`clock`]; tests hold them still.
//! - Every queue, line, wait and result has a bound in [`limits`].
//! - Several Mimos may work on one database file at once.
//!
//! # Glossary
//!
//! | word | means |
//! | --- | --- |
//! | room | a top-level module; a *store room* is one implementation of the store's port |
//! | memory | a text that was stored, with its category, tags, project and history |
//! | project | a namespace; `global` is shared by all |
//! | reach | the projects that a caller may read and write |
//! | grants | reach, tools and default project of a caller |
//! | fence | a reach of one project, with `global` to read |
//! | thread | the conversation or document that memories belong to, in their order |
//! | candidate | a memory that one side of a search (keyword or semantic) proposes |
//! | window | the part of a text that one vector stands for |
//! | code | a vector reduced to one bit a dimension |
//! | triple | subject, predicate, object; a *word* is an interned name of one of them |
//! | procedure, execution | a definition; one journaled run of it |
//! | journal | the entries that an execution is rebuilt from |
//! | lease | the right to drive an execution or to call a skill's process |
//! | skill | another MCP server that Mimo runs in a sandbox |
//! | pin | the approved definition of a skill's tool |
//! | generation | one version of the registry's table; a reload makes the next |
//! | upstream, gateway | a skill's own answer or error; Mimo's |
//! | forwarded | passed on byte for byte |
//! | legacy | the revisions of MCP before 2026-07-28, and the prototype's names |

// .clippy.toml names them, and what to use instead.
#![warn(clippy::disallowed_methods)]
// Items are `pub` for the binary, tests and benches only.
#![warn(unreachable_pub)]

pub(crate) mod app;
pub mod ask;
pub mod caller;
pub mod catalog;
pub mod cli;
pub(crate) mod clients;
pub mod clock;
pub(crate) mod config;
pub mod diagnostics;
pub mod dispatch;
pub mod embed;
pub mod endpoint;
pub mod failure;
pub(crate) mod files;
pub mod graph;
pub mod limits;
pub mod memory;
pub mod procedure;
pub mod registry;
pub mod secret;
pub mod server;
pub mod skills;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod tools;
pub mod vector;
pub mod wire;
