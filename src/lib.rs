//! MongoDB Atlas secrets engine for `HashiCorp` Vault and `OpenBao`, served as an external plugin.
//!
//! The layers, in the order in which a request passes them; `tests/layers.rs` says which may use which:
//!
//! ```text
//! main.rs ── goplugin   the process: handshake, TLS, broker, log lines
//!              │
//!            vault      the backend protocol: requests, storage, system view, instances
//!              │
//!            framework  paths, fields, help, lease dispatch, write-ahead log
//!              │
//!            engine     config, roles, creds, the journal
//!              │
//!            atlas      client of the Atlas Administration API
//!
//!            base       sensitive values, time, chance: used by every layer
//! ```
//!
//! A request comes in on the gRPC connection that [`goplugin`] keeps, is decoded by [`vault`], finds
//! its mount by the multiplexing id, is routed to a handler by [`framework`], and ends in
//! [`engine`], which reads and writes the mount's storage and talks to Atlas through [`atlas`].

pub mod atlas;
pub mod base;
pub mod engine;
pub mod framework;
pub mod goplugin;
pub mod vault;
