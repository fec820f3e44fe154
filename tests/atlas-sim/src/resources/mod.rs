//! The resources of the API, one file each.

pub(crate) mod account_lists;
pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod cloud_access;
pub(crate) mod clusters;
pub(crate) mod database_users;
pub(crate) mod encryption;
pub(crate) mod entries;
pub(crate) mod groups;
pub(crate) mod key_lists;
mod key_vault;
pub(crate) mod model_keys;
pub(crate) mod org_settings;
pub(crate) mod orgs;
pub(crate) mod private_endpoints;
pub(crate) mod project_keys;
pub(crate) mod rate_limits;
pub(crate) mod root;
pub(crate) mod secrets;
mod user_fields;
