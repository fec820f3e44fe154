//! `creds/<role>`: a credential for as long as its lease.

use std::sync::Arc;

use serde_json::Value;

use super::issue::issue;
use super::{access_token, account_secret, renew, revoke};
use crate::engine::entries::CredentialType;
use crate::engine::error::EngineError;
use crate::engine::journal::JournalEntry;
use crate::engine::names::JournalId;
use crate::engine::{Engine, OPERATION_PREFIX};
use crate::framework::LeaseCall;
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation, SecretType};
use crate::vault::failure::chain;
use crate::vault::{Operation, Response};

/// The path from which credentials are read.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("creds/{name}")
            .help(
                "Issue a credential of a role.",
                "Reads a programmatic API key, a service account or an access token, as the role \
                 says, with the role's access list and projects. It is deleted or revoked in Atlas \
                 when its lease ends. The lease of an access token cannot be renewed: read a new \
                 one.",
            )
            .display(Display::operation(OPERATION_PREFIX, "generate", ""))
            .field(Field::lowercase("name").about("Name of the role."))
            .operation(
                Operation::Read,
                operation().display(Display::operation("", "", "credentials")),
            )
            .operation(
                Operation::Update,
                operation().display(Display::operation("", "", "credentials2")),
            )
            .forwarded(),
    ]
}

fn operation() -> PathOperation<Engine> {
    PathOperation::new(creds)
        .summary("Issue a credential of the role.")
        .answers(Answer::new(
            200,
            "A credential and its lease.",
            [
                Field::text("public_key").about("Public key of an API key."),
                Field::text("private_key")
                    .about("Private key of an API key.")
                    .sensitive(),
                Field::text("description").about("Description of an API key in Atlas."),
                Field::text("client_id")
                    .about("Client id of a service account; of an access token, the one it is of."),
                Field::text("client_secret")
                    .about("Secret of a service account.")
                    .sensitive(),
                Field::time("client_secret_expires_at")
                    .about("When Atlas stops taking the service account's secret."),
                Field::text("access_token")
                    .about("Access token, to be sent as a bearer token.")
                    .sensitive(),
                Field::text("token_type").about("Always Bearer."),
                Field::time("expires_at").about("When Atlas stops taking the access token."),
                Field::text("name").about("Name of a service account in Atlas."),
                Field::text("organization_id").about("The organization it belongs to."),
                Field::text("project_id").about("The project it was made for, if any."),
            ],
        ))
}

async fn creds(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let answer = issue(engine, call).await?;
    if let Some(lease) = answer.as_ref().and_then(|answer| answer.secret.as_ref()) {
        let text = |key: &str| lease.internal_data.get(key).and_then(Value::as_str);
        tracing::info!(
            role = text("role"),
            journal_id = text("journal_id"),
            lease_type = text("secret_type"),
            "credential issued"
        );
    }
    Ok(answer)
}

/// Revokes a lease, and notes for the log and for `status` what came of it: whether Atlas refuses
/// revocations shows nowhere else but in the server's log.
async fn noted<Work>(
    engine: Arc<Engine>,
    call: LeaseCall,
    revoke: impl FnOnce(Arc<Engine>, LeaseCall) -> Work,
) -> Result<(), EngineError>
where
    Work: Future<Output = Result<(), EngineError>>,
{
    let text = |key: &str| call.internal_text(key).map(ToOwned::to_owned);
    let (role, lease_type) = (text("role"), text("secret_type"));
    let id = call.internal_text("journal_id").and_then(JournalId::parse);
    let outcome = match ended(&engine, id.as_ref()).await {
        // It is gone from Atlas: nobody is asked there, whether or not the mount leads there now.
        Some((id, _)) => engine.journal.remove(&id).await,
        None => revoke(Arc::clone(&engine), call).await,
    };
    let journal_id = id.as_ref().map(tracing::field::display);
    let now = engine.clock.now();
    let mut tally = engine.journal.tally();
    match &outcome {
        Ok(()) => {
            tally.revoked += 1;
            tracing::info!(role, journal_id, lease_type, "credential revoked");
        }
        Err(error) => {
            tally.revocations_failed += 1;
            tally.failed(now, "revocation", id.as_ref(), error);
            tracing::info!(
                role,
                journal_id,
                lease_type,
                error = chain(error),
                "revocation failed; the server retries it"
            );
        }
    }
    drop(tally);
    outcome
}

/// The entry of a credential that was ended. Where storage does not tell, the lease ends as any other.
async fn ended(engine: &Engine, id: Option<&JournalId>) -> Option<(JournalId, JournalEntry)> {
    let id = id?;
    let entry = engine.journal.entry(id).await.ok().flatten()?;
    entry.ended.is_some().then(|| (id.clone(), entry))
}

/// Renews a lease, unless its credential was ended: that is told before Atlas is asked anything.
async fn unless_ended<Work>(
    engine: Arc<Engine>,
    call: LeaseCall,
    renew: impl FnOnce(Arc<Engine>, LeaseCall) -> Work,
) -> Result<Option<Response>, EngineError>
where
    Work: Future<Output = Result<Option<Response>, EngineError>>,
{
    let id = call.internal_text("journal_id").and_then(JournalId::parse);
    if let Some((_, entry)) = ended(&engine, id.as_ref()).await
        && let Some(end) = &entry.ended
    {
        return Err(end.refusal(&entry.role));
    }
    renew(engine, call).await
}

/// How leases are renewed and revoked, by type.
pub(crate) fn secret_types() -> Vec<SecretType<Engine>> {
    vec![
        SecretType::new(CredentialType::ProgrammaticApiKey.name(), |engine, call| {
            noted(engine, call, revoke::revoke_api_key)
        })
        .renew(|engine, call| unless_ended(engine, call, renew::renew_api_key)),
        SecretType::new(CredentialType::ServiceAccount.name(), |engine, call| {
            noted(engine, call, revoke::revoke_service_account)
        })
        .renew(|engine, call| unless_ended(engine, call, renew::renew_service_account)),
        SecretType::new(account_secret::LEASE_TYPE, |engine, call| {
            noted(engine, call, revoke::revoke_account_secret)
        })
        .renew(|engine, call| unless_ended(engine, call, renew::renew_account_secret)),
        SecretType::new(CredentialType::AccessToken.name(), |engine, call| {
            noted(engine, call, access_token::revoke_access_token)
        }),
    ]
}
