//! Credentials of the type `access_token`: minted with the account that is kept for the role, dead
//! within the hour. No secret that lives longer leaves the server.

mod accounts;
mod issue;
#[cfg(test)]
mod managed_account_tests;
mod revoke;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[cfg(any(test, fuzzing))]
pub(crate) use self::accounts::ManagedAccountsEntry;
pub(crate) use self::accounts::{
    SeenSecrets, managed_account, managed_accounts, reconcile, retire_account,
};
use super::grant::{Grant, reach};
use super::granted::Granted;
use super::kind::{CredentialKind, Revoked};
use super::lease::required;
use super::service_account::ServiceAccount;
use crate::engine::Engine;
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::names::RoleName;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::Response;

/// The type.
pub(super) struct AccessToken;

#[async_trait]
impl CredentialKind for AccessToken {
    fn credential_type(&self) -> CredentialType {
        CredentialType::AccessToken
    }

    /// Not found by it in Atlas, but shown like that of its account.
    fn fitted(&self, role: &RoleName) -> String {
        ServiceAccount.fitted(role)
    }

    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
        reach(role, faults)
    }

    /// It dies within the hour, whatever becomes of its lease.
    fn outlives_lease(&self) -> bool {
        false
    }

    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError> {
        Box::pin(issue::issue(granted)).await
    }

    fn answer_fields(&self) -> Vec<Field> {
        vec![
            Field::text("access_token")
                .about("Access token, to be sent as a bearer token.")
                .sensitive(),
            Field::text("token_type").about("Always Bearer."),
            Field::time("expires_at").about("When the access token expires."),
        ]
    }

    /// Whoever needs another reads another: it costs Atlas the same.
    fn is_renewable(&self) -> bool {
        false
    }

    async fn ends_at(
        &self,
        _: &Engine,
        call: &LeaseCall,
    ) -> Result<Option<DateTime<Utc>>, EngineError> {
        required(call, "expires_at").map(Some)
    }

    async fn revoke(&self, engine: &Engine, call: &LeaseCall) -> Result<Revoked, EngineError> {
        revoke::revoke(engine, call).await?;
        Ok(Revoked::Gone)
    }
}
