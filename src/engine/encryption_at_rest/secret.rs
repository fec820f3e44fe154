//! The static secrets that are kept here: what is known of them, and what somebody accepted for sending
//! one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ApplicationId, AzureKeyVault, TenantId};
use crate::base::Sensitive;
use crate::engine::stored::plain_text;

/// A static secret as it was handed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeldSecret {
    pub(crate) client_id: ApplicationId,
    #[serde(serialize_with = "plain_text")]
    pub(crate) client_secret: Sensitive,
    /// The directory of its application, once Atlas showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant_id: Option<TenantId>,
    /// Atlas does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Whether Atlas took it from here and could use the key with it, and was not seen to fail with it
    /// since, nor to sign in as another application.
    #[serde(default)]
    pub(crate) proved: bool,
    /// Whether Atlas took it from here for certain, and was seen to sign in with nothing else since.
    #[serde(default)]
    pub(crate) in_force: bool,
    /// Since when it is in keeping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<DateTime<Utc>>,
}

impl HeldSecret {
    /// Whether both are the same secret of the same application.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && self.client_secret.expose() == other.client_secret.expose()
    }

    /// Whether Atlas could use the key with it, and it has not come to its end.
    pub(super) fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.proved && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether a project that signs in with a static secret does so as the application of this one, as far
    /// as Atlas shows it.
    pub(super) fn is_of(&self, vault: &AzureKeyVault) -> bool {
        is_of(Some(&self.client_id), self.tenant_id.as_ref(), vault)
    }

    /// This one as it is kept from now on. Handed in again, it is the one of before, and what is known
    /// of that stays true.
    pub(super) fn instead_of(self, before: Option<Self>) -> Self {
        match before.filter(|before| before.is_same(&self)) {
            Some(before) => Self {
                tenant_id: self.tenant_id.or(before.tenant_id),
                // What is not given keeps its value.
                expires_at: self.expires_at.or(before.expires_at),
                proved: before.proved,
                in_force: before.in_force,
                since: before.since,
                ..self
            },
            None => self,
        }
    }
}

/// A new static secret of which nobody knows yet whether Atlas took it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PendingSecret {
    #[serde(serialize_with = "plain_text")]
    pub(crate) client_secret: Sensitive,
    /// Atlas does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// When it was handed in.
    pub(crate) since: DateTime<Utc>,
    /// Of which application it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ApplicationId>,
    /// The directory of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant_id: Option<TenantId>,
    /// When Atlas took it, where that is known and it has not proved itself yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) taken_at: Option<DateTime<Utc>>,
}

impl PendingSecret {
    /// Like [`HeldSecret::is_of`].
    pub(super) fn is_of(&self, vault: &AzureKeyVault) -> bool {
        is_of(self.client_id.as_ref(), self.tenant_id.as_ref(), vault)
    }
}

/// What is not known on either side differs from nothing.
fn is_of(client: Option<&ApplicationId>, tenant: Option<&TenantId>, vault: &AzureKeyVault) -> bool {
    let client = client.zip(vault.client_id.as_ref());
    let tenant = tenant.zip(vault.tenant_id.as_ref());
    client.is_none_or(|(own, shown)| own == shown) && tenant.is_none_or(|(own, shown)| own == shown)
}

/// What somebody accepted for a project with private networking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// That Atlas tries the change only after it took it.
    pub(crate) unvalidated: bool,
    /// That Atlas may not let the project go back.
    pub(crate) no_way_back: bool,
}

impl Accepted {
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// Both words, or none: one alone is not enough for a way back.
    pub(super) fn both_if(is_accepted: bool) -> Self {
        Self {
            unvalidated: is_accepted,
            no_way_back: is_accepted,
        }
    }

    /// Whether a change may be sent that Atlas takes unseen: once a project signs in with what does not
    /// work, nothing may lead on or back.
    pub(super) fn is_both(self) -> bool {
        self.unvalidated && self.no_way_back
    }
}
