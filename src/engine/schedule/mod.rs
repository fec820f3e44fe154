//! When credentials are rotated, what happens after a failure, and when people are warned.

mod expiry;
mod plan;
mod timing;
mod trouble;

pub(crate) use expiry::{Outlook, log_marks};
pub(crate) use plan::Plan;
pub(crate) use timing::Timing;
pub(crate) use trouble::Trouble;
