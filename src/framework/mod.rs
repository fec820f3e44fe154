//! Paths and fields for any engine: what Vault's SDK framework gives engines written in Go.
//!
//! An engine describes itself as a table of [`Path`]s with [`Field`]s and handlers, its kinds of
//! lease ([`SecretType`]) and of write-ahead log entry ([`wal`]); a [`Description`]
//! holds all of it and makes a [`Backend`](crate::vault::Backend) for each mount. Nothing here knows any engine, and nothing here talks
//! to the outside.
//!
//! `example_tests.rs` is a whole engine. (An example here could not be run: the layer is private.)

pub(crate) mod answers;
pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod display;
#[cfg(test)]
mod example_tests;
pub(crate) mod field;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod help;
mod openapi;
pub(crate) mod path;
pub(crate) mod pattern;
mod router;
mod row;
mod schema;
pub(crate) mod secret_type;
#[cfg(test)]
mod toy;
pub(crate) mod wal;

pub(crate) use answers::{Page, list, list_with_info, merge_patch};
pub(crate) use builder::Description;
pub(crate) use call::{Call, LeaseCall};
pub(crate) use display::Display;
pub(crate) use field::{Faults, Field, Fields};
pub(crate) use path::{Answer, Path, PathOperation};
pub(crate) use secret_type::{Lease, SecretType};
pub(crate) use wal::WalEntry;
