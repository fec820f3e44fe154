//! Whatever is stored goes to its own address: seen by somebody who makes the configuration his own and
//! waits for what comes.

use std::time::Duration;

use serde_json::{Value, json};

use super::keys;
use super::names::JournalId;
use super::testing::{Account, Atlas, Outcome, TestMount};
use crate::vault::{Operation, Secret};

/// Where it stands what an account was left with.
fn left_at(account: &Account) -> String {
    let client_id = account.client_id.parse().expect("a client id");
    keys::issued(&JournalId::of_left_secrets(&client_id))
}

/// A mount with one of everything that holds a secret or names something at Atlas.
struct Full {
    mount: TestMount,
    leases: Vec<(&'static str, Secret)>,
    own: Account,
    admin: Account,
    deleted: Account,
}

impl Full {
    async fn new() -> Self {
        let mount = TestMount::configured().await;
        let org = mount.atlas.org().to_owned();
        let shared = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        for (name, role) in [
            (
                "key",
                json!({"roles": "ORG_MEMBER", "organization_id": org}),
            ),
            (
                "account",
                json!({
                    "credential_type": "service_account", "roles": "ORG_MEMBER",
                    "organization_id": org,
                }),
            ),
            (
                "secret",
                json!({
                    "credential_type": "service_account", "client_id": shared.client_id,
                    "organization_id": org,
                }),
            ),
            (
                "token",
                json!({
                    "credential_type": "access_token", "roles": "ORG_MEMBER",
                    "organization_id": org,
                }),
            ),
        ] {
            mount
                .write(&format!("roles/{name}"), role)
                .await
                .expect("a role");
        }
        let mut leases = Vec::new();
        for name in ["key", "account", "secret", "token"] {
            leases.push((name, mount.issue(name).await.1));
        }
        let mut accounts = Vec::new();
        for (name, mode) in [("own", "self"), ("admin", "admin"), ("deleted", "admin")] {
            let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
            let role = json!({
                "client_id": account.client_id, "client_secret": account.secret,
                "organization_id": org, "rotation_mode": mode, "rotation_period": "1h",
                "overlap": "10m",
            });
            mount
                .write(&format!("static-roles/{name}"), role)
                .await
                .expect("a static role");
            accounts.push(account);
        }
        mount
            .ask(Operation::Delete, "static-roles/deleted", json!({}))
            .await
            .expect("deleted");
        assert!(
            mount.storage.keys().contains(&left_at(&accounts[2])),
            "something is left to be removed"
        );
        let [own, admin, deleted] = accounts.try_into().ok().expect("three");
        Self {
            mount,
            leases,
            own,
            admin,
            deleted,
        }
    }

    /// Somebody deletes the configuration and writes one of his own, with his own credential.
    async fn taken_by(&self, other: &Atlas) {
        let force = json!({"force": true});
        self.mount
            .ask(Operation::Delete, "config", force)
            .await
            .expect("deleted");
        self.configured(other.key_and_organization()).await;
    }

    async fn configured(&self, config: Value) {
        self.mount
            .write("config", config)
            .await
            .expect("a configuration");
    }

    /// Everything that a user may ask about what is stored.
    async fn ask(&self) -> Vec<(String, Outcome)> {
        let mut outcomes = Vec::new();
        for (name, lease) in &self.leases {
            if *name != "token" {
                outcomes.push((format!("renew {name}"), self.mount.renew(lease).await));
            }
            outcomes.push((format!("revoke {name}"), self.mount.revoke(lease).await));
        }
        for name in ["own", "admin"] {
            let force = json!({"force": true});
            let rotated = self
                .mount
                .write(&format!("rotate-role/{name}"), force)
                .await;
            outcomes.push((format!("rotate {name}"), rotated));
            let changed = json!({"rotation_mode": "self", "overlap": "20m"});
            let changed = self
                .mount
                .write(&format!("static-roles/{name}"), changed)
                .await;
            outcomes.push((format!("change {name}"), changed));
        }
        outcomes
    }

