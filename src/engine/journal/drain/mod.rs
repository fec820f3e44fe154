//! The drain: everything that this mount has issued is ended, before the mount is disabled and its
//! journal goes with it. Also what has no lease any more: an answer that was lost between plugin and
//! server leaves a live credential that no revocation reaches.
//!
//! The order is stored with the configuration; the periodic runs carry it out, as often as it
//! takes. Credentials that are handed out are ended one by one. Half-made ones go by rollback, as
//! always. Accounts that are kept for access tokens are deleted, and with an account its tokens
//! die. Static roles are no business of it: their accounts belong to people.

mod left;
mod progress;
mod round;

pub(crate) use left::Left;
pub(crate) use progress::{log_progress, progress, status};
pub(crate) use round::end_what_lost_its_account;
pub(super) use round::round;
