//! Keys of clients that come over the network: a key's text, what the key
//! grants, its state at a time, and the check of a request's credentials. Pure:
//! the store keeps the keys, and whoever serves rereads them.
//!
//! A text is shown once, when it is made. What is kept is its SHA-256: a text has
//! 256 random bits, which nobody guesses however fast the hash is.

mod grant;
mod key;
mod ring;
mod text;

pub use self::grant::{Grant, GrantWords, ProjectGrant, Scopes};
pub use self::key::{FormerText, Key, KeyState};
pub use self::ring::{KeyRing, Refusal, Unusable};
pub use self::text::{KeyHash, KeyId, KeyText};
