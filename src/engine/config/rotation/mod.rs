//! The rotation of the configuration's own credential: an API key is replaced by another credential of
//! the same reach, a service account gets another secret.

#[cfg(test)]
mod clock_tests;
mod entry;
#[cfg(test)]
mod fault_tests;
mod left;
mod left_secrets;
#[cfg(test)]
mod left_tests;
mod leftovers;
#[cfg(test)]
mod leftovers_tests;
#[cfg(test)]
mod lost_tests;
mod principal;
mod record;
mod replacement;
mod rotate;
#[cfg(test)]
mod stored_tests;
#[cfg(test)]
mod stray_tests;
#[cfg(test)]
mod tests;
mod tick;
#[cfg(test)]
mod timing_tests;

pub(in crate::engine::config) use leftovers::{leave_all, refuse_while_needed, settle_former};
pub(crate) use record::Root;
pub(in crate::engine::config) use rotate::{learn, path, warning_of_limit};
pub(crate) use tick::{expiry, run_due, state};
pub(in crate::engine::config) use tick::{show, warnings};
