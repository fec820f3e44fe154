//! One journal entry: everything that is needed to find and remove a credential.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ApiKeyId, ClientId, Level, OrgId, ProjectId, SecretId};
use crate::base::{Entropy, base62};
use crate::engine::roles::CredentialType;

/// Names a credential in the journal and, as the end of its description, in Atlas.
///
/// Twenty base62 characters hold 119 bits: two credentials never meet in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JournalId(String);

impl JournalId {
    const LENGTH: usize = 20;

    /// Draws a new one.
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        Self(base62(entropy, Self::LENGTH))
    }

    /// The id of a storage key's last part or of a lease's internal data.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == Self::LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a credential has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Atlas may or may not have made it; it is in nobody's hands.
    Making,
    /// Complete, and handed out with a lease.
    Live,
    /// Complete, in nobody's hands and without a lease: kept for as long as its role needs it.
    Kept,
}

/// A credential that is no thing of its own in Atlas but a part of a service account. The account
/// goes on when the credential ends, so its client id stands here and not in the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// A secret of an account that exists.
    Secret {
        /// The account.
        client_id: ClientId,
        /// The account's secrets before this one was asked for: any other is this one.
        known_secret_ids: Vec<SecretId>,
        /// Once made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret_id: Option<SecretId>,
    },
    /// An access token, which dies by itself when the entry does.
    Token {
        /// The account that is kept for the role.
        client_id: ClientId,
        /// The secret it is minted with; it dies with that too.
        secret_id: SecretId,
    },
}

/// What Atlas made: enough to remove it for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// A programmatic API key.
    ApiKey(OrgId, ApiKeyId),
    /// A service account with all its secrets.
    ServiceAccount(OrgId, ClientId),
    /// One secret of an account, which itself stays.
    Secret(Level, ClientId, SecretId),
    /// An access token. It ends by itself; only who holds its text can end it earlier.
    Token(ClientId),
}

/// What is stored at `issued/<id>`. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalEntry {
    /// How far it has come.
    pub(crate) stage: Stage,
    /// The role it was issued from.
    pub(crate) role: String,
    /// What it is.
    pub(crate) credential_type: CredentialType,
    /// Unique in Atlas: an API key's description, a service account's name.
    pub(crate) description: String,
    /// The organization, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organization_id: Option<OrgId>,
    /// The project it was made in, if in one; leads to the organization where that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project_id: Option<ProjectId>,
    /// Of an API key, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) programmatic_api_key_id: Option<ApiKeyId>,
    /// Of an API key, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<String>,
    /// Of a service account, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
    /// Of a credential that is part of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<Part>,
    /// How the caller's token is shown to people.
    pub(crate) display_name: String,
    /// The caller's identity entity; empty for none.
    pub(crate) entity_id: String,
    /// When the first request to Atlas was about to be sent.
    pub(crate) issued_at: DateTime<Utc>,
    /// No renewal reaches past this.
    pub(crate) dies_by: DateTime<Utc>,
}

impl JournalEntry {
    /// Whether Atlas is known to have made it, be it that its organization is yet to be found.
    pub(crate) fn is_known(&self) -> bool {
        let part = match &self.part {
            Some(Part::Secret { secret_id, .. }) => secret_id.is_some(),
            Some(Part::Token { .. }) => true,
            None => false,
        };
        part || self.programmatic_api_key_id.is_some() || self.client_id.is_some()
    }

    /// What Atlas made, if it is known by id.
    pub(crate) fn made(&self) -> Option<Made> {
        match &self.part {
            Some(Part::Secret {
                client_id,
                secret_id,
                ..
            }) => {
                let (level, secret) = (self.level()?, secret_id.clone()?);
                return Some(Made::Secret(level, client_id.clone(), secret));
            }
            Some(Part::Token { client_id, .. }) => return Some(Made::Token(client_id.clone())),
            None => {}
        }
        let org = self.organization_id.clone()?;
        match (&self.programmatic_api_key_id, &self.client_id) {
            (Some(id), _) => Some(Made::ApiKey(org, id.clone())),
            (None, Some(id)) => Some(Made::ServiceAccount(org, id.clone())),
            (None, None) => None,
        }
    }

    /// Where it is managed: in its organization, else in its project.
    pub(crate) fn level(&self) -> Option<Level> {
        let org = self.organization_id.clone().map(Level::Org);
        org.or_else(|| self.project_id.clone().map(Level::Project))
    }

    /// Notes what Atlas made.
    pub(crate) fn note(&mut self, made: &Made) {
        match made {
            Made::ApiKey(org, id) => {
                self.organization_id = Some(org.clone());
                self.programmatic_api_key_id = Some(id.clone());
            }
            Made::ServiceAccount(org, id) => {
                self.organization_id = Some(org.clone());
                self.client_id = Some(id.clone());
            }
            Made::Secret(_, _, id) => {
                if let Some(Part::Secret { secret_id, .. }) = &mut self.part {
                    *secret_id = Some(id.clone());
                }
            }
            Made::Token(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemEntropy;

    #[test]
    fn ids_have_their_form() {
        let id = JournalId::draw(&SystemEntropy);
        assert_eq!(JournalId::parse(&id.to_string()), Some(id));
        for text in ["", "short", "../../../../../../..", "0123456789012345678/"] {
            assert_eq!(JournalId::parse(text), None, "{text}");
        }
    }
}
