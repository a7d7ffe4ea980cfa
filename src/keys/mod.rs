//! The keys of clients on the network: a key's text, its grants, its state at a time,
//! and the check of a request's credentials. Pure: the store keeps the keys, and the
//! server reads them again when they change.
//!
//! A text is shown once, when it is made. Only its SHA-256 is stored: a text has 256
//! random bits, which cannot be guessed however fast the hash is.

mod grant;
mod key;
mod ring;
mod text;

pub use self::grant::{Grant, GrantWords, ProjectGrant, Scopes};
pub use self::key::{FormerText, Key, KeyState};
pub use self::ring::{KeyRing, Refusal, UnusableKey};
pub use self::text::{KeyHash, KeyId, KeyText};
