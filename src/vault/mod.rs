//! Vault's backend protocol: what a secrets engine is asked and what it may ask back.
//!
//! The types of this layer are ours; the generated protobuf types stop at `wire`. Wire-compatible
//! with `HashiCorp` Vault's and `OpenBao`'s plugin SDKs.

pub mod backend;
pub mod failure;
#[cfg(test)]
pub(crate) mod memory;
pub mod request;
pub mod storage;
pub mod system_view;

pub use backend::{Backend, Factory, Mount, SpecialPaths};
pub use failure::Failure;
pub use request::{Caller, Data, Operation, Request, Response, Secret};
pub use storage::{Storage, StorageEntry, StorageError};
pub use system_view::{Replication, SystemView, SystemViewError};
