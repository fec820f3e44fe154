//! Who has a service account's two secrets in hand: the configuration, a static role, or roles that
//! add a secret for each lease. Two of these would take each other's secrets for strays, so one
//! account serves only one of them.

use tokio::time::Instant;

use super::config::ConfigEntry;
use super::error::EngineError;
use super::roles::{RoleEntry, RoleName};
use super::turns::Turn;
use super::{Engine, keys, stored};
use crate::atlas::ClientId;

/// Who wants an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User<'a> {
    /// The configuration.
    Config,
    /// A static role of this name.
    StaticRole(&'a str),
    /// Roles with this `client_id`; there may be several.
    Roles,
}

/// Waits for the account's turn and refuses an account that somebody else has in hand. The turn is
/// kept until the use is stored, so that a static role which asks for the account meanwhile waits.
pub(crate) async fn take(
    engine: &Engine,
    client_id: &ClientId,
    user: User<'_>,
    deadline: Instant,
) -> Result<Turn, EngineError> {
    let turn = engine.static_roles.lock(client_id, deadline).await?;
    refuse_shared(engine, client_id, user).await?;
    Ok(turn)
}

/// Refuses an account that somebody else has in hand already. The caller has the account's turn.
pub(crate) async fn refuse_shared(
    engine: &Engine,
    client_id: &ClientId,
    user: User<'_>,
) -> Result<(), EngineError> {
    let refused = |text: String| Err(EngineError::BadInput(format!("client_id: {text}")));
    if user != User::Config {
        let config: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
        if config.and_then(|config| config.client_id).as_ref() == Some(client_id) {
            return refused(
                "this mount's configuration signs in with this account; rotate it with \
                 config/rotate-root"
                    .to_owned(),
            );
        }
    }
    let now = engine.clock.now();
    let holder = engine
        .static_roles
        .holder(client_id, &*engine.storage, now)
        .await?;
    match holder {
        Some((other, false)) if user != User::StaticRole(&other) => {
            return refused(format!(
                "static role {other:?} rotates this account; delete the static role first"
            ));
        }
        // A static role of any name takes over what is left to be removed; nobody else would.
        Some((other, true)) if !matches!(user, User::StaticRole(_)) => {
            return refused(format!(
                "what static role {other:?} left at this account is still being removed; try again \
                 later (static_roles.being_removed in status)"
            ));
        }
        _ => {}
    }
    if user == User::Roles {
        return Ok(());
    }
    if let Some(role) = role_with(engine, client_id).await? {
        return refused(format!(
            "role {role:?} adds secrets to this account for its leases; delete the role first"
        ));
    }
    let issued = engine.journal.secrets_of(client_id).await?;
    let issued = issued.known.len() + issued.unsettled.len();
    if issued > 0 {
        return refused(format!(
            "{issued} of this account's secrets are issued with leases; revoke them first"
        ));
    }
    Ok(())
}

async fn role_with(engine: &Engine, client_id: &ClientId) -> Result<Option<String>, EngineError> {
    for name in engine.storage.list(keys::ROLES).await? {
        let key = keys::role(&RoleName::new(&name));
        let role: Option<RoleEntry> = stored::load(&*engine.storage, &key).await?;
        if role.is_some_and(|role| role.client_id == client_id.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::testing::TestMount;

    /// The role is gone, but one of its secrets is in somebody's hands.
    #[tokio::test]
    async fn an_account_with_live_leases_is_not_rotated() {
        let mount = TestMount::configured().await;
        let account = mount.atlas.make_account(0, json!({})).await;
        let role = json!({
            "credential_type": "service_account", "organization_id": mount.atlas.org(),
            "client_id": account,
        });
        mount.write("roles/adds", role).await.expect("a role");
        let (_, lease) = mount.issue("adds").await;
        mount
            .ask(crate::vault::Operation::Delete, "roles/adds", json!({}))
            .await
            .expect("deleted");
        let static_role = json!({
            "client_id": account, "organization_id": mount.atlas.org(), "rotation_period": 0,
        });
        let refused = mount
            .write("static-roles/rotates", static_role.clone())
            .await;
        let refused = refused.expect_err("leased").to_string();
        assert!(
            refused.contains("client_id: 1 of this account's secrets"),
            "{refused}"
        );
        assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
        mount.revoke(&lease).await.expect("revoked");
        mount
            .write("static-roles/rotates", static_role)
            .await
            .expect("free now");
    }

    /// Each of the three in turn has the account; the other two are refused.
    #[tokio::test]
    async fn an_account_serves_only_one_of_configuration_static_role_and_roles() {
        let mount = TestMount::configured().await;
        let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
        let org = mount.atlas.org();
        let role = json!({
            "credential_type": "service_account", "organization_id": org,
            "client_id": account.client_id,
        });
        let static_role = json!({
            "client_id": account.client_id, "organization_id": org, "rotation_period": 0,
            "client_secret": account.secret, "skip_initial_rotation": true,
        });
        let mut config = mount.atlas.account_config();
        config["client_id"] = json!(account.client_id);
        config["client_secret"] = json!(account.secret);
        let asked = [
            ("roles/adds", role),
            ("static-roles/rotates", static_role),
            ("config", config),
        ];
        for (path, body) in &asked {
            mount.write(path, body.clone()).await.expect("nobody else");
            for (other, body) in asked.iter().filter(|(other, _)| other != path) {
                let refused = mount.write(other, body.clone()).await.expect_err("shared");
                assert!(
                    refused.to_string().contains("client_id: "),
                    "{path} {other}: {refused}"
                );
            }
            match *path {
                "config" => {}
                path => {
                    mount
                        .ask(crate::vault::Operation::Delete, path, json!({}))
                        .await
                        .expect("deleted");
                }
            }
        }
    }
}
