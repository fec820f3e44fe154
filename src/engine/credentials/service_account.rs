//! Credentials of the type `service_account`: an account with its first secret.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::grant::{Grant, reach};
use super::granted::Granted;
use super::issued::Issued;
use super::kind::{CredentialKind, Revoked};
use super::lease::required;
use super::lease_ttl::LeaseTtl;
use super::organization_end::end_in_organization;
use super::pending::PendingCredential;
use crate::atlas::{ClientId, CreatedServiceAccount, Hours, NewServiceAccount, OrgId};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::entries::{CredentialType, RoleEntry};
use crate::engine::error::EngineError;
use crate::engine::journal::{Owner, State};
use crate::engine::names::RoleName;
use crate::engine::resource::Resource;
use crate::framework::{Faults, Field, LeaseCall};
use crate::vault::{Data, Response};

/// What an operator reads beside the account in Atlas.
const ABOUT: &str = "Issued by Vault or OpenBao, deleted when its lease ends";

/// The type.
pub(super) struct ServiceAccount;

#[async_trait]
impl CredentialKind for ServiceAccount {
    fn credential_type(&self) -> CredentialType {
        CredentialType::ServiceAccount
    }

    /// For the account's name, of at most 64 characters. Source: Atlas API, `createOrgServiceAccount`.
    fn fitted(&self, role: &RoleName) -> String {
        role.fitted(37, |c| c.is_ascii_alphanumeric() || "-_.,".contains(c))
    }

    fn grant(&self, role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
        reach(role, faults)
    }

    fn secret_lifetime(&self, life: LeaseTtl) -> Option<Hours> {
        Some(secret_lifetime(life))
    }

    async fn issue(&self, granted: Granted<'_>) -> Result<Response, EngineError> {
        let mut pending = PendingCredential::begin(self, granted, Owner::Lease).await?;
        let made = create(&mut pending).await;
        pending.finish(self, granted, made, answer).await
    }

    fn answer_fields(&self) -> Vec<Field> {
        vec![
            Field::text("client_id")
                .about("Client id of a service account; of an access token, the one it is of."),
            Field::text("client_secret")
                .about("Secret of a service account.")
                .sensitive(),
            Field::time("client_secret_expires_at")
                .about("When the service account's secret expires."),
            Field::text("name").about("Name of a service account or an AI model API key in Atlas."),
        ]
    }

    /// The end of its secret, which Atlas set when it was made.
    async fn ends_at(
        &self,
        _: &Engine,
        call: &LeaseCall,
    ) -> Result<Option<DateTime<Utc>>, EngineError> {
        required(call, "client_secret_expires_at").map(Some)
    }

    async fn revoke(&self, engine: &Engine, call: &LeaseCall) -> Result<Revoked, EngineError> {
        let id: ClientId = required(call, "client_id")?;
        end_in_organization(self, engine, call, |org| Resource::ServiceAccount(org, id)).await
    }
}

/// Makes the account, bounds it to its access list, then invites it to its projects.
async fn create(
    pending: &mut PendingCredential,
) -> Result<(CreatedServiceAccount, OrgId), EngineError> {
    let hours = secret_lifetime(pending.life);
    pending.bound_life(hours.duration())?;
    build(pending, hours, ABOUT).await
}

/// Makes an account with a secret of so many hours, its access list and its projects.
pub(super) async fn build(
    pending: &mut PendingCredential,
    hours: Hours,
    about: &str,
) -> Result<(CreatedServiceAccount, OrgId), EngineError> {
    // The answer to the create does not tell the organization, and only there the account can be
    // deleted: so it must be known before.
    let org = pending.organization().await?;
    let account = create_account(pending, hours, about, &org).await?;
    let (atlas, budget) = (&pending.atlas, pending.budget);
    let (level, id) = (&pending.grant.level, &account.client_id);
    if !pending.grant.access_list.is_empty() {
        atlas
            .add_service_account_access_list(level, id, &pending.grant.access_list, budget)
            .await
            .map_err(|error| {
                EngineError::atlas("setting the new service account's access list", error)
            })?;
    }
    for (project, roles) in &pending.grant.assignments {
        let invited = atlas
            .invite_service_account_to_project(project, id, roles, budget)
            .await;
        invited.map_err(|error| {
            let doing = format!("inviting the new service account to project {project}");
            EngineError::atlas(&doing, error)
        })?;
    }
    Ok((account, org))
}

