//! Credentials of the type `access_token`: minted with the account that is kept for the role, dead
//! within the hour. No secret that lives longer leaves the server.

mod accounts;
mod issue;
#[cfg(test)]
mod kept_account_tests;
mod revoke;
#[cfg(test)]
mod tests;

pub(crate) use accounts::{SeenSecrets, kept_account, kept_accounts, retire_account, tend};
pub(super) use issue::issue;
pub(super) use revoke::revoke_access_token;
