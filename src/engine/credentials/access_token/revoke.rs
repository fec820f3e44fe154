//! The end of an access token's lease, with the id and a secret of the account it belongs to.
//!
//! What is dead already, by itself or with its account or secret, counts as revoked; a token that
//! Atlas never knew or forgot is answered as revoked too (RFC 7009). By itself it is dead only by a clock
//! that Atlas's confirms: by one that is ahead a living token looks dead, and to take it for dead would
//! leave it alive for an hour after its revocation.

use chrono::{DateTime, Utc};

use super::accounts::{ManagedAccount, ManagedAccounts, delete_all};
use crate::atlas::{AtlasError, ClientId, Presence, RequestBudget, SecretId};
use crate::base::Sensitive;
use crate::engine::Engine;
use crate::engine::connection::ConfiguredClient;
use crate::engine::credentials::account_secret::unreadable;
use crate::engine::credentials::lease::{account_secret, budget, missing, required};
use crate::engine::error::EngineError;
use crate::engine::names::RoleName;
use crate::engine::origin::BoundTo;
use crate::framework::LeaseCall;

/// What the lease holds of its token. The role need not exist any more: its name finds the account.
struct Token {
    value: Sensitive,
    client_id: ClientId,
    secret_id: SecretId,
    ends: DateTime<Utc>,
    role: RoleName,
}

impl Token {
    fn of(call: &LeaseCall) -> Result<Self, EngineError> {
        let text = |field| call.internal_text(field).ok_or_else(|| missing(field));
        let (client_id, secret_id) = account_secret(call)?;
        Ok(Self {
            value: Sensitive::new(text("access_token")?.to_owned()),
            client_id,
            secret_id,
            ends: required(call, "expires_at")?,
            role: RoleName::new(text("role")?),
        })
    }

    /// The account, if it and the secret with which the token was minted are still there.
    fn account<'a>(&self, accounts: &'a ManagedAccounts) -> Option<&'a ManagedAccount> {
        let mut accounts = accounts.accounts();
        let account = accounts.find(|account| account.client_id == self.client_id)?;
        // A secret is forgotten when it is gone in Atlas, and its tokens are gone with it.
        let mut secrets = account.secrets.iter();
        secrets
            .any(|secret| secret.id == self.secret_id)
            .then_some(account)
    }
}

/// Revokes an access token.
pub(super) async fn revoke(engine: &Engine, call: &LeaseCall) -> Result<(), EngineError> {
    let token = Token::of(call)?;
    let bound = BoundTo::of_lease(call)?;
    // The whole account goes, and the token with it: this may be the last that is asked of the mount.
    if engine.system.tainted().await? {
        return delete_all(engine, &token.role, budget(call))
            .await
            .map(drop);
    }
    let accounts = ManagedAccounts::load(engine, &token.role).await?;
    let now = engine.clock.now();
    // Without a confirmed clock Atlas is asked to revoke it, dead or not.
    let is_dead = now >= token.ends && engine.clock_is_confirmed().await;
    let account = token.account(&accounts).filter(|_| !is_dead);
    if let Some(account) = account {
        let linked = engine.connection.linked_to(&bound).await?;
        // The account's secret is sent to sign in, the token to be revoked.
        linked.admit(&account.origin)?;
        end(&linked, &token, account, budget(call), now).await?;
    }
    Ok(())
}

async fn end(
    linked: &ConfiguredClient,
    token: &Token,
    account: &ManagedAccount,
    budget: RequestBudget,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let client_id = &token.client_id;
    let mut refused = None;
    for secret in account.working_secrets(now) {
        let revoked = linked
            .atlas
            .revoke_token(client_id, &secret.client_secret, &token.value, budget)
            .await;
        match revoked {
            Ok(()) => return Ok(()),
            // Somebody may have deleted this one; the other may still sign in.
            Err(error @ AtlasError::Unauthenticated { .. }) => refused = Some(error),
            Err(error) => return Err(not_revoked(client_id, error)),
        }
    }
    let Some(error) = refused else {
        return Err(EngineError::NoWorkingSecret(client_id.clone()));
    };
    match secret_presence(linked, token, account, budget).await? {
        Presence::Gone => Ok(()),
        Presence::Present => Err(not_revoked(client_id, error)),
    }
}

fn not_revoked(client_id: &ClientId, error: AtlasError) -> EngineError {
    EngineError::Atlas {
        advice: format!("revoking an access token of service account {client_id}"),
        source: error,
    }
}

/// Whether the secret that minted the token is still there: with it, and with its account, the token
/// died. That the secret signs in no more does not prove it, as whoever answers for Atlas can say so.
/// Source: Terraform's guide on the rotation of service accounts.
async fn secret_presence(
    linked: &ConfiguredClient,
    token: &Token,
    account: &ManagedAccount,
    budget: RequestBudget,
) -> Result<Presence, EngineError> {
    let level = account.level();
    let (client_id, secret_id) = (&token.client_id, &token.secret_id);
    linked
        .atlas
        .secret_presence(&level, client_id, secret_id, budget)
        .await
        .map_err(|error| unreadable(client_id, error))
}
