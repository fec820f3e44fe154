//! Credentials: issue, renew, revoke, and the removal that all of them share.

mod access_token;
#[cfg(test)]
mod access_token_tests;
mod account_secret;
mod api_key;
#[cfg(test)]
mod crowd_tests;
#[cfg(test)]
mod gone_tests;
mod granted;
mod issue;
#[cfg(test)]
mod kept_account_tests;
#[cfg(test)]
mod left_project_tests;
mod life;
#[cfg(test)]
mod lost_secret_tests;
pub(crate) mod paths;
mod project_end;
#[cfg(test)]
mod proof_tests;
mod removal;
mod renew;
mod revoke;
mod revoke_token;
#[cfg(test)]
mod role_change_tests;
mod service_account;
mod token_account;

pub(crate) use account_secret::frees_at;
pub(crate) use life::{Life, cut_warning};
pub(crate) use removal::{find, remove, remove_entry};
pub(crate) use service_account::secret_lifetime;
pub(crate) use token_account::{SeenSecrets, kept_account, kept_accounts, retire_account, tend};
