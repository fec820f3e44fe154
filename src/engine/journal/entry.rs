//! One journal entry: everything that is needed to find and remove a credential.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::owner::Owner;
use crate::atlas::{
    ApiKeyId, ClientId, DatabaseUsername, Level, ModelKeyId, OrgId, OwnDatabaseUser, ProjectId,
    SecretId,
};
use crate::base::Rfc3339;
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::lost_secret::SecretRequest;
use crate::engine::origin::BoundTo;
use crate::engine::resource::Resource;
use crate::engine::rotation_state::LeftSecrets;
use crate::framework::Call;

/// How far a credential has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Atlas may or may not have made it; nobody was given it.
    Pending,
    /// Complete, and handed out with a lease.
    Active,
    /// Complete, given to nobody and without a lease: managed for as long as its role needs it.
    Managed,
    /// Somebody ended it before its lease: it is gone from Atlas. The entry is there for the lease,
    /// which is not renewed any more, and ends without Atlas.
    Ended,
}

/// As it is stored and shown.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Managed => "managed",
            Self::Ended => "ended",
        })
    }
}

/// Who ended a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndedBy {
    /// Display name of the caller's token.
    pub(crate) display_name: String,
    /// The caller's identity entity; empty for none.
    pub(crate) entity_id: String,
}

impl EndedBy {
    /// Whoever sent a request.
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            display_name: call.display_name.clone(),
            entity_id: call.entity_id.clone(),
        }
    }
}

/// That a credential was ended before its lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// When Atlas had deleted it.
    pub(crate) at: DateTime<Utc>,
    /// Who ordered it.
    pub(crate) by: EndedBy,
}

impl End {
    /// Why the lease of a credential from this role is not renewed.
    pub(crate) fn refusal(&self, role: &str) -> EngineError {
        let names = [&self.by.display_name, &self.by.entity_id];
        let by = names.into_iter().find(|name| !name.is_empty());
        EngineError::CredentialEnded {
            role: role.to_owned(),
            at: Rfc3339(self.at),
            by: by.map_or("somebody", String::as_str).to_owned(),
        }
    }
}

/// A credential that is no thing of its own in Atlas but a part of a service account. The account
/// goes on when the credential ends, so its client id stands here and not in the entry itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// A secret of an existing service account.
    Secret(SecretPart),
    /// An access token, which dies by itself when the entry does.
    Token {
        /// The account that is kept for the role.
        client_id: ClientId,
        /// The secret it is minted with; it dies with that too.
        secret_id: SecretId,
    },
    /// What an account was left with: secrets that nobody is to use any more.
    Secrets(LeftSecrets),
}

impl Part {
    /// The account that it is a part of.
    pub(crate) fn client_id(&self) -> &ClientId {
        match self {
            Self::Secret(SecretPart { client_id, .. })
            | Self::Token { client_id, .. }
            | Self::Secrets(LeftSecrets { client_id, .. }) => client_id,
        }
    }
}

/// One secret of an account which others hold too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretPart {
    /// The account.
    pub(crate) client_id: ClientId,
    /// The account's secrets before this one was asked for: any other is this one. [`None`]: it was
    /// not asked for yet, so that none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) known_secret_ids: Option<Vec<SecretId>>,
    /// The last request for it. Entries of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<SecretRequest>,
    /// Once made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_id: Option<SecretId>,
    /// Those that it may be, once they were seen: only people can tell which one is somebody
    /// else's.
    #[serde(
        default,
        rename = "candidate_secret_ids",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) candidates: Vec<SecretId>,
}

impl SecretPart {
    /// A secret that is yet to be asked for.
    pub(crate) fn of(client_id: ClientId) -> Self {
        Self {
            client_id,
            known_secret_ids: None,
            request: None,
            secret_id: None,
            candidates: Vec::new(),
        }
    }
}

