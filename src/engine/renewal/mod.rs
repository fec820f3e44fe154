//! Renewing the secret of a service account that lives on: create, prove, publish, remove.
//!
//! Used for static roles and for the configuration's own account. Each step is stored before and
//! after it is done outside, so that whoever comes next knows what may exist in Atlas.

mod error;
mod gap;
mod longest;
mod proof;
mod record;
mod retire;
mod slots;
mod standing;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use error::RenewalError;
pub(crate) use gap::{due, refuse_too_soon};
pub(crate) use longest::LongestSecrets;
pub(crate) use proof::{patiently, prove};
pub(crate) use record::{Held, Record, Renewal, Retiring, Tools};
pub(crate) use retire::{discard_pending, retire};
pub(crate) use slots::{account_error, look};
pub(crate) use steps::renew;