    /// Whether no secret of the mount is lost, and none of the accounts touched.
    async fn secrets(&self) -> Value {
        let mut all = Vec::new();
        for account in [&self.own, &self.admin, &self.deleted] {
            all.push(self.mount.atlas.secrets(&account.client_id).await);
        }
        json!([all, self.mount.atlas.credentials().await])
    }
}

fn elsewhere(told: &str, mount: &TestMount, other: &Atlas) -> bool {
    told.contains(mount.atlas.address()) && told.contains(other.address())
}

#[tokio::test]
async fn nothing_that_is_stored_goes_to_another_address() {
    let full = Full::new().await;
    let other = Atlas::another().await;
    let before = full.secrets().await;
    full.taken_by(&other).await;
    other.forget_requests().await;
    full.mount.atlas.forget_requests().await;
    for (what, outcome) in full.ask().await {
        let told = outcome.expect_err(&what).to_string();
        assert!(elsewhere(&told, &full.mount, &other), "{what}: {told}");
        assert!(told.contains("config/move"), "{what}: {told}");
    }
    assert_eq!(
        other.request_count().await,
        0,
        "{}",
        other.operations().await
    );
    // Reaper, rollback, retirement and rotations come due; each account is looked at.
    for _ in 0..3 {
        for _ in 0..2 {
            full.mount.advance(Duration::from_hours(500)).await;
            full.mount.tick().await.expect("a tick");
        }
        for path in [
            "static-creds/own",
            "static-roles/admin",
            "status",
            "issued/",
        ] {
            let _ = full.mount.read(path).await;
        }
    }
    assert_eq!(
        other.request_count().await,
        0,
        "{}",
        other.operations().await
    );
    assert_eq!(full.mount.atlas.request_count().await, 0, "nor to its own");
    assert_eq!(full.secrets().await, before);
}

#[tokio::test]
async fn with_the_former_address_and_its_secret_everything_ends_as_it_should() {
    let full = Full::new().await;
    let other = Atlas::another().await;
    full.taken_by(&other).await;
    full.mount.tick().await.expect("a tick");
    full.configured(full.mount.atlas.key_and_organization())
        .await;
    for (what, outcome) in full.ask().await {
        outcome.unwrap_or_else(|failure| panic!("{what}: {failure}"));
    }
    full.mount.tick_for(20).await;
    let left: Vec<_> = full.mount.storage.keys();
    assert!(!left.contains(&left_at(&full.deleted)), "{left:?}");
}

/// The mount is disabled while one of its accounts is elsewhere: the others are deleted all the same.
#[tokio::test]
async fn what_belongs_elsewhere_does_not_keep_the_rest_when_the_mount_ends() {
    let full = Full::new().await;
    let other = Atlas::another().await;
    full.taken_by(&other).await;
    let role = json!({"organization_id": other.org()});
    full.mount.write("roles/token", role).await.expect("a role");
    full.mount.issue("token").await;
    assert_eq!(other.credentials().await.len(), 1);
    full.mount.system.set_tainted(true);
    full.mount.tick().await.expect_err("one is elsewhere");
    assert_eq!(other.credentials().await, Vec::<String>::new());
    full.configured(full.mount.atlas.key_and_organization())
        .await;
    full.mount.tick().await.expect("all are removed");
    assert!(
        !full
            .mount
            .storage
            .keys()
            .iter()
            .any(|key| key.starts_with("managed-accounts/"))
    );
}

/// A role of tokens is served at once where the configuration is now, with an account made there.
#[tokio::test]
async fn tokens_are_minted_with_an_account_of_the_same_address() {
    let full = Full::new().await;
    let other = Atlas::another().await;
    full.taken_by(&other).await;
    let role = json!({"organization_id": other.org()});
    full.mount.write("roles/token", role).await.expect("a role");
    let (data, lease) = full.mount.issue("token").await;
    let account = data["client_id"].as_str().expect("an id");
    assert_ne!(other.account_state(account).await, Value::Null);
    full.mount.revoke(&lease).await.expect("revoked there");
    full.configured(full.mount.atlas.key_and_organization())
        .await;
    full.mount
        .revoke(&full.leases[3].1)
        .await
        .expect("revoked here");
}

#[tokio::test]
async fn what_is_incomplete_is_looked_for_where_it_was_made() {
    let mut mount = TestMount::with_role(json!({})).await;
    for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
        let fault = json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(fault).await;
    }
    mount.read("creds/reader").await.expect_err("not completed");
    mount.atlas.no_more_faults().await;
    let other = Atlas::another().await;
    mount
        .write("config", other.key_and_organization())
        .await
        .expect("his");
    mount.restart().await;
    other.forget_requests().await;
    mount.tick_for(30).await;
    assert_eq!(other.request_count().await, 0);
    assert_eq!(mount.journal_keys().len(), 1);
    mount
        .write("config", mount.atlas.key_and_organization())
        .await
        .expect("the former one");
    mount.tick_for(70).await;
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
}

/// What belongs elsewhere must not count as an outage for what belongs here.
#[tokio::test]
async fn what_belongs_elsewhere_keeps_nobody_from_the_periodic_run() {
    let mount = TestMount::with_role(json!({"ttl": "1h", "max_ttl": "1h"})).await;
    for _ in 0..5 {
        mount.issue("reader").await;
    }
    let other = Atlas::another().await;
    mount
        .write("config", other.key_and_organization())
        .await
        .expect("his");
    mount
        .write_reader(json!({"organization_id": other.org(), "ttl": "1h", "max_ttl": "1h"}))
        .await;
    mount.issue("reader").await;
    assert_eq!(other.credentials().await.len(), 1);
    mount.advance(Duration::from_hours(3)).await;
    let later = json!({"advance_seconds": 10_800});
    other.control("POST", "/clock", later).await;
    mount.tick().await.expect("a tick");
    assert_eq!(other.credentials().await, Vec::<String>::new());
    assert_eq!(mount.journal_keys().len(), 5);
    assert_eq!(mount.atlas.credentials().await.len(), 5);
}

