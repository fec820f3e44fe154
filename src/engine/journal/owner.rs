//! Who decides when what an entry names ends.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::entry::State;
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
    pub(super) fn with_public_part(&self, public: &str) -> Vec<(JournalId, State)> {
        let is_it = |public_part: Option<&str>| public_part == Some(public);
        let briefs = self.briefs();
        let found: Vec<_> = briefs
            .filter(|(_, brief)| is_it(brief.public.as_deref()))
            .collect();
        let others_too = found.iter().any(|(_, brief)| !brief.owner.takes_care());
        found
            .into_iter()
            .filter(|(_, brief)| !(others_too && brief.owner.takes_care()))
            .map(|(id, brief)| (id.clone(), brief.state))
            .collect()
    }
}

/// An entry that its owner takes care of, without reading it.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) id: JournalId,
    /// Public key or client id, once known.
    pub(crate) public: Option<Box<str>>,
}

/// The last attempt at an entry.
#[derive(Debug, Clone)]
pub(crate) struct FailedAttempt {
    /// How long the entry still rests.
    pub(crate) rests_for: Duration,
    pub(crate) error: Box<str>,
}

impl Journal {
    /// What an owner made or left and takes care of, as a whole: without what is part of an account.
    pub(crate) async fn owned_by(&self, owner: &Owner) -> Result<Vec<Owned>, EngineError> {
        let index = self.filled().await?;
        let briefs = index.briefs();
        let theirs = briefs.filter(|(_, brief)| brief.owner == *owner && brief.part.is_none());
        let known = theirs.map(|(id, brief)| Owned {
            id: id.clone(),
            public: brief.public.clone(),
        });
        Ok(known.collect())
    }

    /// Whether the configuration has this key or account, as a whole, still to delete.
    pub(crate) async fn is_of_root(&self, public: &str) -> Result<bool, EngineError> {
        let owned = self.owned_by(&Owner::Root).await?;
        Ok(owned
            .iter()
            .any(|each| each.public.as_deref() == Some(public)))
    }

    /// Whether an entry rests after a failed attempt.
    pub(crate) fn rests(&self, id: &JournalId, monotonic: Duration) -> bool {
        self.index().rests(id, monotonic)
    }

    /// Notes a failed attempt of an entry's owner, after which it rests for a while: so long.
    pub(crate) fn attempt_failed(
        &self,
        id: &JournalId,
        monotonic: Duration,
        error: &str,
    ) -> Duration {
        let mut index = self.index();
        index.failed(id, monotonic);
        let trial = index.trials.get_mut(id);
        let until = trial.and_then(|trial| {
            trial.error = Some(error.into());
            trial.not_before
        });
        until.map_or(Duration::ZERO, |until| until.saturating_sub(monotonic))
    }

    /// What came of the last attempt of an entry's owner, if it failed.
    pub(crate) fn failed_attempt(
        &self,
        id: &JournalId,
        monotonic: Duration,
    ) -> Option<FailedAttempt> {
        let index = self.index();
        let trial = index.trials.get(id)?;
        let until = trial.not_before?;
        Some(FailedAttempt {
            rests_for: until.saturating_sub(monotonic),
            error: trial.error.clone()?,
        })
    }

    /// The public keys and client ids of what its owners take care of.
    pub(super) async fn in_owners_hands(&self) -> Result<HashSet<Box<str>>, EngineError> {
        let index = self.filled().await?;
        let briefs = index.briefs().map(|(_, brief)| brief);
        let theirs = briefs.filter(|brief| brief.owner.takes_care());
        Ok(theirs.filter_map(|brief| brief.public.clone()).collect())
    }
}
