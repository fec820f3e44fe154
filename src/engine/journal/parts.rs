//! What the journal knows of credentials that are part of a service account: its secrets and tokens.

use chrono::{DateTime, Utc};

use super::entry::{Part, State};
use super::index::{Brief, Index};
use crate::atlas::{ClientId, SecretId};
use crate::engine::names::JournalId;

/// An access token that may be alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveToken {
    /// The secret it was minted with.
    pub(crate) secret_id: SecretId,
    /// When it is dead.
    pub(crate) max_expire_time: DateTime<Utc>,
}

/// The secrets of one account, as far as they were issued here.
#[derive(Debug, Default)]
pub(crate) struct IssuedSecrets {
    /// Those that Atlas made.
    pub(crate) known: Vec<SecretId>,
    /// Entries of which it is not known whether Atlas made one.
    pub(crate) unresolved: Vec<JournalId>,
}

impl Index {
    /// Without those that were ended: nobody holds these any more.
    fn in_atlas(&self) -> impl Iterator<Item = (&JournalId, &Brief)> {
        self.briefs()
            .filter(|(_, brief)| brief.state != State::Ended)
    }

    /// How many accounts are kept for roles.
    pub(super) fn kept(&self) -> usize {
        let kept = |state: &State| *state == State::Managed;
        self.briefs()
            .map(|(_, brief)| brief.state)
            .filter(kept)
            .count()
    }

    /// An account that was made here for a role, as a whole: how far it has come, and for which.
    pub(super) fn account(&self, client_id: &ClientId) -> Option<(State, String)> {
        let is_it = |brief: &&Brief| {
            brief.part.is_none()
                && !brief.owner.takes_care()
                && brief.public.as_deref() == Some(client_id.as_str())
        };
        let mut briefs = self.in_atlas().map(|(_, brief)| brief);
        let brief = briefs.find(is_it)?;
        Some((brief.state, brief.role.to_string()))
    }

    pub(super) fn secrets_of(&self, account: &ClientId) -> IssuedSecrets {
        let mut secrets = IssuedSecrets::default();
        for (id, brief) in self.in_atlas() {
            let Some(Part::Secret(secret)) = &brief.part else {
                continue;
            };
            // One that was not asked for yet cannot be there.
            if secret.client_id != *account || secret.known_secret_ids.is_none() {
                continue;
            }
            secrets.known.extend(secret.secret_id.clone());
            if brief.state == State::Pending {
                secrets.unresolved.push(id.clone());
            }
        }
        secrets
    }

    /// Those being minted included.
    pub(super) fn tokens_of(&self, account: &ClientId, now: DateTime<Utc>) -> Vec<LiveToken> {
        let alive = self
            .in_atlas()
            .filter(|(_, brief)| brief.max_expire_time > now);
        let tokens = alive.filter_map(|(_, brief)| match &brief.part {
            Some(Part::Token {
                client_id,
                secret_id,
            }) if client_id == account => Some(LiveToken {
                secret_id: secret_id.clone(),
                max_expire_time: brief.max_expire_time,
            }),
            _ => None,
        });
        tokens.collect()
    }
}
