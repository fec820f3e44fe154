//! Credentials: issue, renew, revoke, and the removal that all of them share.

mod api_key;
mod issue;
mod life;
pub(crate) mod paths;
mod removal;
mod renew;
mod revoke;
mod service_account;

pub(crate) use removal::{find, remove};
