//! A new credential in the place of an API key: another key, or a service account, with the same
//! reach. Atlas cannot rotate a key in place.
//!
//! Before Atlas is asked to make it, the journal gets an entry of the new credential and one of the old
//! key. One write of the configuration then puts the one in the other's place. So whatever stops the
//! work, the credential that the configuration does not name is removed in the end.

use std::collections::BTreeMap;

use super::entry::RootType;
use super::left::{entry_of, work_off};
use super::principal::Principal;
use super::record::RootRecord;
use crate::atlas::{
    AccessList, ApiKeyId, AtlasError, CreatedApiKey, CreatedServiceAccount, Hours, Level,
    NewApiKey, NewServiceAccount, OrgId, ProjectId, RequestBudget,
};
use crate::base::Sensitive;
use crate::engine::connection::ConfiguredClient;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::{Hold, JournalEntry};
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::engine::resource::Resource;
use crate::engine::rotation::patiently;
use crate::engine::unasked::Permit;
use crate::vault::failure::chain;

/// What an operator reads beside the account in Atlas.
const ABOUT: &str = "The credential of a Vault or OpenBao mount, made by its config rotate-root";

/// Everything that the present key may do, and from where.
struct Reach {
    org: OrgId,
    key: ApiKeyId,
    roles: Vec<String>,
    projects: BTreeMap<ProjectId, Vec<String>>,
    access_list: AccessList,
}

/// The parts of a credential that Atlas shows once.
enum Replacement {
    ApiKey(CreatedApiKey),
    ServiceAccount(CreatedServiceAccount),
}

impl Replacement {
    /// Whether Atlas's answer shows the organization roles of the old one.
    fn shows(&self, reach: &Reach) -> Result<(), EngineError> {
        let level = Level::Org(reach.org.clone());
        let shown = match self {
            Self::ApiKey(key) => key.shows(&level, &reach.roles),
            Self::ServiceAccount(account) => account.shows(&level, &reach.roles),
        };
        shown.map_err(|error| EngineError::atlas("creating the new credential", error))
    }
}

/// Makes a credential of that type, proves it, stores it, and leaves the old key to be removed.
pub(super) async fn create_replacement(
    record: &mut RootRecord,
    to: RootType,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let linked = record.engine.connection.linked().await?;
    let reach = reach(&linked, &record.entry, budget).await?;
    let mut entries = Entries::begin(record, &linked, &reach, to).await?;
    match prepare(record, &linked, &reach, &mut entries, budget).await {
        // Which of the two is in use stands in the configuration, and so which of the entries goes.
        Ok(replacement) => activate(record, replacement, &reach).await,
        Err(error) => Err(entries.undo(record, &linked, error, budget).await),
    }
}

/// The journal's entries of both credentials.
struct Entries {
    old: JournalId,
    id: JournalId,
    new: JournalEntry,
    to: RootType,
    _holds: [Hold; 2],
}

impl Entries {
    /// Writes both. What is written and not needed is let go by the next periodic run.
    async fn begin(
        record: &RootRecord,
        linked: &ConfiguredClient,
        reach: &Reach,
        to: RootType,
    ) -> Result<Self, EngineError> {
        let engine = &record.engine;
        let (journal, now) = (&engine.journal, engine.clock.now());
        let origin = || BoundTo::client(linked);
        let mut before = entry_of(RootType::ProgrammaticApiKey, origin(), now);
        before.note(&Resource::ApiKey(reach.org.clone(), reach.key.clone()));
        before.public_key = Some(record.entry.public_key.clone());
        let old = journal.draw(&*engine.entropy).await?;
        let id = journal.draw(&*engine.entropy).await?;
        let mut new = entry_of(to, origin(), now);
        new.organization_id = Some(reach.org.clone());
        // Not in the form of what is issued: nobody may take it for an orphan.
        new.description = format!("mongodbatlas-root-{id}");
        let no_limit = 0;
        let holds = [
            journal.begin(&old, &before, no_limit).await?,
            journal.begin(&id, &new, no_limit).await?,
        ];
        Ok(Self {
            old,
            id,
            new,
            to,
            _holds: holds,
        })
    }

