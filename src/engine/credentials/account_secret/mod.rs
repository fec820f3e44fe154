//! Credentials that are one secret of a service account which exists: the account is not ours, so
//! nothing of it is changed but that one secret.
//!
//! An account holds two secrets at most, expired ones included, and a second one cuts the life of
//! the first to a week. So the account is read before each secret, and one is added at a time.

mod check;
mod grant;
#[cfg(test)]
mod lost_secret_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::time::sleep;

pub(super) use self::grant::grant;
use super::grant::Grant;
use super::granted::Granted;
use super::issued::Issued;
use super::kind::{CredentialKind, Revoked};
use super::lease::{account_secret, budget, internal, level, linked};
use super::lease_ttl::LeaseTtl;
use super::pending::PendingCredential;
use super::report::{CheckContext, Report};
use super::revoke::note_deletion;
use super::service_account::{ServiceAccount as WholeAccount, secret_lifetime};
use crate::atlas::{
    AtlasError, ClientId, CreatedSecret, Hours, Level, MOST_SECRETS, OrgId, Priority,
    RequestBudget, SecretId, SecretState, ServiceAccount,
};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::account_use::{User, refuse_shared};
use crate::engine::connection::Search;
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::journal::{Owner, Part, SecretPart, State, finish};
use crate::engine::lost_secret::SecretRequest;
use crate::engine::names::RoleName;
use crate::engine::resource::{Resource, not_deleted, remove};
use crate::engine::rotation::{Requests, WantedSecret};
use crate::engine::unasked::Mandate;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::{Data, Response};

/// How often a secret is asked for while others change the account, and the pause between.
const MOST_ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// The type.
pub(super) struct AccountSecret;

#[async_trait]
impl CredentialKind for AccountSecret {
    fn credential_type(&self) -> CredentialType {
        CredentialType::ServiceAccount
    }

    /// Not that of whole accounts, so that no version of the engine takes the one for the other and
    /// deletes the account.
    fn lease_type(&self) -> &'static str {
        "service_account_secret"
    }

    /// Not found by it in Atlas, but shown like that of an account.
    fn fitted(&self, role: &RoleName) -> String {
        WholeAccount.fitted(role)
    }

    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
        grant(role, faults)
    }

    fn secret_lifetime(&self, life: LeaseTtl) -> Option<Hours> {
        Some(secret_lifetime(life))
    }

    async fn check(
        &self,
        context: &CheckContext<'_>,
        grant: &Grant,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        match &grant.account {
            Some(account) => check::check(context, &grant.level, account, report).await,
            None => Ok(()),
        }
    }

    fn part(&self, grant: &Grant) -> Option<Part> {
        grant.account.clone().map(SecretPart::of).map(Part::Secret)
    }

    fn has_access_list(&self) -> bool {
        false
    }

    /// It is deleted where its account is managed.
    fn ends_in_organization(&self) -> bool {
        false
    }

    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError> {
        let mut pending = PendingCredential::begin(self, granted, Owner::Lease).await?;
        let made = create(&mut pending).await;
        pending.finish(self, granted, made, answer).await
    }

    fn answer_fields(&self) -> Vec<Field> {
        WholeAccount.answer_fields()
    }

    /// Asked of Atlas each time: whoever adds another secret to the account brings its end forward.
    async fn ends_at(
        &self,
        engine: &Engine,
        call: &LeaseCall,
    ) -> Result<Option<DateTime<Utc>>, EngineError> {
        let (account, secret) = account_secret(call)?;
        let level = level(call)?;
        let linked = linked(engine, call).await?;
        let budget = RequestBudget {
            priority: Priority::Rotate,
            ..budget(call)
        };
        let seen = linked
            .atlas
            .service_account(&level, &account, budget)
            .await
            .map_err(|error| unreadable(&account, error))?;
        let mut secrets = seen.secrets.into_iter();
        let held = secrets.find(|held| held.id == secret);
        let held = held.ok_or_else(|| EngineError::SecretGone(account))?;
        Ok(held.expires_at)
    }

    /// Deletes the secret; the account and its other secrets stay.
    async fn revoke(&self, engine: &Engine, call: &LeaseCall) -> Result<Revoked, EngineError> {
        let (account, secret) = account_secret(call)?;
        let level = level(call)?;
        // Leases of earlier versions do not name it where the account is managed in a project.
        let org: Option<OrgId> = internal(call, "organization_id")?;
        let linked = linked(engine, call).await?;
        let deletion = linked
            .atlas
            .delete_secret_known_in(org.as_ref(), &level, &account, &secret, budget(call))
            .await
            .map_err(|error| not_deleted(&account, &secret, error))?;
        note_deletion(engine, call, deletion);
        tracing::debug!(
            client_id = %account,
            secret_id = %secret,
            %deletion,
            "leased client secret is gone from Atlas"
        );
        Ok(Revoked::Gone)
    }
}

