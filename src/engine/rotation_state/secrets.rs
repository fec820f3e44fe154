//! What is stored of an account's secrets while one takes the place of another.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{SecretId, SecretState};
use crate::base::Sensitive;
use crate::engine::lost_secret::{self, Lost, SecretRequest};
use crate::engine::stored::plain_text;

/// A secret with its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ClientSecret {
    /// Atlas's id; unknown for a secret that was given by hand, until Atlas was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<SecretId>,
    /// What the account signs in with.
    #[serde(rename = "client_secret", serialize_with = "plain_text")]
    pub(crate) value: Sensitive,
    /// When Atlas stops taking it, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl ClientSecret {
    /// Whether Atlas's secret is this one, as far as is known which that is.
    pub(crate) fn may_be(&self, state: &SecretState) -> bool {
        PresentSecret::from(self).may_be(state)
    }
}

/// The present secret, as far as it has to be known to leave it alone and to know its end.
#[derive(Debug, Clone)]
pub(crate) struct PresentSecret {
    pub(crate) known_by: KnownBy,
    /// When Atlas stops taking it, as far as known.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// By what a secret is found among those that Atlas lists.
#[derive(Debug, Clone)]
pub(crate) enum KnownBy {
    Id(SecretId),
    /// Given by hand, and Atlas was not looked at since: by the end of its value.
    Value(Sensitive),
}

impl PresentSecret {
    /// Its id, once known.
    pub(crate) fn id(&self) -> Option<&SecretId> {
        match &self.known_by {
            KnownBy::Id(id) => Some(id),
            KnownBy::Value(_) => None,
        }
    }

    /// Whether Atlas's secret is this one, as far as is known which that is.
    pub(crate) fn may_be(&self, state: &SecretState) -> bool {
        match &self.known_by {
            KnownBy::Id(id) => *id == state.id,
            KnownBy::Value(value) => state.may_be(value),
        }
    }
}

impl From<&ClientSecret> for PresentSecret {
    fn from(secret: &ClientSecret) -> Self {
        Self {
            known_by: match &secret.id {
                Some(id) => KnownBy::Id(id.clone()),
                None => KnownBy::Value(secret.value.clone()),
            },
            expires_at: secret.expires_at,
        }
    }
}

/// A rotation that has begun: from the first moment at which Atlas may hold a secret for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// The account's secrets before: none of them is this rotation's.
    #[serde(rename = "known_secret_ids")]
    pub(crate) known: Vec<SecretId>,
    /// When it began.
    pub(crate) since: DateTime<Utc>,
    /// When Atlas was last asked for a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked_at: Option<DateTime<Utc>>,
    /// The requests for a secret, of which the answers may be missing. Entries of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requests: Vec<SecretRequest>,
    /// The new secret, once its value is at hand; nobody else has it yet.
    #[serde(
        default,
        rename = "new_secret",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) made: Option<ClientSecret>,
    /// Secrets that came of it, their values lost, as the account was last seen.
    #[serde(skip)]
    pub(crate) lost: Vec<SecretId>,
}

impl Pending {
    /// When Atlas was last asked for a secret.
    pub(crate) fn last_asked(&self) -> DateTime<Utc> {
        self.asked_at.unwrap_or(self.since)
    }

    /// Whether a secret came of this rotation, its value lost with Atlas's answer.
    pub(crate) fn has_lost(&self, state: &SecretState) -> bool {
        self.lost.contains(&state.id)
    }

    /// Finds out which secrets of the account came of it, their values lost.
    pub(crate) fn find_lost(&mut self, secrets: &[SecretState]) -> Lost {
        let found = match self.made {
            Some(_) => Lost::NotThere,
            None => lost_secret::find(&self.requests, &self.known, secrets),
        };
        self.lost = match &found {
            Lost::Ours(ids) => ids.clone(),
            Lost::NotThere | Lost::Ambiguous(_) => Vec::new(),
        };
        found
    }

    /// Notes a request that is about to be sent.
    pub(crate) fn ask(&mut self, request: SecretRequest, now: DateTime<Utc>) {
        self.asked_at = Some(now);
        lost_secret::add(&mut self.requests, request);
    }
}

/// A secret that was replaced and is kept for those who still use it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Retiring {
    pub(crate) id: SecretId,
    /// When it was replaced.
    pub(crate) since: DateTime<Utc>,
    /// When to look whether it can go.
    #[serde(rename = "next_check_time")]
    pub(crate) look_at: DateTime<Utc>,
    /// It was in use when last looked at.
    #[serde(default)]
    pub(crate) in_use: bool,
    /// Failed attempts to remove it.
    #[serde(default)]
    pub(crate) failures: u32,
}

/// Everything about an account's secrets but the one that is published.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OtherSecrets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Pending>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) retiring: Vec<Retiring>,
}

impl OtherSecrets {
    /// Whether nothing is left to be done in Atlas.
    pub(crate) fn is_done(&self) -> bool {
        self.pending.is_none() && self.retiring.is_empty()
    }

    /// The new secret that waits to be proved.
    pub(crate) fn made(&self) -> Option<&ClientSecret> {
        self.pending.as_ref()?.made.as_ref()
    }
}
