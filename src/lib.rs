//! The architecture: rooms, arrows, invariants.
//!
//! Mimo remembers for AI clients: a client starts it, speaks MCP to it over
//! stdin and stdout, and calls its tools. `src/main.rs` turns argv into an exit
//! code; everything else is in this library, one module per room.
//!
//! # Rooms
//!
//! | room | what it owns |
//! | --- | --- |
//! | [`cli`] | the command line, one file per subcommand |
//! | [`app`] | builds the parts, connects them, shuts them down in order |
//! | [`clients`] | the settings files of AI clients, and Mimo's entry in them |
//! | [`config`] | the environment, the folders, `config.toml` |
//! | [`telemetry`] | where log lines and traces go |
//! | [`server`] | translation between MCP (both lifecycles) and typed calls |
//! | [`dispatch`] | a call's permit, deadline, cancellation, and its one reply |
//! | [`catalog`] | resources and prompts of Mimo and of the skills, each kind in one list |
//! | [`tools`] | one module per tool family: schema, arguments, domain call, rendering |
//! | [`view`] | the page in the browser: its files, and the calls it makes besides the tools |
//! | [`memory`] | the rules of storing, editing and searching memories; no SQL |
//! | [`ask`] | one question over all stores: routing, search, selection, answer |
//! | [`endpoint`] | the model that the settings name, over HTTP |
//! | [`bridge`] | MCP on stdin and stdout from a Mimo over HTTP |
//! | [`graph`] | entities and triples: their rules, traversals and joins; no SQL |
//! | [`procedure`] | definitions and their validation, the state machine that runs them, its journal |
//! | [`store`] | the storage port in the domain's terms, and its rooms: a SQLite file, a PostgreSQL database |
//! | [`keys`] | the keys of clients that come over the network: their text, what each grants; pure |
//! | [`embed`] | encoding a text as a vector |
//! | [`vector`] | distances between vectors |
//! | [`text`] | text normalization: equality, and the words of the keyword index |
//! | [`registry`] | the skills in use, the leases of their calls, reloading |
//! | [`skills`] | the programs that Mimo runs: manifest, policy, sandbox, pipes |
//! | [`wire`] | bounded JSON-RPC over lines |
//! | [`failure`], [`clock`], [`limits`], [`caller`] | shared by every room: errors, time and ids, bounds, the caller |
//! | [`diagnostics`] | likewise: a mistake in a document, its location and its fix |
//! | [`files`] | likewise: replacing a file in one atomic step, the path in a `file:` address |
//! | [`platform`] | likewise: what operating systems do differently |
//! | [`printable`] | likewise: foreign text as a person may see it |
//! | [`secret`] | likewise: a value that is never shown |
//! | [`meter`] | likewise: the metrics, as statics |
//!
//! # Arrows
//!
//! Dependencies go one way:
//!
//! ```text
//! main -> cli -> app -> server -> dispatch -> tools -> memory, graph, procedure -> store
//!                         |                |     |       |
//!                         +-> catalog      |     |       +-> embed -> vector, endpoint
//!                         |       |        |     +-> ask -> endpoint
//!                         |       +--------+-> registry -> skills -> wire, telemetry
//!                         +-> wire
//! ```
//!
//! A room may import the rooms to its right and the shared ones.
//! `tests/tidy/arrows.rs` has the whole table and checks every import against
//! it.
//!
//! # A call
//!
//! `wire` reads a line, [`server`] turns it into a typed call, `dispatch` gives it a
//! permit and a deadline, and a handler in `tools` checks the arguments and asks
//! the domain, which ends in one transaction of `store`. The reply is a value that
//! is serialized once.
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
//! - Only [`endpoint`], [`bridge`], `store/postgres` and `telemetry/traces` connect over
//!   the network, and only to what the settings or the command line name; only
//!   `server/http` listens.
//! - `unsafe` occurs in `vector`, `skills/sandbox`, the registration of the vector
//!   extension and `embed/mapped.rs`, nowhere else, each block with its reason.
//! - Time and randomness come from [`clock`]; tests fix both.
//! - Every queue, line, wait and result has a bound in [`limits`].
//! - Several Mimos may work on one database at once.
//!
//! # Glossary
//!
//! | word | means |
//! | --- | --- |
//! | room | a top-level module; a *store room* is one implementation of the store's port |
//! | memory | a stored text with its category, tags, project and history |
//! | project | a namespace; `global` is shared by all |
//! | reach | the projects that a caller may read and write |
//! | grants | reach, tools and default project of a caller |
//! | fence | a reach of one project, with read access to `global` |
//! | thread | the conversation or document that memories belong to, in their order |
//! | candidate | a memory proposed by the keyword side or the semantic side of a search |
//! | window | the part of a text that one vector encodes |
//! | code | a vector reduced to one bit per dimension |
//! | triple | subject, predicate, object; a *word* is an interned name of one of them |
//! | procedure, execution | a definition; one journaled run of it |
//! | journal | the entries from which an execution is rebuilt |
//! | lease | the right to drive an execution or to call a skill's process |
//! | skill | another MCP server that Mimo runs in a sandbox |
//! | pin | the approved definition of a skill's tool |
//! | generation | one version of the registry's table; a reload makes the next |
//! | upstream, gateway | the source of an answer or error: a skill; Mimo itself |
//! | forwarded | relayed byte for byte |
//! | legacy | the revisions of MCP before 2026-07-28, and the prototype's names |

// .clippy.toml lists the methods and their replacements.
#![warn(clippy::disallowed_methods)]
// Where no skill runs, much of what starts and confines them is never called.
#![cfg_attr(not(any(target_os = "linux", target_os = "macos")), allow(dead_code))]
// Items are `pub` for the binary, tests and benches only.
#![warn(unreachable_pub)]

pub(crate) mod app;
pub mod ask;
pub(crate) mod bridge;
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
pub mod keys;
pub mod limits;
pub mod memory;
pub mod meter;
pub(crate) mod platform;
pub(crate) mod printable;
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
pub(crate) mod view;
pub mod wire;
