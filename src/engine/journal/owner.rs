//! Who decides when what an entry names ends.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::entry::Stage;
use super::index::Index;
use super::store::Journal;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;

/// Whose an entry is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Owner {
    /// A lease, or the request that was to get one.
    #[default]
    Lease,
    /// The configuration: what its credential was, or is to become.
    Root,
    /// A static role, be it deleted: what it left at its account.
    StaticRole {
        /// The role's name.
        name: String,
    },
    /// A role of access tokens: the service account with which they are minted.
    ManagedAccount,
}

impl Owner {
    /// Of a credential that is asked for, and of most entries, so that it is not stored.
    pub(super) fn is_lease(&self) -> bool {
        *self == Self::Lease
    }

    /// Whether the owner itself takes care of the entry until it is gone. Rollback, reaper, drains and
    /// orders to end one credential leave such entries alone: whether the thing is in use stands in the
    /// owner's own record, and nowhere in the entry.
    pub(super) fn takes_care(&self) -> bool {
        matches!(self, Self::Root | Self::StaticRole { .. })
    }

    /// As answers show it; what belongs to a lease says nothing.
    pub(super) fn shown(&self) -> Option<&'static str> {
        match self {
            Self::Lease => None,
            Self::Root => Some("root"),
            Self::StaticRole { .. } => Some("static_role"),
            Self::ManagedAccount => Some("managed_account"),
        }
    }
}

impl Index {
    /// The entries whose public key or client id this is: several where they are parts of one account.
    /// What its owner takes care of is only among them where nothing else is, as when a key that was
    /// issued was written to the configuration.
    pub(super) fn with_public_part(&self, public: &str) -> Vec<(JournalId, Stage)> {
        let is_it = |public_part: Option<&str>| public_part == Some(public);
        let briefs = self.briefs();
        let found: Vec<_> = briefs
            .filter(|(_, brief)| is_it(brief.public.as_deref()))
            .collect();
        let others_too = found.iter().any(|(_, brief)| !brief.owner.takes_care());
        found
            .into_iter()
            .filter(|(_, brief)| !(others_too && brief.owner.takes_care()))
            .map(|(id, brief)| (id.clone(), brief.stage))
            .collect()
    }
}

impl Journal {
    /// The public keys and client ids of what its owners take care of.
    pub(super) async fn in_owners_hands(&self) -> Result<HashSet<Box<str>>, EngineError> {
        let index = self.filled().await?;
        let briefs = index.briefs().map(|(_, brief)| brief);
        let theirs = briefs.filter(|brief| brief.owner.takes_care());
        Ok(theirs.filter_map(|brief| brief.public.clone()).collect())
    }
}
