//! Longer texts of errors.

use chrono::{DateTime, Utc};

use crate::atlas::{ClientId, Lack, MOST_SECRETS, SecretId};
use crate::base::Rfc3339;

/// What to do about a 401 or 403 that Atlas answers to a good credential.
pub(super) fn refusal_advice(lack: Option<Lack>) -> String {
    match lack {
        Some(Lack::Role(role)) => format!(
            "the configured credential lacks a right: this needs the Atlas role {role}; give it \
             that role in Atlas"
        ),
        Some(Lack::Address) => "Atlas does not admit this server's address: add it to the access \
                                list of the configured credential"
            .to_owned(),
        None => "check that the configured credential has the Atlas role it needs and that its \
                 access list admits this server's address"
            .to_owned(),
    }
}

/// Secrets by their ids.
pub(super) fn listed(secrets: &[SecretId]) -> String {
    let ids: Vec<_> = secrets.iter().map(ToString::to_string).collect();
    ids.join(" and ")
}

/// Why an account takes no further secret, and when it does.
pub(super) fn no_free_slot(
    client_id: &ClientId,
    taken: usize,
    frees_at: Option<&DateTime<Utc>>,
) -> String {
    let held = format!(
        "service account {client_id} holds {taken} secrets and Atlas allows {MOST_SECRETS}, \
         expired ones included"
    );
    match frees_at {
        Some(end) => format!(
            "{held}: the next place is free at {}, or when a lease is revoked",
            Rfc3339(*end)
        ),
        None => format!("{held}: none was issued here, so delete one in Atlas to make room"),
    }
}