/// What is stored at `issued/<id>`. Never a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JournalEntry {
    /// How far it has come.
    pub(crate) state: State,
    /// Who decides when it ends.
    #[serde(default, skip_serializing_if = "Owner::is_lease")]
    pub(crate) owner: Owner,
    /// The role it was issued from.
    pub(crate) role: String,
    /// What it is.
    pub(crate) credential_type: CredentialType,
    /// Unique in Atlas: the description of an API key or a database user, a service account's name.
    pub(crate) description: String,
    /// The organization, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organization_id: Option<OrgId>,
    /// The project it was made in, if in one; leads to the organization where that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project_id: Option<ProjectId>,
    /// Further projects that it can access, if it was created in one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) further_project_ids: Vec<ProjectId>,
    /// Of an API key, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) programmatic_api_key_id: Option<ApiKeyId>,
    /// Of an API key, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<String>,
    /// Of a service account, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
    /// Of an AI model API key, once made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ai_model_key_id: Option<ModelKeyId>,
    /// The caller's address on its access list, if its role put that there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound_address: Option<IpAddr>,
    /// Of a database user, once made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database_username: Option<DatabaseUsername>,
    /// Of a credential that is part of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<Part>,
    /// The organization of the configuration that made it, if that knew it: where to look should its
    /// project be out of sight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config_organization_id: Option<OrgId>,
    /// Where it was made; nobody looks for it elsewhere.
    #[serde(default, skip_serializing_if = "BoundTo::is_legacy")]
    pub(crate) origin: BoundTo,
    /// Since when its lease has ended while the configured credential may not delete it. Then it is
    /// to be removed like an incomplete one, as soon as a credential is configured that may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending_deletion_since: Option<DateTime<Utc>>,
    /// Of one that was ended, and of no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<End>,
    /// Display name of the caller's token.
    pub(crate) display_name: String,
    /// The caller's identity entity; empty for none.
    pub(crate) entity_id: String,
    /// When the first request to Atlas was about to be sent.
    pub(crate) issued_at: DateTime<Utc>,
    /// No renewal reaches past this.
    pub(crate) max_expire_time: DateTime<Utc>,
    /// The longest that its lease was ever given, at issue or by a renewal, in seconds: whoever knows of
    /// no renewal goes by it. Zero: none is counted, or it is an entry of before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) ttl: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl JournalEntry {
    /// Of a credential of which nothing was made and nothing else is known.
    pub(crate) fn begun(role: String, credential_type: CredentialType, at: DateTime<Utc>) -> Self {
        Self {
            state: State::Pending,
            owner: Owner::Lease,
            role,
            credential_type,
            description: String::new(),
            organization_id: None,
            project_id: None,
            further_project_ids: Vec::new(),
            programmatic_api_key_id: None,
            public_key: None,
            client_id: None,
            ai_model_key_id: None,
            bound_address: None,
            database_username: None,
            part: None,
            config_organization_id: None,
            origin: BoundTo::default(),
            pending_deletion_since: None,
            ended: None,
            display_name: String::new(),
            entity_id: String::new(),
            issued_at: at,
            max_expire_time: at,
            ttl: 0,
        }
    }

    /// Whether Atlas is known to have made it, be it that its organization is yet to be found.
    pub(crate) fn is_known(&self) -> bool {
        let part = match &self.part {
            Some(Part::Secret(secret)) => secret.secret_id.is_some(),
            Some(Part::Token { .. } | Part::Secrets(_)) => true,
            None => false,
        };
        let whole = self.programmatic_api_key_id.is_some() || self.client_id.is_some();
        let in_project = self.ai_model_key_id.is_some() || self.database_username.is_some();
        part || whole || in_project
    }

    /// What Atlas made, if it is known by id.
    pub(crate) fn made(&self) -> Option<Resource> {
        match &self.part {
            Some(Part::Secret(secret)) => {
                let (level, id) = (self.level()?, secret.secret_id.clone()?);
                return Some(Resource::Secret(level, secret.client_id.clone(), id));
            }
            Some(Part::Token { client_id, .. }) => return Some(Resource::Token(client_id.clone())),
            // Several, each with its time: their owner knows.
            Some(Part::Secrets(_)) => return None,
            None => {}
        }
        let org = self.organization_id.clone()?;
        if let Some(id) = &self.ai_model_key_id {
            return Some(Resource::ModelKey(
                org,
                self.project_id.clone()?,
                id.clone(),
            ));
        }
        if let Some(username) = &self.database_username {
            let user = OwnDatabaseUser {
                username: username.clone(),
                tag: self.description.clone(),
            };
            return Some(Resource::DatabaseUser(org, self.project_id.clone()?, user));
        }
        match (&self.programmatic_api_key_id, &self.client_id) {
            (Some(id), _) => Some(Resource::ApiKey(org, id.clone())),
            (None, Some(id)) => Some(Resource::ServiceAccount(org, id.clone())),
            (None, None) => None,
        }
    }

    /// Where it is managed: in its organization, else in its project.
    pub(crate) fn level(&self) -> Option<Level> {
        let org = self.organization_id.clone().map(Level::Org);
        org.or_else(|| self.project_id.clone().map(Level::Project))
    }

    /// The part of the credential that may be shown to everybody, if it has one. Credentials that are
    /// part of the same account have it in common.
    pub(crate) fn public_part(&self) -> Option<&str> {
        let of_part = || self.part.as_ref().map(Part::client_id);
        let client_id = || self.client_id.as_ref().or_else(of_part);
        let public_key = self.public_key.as_deref();
        let model_key = || self.ai_model_key_id.as_ref().map(ModelKeyId::as_str);
        public_key
            .or_else(|| client_id().map(ClientId::as_str))
            .or_else(model_key)
            .or_else(|| {
                self.database_username
                    .as_ref()
                    .map(DatabaseUsername::as_str)
            })
    }

    /// Notes that its secret cannot be told from a stranger's. It stays so when one of them is gone:
    /// then the other may be the stranger's.
    pub(crate) fn mark_ambiguous(&mut self, candidates: &[SecretId]) {
        if let Some(Part::Secret(secret)) = &mut self.part {
            secret.candidates = candidates.to_vec();
        }
    }

    /// Notes that it was ended.
    pub(crate) fn end(&mut self, end: End) {
        self.state = State::Ended;
        self.ended = Some(end);
    }

    /// Notes what Atlas made.
    pub(crate) fn note(&mut self, made: &Resource) {
        match made {
            Resource::ApiKey(org, id) => {
                self.organization_id = Some(org.clone());
                self.programmatic_api_key_id = Some(id.clone());
            }
            Resource::ServiceAccount(org, id) => {
                self.organization_id = Some(org.clone());
                self.client_id = Some(id.clone());
            }
            Resource::Secret(_, _, id) => {
                if let Some(Part::Secret(secret)) = &mut self.part {
                    secret.secret_id = Some(id.clone());
                }
            }
            Resource::ModelKey(org, project, id) => {
                self.organization_id = Some(org.clone());
                self.project_id = Some(project.clone());
                self.ai_model_key_id = Some(id.clone());
            }
            Resource::DatabaseUser(org, project, user) => {
                self.organization_id = Some(org.clone());
                self.project_id = Some(project.clone());
                self.database_username = Some(user.username.clone());
            }
            Resource::Token(_) => {}
        }
    }
}