    /// Notes what Atlas made.
    async fn note(
        &mut self,
        record: &RootRecord,
        made: &Principal,
        replacement: &Replacement,
    ) -> Result<(), EngineError> {
        self.new.note(&made.clone().into());
        if let Replacement::ApiKey(key) = replacement {
            self.new.public_key = Some(key.public_key.clone());
        }
        record.engine.journal.write(&self.id, &self.new).await
    }

    /// Removes what was made. The error stays the one that led here.
    async fn undo(
        self,
        record: &RootRecord,
        linked: &ConfiguredClient,
        error: EngineError,
        budget: RequestBudget,
    ) -> EngineError {
        let journal = &record.engine.journal;
        let was_made = self.new.is_known() || error.outcome_unknown();
        let undone = if was_made {
            let (engine, id) = (&record.engine, &self.id);
            work_off(engine, linked, id, &self.new, Permit::UNDO, budget).await
        } else {
            journal.remove(&self.id).await
        };
        // The old one is the configuration's still.
        let undone = undone.and(journal.remove(&self.old).await);
        if let Err(failure) = undone {
            tracing::warn!(
                error = chain(&failure),
                "root credential rotation failed midway; the next periodic run undoes it"
            );
        }
        error
    }
}

/// Reads what the key may do. Source: Atlas API `getSystemStatus`, `getOrgApiKey`.
async fn reach(
    linked: &ConfiguredClient,
    entry: &ConfigEntry,
    budget: RequestBudget,
) -> Result<Reach, EngineError> {
    let reading = |error| EngineError::atlas("reading what the present API key may do", error);
    let atlas = &linked.atlas;
    let known = atlas.who_am_i(budget).await.map_err(reading)?.api_key;
    let of_caller = known.as_ref().map(|key| &key.roles).into_iter().flatten();
    let org = entry.organization_id.clone();
    let org = org.or_else(|| of_caller.into_iter().find_map(|role| role.org_id.clone()));
    let org = org.ok_or(EngineError::OrganizationUnknown)?;
    let key = match known {
        Some(key) => atlas.api_key(&org, &key.id, budget).await,
        None => own_key(linked, &org, &entry.public_key, budget).await,
    };
    let key = key.map_err(reading)?;
    let access_list = atlas.api_key_access_list(&org, &key.id, budget).await;
    let mut roles = Vec::new();
    let mut projects: BTreeMap<ProjectId, Vec<String>> = BTreeMap::new();
    for grant in key.roles {
        match grant.project_id {
            Some(project) => projects.entry(project).or_default().push(grant.role_name),
            None => roles.push(grant.role_name),
        }
    }
    Ok(Reach {
        org,
        key: key.id,
        roles,
        projects,
        access_list: access_list.map_err(reading)?,
    })
}

async fn own_key(
    linked: &ConfiguredClient,
    org: &OrgId,
    public_key: &str,
    budget: RequestBudget,
) -> Result<crate::atlas::ApiKey, AtlasError> {
    let keys = linked.atlas.list_org_api_keys(org, budget).await?;
    let own = keys.into_iter().find(|key| key.public_key == public_key);
    own.ok_or(AtlasError::MalformedAnswer {
        operation: "listOrgApiKeys",
        source: crate::atlas::AnswerFault::Missing { field: "publicKey" },
    })
}

/// Makes the credential, gives it the reach of the old one, and proves it by a call.
async fn prepare(
    record: &RootRecord,
    linked: &ConfiguredClient,
    reach: &Reach,
    entries: &mut Entries,
    budget: RequestBudget,
) -> Result<Replacement, EngineError> {
    let (made, replacement) = create(record, linked, reach, entries, budget).await?;
    entries.note(record, &made, &replacement).await?;
    replacement.shows(reach)?;
    grant_access(linked, reach, &made, budget).await?;
    let mut entry = record.entry.clone();
    apply_to(&mut entry, &replacement);
    let new = record.engine.connection.link(&entry).await?;
    let may_pass =
        |error: &AtlasError| error.is_unauthenticated() || error.says_address_is_not_listed();
    let seen = patiently(&record.engine, budget, may_pass, || {
        new.atlas.organizations(budget)
    });
    let seen = seen.await.map_err(not_proved)?;
    if seen.iter().any(|org| org.id == reach.org) {
        Ok(replacement)
    } else {
        Err(EngineError::OrganizationUnknown)
    }
}

/// The credential in use was not refused: the new one was.
fn not_proved(source: AtlasError) -> EngineError {
    EngineError::Atlas {
        advice: "proving the new credential by a call; the present one stays in use".to_owned(),
        source,
    }
}

