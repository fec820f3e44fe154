//! The answer with which a credential is handed out, and the text by which it is found in Atlas.

use std::time::Duration;

use serde_json::json;

use super::kind::CredentialKind;
use crate::engine::error::EngineError;
use crate::engine::journal::JournalEntry;
use crate::engine::names::{JournalId, RoleName};
use crate::framework::Lease;
use crate::vault::{Data, Response};

/// What a type says of a credential that is handed out.
pub(super) struct Issued {
    /// For its reader.
    pub(super) data: Data,
    /// For the lease: what it takes to renew and revoke it. Its role and its entry are added.
    pub(super) internal: Data,
}

impl Issued {
    /// The answer with a lease of these times.
    pub(super) fn hand_out(
        mut self,
        kind: &dyn CredentialKind,
        id: &JournalId,
        entry: &JournalEntry,
        (ttl, max_ttl): (Duration, Duration),
    ) -> Response {
        self.internal.insert("role".to_owned(), json!(entry.role));
        self.internal.insert("journal_id".to_owned(), json!(id));
        entry.origin.put_into(&mut self.internal);
        let lease = Lease {
            ttl,
            max_ttl,
            renewable: kind.is_renewable(),
        };
        lease.answer(kind.lease_type(), self.data, self.internal)
    }
}

/// Why nothing is handed out, and what became of what was made.
pub(super) fn not_completed(undone: &'static str, source: EngineError) -> EngineError {
    EngineError::NotCompleted {
        undone,
        source: Box::new(source),
    }
}

/// A text that is unique in Atlas and tells where it comes from: `vault-<role>-<journal id>`.
pub(super) fn description(kind: &dyn CredentialKind, role: &RoleName, id: &JournalId) -> String {
    format!("vault-{}-{id}", kind.fitted(role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemEntropy;
    use crate::engine::credentials::api_key::ApiKey;
    use crate::engine::credentials::service_account::ServiceAccount;
    use crate::engine::journal::OwnershipTag;

    #[test]
    fn descriptions_fit_into_atlas_and_keep_the_go_engines_form() {
        let id = JournalId::draw(&SystemEntropy, &OwnershipTag::random());
        let role = RoleName::new("Team@a:b");
        let key = description(&ApiKey, &role, &id);
        assert_eq!(key, format!("vault-team@a_b-{id}"));
        let account = description(&ServiceAccount, &role, &id);
        assert_eq!(account, format!("vault-team_a_b-{id}"));
        let long = RoleName::new(&"r".repeat(500));
        let account = description(&ServiceAccount, &long, &id);
        assert_eq!(account.len(), 64);
        assert!(account.ends_with(&id.to_string()));
        assert!(description(&ApiKey, &long, &id).len() <= 250);
    }
}
