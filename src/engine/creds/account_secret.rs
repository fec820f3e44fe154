//! Credentials that are one secret of a service account which exists: the account is not ours, so
//! nothing of it is changed but that one secret.
//!
//! An account holds two secrets at most, expired ones included, and a second one cuts the life of
//! the first to a week. So the account is read before each secret, and one is added at a time.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::issue::Draft;
use super::remove;
use super::service_account::secret_lifetime;
use crate::atlas::{
    AtlasError, ClientId, CreatedSecret, Hours, Level, OrgId, SecretState, ServiceAccount,
};
use crate::engine::error::EngineError;
use crate::engine::journal::{Made, Part, Stage, finish};
use crate::framework::Lease;
use crate::vault::{Data, Response};

/// The `secret_type` of such a lease. Not that of whole accounts, so that no version of the engine
/// takes the one for the other and deletes the account.
pub(crate) const LEASE_TYPE: &str = "service_account_secret";

/// Most secrets of one account. Source: Atlas documentation, "MongoDB Limits and Thresholds".
pub(crate) const MOST_SECRETS: usize = 2;

/// How often a secret is asked for while others change the account, and the pause between.
const MOST_ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// Adds a secret to the account, if there is room.
pub(super) async fn make(draft: &mut Draft, account: ClientId) -> Result<Response, EngineError> {
    let hours = secret_lifetime(draft.life);
    draft.life = draft.life.within(hours.duration());
    // For the answer; what is unknown must fail before anything is made.
    let org = draft.organization().await?;
    let turns = &draft.engine.account_turns;
    let turn = turns.wait(&account, draft.patience.deadline).await;
    draft.turn = Some(turn.ok_or_else(|| EngineError::Busy {
        what: format!("service account {account}"),
    })?);
    settle_earlier(draft, &account).await?;
    let (seen, secret) = create(draft, &account, hours).await?;
    let made = Made::Secret(draft.grant.level.clone(), account, secret.id.clone());
    draft.entry.note(&made);
    let left = secret.expires_at - draft.engine.clock.now();
    draft.life = draft.life.within(left.to_std().unwrap_or_default());
    draft.entry.dies_by = draft.entry.issued_at + draft.life.max_ttl;
    Ok(answer(draft, &seen, &secret, &org))
}

/// A secret whose answer was lost is known as the one that was not there before: so nothing is added
/// while there may be one.
async fn settle_earlier(draft: &Draft, account: &ClientId) -> Result<(), EngineError> {
    let (_, unsettled) = draft.engine.journal.secrets_of(account).await?;
    for id in unsettled {
        let now = draft.engine.clock.now();
        if !finish(&draft.engine, &id, draft.patience, now).await? {
            return Err(EngineError::Unsettled(account.clone()));
        }
    }
    Ok(())
}

async fn create(
    draft: &mut Draft,
    account: &ClientId,
    hours: Hours,
) -> Result<(ServiceAccount, CreatedSecret), EngineError> {
    let mut attempts = 0;
    loop {
        let seen = with_room(draft, account).await?;
        draft.entry.part = Some(Part::Secret {
            client_id: account.clone(),
            known_secret_ids: seen.secrets.iter().map(|known| known.id.clone()).collect(),
            secret_id: None,
        });
        draft.record(Stage::Making).await?;
        draft.sent = true;
        attempts += 1;
        let (level, patience) = (&draft.grant.level, draft.patience);
        let atlas = &draft.linked.atlas;
        match atlas.create_secret(level, account, hours, patience).await {
            Ok(secret) => return Ok((seen, secret)),
            // Not by us: our requests take turns. What others did shows when the account is read.
            Err(error) if error.says_changed_meanwhile() && attempts < MOST_ATTEMPTS => {
                draft.sent = false;
                sleep(PAUSE * attempts).await;
            }
            Err(error) => return Err(not_created(account, hours, error)),
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
async fn with_room(draft: &Draft, account: &ClientId) -> Result<ServiceAccount, EngineError> {
    let (level, patience) = (&draft.grant.level, draft.patience);
    let mut seen = read(draft, account).await?;
    let (ours, _) = draft.engine.journal.secrets_of(account).await?;
    let now = draft.engine.clock.now();
    while seen.secrets.len() >= MOST_SECRETS {
        let is_over = |secret: &SecretState| {
            ours.contains(&secret.id) && secret.expires_at.is_some_and(|end| end <= now)
        };
        let Some(place) = seen.secrets.iter().position(is_over) else {
            let own = seen
                .secrets
                .iter()
                .filter(|secret| ours.contains(&secret.id));
            return Err(EngineError::NoFreeSlot {
                client_id: account.clone(),
                taken: seen.secrets.len(),
                frees_at: own.filter_map(|secret| secret.expires_at).min(),
            });
        };
        let over = seen.secrets.remove(place).id;
        let made = Made::Secret(level.clone(), account.clone(), over);
        remove(&draft.linked, &made, patience).await?;
    }
    Ok(seen)
}

async fn read(draft: &Draft, account: &ClientId) -> Result<ServiceAccount, EngineError> {
    let (level, patience) = (&draft.grant.level, draft.patience);
    let seen = draft
        .linked
        .atlas
        .service_account(level, account, patience)
        .await;
    seen.map_err(|error| unreadable(account, error))
}

/// Why an account could not be read.
pub(super) fn unreadable(account: &ClientId, error: AtlasError) -> EngineError {
    if error.says_account_or_secret_is_gone() {
        return EngineError::NoSuchAccount(account.clone());
    }
    EngineError::atlas(&format!("reading service account {account}"), error)
}

fn answer(draft: &Draft, seen: &ServiceAccount, secret: &CreatedSecret, org: &OrgId) -> Response {
    let mut data = Data::from_iter([
        ("client_id".to_owned(), json!(seen.client_id)),
        (
            "client_secret".to_owned(),
            json!(secret.client_secret.expose()),
        ),
        (
            "client_secret_expires_at".to_owned(),
            json!(secret.expires_at),
        ),
        ("name".to_owned(), json!(seen.name)),
        ("organization_id".to_owned(), json!(org)),
    ]);
    // Where the secret is managed: one of the two, never both.
    let managed = match &draft.grant.level {
        Level::Org(org) => ("organization_id".to_owned(), json!(org)),
        Level::Project(project) => {
            data.insert("project_id".to_owned(), json!(project));
            ("project_id".to_owned(), json!(project))
        }
    };
    let internal = Data::from_iter([
        ("client_id".to_owned(), json!(seen.client_id)),
        ("secret_id".to_owned(), json!(secret.id)),
        managed,
        ("role".to_owned(), json!(draft.entry.role)),
        ("journal_id".to_owned(), json!(draft.id)),
    ]);
    let lease = Lease {
        ttl: draft.life.ttl,
        max_ttl: draft.life.max_ttl,
        renewable: true,
    };
    lease.answer(LEASE_TYPE, data, internal)
}
