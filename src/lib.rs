//! MongoDB Atlas secrets engine for `HashiCorp` Vault and `OpenBao`, served as an external plugin.
//!
//! Each layer knows only those under it, and each room of `engine` only rooms below it (`engine/mod.rs`);
//! `tests/layers.rs` holds both. Who knows whom:
//!
//! ```text
//! main.rs               the command: its flags, else the plugin
//!     │
//! plugin.rs             the plugin put together (self_test.rs: what it would meet)
//!     │
//!   engine              config, roles, credentials, the journal, rotation
//!     ├── atlas         client of the Atlas Administration API
//!     │
//!   framework           paths, fields, help, lease dispatch, write-ahead log
//!     │
//!   vault               the backend protocol: requests, storage, system view, instances
//!     │
//!   goplugin            the process: handshake, TLS, broker, log lines
//!
//!   base                sensitive values, time, chance: used by every layer
//! ```
//!
//! A request goes the other way: it comes in on the gRPC connection that `goplugin` keeps, is decoded by
//! `vault`, finds its mount by the multiplexing id, is routed to a handler by `framework`, and ends in
//! `engine`, which reads and writes the mount's storage and talks to Atlas through `atlas`.
//!
//! The layers are private to the crate, so that the compiler names what nothing uses.

#![cfg_attr(
    fuzzing,
    allow(
        dead_code,
        unused_imports,
        reason = "helpers of tests are used in part"
    )
)]

mod atlas;
mod base;
mod engine;
mod framework;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod goplugin;
mod plugin;
mod self_test;
mod vault;

pub use plugin::{Served, prepare_process, serve_host};
pub use self_test::{SelfTest, self_test};

/// The messages of the protocol, made from `proto/`: for tests that play the host.
#[doc(hidden)]
pub mod protocol {
    pub use crate::goplugin::pb as goplugin;
    pub use crate::vault::pb as backend;
}
