//! How a secret is replaced by another: create, prove, publish, remove. When, and what is stored of it:
//! the room `rotation_state`.
//!
//! Used for static roles and for the configuration's own account. Each step is stored before and
//! after it is done outside, so that whoever comes next knows what may exist in Atlas.

mod ask;
mod context;
mod longest_lifetime;
mod manager;
mod proof;
mod retire;
mod secret_status;
mod slots;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use ask::{Requests, WantedSecret};
pub(crate) use context::{Record, RotatedRecord, RotationContext};
pub(crate) use longest_lifetime::LongestSecrets;
pub(crate) use manager::Manager;
pub(crate) use proof::{patiently, prove};
pub(crate) use retire::{discard_pending, retire};
pub(crate) use slots::{Learnt, account_error, look};
pub(crate) use steps::rotate_secret;
