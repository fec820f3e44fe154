//! Who has a service account's two secrets in hand: the configuration, a static role, or roles that
//! add a secret for each lease. Two of these would take each other's secrets for unrecognized ones,
//! so one account serves only one of them.

use tokio::time::Instant;

use super::error::EngineError;
use super::journal::{Owner, State};
use super::keyed_mutex::KeyedGuard;
use super::{Engine, keys, stored};
use crate::atlas::ClientId;
use crate::engine::entries::{ConfigEntry, names_with_account};

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
) -> Result<KeyedGuard, EngineError> {
    let guard = engine.lock_account_first(client_id, deadline).await?;
    refuse_shared(engine, client_id, user).await?;
    Ok(guard)
}

/// The same for the account of a configuration that is written, if it has one.
pub(crate) async fn take_for_config(
    engine: &Engine,
    client_id: Option<&ClientId>,
    deadline: Instant,
) -> Result<Option<KeyedGuard>, EngineError> {
    match client_id {
        Some(id) => take(engine, id, User::Config, deadline).await.map(Some),
        None => Ok(None),
    }
}

/// Refuses an account that is the engine's own: its configuration's, one that it issued with a lease, or
/// one that it keeps for access tokens. Whoever could name one of these would add or replace secrets of
/// what belongs to somebody else.
pub(crate) async fn refuse_own(engine: &Engine, client_id: &ClientId) -> Result<(), EngineError> {
    let config: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    if let Some(config) = config
        && config.client_id.as_ref() == Some(client_id)
    {
        return Err(refused(
            "this mount's configuration signs in with this account; rotate it with \
             config/rotate-root",
        ));
    }
    if engine.journal.is_of_root(client_id.as_str()).await? {
        return Err(refused(
            "this account was made by a rotation of this mount's credential and is still to be \
             removed; give another",
        ));
    }
    refuse_made(engine, client_id).await
}

/// Refuses an account that the engine made.
async fn refuse_made(engine: &Engine, client_id: &ClientId) -> Result<(), EngineError> {
    let Some((state, role)) = engine.journal.account(client_id).await? else {
        return Ok(());
    };
    Err(refused(match state {
        State::Active => format!(
            "this account was issued from role {role:?} and ends with its lease; give an account \
             that the engine did not make"
        ),
        State::Managed => format!(
            "this account is managed for the access tokens of role {role:?}; give an account that \
             the engine did not create"
        ),
        State::Pending | State::Ended => format!(
            "this account was made for role {role:?} and is on its way or to be removed; give an \
             account that the engine did not make"
        ),
    }))
}

fn refused(text: impl std::fmt::Display) -> EngineError {
    EngineError::BadInput(format!("client_id: {text}"))
}