/// What rotations of the configuration left stays with the address it was left at.
#[tokio::test]
async fn replaced_credentials_of_the_configuration_are_removed_where_they_were() {
    let mount = TestMount::configured().await;
    let fault = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(fault).await;
    mount
        .write("config/rotate-root", json!({}))
        .await
        .expect("rotated");
    mount.atlas.no_more_faults().await;
    let other = Atlas::another().await;
    mount
        .write("config", other.key_and_organization())
        .await
        .expect("his");
    other.forget_requests().await;
    mount.tick_for(70).await;
    assert_eq!(other.operations().await["deleteOrgApiKey"], Value::Null);
    assert_eq!(
        other.request_count().await,
        0,
        "{}",
        other.operations().await
    );
    let config = TestMount::data(mount.read("config").await);
    assert_eq!(config["pending_deletions"], 1, "{config:?}");
    assert_eq!(mount.journal_keys().len(), 1);
}

mod of_the_go_engine {
    use super::*;

    /// A mount that the Go engine left, and a key of one of its leases, made in a project that is gone.
    async fn left() -> (TestMount, Secret) {
        let mut mount = TestMount::new().await;
        let project = mount.atlas.project(0).to_owned();
        let key = mount.atlas.plant_key("vault-r-0123456789abcdefghij").await;
        let mut config = mount.atlas.key_config();
        // That the Go engine knows no address is of no matter here.
        config["organization_id"] = Value::Null;
        mount.take_over(config).await;
        let path = format!("/projects/{project}");
        mount.atlas.control("DELETE", &path, Value::Null).await;
        let lease = mount.go_lease(&key, "", &project);
        (mount, lease)
    }

    /// A key of another organization, with what is written to config for it.
    async fn another_organization(mount: &TestMount) -> Value {
        let org = mount
            .atlas
            .control("POST", "/orgs", json!({"name": "other"}))
            .await;
        let key = json!({"org_id": org["id"], "desc": "seed", "org_roles": ["ORG_OWNER"]});
        let key = mount.atlas.control("POST", "/keys", key).await;
        json!({
            "public_key": key["public_key"], "private_key": key["private_key"],
            "base_url": mount.atlas.address(), "organization_id": org["id"],
        })
    }

    #[tokio::test]
    async fn a_projects_key_is_revoked_by_the_configuration_that_was_taken_over() {
        let (mount, lease) = left().await;
        mount
            .revoke(&lease)
            .await
            .expect("deleted in the organization");
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        mount.revoke(&lease).await.expect("gone is as good");
    }

    #[tokio::test]
    async fn another_organization_that_does_not_know_a_projects_key_proves_nothing() {
        for delete in [false, true] {
            let (mount, lease) = left().await;
            let foreign = another_organization(&mount).await;
            if delete {
                let force = json!({"force": true});
                mount
                    .ask(Operation::Delete, "config", force)
                    .await
                    .expect("deleted");
            }
            mount.write("config", foreign).await.expect("another");
            let told = mount.revoke(&lease).await.expect_err("alive").to_string();
            assert!(told.contains(mount.atlas.project(0)), "{told}");
            assert!(told.contains("config"), "{told}");
            assert_eq!(mount.atlas.credentials().await.len(), 1);
            let own = mount.atlas.key_and_organization();
            mount.write("config", own).await.expect("the former one");
            mount.revoke(&lease).await.expect("revoked");
            mount
                .revoke(&lease)
                .await
                .expect("gone, by its own organization");
            assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        }
    }

    /// Where the former configuration could not be asked any more, nobody knows.
    #[tokio::test]
    async fn an_organization_that_was_never_known_proves_nothing() {
        let (mount, lease) = left().await;
        let foreign = another_organization(&mount).await;
        let seed = format!("/keys/{}", mount.atlas.key_id());
        mount.atlas.control("DELETE", &seed, Value::Null).await;
        mount.write("config", foreign).await.expect("another");
        mount.revoke(&lease).await.expect_err("alive");
        assert_eq!(mount.atlas.credentials().await.len(), 1);
    }

    #[tokio::test]
    async fn what_was_incomplete_in_a_lost_project_is_not_given_up_by_another_organization() {
        let mut mount = TestMount::new().await;
        mount.take_over(mount.atlas.key_config()).await;
        let project = mount.atlas.project(0).to_owned();
        mount.atlas.plant_key("vault-r-0123456789abcdefghij").await;
        let wal = json!({
            "type": "programmatic_api_key", "created_at": mount.now().timestamp(),
            "data": {"Role": "vault-r-0123456789abcdefghij", "ProjectID": project},
        });
        mount.storage.plant("wal/1", wal.to_string().as_bytes());
        let path = format!("/projects/{project}");
        mount.atlas.control("DELETE", &path, Value::Null).await;
        let foreign = another_organization(&mount).await;
        mount.write("config", foreign).await.expect("another");
        mount.tick_for(40).await;
        assert_eq!(mount.journal_keys().len(), 1, "still to be removed");
        let own = mount.atlas.key_and_organization();
        mount.write("config", own).await.expect("the former one");
        mount.tick_for(70).await;
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    }
}
