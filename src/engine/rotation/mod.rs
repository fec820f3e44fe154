//! When and how a secret is replaced by another: create, prove, publish, remove.
//!
//! Used for static roles and for the configuration's own account. Each step is stored before and
//! after it is done outside, so that whoever comes next knows what may exist in Atlas.

mod error;
mod expiry;
mod failure;
mod longest_lifetime;
mod min_interval;
mod plan;
mod proof;
mod record;
mod retire;
mod secret_status;
mod slots;
mod steps;
#[cfg(test)]
mod tests;
mod timing;

pub(crate) use error::RotationError;
pub(crate) use expiry::{ExpiryStatus, warn_if_crossed};
pub(crate) use failure::RotationFailure;
pub(crate) use longest_lifetime::LongestSecrets;
pub(crate) use min_interval::{due, refuse_too_soon};
pub(crate) use plan::Plan;
pub(crate) use proof::{patiently, prove};
pub(crate) use record::{ClientSecret, OtherSecrets, Record, Retiring, RotationContext};
pub(crate) use retire::{discard_pending, retire};
pub(crate) use slots::{account_error, look};
pub(crate) use steps::rotate_secret;
pub(crate) use timing::Timing;