/// What was made: the account as it was before, its new secret, and its organization.
type Added = (ServiceAccount, CreatedSecret, OrgId);

/// Adds a secret to the account, if there is room.
async fn create(pending: &mut PendingCredential) -> Result<Added, EngineError> {
    let hours = secret_lifetime(pending.life);
    pending.bound_life(hours.duration())?;
    let Some(account) = pending.grant.account.clone() else {
        let unnamed = format!("role {} names no service account", pending.entry.role);
        return Err(EngineError::BadInput(unnamed));
    };
    // For the answer; what is unknown must fail before anything is made.
    let org = pending.organization().await?;
    let guard = pending
        .engine
        .lock_account(&account, pending.budget.deadline);
    let guard = pending.engine.while_wanted(&pending.gone, guard).await??;
    pending.guard = Some(guard);
    // It may have become the engine's own since the role was written.
    refuse_shared(&pending.engine, &account, User::Roles).await?;
    settle_earlier(pending, &account).await?;
    let (seen, secret) = add_secret(pending, &account, hours).await?;
    let made = Resource::Secret(pending.grant.level.clone(), account, secret.id.clone());
    pending.entry.note(&made);
    pending.end_with(secret.expires_at)?;
    Ok((seen, secret, org))
}

/// A secret whose answer was lost is known as the one that was not there before: so nothing is
/// added while there may be one. Who goes away waits no longer, wherever this is: what is half-done
/// of it shows at the next look, by the periodic run or by who comes next, since its entry goes
/// last.
async fn settle_earlier(
    pending: &PendingCredential,
    account: &ClientId,
) -> Result<(), EngineError> {
    let earlier = pending.engine.journal.secrets_of(account).await?;
    for id in earlier.unresolved {
        let search = Search::of_request();
        let mandate = Mandate::Unasked;
        let rolled_back = finish(&pending.engine, &id, search, mandate, pending.budget);
        let rolled_back = Box::pin(rolled_back);
        let rolled_back = pending
            .engine
            .while_wanted(&pending.gone, rolled_back)
            .await??;
        if !rolled_back.settled {
            return Err(EngineError::Unsettled(account.clone()));
        }
    }
    Ok(())
}

async fn add_secret(
    pending: &mut PendingCredential,
    account: &ClientId,
    hours: Hours,
) -> Result<(ServiceAccount, CreatedSecret), EngineError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let seen = with_room(pending, account).await?;
        match ask(pending, account, hours, &seen).await? {
            Ok(secret) => return Ok((seen, secret)),
            // Not by us: our requests take turns. What others did shows when the account is read.
            Err(error) if error.says_changed_meanwhile() && attempts < MOST_ATTEMPTS => {
                pending.sent = false;
                let pause = sleep(PAUSE * attempts);
                pending.engine.while_wanted(&pending.gone, pause).await?;
            }
            Err(error) => return Err(not_created(account, hours, error)),
        }
    }
}

/// Asks once for a secret of an account that was just seen.
async fn ask(
    pending: &mut PendingCredential,
    account: &ClientId,
    hours: Hours,
    seen: &ServiceAccount,
) -> Result<Result<CreatedSecret, AtlasError>, EngineError> {
    let (engine, atlas) = (Arc::clone(&pending.engine), pending.atlas.clone());
    let wanted = WantedSecret {
        engine: &engine,
        atlas: &atlas,
        level: pending.grant.level.clone(),
        client_id: account.clone(),
        lifetime: hours,
        budget: pending.budget,
    };
    let known = seen.secrets.iter().map(|known| known.id.clone());
    let mut requests = InPending {
        account,
        known: known.collect(),
        pending,
    };
    wanted.ask(&mut requests).await
}

/// The request for a secret, written down in its journal entry.
struct InPending<'a> {
    pending: &'a mut PendingCredential,
    account: &'a ClientId,
    known: Vec<SecretId>,
}