/// The shortest lifetime that Atlas allows and that covers the longest possible lease, so that the
/// secret dies by itself even where nobody comes back.
pub(super) fn secret_lifetime(life: LeaseTtl) -> Hours {
    Hours::of_secret(life.max_ttl)
}

async fn create_account(
    pending: &mut PendingCredential,
    hours: Hours,
    about: &str,
    org: &OrgId,
) -> Result<CreatedServiceAccount, EngineError> {
    pending.entry.organization_id = Some(org.clone());
    pending.sent = true;
    let new = NewServiceAccount {
        name: pending.entry.description.clone(),
        description: about.to_owned(),
        roles: pending.grant.roles.clone(),
        secret_lifetime: hours,
    };
    let account = pending
        .atlas
        .create_service_account(&pending.grant.level, &new, pending.budget)
        .await
        .map_err(|error| {
            let doing = format!(
                "creating the service account with a secret of {} h (if Atlas finds that too \
                 long, give the role a shorter max_ttl)",
                hours.get()
            );
            EngineError::atlas(&doing, error)
        })?;
    pending.entry.note(&Resource::ServiceAccount(
        org.clone(),
        account.client_id.clone(),
    ));
    account
        .shows(&pending.grant.level, &pending.grant.roles)
        .map_err(|error| EngineError::atlas("creating the service account", error))?;
    pending.end_with(account.secret.expires_at)?;
    if pending.has_further_steps() {
        pending.record(State::Pending).await?;
    }
    Ok(account)
}

fn answer(pending: &PendingCredential, (account, org): &(CreatedServiceAccount, OrgId)) -> Issued {
    let project = pending.grant.project.clone();
    let expires_at = json!(Rfc3339(account.secret.expires_at));
    let mut data = Data::from_iter([
        ("client_id".to_owned(), json!(account.client_id)),
        (
            "client_secret".to_owned(),
            json!(account.secret.client_secret.expose()),
        ),
        ("client_secret_expires_at".to_owned(), expires_at.clone()),
        ("name".to_owned(), json!(pending.entry.description)),
        ("organization_id".to_owned(), json!(org)),
    ]);
    if let Some(project) = &project {
        data.insert("project_id".to_owned(), json!(project));
    }
    let internal = Data::from_iter([
        ("client_id".to_owned(), json!(account.client_id)),
        ("client_secret_expires_at".to_owned(), expires_at),
        ("organization_id".to_owned(), json!(org)),
        (
            "project_id".to_owned(),
            json!(project.map_or_else(String::new, String::from)),
        ),
    ]);
    Issued { data, internal }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::engine::testing::TestMount;
    use crate::vault::Failure;

    async fn mount() -> TestMount {
        let role = json!({ "credential_type": "service_account", "max_ttl": "1h" });
        TestMount::with_role(role).await
    }

    #[tokio::test]
    async fn a_secret_that_ends_before_its_lease_begins_is_no_credential() {
        let mount = mount().await;
        mount.clock.advance(Duration::from_hours(9));
        let failure = mount.read("creds/reader").await.expect_err("no life left");
        assert!(
            matches!(&failure, Failure::Internal(text)
                if text.contains("has already expired") && text.contains("was removed")),
            "{failure}"
        );
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_lease_whose_secret_has_expired_is_not_renewed() {
        let mount = mount().await;
        let (_, mut lease) = mount.issue("reader").await;
        lease.issue_time = Some(mount.now());
        mount.renew(&lease).await.expect("renewed");
        mount.advance(Duration::from_hours(9)).await;
        let failure = mount.renew(&lease).await.expect_err("expired");
        assert!(
            matches!(&failure, Failure::BadRequest(text) if text.contains("has expired")),
            "{failure}"
        );
    }
}
