//! Every storage key of the engine, made here only. See docs/storage.md for the shapes.

use super::names::{JournalId, RoleName};
use crate::atlas::{ClientId, ProjectId};

/// The configuration; also the Go engine's key.
pub(super) const CONFIG: &str = "config";

/// The roles' folder; also the Go engine's.
pub(super) const ROLES: &str = "roles/";

/// The journal's folder.
pub(super) const ISSUED: &str = "issued/";

/// The static roles' folder; sealed twice where the seal supports it.
pub(super) const STATIC_ROLES: &str = "static-roles/";

/// Present secrets of accounts of which others are still to be removed, where that needs the value.
/// Seal-wrapped.
pub(super) const PRESENT_SECRETS: &str = "present-secrets/";

/// The accounts managed for access tokens, one entry a role. Seal-wrapped: they hold secrets.
pub(super) const MANAGED_ACCOUNTS: &str = "managed-accounts/";

/// The projects whose key vaults in Azure are looked after. Seal-wrapped: they may hold secrets.
pub(super) const AZURE_KEY_VAULTS: &str = "encryption-at-rest/azure/";

/// Changes of many projects over to a service principal. Seal-wrapped with the projects.
pub(super) const AZURE_MIGRATIONS: &str = "encryption-at-rest-migrations/";

/// Where entries without an origin belong, and what was carried where by `config/move`.
pub(super) const ORIGINS: &str = "origins";

/// The key of the ownership tag by which this mount knows its own credentials in Atlas.
pub(super) const OWNERSHIP_TAG: &str = "ownership-tag";

/// Which shapes everything here has.
pub(super) const STORAGE_VERSION: &str = "storage-version";

/// Where [`MANAGED_ACCOUNTS`] were in version 0 of the storage.
pub(super) const EARLIER_TOKEN_ACCOUNTS: &str = "token-accounts/";

/// Deleted static roles of which something was still to be removed, in version 0 of the storage.
pub(super) const EARLIER_STATIC_LEAVING: &str = "static-leaving/";

/// Where [`OWNERSHIP_TAG`] was in version 0 of the storage.
pub(super) const EARLIER_MARK: &str = "mark";

/// A role.
pub(super) fn role(name: &RoleName) -> String {
    format!("{ROLES}{name}")
}

/// The accounts managed for a role's access tokens.
pub(super) fn managed_accounts(role: &RoleName) -> String {
    format!("{MANAGED_ACCOUNTS}{role}")
}

/// A journal entry.
pub(super) fn issued(id: &JournalId) -> String {
    format!("{ISSUED}{id}")
}

/// A project whose key vault is looked after.
pub(super) fn azure_key_vault(project: &ProjectId) -> String {
    format!("{AZURE_KEY_VAULTS}{project}")
}

/// A change of many projects.
pub(super) fn azure_migration(name: &str) -> String {
    format!("{AZURE_MIGRATIONS}{name}")
}

/// A static role.
pub(super) fn static_role(name: &str) -> String {
    format!("{STATIC_ROLES}{name}")
}

/// The present secret of an account that was left with others.
pub(super) fn present_secret(client_id: &ClientId) -> String {
    format!("{PRESENT_SECRETS}{client_id}")
}