async fn create(
    record: &RootRecord,
    linked: &ConfiguredClient,
    reach: &Reach,
    entries: &Entries,
    budget: RequestBudget,
) -> Result<(Principal, Replacement), EngineError> {
    let level = Level::Org(reach.org.clone());
    let text = entries.new.description.clone();
    match entries.to {
        RootType::ProgrammaticApiKey => {
            let new = NewApiKey {
                description: text,
                roles: reach.roles.clone(),
            };
            let key = linked.atlas.create_api_key(&level, &new, budget).await;
            let key = key.map_err(|error| EngineError::atlas("creating the new API key", error))?;
            let made = Principal::ApiKey(reach.org.clone(), key.id.clone());
            Ok((made, Replacement::ApiKey(key)))
        }
        RootType::ServiceAccount => {
            let new = NewServiceAccount {
                name: text,
                description: ABOUT.to_owned(),
                roles: reach.roles.clone(),
                secret_lifetime: lifetime(record, linked, &reach.org, budget).await,
            };
            let created = linked
                .atlas
                .create_service_account(&level, &new, budget)
                .await;
            let account = created
                .map_err(|error| EngineError::atlas("creating the new service account", error))?;
            let made = Principal::ServiceAccount(reach.org.clone(), account.client_id.clone());
            Ok((made, Replacement::ServiceAccount(account)))
        }
    }
}

/// The lifetime of a new secret, as far as the organization allows it.
pub(super) async fn lifetime(
    record: &RootRecord,
    linked: &ConfiguredClient,
    org: &OrgId,
    budget: RequestBudget,
) -> Hours {
    let now = record.engine.clock.now();
    let wanted = record.entry.rotation.lifetime(now);
    let engine = &record.engine;
    engine
        .secret_lifetime(&linked.atlas, org, wanted, budget)
        .await
}

async fn grant_access(
    linked: &ConfiguredClient,
    reach: &Reach,
    made: &Principal,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let atlas = &linked.atlas;
    let listed = match made {
        Principal::ApiKey(org, id) => {
            atlas
                .add_api_key_access_list(org, id, &reach.access_list, budget)
                .await
        }
        Principal::ServiceAccount(org, id) => {
            let level = Level::Org(org.clone());
            atlas
                .add_service_account_access_list(&level, id, &reach.access_list, budget)
                .await
        }
    };
    listed
        .map_err(|error| EngineError::atlas("setting the new credential's access list", error))?;
    for (project, roles) in &reach.projects {
        let assigned = match made {
            Principal::ApiKey(_, id) => {
                atlas
                    .assign_api_key_to_project(project, id, roles, budget)
                    .await
            }
            Principal::ServiceAccount(_, id) => {
                atlas
                    .invite_service_account_to_project(project, id, roles, budget)
                    .await
            }
        };
        assigned.map_err(|error| {
            let doing = format!("assigning the new credential to project {project}");
            EngineError::atlas(&doing, error)
        })?;
    }
    Ok(())
}

fn apply_to(entry: &mut ConfigEntry, replacement: &Replacement) {
    match replacement {
        Replacement::ApiKey(key) => {
            entry.public_key.clone_from(&key.public_key);
            entry.private_key = key.private_key.clone();
        }
        Replacement::ServiceAccount(account) => {
            entry.public_key.clear();
            entry.private_key = Sensitive::default();
            entry.client_id = Some(account.client_id.clone());
            entry.client_secret = account.secret.client_secret.clone();
            entry.client_secret_expires_at = Some(account.secret.expires_at);
            entry.rotation.client_secret_id = Some(account.secret.id.clone());
        }
    }
}

/// One write makes the new credential the configuration's, and the old one a thing to be removed.
async fn activate(
    record: &mut RootRecord,
    replacement: Replacement,
    reach: &Reach,
) -> Result<(), EngineError> {
    let now = record.engine.clock.now();
    apply_to(&mut record.entry, &replacement);
    record.entry.organization_id = Some(reach.org.clone());
    record.entry.rotation.note_success(now);
    if let Err(error) = record.store().await {
        // Whether it was stored is not known, so both credentials are left alone: the periodic run
        // reads what is stored, and there stands which of them is in use.
        record.engine.connection.reset();
        return Err(error);
    }
    record.activate().await
}
