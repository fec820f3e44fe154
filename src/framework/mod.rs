//! Paths and fields for any engine: what Vault's SDK framework gives engines written in Go.
//!
//! An engine describes itself as a table of [`Path`]s with [`Field`]s and handlers, its kinds of
//! lease ([`SecretType`]) and of write-ahead log entry ([`wal`]); [`Framework`] makes a
//! [`Backend`](crate::vault::Backend) of it. Nothing here knows any engine, and nothing here talks
//! to the outside.

pub mod answers;
pub mod builder;
pub mod call;
pub mod display;
pub mod field;
mod help;
mod openapi;
pub mod path;
pub mod pattern;
mod router;
mod row;
mod schema;
pub mod secret_type;
#[cfg(test)]
mod toy;
pub mod wal;

pub use answers::{Page, list, list_with_info, merge_patch};
pub use builder::Framework;
pub use call::{Call, LeaseCall};
pub use display::Display;
pub use field::{Faults, Field, Fields};
pub use path::{Answer, Path, PathOperation};
pub use secret_type::{Lease, SecretType};
pub use wal::WalEntry;