/// Refuses an account that somebody else has in hand already, or that is the engine's own. The caller
/// holds the account's lock.
pub(crate) async fn refuse_shared(
    engine: &Engine,
    client_id: &ClientId,
    user: User<'_>,
) -> Result<(), EngineError> {
    let refused = |text: String| Err(refused(text));
    match user {
        User::Config => refuse_made(engine, client_id).await?,
        User::Roles | User::StaticRole(_) => refuse_own(engine, client_id).await?,
    }
    if let Some(other) = engine.static_role_with(client_id).await?
        && user != User::StaticRole(&other)
    {
        return refused(format!(
            "static role {other:?} rotates this account; delete the static role first"
        ));
    }
    // A static role of any name takes over what is left to be removed, and so does the configuration of
    // what it left itself; nobody else would.
    let left = engine.journal.left_secrets(client_id).await?;
    match (user, left.map(|entry| entry.owner)) {
        (User::Config | User::Roles, Some(Owner::StaticRole { name })) => {
            return refused(format!(
                "what static role {name:?} left at this account is still being removed; try again \
                 later (static_roles.deleting in status)"
            ));
        }
        (User::Roles, Some(_)) => {
            return refused(
                "what this mount's former configuration left at this account is still being removed; \
                 try again later"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if user == User::Roles {
        return Ok(());
    }
    if let Some(role) = names_with_account(&*engine.storage, client_id)
        .await?
        .first()
    {
        return refused(format!(
            "role {role:?} adds secrets to this account for its leases; delete the role first"
        ));
    }
    let issued = engine.journal.secrets_of(client_id).await?;
    let issued = issued.known.len() + issued.unresolved.len();
    if issued > 0 {
        return refused(format!(
            "{issued} of this account's secrets are issued with leases; revoke them first"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tokio::time::sleep;

    use crate::engine::entries::CredentialType;
    use crate::engine::journal::{JournalEntry, Owner};
    use crate::engine::testing::{Account, TestMount};

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

    /// The configurations that name this account, and the roles and static roles that do.
    fn uses(mount: &TestMount, account: &Account) -> [(&'static str, serde_json::Value); 3] {
        let org = mount.atlas.org();
        let mut config = mount.atlas.account_config();
        config["client_id"] = json!(account.client_id);
        config["client_secret"] = json!(account.secret);
        [
            (
                "roles/adds",
                json!({
                    "credential_type": "service_account", "organization_id": org,
                    "client_id": account.client_id,
                }),
            ),
            (
                "static-roles/rotates",
                json!({
                    "client_id": account.client_id, "organization_id": org, "rotation_period": 0,
                    "client_secret": account.secret, "skip_initial_rotation": true,
                }),
            ),
            ("config", config),
        ]
    }

    async fn assert_refused(mount: &TestMount, account: &Account, why: &str) {
        for (path, body) in uses(mount, account) {
            let refused = mount.write(path, body).await.expect_err("the engine's own");
            let text = refused.to_string();
            assert!(
                text.contains("client_id: ") && text.contains(why),
                "{path}: {text}"
            );
        }
    }

    #[tokio::test]
    async fn a_leased_account_is_nobody_elses() {
        let role = json!({ "credential_type": "service_account", "ip_addresses": "" });
        let mut mount = TestMount::with_role(role).await;
        let (data, lease) = mount.issue("reader").await;
        let text = |name: &str| data[name].as_str().expect("a text").to_owned();
        let account = Account {
            client_id: text("client_id"),
            secret: text("client_secret"),
        };
        assert_refused(&mount, &account, "was issued from role \"reader\"").await;
        mount.restart().await;
        assert_refused(&mount, &account, "was issued from role \"reader\"").await;
        mount.revoke(&lease).await.expect("revoked");
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    }

    /// A rotation of the configuration made it, or replaced it, and has still to remove it.
    #[tokio::test]
    async fn an_account_that_a_rotation_has_still_to_delete_is_refused() {
        let mut mount = TestMount::configured().await;
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let begun = JournalEntry::begun(String::new(), CredentialType::ServiceAccount, mount.now());
        let entry = JournalEntry {
            owner: Owner::Root,
            client_id: account.client_id.parse().ok(),
            ..begun
        };
        mount.plant_entry("0123456789abcdefghij", &entry);
        mount.restart().await;
        for (path, body) in uses(&mount, &account).into_iter().take(2) {
            let refused = mount.write(path, body).await.expect_err("still to go");
            let text = refused.to_string();
            assert!(
                text.contains("client_id: ") && text.contains("made by a rotation"),
                "{path}: {text}"
            );
        }
    }

    #[tokio::test]
    async fn an_account_managed_for_tokens_is_nobody_elses() {
        let role = json!({ "credential_type": "access_token", "ip_addresses": "" });
        let mount = TestMount::with_role(role).await;
        let (data, _) = mount.issue("reader").await;
        let account = Account {
            client_id: data["client_id"].as_str().expect("a text").to_owned(),
            secret: "mdb_sa_sk_x".to_owned(),
        };
        assert_refused(&mount, &account, "access tokens of role \"reader\"").await;
    }

    /// The role and the static role were written before the account became the engine's own; as it is
    /// made and written down, nobody can name it earlier but in that moment.
    #[tokio::test]
    async fn an_account_that_became_the_engines_own_is_not_touched_by_older_roles() {
        let mut mount = TestMount::configured().await;
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let other = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let [(role, adds), _, _] = uses(&mount, &account);
        let [_, (static_role, rotates), _] = uses(&mount, &other);
        mount.write(role, adds).await.expect("a role");
        mount
            .write(static_role, rotates)
            .await
            .expect("a static role");
        for (number, client_id) in [&account.client_id, &other.client_id]
            .into_iter()
            .enumerate()
        {
            let id = format!("{number:020}");
            let entry = json!({
                "state": "active", "role": "reader", "credential_type": "service_account",
                "description": format!("vault-reader-{id}"), "organization_id": mount.atlas.org(),
                "client_id": client_id, "display_name": "", "entity_id": "",
                "issued_at": mount.now(), "max_expire_time": "9999-01-01T00:00:00Z",
            });
            let key = format!("issued/{id}");
            mount.storage.plant(&key, entry.to_string().as_bytes());
        }
        mount.restart().await;
        let before = [&account, &other].map(|account| account.client_id.clone());
        let secrets = async |mount: &TestMount| {
            let [first, second] = &before;
            (
                mount.atlas.secrets(first).await,
                mount.atlas.secrets(second).await,
            )
        };
        let had = secrets(&mount).await;
        let rotate = mount
            .write("rotate-role/rotates", json!({ "force": true }))
            .await;
        for refused in [mount.read("creds/adds").await, rotate] {
            let text = refused.expect_err("the engine's own").to_string();
            assert!(text.contains("was issued from role \"reader\""), "{text}");
        }
        assert_eq!(secrets(&mount).await, had);
    }

    /// The read has not asked for its secret yet, so that nothing tells the static role of it. Both take
    /// the one lock of the account, and look there who has it: no second secret cuts the life of the
    /// one that the static role has just taken over.
    #[tokio::test]
    async fn a_read_under_way_adds_nothing_to_an_account_that_became_a_static_roles() {
        let mount = TestMount::configured().await;
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let other = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let role = json!({
            "credential_type": "service_account", "project_id": mount.atlas.project(0),
            "client_id": account.client_id,
        });
        mount.write("roles/adds", role).await.expect("a role");
        // The read waits between its journal entry and the lock.
        let slow = json!({"operation": "getGroup", "action": {"kind": "delay", "seconds": 1.0}});
        mount.atlas.fault(slow).await;
        let had = mount.atlas.secrets(&account.client_id).await;
        mount.atlas.forget_requests().await;
        let replacing = async {
            while mount.journal_keys().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            let change = json!({ "client_id": other.client_id });
            mount.write("roles/adds", change).await.expect("a role");
            let [_, (path, rotates), _] = uses(&mount, &account);
            mount.write(path, rotates).await.expect("no role has it");
            assert_eq!(mount.journal_keys().len(), 1, "the read is under way");
        };
        let (read, ()) = tokio::join!(mount.read("creds/adds"), replacing);
        let text = read.expect_err("the static role has it").to_string();
        assert!(text.contains("static role \"rotates\""), "{text}");
        assert_eq!(mount.atlas.secrets(&account.client_id).await, had);
        let asked = mount.atlas.operations().await;
        assert_eq!(
            asked["createGroupSecret"],
            serde_json::Value::Null,
            "{asked}"
        );
        assert_eq!(asked["createOrgSecret"], serde_json::Value::Null, "{asked}");
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
