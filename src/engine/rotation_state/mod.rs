//! When a secret is due to be replaced by another, and what is stored of that. How it is replaced: the
//! room `rotation`.

mod expiry;
mod failure;
mod left;
mod min_interval;
mod mode;
mod plan;
mod secrets;
mod state;
mod timing;

pub(crate) use expiry::{ExpiryStatus, warn_if_crossed};
pub(crate) use failure::RotationFailure;
pub(crate) use left::LeftSecrets;
pub(crate) use min_interval::refuse_too_soon;
pub(crate) use mode::RotationMode;
pub(crate) use plan::Plan;
pub(crate) use secrets::{ClientSecret, KnownBy, OtherSecrets, Pending, PresentSecret, Retiring};
pub(crate) use state::RotationState;
pub(crate) use timing::Timing;