#[async_trait]
impl Requests for InPending<'_> {
    async fn store(&mut self, request: SecretRequest) -> Result<(), EngineError> {
        self.pending.entry.part = Some(Part::Secret(SecretPart {
            known_secret_ids: Some(self.known.clone()),
            request: Some(request),
            ..SecretPart::of(self.account.clone())
        }));
        self.pending.record(State::Pending).await?;
        self.pending.sent = true;
        Ok(())
    }

    fn sent(&mut self) -> Option<&mut SecretRequest> {
        match &mut self.pending.entry.part {
            Some(Part::Secret(part)) => part.request.as_mut(),
            _ => None,
        }
    }
}

fn not_created(account: &ClientId, hours: Hours, error: AtlasError) -> EngineError {
    let doing = format!(
        "adding a secret of {} h to service account {account} (if Atlas finds that too long, give \
         the role a shorter max_ttl)",
        hours.get()
    );
    EngineError::atlas(&doing, error)
}

/// Reads the account and makes room where that is ours to do: a secret that was issued here and has
/// expired is deleted.
async fn with_room(
    pending: &PendingCredential,
    account: &ClientId,
) -> Result<ServiceAccount, EngineError> {
    let (level, budget) = (&pending.grant.level, pending.budget);
    let mut seen = read(pending, account).await?;
    let ours = pending.engine.journal.secrets_of(account).await?.known;
    let now = pending.engine.clock.now();
    while seen.secrets.len() >= MOST_SECRETS {
        let is_over = |secret: &SecretState| {
            ours.contains(&secret.id) && secret.expires_at.is_some_and(|end| end <= now)
        };
        let Some(place) = seen.secrets.iter().position(is_over) else {
            return Err(EngineError::NoFreeSlot {
                client_id: account.clone(),
                taken: seen.secrets.len(),
                frees_at: frees_at(&seen.secrets, &ours),
            });
        };
        let over = seen.secrets.remove(place).id;
        let made = Resource::Secret(level.clone(), account.clone(), over);
        // That it has expired is told by a clock, and nobody ordered its end.
        let permit = pending.engine.may_delete_unasked().await?;
        let permit = permit.map_err(|held| EngineError::Held {
            what: format!("service account {account}"),
            held: held.to_string(),
        })?;
        remove(&pending.linked, &made, permit, budget).await?;
    }
    Ok(seen)
}

/// When a place is free at the latest: the first end of a secret that was issued here. A stranger's
/// holds its place until its owner deletes it, expired or not.
pub(super) fn frees_at(secrets: &[SecretState], ours: &[SecretId]) -> Option<DateTime<Utc>> {
    let own = secrets.iter().filter(|secret| ours.contains(&secret.id));
    own.filter_map(|secret| secret.expires_at).min()
}

async fn read(
    pending: &PendingCredential,
    account: &ClientId,
) -> Result<ServiceAccount, EngineError> {
    let (level, budget) = (&pending.grant.level, pending.budget);
    let seen = pending.atlas.service_account(level, account, budget).await;
    seen.map_err(|error| unreadable(account, error))
}

/// Why an account could not be read.
pub(super) fn unreadable(account: &ClientId, error: AtlasError) -> EngineError {
    if error.says_not_found() {
        return EngineError::NoSuchAccount(account.clone());
    }
    EngineError::atlas(&format!("reading service account {account}"), error)
}

fn answer(pending: &PendingCredential, (seen, secret, org): &Added) -> Issued {
    let mut data = Data::from_iter([
        ("client_id".to_owned(), json!(seen.client_id)),
        (
            "client_secret".to_owned(),
            json!(secret.client_secret.expose()),
        ),
        (
            "client_secret_expires_at".to_owned(),
            json!(Rfc3339(secret.expires_at)),
        ),
        ("name".to_owned(), json!(seen.name)),
        ("organization_id".to_owned(), json!(org)),
    ]);
    let mut internal = Data::from_iter([
        ("client_id".to_owned(), json!(seen.client_id)),
        ("secret_id".to_owned(), json!(secret.id)),
        // Should the account leave its project, the organization is where to look for it.
        ("organization_id".to_owned(), json!(org)),
    ]);
    if let Level::Project(project) = &pending.grant.level {
        data.insert("project_id".to_owned(), json!(project));
        internal.insert("project_id".to_owned(), json!(project));
    }
    Issued { data, internal }
}
