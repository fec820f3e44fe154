//! Credentials: issue, renew, revoke, and the removal that all of them share.

mod access_token;
mod account_secret;
mod api_key;
pub(crate) mod atlas_role;
#[cfg(test)]
mod crowd_tests;
#[cfg(test)]
mod gone_tests;
mod grant;
mod granted;
mod issue;
#[cfg(test)]
mod left_project_tests;
mod life;
pub(crate) mod paths;
mod project_end;
#[cfg(test)]
mod proof_tests;
mod renew;
mod revoke;
#[cfg(test)]
mod role_change_tests;
mod service_account;

pub(crate) use access_token::{SeenSecrets, kept_account, kept_accounts, retire_account, tend};
pub(crate) use account_secret::frees_at;
pub(crate) use grant::Grant;
pub(crate) use life::{Life, cut_warning};
pub(crate) use service_account::secret_lifetime;
