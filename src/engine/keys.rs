//! Every storage key of the engine, made here only. See docs/storage.md for the shapes.

use super::names::{JournalId, RoleName};
use crate::atlas::ClientId;

/// The configuration; also the Go engine's key.
pub(super) const CONFIG: &str = "config";

/// The roles' folder; also the Go engine's.
pub(super) const ROLES: &str = "roles/";

/// The journal's folder.
pub(super) const ISSUED: &str = "issued/";

/// The static roles' folder; sealed twice where the seal supports it.
pub(super) const STATIC_ROLES: &str = "static-roles/";

/// Deleted static roles of which something is still to be removed in Atlas, by client id.
pub(super) const STATIC_LEAVING: &str = "static-leaving/";

/// The accounts kept for access tokens, one entry a role. Seal-wrapped: they hold secrets.
pub(super) const TOKEN_ACCOUNTS: &str = "token-accounts/";

/// Where entries without an origin belong, and what was carried where by `config/move`.
pub(super) const ORIGINS: &str = "origins";

/// The key of the mark by which this mount knows its own credentials in Atlas.
pub(super) const MARK: &str = "mark";

/// A role.
pub(super) fn role(name: &RoleName) -> String {
    format!("{ROLES}{name}")
}

/// The accounts kept for a role's access tokens.
pub(super) fn token_accounts(role: &RoleName) -> String {
    format!("{TOKEN_ACCOUNTS}{role}")
}

/// A journal entry.
pub(super) fn issued(id: &JournalId) -> String {
    format!("{ISSUED}{id}")
}

/// A static role.
pub(super) fn static_role(name: &str) -> String {
    format!("{STATIC_ROLES}{name}")
}

/// A deleted static role.
pub(super) fn static_leaving(client_id: &ClientId) -> String {
    format!("{STATIC_LEAVING}{client_id}")
}
