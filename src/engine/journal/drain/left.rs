//! What is left to be ended.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::entry::{Part, State};
use super::super::index::{Brief, Index, RequestState};
use super::super::store::Journal;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::names::JournalId;

/// Entries whose credentials are not known to be gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Half-made, or on their way.
    making: usize,
    /// Handed out.
    live: usize,
    /// Accounts that are kept for roles.
    kept: usize,
    /// Nobody can tell what these are about.
    unreadable: usize,
    /// Things of their own in Atlas, by what their role calls them.
    whole: [usize; CredentialType::ALL.len()],
    /// Secrets of existing service accounts.
    secrets: usize,
    /// Access tokens.
    pub(crate) tokens: usize,
    /// Of which some attempt has failed.
    pub(super) failing: usize,
}

impl Left {
    pub(crate) fn total(&self) -> usize {
        self.making + self.live + self.kept + self.unreadable
    }

    /// By the stages that `issued` shows, and what cannot be read.
    pub(crate) fn by_stage(&self) -> Value {
        json!({
            "pending": self.making,
            "active": self.live,
            "managed": self.kept,
            "unreadable": self.unreadable,
        })
    }

    /// By type; accounts that are kept for roles are not among them.
    pub(crate) fn by_type(&self) -> Value {
        let whole = CredentialType::NAMES.into_iter().zip(self.whole);
        let parts = [
            ("service_account_secret", self.secrets),
            ("access_token", self.tokens),
        ];
        let counts = whole.chain(parts);
        counts
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect()
    }

    fn add(&mut self, brief: &Brief) {
        if brief.owner.takes_care() {
            return;
        }
        match brief.state {
            State::Pending => self.making += 1,
            State::Active => self.live += 1,
            State::Managed => {
                self.kept += 1;
                return;
            }
            State::Ended => return,
        }
        match (&brief.part, brief.credential_type) {
            (Some(Part::Token { .. }), _) => self.tokens += 1,
            // The latter are their owner's.
            (Some(Part::Secret(_) | Part::Secrets(_)), _) => self.secrets += 1,
            (None, whole) => {
                if let Some(count) = self.whole.get_mut(whole as usize) {
                    *count += 1;
                }
            }
        }
    }
}

impl Index {
    fn left(&self) -> Left {
        let mut left = Left {
            unreadable: self.unreadable,
            ..Left::default()
        };
        for (id, brief) in self.briefs() {
            left.add(brief);
            let counts = brief.state != State::Ended && !brief.owner.takes_care();
            left.failing += usize::from(counts && self.has_failed(id));
        }
        left
    }

    /// Credentials in somebody's hands that Atlas ends one by one, whose turn it is. A request that is
    /// about to hand one out still looks whether it may.
    pub(in super::super) fn to_drain(&self, monotonic: Duration) -> Vec<JournalId> {
        self.due(monotonic, false, |brief| {
            let is_token = matches!(brief.part, Some(Part::Token { .. }));
            let is_ours = brief.state == State::Active && !brief.owner.takes_care();
            let is_due = is_ours && !is_token && brief.request != RequestState::InFlight;
            is_due.then_some(brief.issued_at)
        })
    }

    /// Managed accounts of roles that are not among those with stored accounts, whose turn it is.
    pub(super) fn managed_by_nobody(
        &self,
        roles: &HashSet<String>,
        monotonic: Duration,
    ) -> Vec<JournalId> {
        self.due(monotonic, false, |brief| {
            let is_kept = brief.state == State::Managed && brief.request != RequestState::InFlight;
            (is_kept && !roles.contains(&*brief.role)).then_some(brief.issued_at)
        })
    }

    /// Tokens that are in no request's hands, of roles that have no account any more: neither a stored
    /// one, nor one of which the journal knows.
    pub(super) fn dead_tokens(&self, roles: &HashSet<String>) -> Vec<JournalId> {
        let kept = self
            .briefs()
            .filter(|(_, brief)| brief.state == State::Managed);
        let kept: HashSet<&str> = kept.map(|(_, brief)| &*brief.role).collect();
        let is_dead = |brief: &Brief| {
            let is_token = matches!(brief.part, Some(Part::Token { .. }));
            let is_left = brief.state != State::Ended && brief.request != RequestState::InFlight;
            let has_account = roles.contains(&*brief.role) || kept.contains(&*brief.role);
            is_token && is_left && !has_account
        };
        let entries = self.briefs().filter(|(_, brief)| is_dead(brief));
        entries.map(|(id, _)| id.clone()).collect()
    }

    fn managed_for(&self, role: &str) -> Vec<JournalId> {
        let is_it = |brief: &Brief| brief.state == State::Managed && *brief.role == *role;
        let entries = self.briefs().filter(|(_, brief)| is_it(brief));
        entries.map(|(id, _)| id.clone()).collect()
    }
}

impl Journal {
    /// Whatever failed is tried again at once.
    pub(crate) fn rest_no_more(&self) {
        self.index().rest_no_more();
    }

    /// What is left to be ended.
    pub(crate) async fn left(&self) -> Result<Left, EngineError> {
        Ok(self.filled().await?.left())
    }

    /// Whether the accounts kept for a role rest after a failure.
    pub(crate) fn account_rests(&self, role: &str, monotonic: Duration) -> bool {
        let index = self.index();
        let kept = index.managed_for(role);
        kept.iter().any(|id| index.rests(id, monotonic))
    }

    /// Lets the accounts kept for a role rest for a while.
    pub(crate) fn account_failed(&self, role: &str, monotonic: Duration) {
        let mut index = self.index();
        for id in index.managed_for(role) {
            index.failed(&id, monotonic);
        }
    }
}
