//! What every type of credential says of itself, and the one place where the types are told apart.
//!
//! How to add one: `docs/development.md`.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::access_token::AccessToken;
use super::account_secret::AccountSecret;
use super::ai_model_key::AiModelKey;
use super::api_key::ApiKey;
use super::database_user::DatabaseUser;
use super::grant::Grant;
use super::granted::Granted;
use super::lease_ttl::LeaseTtl;
use super::report::{self, CheckContext, Report};
use super::service_account::ServiceAccount;
use crate::atlas::Hours;
use crate::engine::Engine;
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::journal::Part;
use crate::engine::names::RoleName;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::Response;

/// All types, in the order in which they are told to users.
pub(super) const KINDS: [&dyn CredentialKind; 6] = [
    &ApiKey,
    &ServiceAccount,
    &AccountSecret,
    &AccessToken,
    &AiModelKey,
    &DatabaseUser,
];

/// The type of what a role issues.
pub(crate) fn kind_of(role: &RoleEntry) -> &'static dyn CredentialKind {
    match role.credential_type {
        CredentialType::ProgrammaticApiKey => &ApiKey,
        CredentialType::ServiceAccount if role.client_id.is_empty() => &ServiceAccount,
        CredentialType::ServiceAccount => &AccountSecret,
        CredentialType::AccessToken => &AccessToken,
        CredentialType::AiModelKey => &AiModelKey,
        CredentialType::DatabaseUser => &DatabaseUser,
    }
}

/// The roles that a credential can serve which is no Organization Owner, for a sentence about them.
pub(crate) fn roles_without_owner() -> String {
    let needs_owner = |of: CredentialType| {
        let mut kinds = KINDS.iter().filter(|kind| kind.credential_type() == of);
        kinds.any(|kind| kind.ends_in_organization())
    };
    let types = KINDS.iter().map(|kind| kind.credential_type());
    let types: Vec<&str> = types
        .filter(|of| !needs_owner(*of))
        .map(CredentialType::name)
        .collect();
    // A secret of an account that somebody else made is deleted where that is managed.
    format!(
        "roles with client_id, or of credential_type {}",
        types.join(" or ")
    )
}

/// A type of credential, in the order of a credential's life. What all types have in common is done
/// around these functions, by `issue.rs`, `pending.rs`, `renew.rs` and `revoke.rs`.
#[async_trait]
pub(crate) trait CredentialKind: Sync {
    /// What a role calls it.
    fn credential_type(&self) -> CredentialType;

    /// The `secret_type` of its leases, which no other type has, of this or another version: by it a
    /// lease finds back here.
    fn lease_type(&self) -> &'static str {
        self.credential_type().name()
    }

    /// As much of a role's name as the text has room for by which it is found in Atlas.
    fn fitted(&self, role: &RoleName) -> String;

    /// Checks a role; every fault is told with the field it is in. [`None`]: there are faults.
    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant>;

    /// For how long a secret is asked of Atlas that ends by itself: organizations may set a limit.
    fn secret_lifetime(&self, _life: LeaseTtl) -> Option<Hours> {
        None
    }

    /// Lease times as they can be given at the issue, or at a renewal so long after it.
    fn bounded(&self, life: LeaseTtl, _elapsed: Duration) -> LeaseTtl {
        life
    }

    /// Whether it may be alive long after its lease was forced away.
    fn outlives_lease(&self) -> bool {
        true
    }

    /// Adds to `check/<role>` what stands against this type alone. Only reads are sent.
    async fn check(
        &self,
        context: &CheckContext<'_>,
        grant: &Grant,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        report::check_access_list(context, grant, report);
        Ok(())
    }

    /// The part of an account that it is, if it is not a thing of its own in Atlas.
    fn part(&self, _grant: &Grant) -> Option<Part> {
        None
    }

    /// Whether it is deleted in its organization, which only an Organization Owner may; else where it is
    /// made.
    fn ends_in_organization(&self) -> bool {
        true
    }

    /// Whether an access list says from where it can be used.
    fn has_access_list(&self) -> bool {
        true
    }

    /// The Atlas roles, by name and constant, any of which lets the configured credential manage it in a
    /// project, if it does not end in its organization.
    fn project_managers(&self) -> &'static [(&'static str, &'static str)] {
        &[("Project Owner", "GROUP_OWNER")]
    }

    /// Makes one and hands it out. What is made in Atlas step by step is a [`PendingCredential`](super::pending::PendingCredential)
    /// until then.
    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError>;

    /// The fields of its answer, but for its organization and project.
    fn answer_fields(&self) -> Vec<Field>;

    /// Whether its leases can be renewed.
    fn is_renewable(&self) -> bool {
        true
    }

    /// When Atlas ends it by itself: no renewal reaches past that. [`None`]: not before it is deleted.
    async fn ends_at(
        &self,
        engine: &Engine,
        call: &LeaseCall,
    ) -> Result<Option<DateTime<Utc>>, EngineError>;

    /// Has Atlas let it live for a lease that runs so long from now, where Atlas would end it before: proved, or
    /// the lease is not extended.
    async fn prolong(
        &self,
        _engine: &Engine,
        _call: &LeaseCall,
        _length: Duration,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// Deletes it in Atlas. It may be asked twice for the same lease: already gone is success, once that
    /// is proved.
    async fn revoke(&self, engine: &Engine, call: &LeaseCall) -> Result<Revoked, EngineError>;
}

/// What became of a credential whose lease has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// It is gone, and its journal entry can go.
    Gone,
    /// It is of no use to anybody, and the periodic run deletes it by its journal entry.
    LeftToTick,
}
