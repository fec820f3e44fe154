//! Who the configured credential is, as Atlas sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::linked::ConfiguredClient;
use crate::atlas::{
    ApiKeyId, AtlasError, ClientId, Level, OrgId, ProjectId, RequestBudget, SecretState,
};
use crate::base::Sensitive;

/// The Atlas role that may make and delete keys and service accounts of an organization.
const ORG_OWNER: &str = "ORG_OWNER";

/// A credential and its roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of an API key.
    pub(crate) api_key: Option<(ApiKeyId, String)>,
    /// Of a service account.
    pub(crate) client_id: Option<ClientId>,
    /// Where it belongs, if that is known.
    pub(crate) organization_id: Option<OrgId>,
    /// Its roles there; [`None`]: Atlas did not tell.
    pub(crate) organization_roles: Option<Vec<String>>,
    /// Its roles in projects, as far as Atlas told.
    pub(crate) project_roles: BTreeMap<ProjectId, Vec<String>>,
    /// A service account's secrets, as far as Atlas told.
    pub(crate) secrets: Vec<SecretState>,
}

impl Identity {
    /// Whether it is Organization Owner; [`None`]: not known.
    pub(crate) fn is_owner(&self) -> Option<bool> {
        let roles = self.organization_roles.as_ref()?;
        Some(roles.iter().any(|role| role == ORG_OWNER))
    }

    /// When the secret in use expires: the only one, or the one whose end is that of `secret`.
    pub(crate) fn secret_expires_at(&self, secret: &Sensitive) -> Option<DateTime<Utc>> {
        match self.secrets.as_slice() {
            [only] => only.expires_at,
            several => {
                let own = several.iter().filter(|state| state.shows_end_of(secret));
                let mut ends = own.map(|state| state.expires_at);
                // Two whose ends are alike: the earlier expiry is the one to be ready for.
                ends.try_fold(None, |earliest: Option<DateTime<Utc>>, end| {
                    let end = end?;
                    Some(Some(earliest.map_or(end, |earliest| earliest.min(end))))
                })
                .flatten()
            }
        }
    }
}

/// Asks Atlas who the credential is. `org` is where a service account is looked for.
pub(crate) async fn identify(
    linked: &ConfiguredClient,
    org: Option<&OrgId>,
    budget: RequestBudget,
) -> Result<Identity, AtlasError> {
    match (&linked.client_id, org) {
        (None, _) => api_key(linked, org, budget).await,
        (Some(client_id), Some(org)) => account(linked, client_id, org, budget).await,
        (Some(client_id), None) => Ok(Identity {
            client_id: Some(client_id.clone()),
            ..Identity::default()
        }),
    }
}

async fn api_key(
    linked: &ConfiguredClient,
    org: Option<&OrgId>,
    budget: RequestBudget,
) -> Result<Identity, AtlasError> {
    let Some(key) = linked.atlas.who_am_i(budget).await?.api_key else {
        return Ok(Identity {
            organization_id: org.cloned(),
            ..Identity::default()
        });
    };
    let mut identity = Identity {
        api_key: Some((key.id, key.public_key)),
        ..Identity::default()
    };
    let mut roles = Vec::new();
    for grant in key.roles {
        if let Some(org) = grant.org_id {
            identity.organization_id = Some(org);
            roles.push(grant.role_name);
        } else if let Some(project) = grant.project_id {
            let of_project = identity.project_roles.entry(project).or_default();
            of_project.push(grant.role_name);
        }
    }
    if identity.organization_id.is_none() {
        identity.organization_id = org.cloned();
    }
    identity.organization_roles = Some(roles);
    Ok(identity)
}

/// A service account reads itself, which needs Organization Read Only at least: where that is
/// refused, it is no owner either.
async fn account(
    linked: &ConfiguredClient,
    client_id: &ClientId,
    org: &OrgId,
    budget: RequestBudget,
) -> Result<Identity, AtlasError> {
    let mut identity = Identity {
        client_id: Some(client_id.clone()),
        organization_id: Some(org.clone()),
        ..Identity::default()
    };
    let level = Level::Org(org.clone());
    let atlas = &linked.atlas;
    let seen = match atlas.service_account(&level, client_id, budget).await {
        Ok(seen) => seen,
        Err(AtlasError::Refused {
            status: 401 | 403, ..
        }) => {
            identity.organization_roles = Some(Vec::new());
            return Ok(identity);
        }
        Err(error) => return Err(error),
    };
    identity.organization_roles = Some(seen.roles);
    identity.secrets = seen.secrets;
    if identity.is_owner() == Some(true) {
        return Ok(identity);
    }
    // An owner owns all projects; of others it matters which.
    let projects = atlas
        .service_account_projects(org, client_id, budget)
        .await?;
    let projects = projects.into_iter();
    identity.project_roles = projects
        .map(|project| (project.group_id, project.roles))
        .collect();
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(secrets: serde_json::Value) -> Identity {
        Identity {
            secrets: serde_json::from_value(secrets).unwrap(),
            ..Identity::default()
        }
    }

    fn secret(masked: &str, day: u32) -> serde_json::Value {
        json!({
            "id": "32b6e34b3d91647abb20e7b8", "maskedSecretValue": masked,
            "expiresAt": format!("2026-08-{day:02}T03:02:57Z"),
        })
    }

    #[test]
    fn the_secret_in_use_is_reported_by_its_end() {
        let held = Sensitive::new("mdb_sa_sk_0000wxyz".to_owned());
        let day = |identity: Identity| {
            let end = identity.secret_expires_at(&held);
            end.map(|end| end.format("%d").to_string())
        };
        let (own, other) = (
            secret("mdb_sa_sk_...wxyz", 9),
            secret("mdb_sa_sk_...abcd", 3),
        );
        assert_eq!(day(identity(json!([other, own]))).as_deref(), Some("09"));
        assert_eq!(
            day(identity(json!([other]))).as_deref(),
            Some("03"),
            "alone"
        );
        assert_eq!(day(identity(json!([other, other]))), None);
        let twin = secret("mdb_sa_sk_...wxyz", 5);
        assert_eq!(day(identity(json!([own, twin]))).as_deref(), Some("05"));
        let bare = secret("", 5);
        assert_eq!(day(identity(json!([bare, bare]))), None);
    }
}
