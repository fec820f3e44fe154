//! The end of a lease: the credential is deleted in Atlas, and only then its journal entry.
//!
//! Everything needed is in the lease's internal data, in our shape or the Go engine's. Without a
//! configuration, or where Atlas does not do it, the revocation fails and the host tries again: a
//! credential that may still be alive is never taken for revoked.

use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::remove;
use super::token_account::TokenAccounts;
use crate::atlas::{AtlasError, ClientId, Level, OrgId, Patience, Priority, ProjectId, SecretId};
use crate::base::Sensitive;
use crate::engine::Engine;
use crate::engine::connection::Linked;
use crate::engine::error::EngineError;
use crate::engine::journal::{JournalId, Made};
use crate::engine::roles::RoleName;
use crate::framework::LeaseCall;

/// Revokes an API key.
pub(super) async fn revoke_api_key(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let id = internal(&call, "programmatic_api_key_id")?;
    let id = id.ok_or_else(|| missing("programmatic_api_key_id"))?;
    revoke(&engine, &call, |org| Made::ApiKey(org, id)).await
}

/// Revokes a service account.
pub(super) async fn revoke_service_account(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let id = internal(&call, "client_id")?.ok_or_else(|| missing("client_id"))?;
    revoke(&engine, &call, |org| Made::ServiceAccount(org, id)).await
}

async fn revoke(
    engine: &Engine,
    call: &LeaseCall,
    made: impl FnOnce(OrgId) -> Made,
) -> Result<(), EngineError> {
    let linked = engine.connection.linked().await?;
    let patience = patience(call);
    let made = made(organization(&linked, call, patience).await?);
    let deletion = remove(&linked, &made, patience).await?;
    tracing::debug!(?made, ?deletion, "revoked");
    forget(engine, call).await
}

fn patience(call: &LeaseCall) -> Patience {
    Patience {
        deadline: call.caller.deadline,
        priority: Priority::Revoke,
    }
}

/// The credential is gone, so its journal entry goes too.
async fn forget(engine: &Engine, call: &LeaseCall) -> Result<(), EngineError> {
    match call.internal_text("journal_id").and_then(JournalId::parse) {
        Some(id) => engine.journal.remove(&id).await,
        None => Ok(()),
    }
}

/// Revokes one secret of a service account; the account and its other secrets stay.
pub(super) async fn revoke_account_secret(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let (account, secret) = account_secret(&call)?;
    let level = level(&call)?;
    let linked = engine.connection.linked().await?;
    let made = Made::Secret(level, account, secret);
    let deletion = remove(&linked, &made, patience(&call)).await?;
    tracing::debug!(?made, ?deletion, "revoked");
    forget(&engine, &call).await
}

/// The account and the secret of a lease.
pub(super) fn account_secret(call: &LeaseCall) -> Result<(ClientId, SecretId), EngineError> {
    let account = internal(call, "client_id")?.ok_or_else(|| missing("client_id"))?;
    let secret = internal(call, "secret_id")?.ok_or_else(|| missing("secret_id"))?;
    Ok((account, secret))
}

/// Where the account of a lease is managed.
pub(super) fn level(call: &LeaseCall) -> Result<Level, EngineError> {
    if let Some(project) = internal(call, "project_id")? {
        return Ok(Level::Project(project));
    }
    let org = internal(call, "organization_id")?;
    org.map(Level::Org)
        .ok_or_else(|| missing("organization_id"))
}

/// Revokes an access token, with a secret of the account it belongs to. What is dead already, by
/// itself or with its account or secret, counts as revoked.
pub(super) async fn revoke_access_token(
    engine: Arc<Engine>,
    call: LeaseCall,
) -> Result<(), EngineError> {
    let (client_id, secret_id) = account_secret(&call)?;
    let token = call.internal_text("access_token");
    let token = token.ok_or_else(|| missing("access_token"))?;
    let token = Sensitive::new(token.to_owned());
    let ends: DateTime<Utc> =
        internal(&call, "expires_at")?.ok_or_else(|| missing("expires_at"))?;
    let role = call.internal_text("role").ok_or_else(|| missing("role"))?;
    let now = engine.clock.now();
    let accounts = TokenAccounts::load(&engine, &RoleName::new(role)).await?;
    let account = accounts
        .accounts()
        .find(|account| account.client_id == client_id);
    let (Some(account), true) = (account, ends > now) else {
        return forget(&engine, &call).await;
    };
    let linked = engine.connection.linked().await?;
    let patience = patience(&call);
    let doing = format!("revoking an access token of service account {client_id}");
    let outcome = match account.working_secret(now) {
        Some(secret) => {
            let secret = &secret.client_secret;
            let outcome = linked
                .atlas
                .revoke_token(&client_id, secret, &token, patience);
            outcome.await.map_err(Some)
        }
        None => Err(None),
    };
    match outcome {
        Ok(()) => {}
        Err(Some(error @ AtlasError::Unauthenticated { .. })) => {
            let level = account.level();
            if is_alive(&linked, &level, &client_id, &secret_id, patience).await? {
                return Err(EngineError::Atlas {
                    advice: doing,
                    source: error,
                });
            }
        }
        Err(Some(error)) => {
            return Err(EngineError::Atlas {
                advice: doing,
                source: error,
            });
        }
        Err(None) => return Err(EngineError::SecretGone(client_id)),
    }
    forget(&engine, &call).await
}

/// Whether the secret that minted a token is still there: with it, and with its account, the token
/// died. Source: Terraform's guide on the rotation of service accounts.
async fn is_alive(
    linked: &Linked,
    level: &Level,
    account: &ClientId,
    secret: &SecretId,
    patience: Patience,
) -> Result<bool, EngineError> {
    let seen = linked.atlas.service_account(level, account, patience).await;
    match seen {
        Ok(seen) => Ok(seen.secrets.iter().any(|each| each.id == *secret)),
        Err(error) if error.says_account_or_secret_is_gone() => Ok(false),
        Err(error) => {
            let doing = format!("reading service account {account}");
            Err(EngineError::atlas(&doing, error))
        }
    }
}

/// The organization of the credential. The Go engine's leases of project keys do not name it.
async fn organization(
    linked: &Linked,
    call: &LeaseCall,
    patience: Patience,
) -> Result<OrgId, EngineError> {
    if let Some(org) = internal(call, "organization_id")? {
        return Ok(org);
    }
    let project: ProjectId =
        internal(call, "project_id")?.ok_or_else(|| missing("organization_id"))?;
    let found = linked
        .organization_of(&Level::Project(project), patience)
        .await;
    match (found, &linked.organization_id) {
        (Ok(org), _) => Ok(org),
        // The project is gone, the key is not: it belongs to the organization.
        (Err(error), Some(org)) if error.says_project_is_gone() => Ok(org.clone()),
        (Err(error), _) => Err(EngineError::atlas(
            "looking up the organization of the lease's project",
            error,
        )),
    }
}

/// A value of the internal data; the Go engine stores an absent one as an empty text.
fn internal<T: FromStr>(call: &LeaseCall, field: &'static str) -> Result<Option<T>, EngineError>
where
    T::Err: std::fmt::Display,
{
    match call.internal_text(field) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error: T::Err| EngineError::BrokenLease {
                field,
                reason: error.to_string(),
            }),
    }
}

fn missing(field: &'static str) -> EngineError {
    EngineError::BrokenLease {
        field,
        reason: "it is missing".to_owned(),
    }
}
