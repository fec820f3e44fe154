//! The plugin killed at every step of its work: in the end Atlas holds what has a lease, and nothing else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Bao, Mount};

/// The server ticks once a minute, and what was never made is looked for twice.
const TICKS: Duration = Duration::from_mins(5);

const GROUPS: &str = "/api/atlas/v2/groups/";

/// The types that are made in a project by one request.
const MODEL_KEY: &str = "ai_model_key";
const DATABASE_USER: &str = "database_user";

struct Stage {
    bao: Bao,
    mount: Mount,
}

impl Stage {
    async fn set() -> Self {
        let bao = Bao::dev_with_clock();
        let mount = Mount::on(&bao.client()).await;
        mount.configure().await;
        let stage = Self { bao, mount };
        for kind in ["programmatic_api_key", "service_account"] {
            stage.roles_of(kind).await;
        }
        let of_model_keys = json!({
            "credential_type": MODEL_KEY, "project_id": stage.mount.atlas.project(0),
            "ttl": 3_000, "max_ttl": 7_200,
        });
        stage.mount.role(MODEL_KEY, of_model_keys).await;
        stage.mount.atlas.add_cluster("east").await;
        let of_users = json!({
            "credential_type": DATABASE_USER, "project_id": stage.mount.atlas.project(0),
            "database_roles": "read@app", "ttl": 3_000, "max_ttl": 7_200,
        });
        stage.mount.role(DATABASE_USER, of_users).await;
        stage
    }

    /// A role with every step that there is, and one of a project.
    async fn roles_of(&self, kind: &str) {
        let [first, second, third] = [0, 1, 2].map(|number| self.mount.atlas.project(number));
        let all_steps = json!({
            "credential_type": kind, "organization_id": self.mount.atlas.org(),
            "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
            "project_id": first, "project_roles": "GROUP_OWNER",
            "project_assignments": { second: ["GROUP_READ_ONLY"], third: ["GROUP_READ_ONLY"] },
            "ttl": 3_000, "max_ttl": 7_200,
        });
        self.mount.role(kind, all_steps).await;
        let of_project = json!({
            "credential_type": kind, "project_id": first, "roles": "GROUP_OWNER",
            "ttl": 3_000, "max_ttl": 7_200,
        });
        self.mount.role(&format!("p-{kind}"), of_project).await;
    }

    /// Kills the plugin while Atlas is slow with the request that `hit` picks.
    async fn killed_while(
        &self,
        hit: Value,
        after_effect: bool,
        request: impl Future<Output = ()>,
    ) {
        let mut fault = hit;
        fault["action"] = json!({ "kind": "delay", "seconds": 15, "after_effect": after_effect });
        self.mount.atlas.fault(fault).await;
        let killing = async {
            self.mount.atlas.fault_is_met().await;
            self.bao.kill_plugins().await;
        };
        tokio::join!(request, killing);
        self.mount.atlas.no_more_faults().await;
        while !self.mount.read("config").await.ok() {}
    }

    async fn create_is_killed(&self, role: &str, hit: Value, after_effect: bool) {
        let what = format!("{role}: {hit}, after: {after_effect}");
        let reading = async {
            let answer = self.mount.read(&format!("creds/{role}")).await;
            // A server that notices the end before the broken call asks the next process instead.
            if answer.ok() {
                let revoked = self.mount.revoke(&answer.lease_id()).await;
                assert!(revoked.ok(), "{what}: {revoked:?}");
            } else {
                assert_eq!(answer.status, 500, "{what}: {answer:?}");
            }
        };
        self.killed_while(hit, after_effect, reading).await;
    }

    /// The lease is revoked at the second try, whatever the first came to.
    async fn revoke_is_killed(&self, role: &str, hit: Value, after_effect: bool) {
        let lease = self.mount.issue(role).await.lease_id();
        if after_effect && matches!(role, MODEL_KEY | DATABASE_USER) {
            // Of a younger one the next process takes no "not found" for proof.
            self.turn(Duration::from_mins(3)).await;
        }
        let revoking = async {
            self.mount.revoke(&lease).await;
        };
        self.killed_while(hit, after_effect, revoking).await;
        let revoked = self.mount.revoke(&lease).await;
        assert!(revoked.ok(), "{role}: {revoked:?}");
        assert_eq!(self.mount.leases(role).await, 1, "{role}");
    }

    async fn turn(&self, by: Duration) {
        self.bao.clock.as_ref().expect("a clock to turn").turn(by);
        self.mount.atlas.turn_clock(by).await;
    }

    async fn journal(&self) -> usize {
        let entries = self.mount.list("issued").await;
        entries.body["data"]["keys"].as_array().map_or(0, Vec::len)
    }
}

/// Requests of a create with every step, each of which the plugin may not outlive.
fn steps(kind: &str) -> Vec<Value> {
    let (create, access) = if kind == "service_account" {
        ("createOrgServiceAccount", "createOrgAccessList")
    } else {
        ("createOrgApiKey", "createOrgAccessEntry")
    };
    let mut steps = vec![
        json!({ "operation": create }),
        json!({ "operation": access }),
    ];
    steps.extend(
        [0, 1, 2].map(|number| json!({ "path_prefix": GROUPS, "method": "POST", "skip": number })),
    );
    steps
}

#[tokio::test]
async fn a_plugin_killed_at_any_step_leaves_what_has_a_lease_and_nothing_else() {
    let stage = Stage::set().await;
    for kind in ["programmatic_api_key", "service_account"] {
        let of_project = format!("p-{kind}");
        for role in [kind, &of_project] {
            stage.mount.issue(role).await;
        }
        for after_effect in [false, true] {
            for step in steps(kind) {
                stage.create_is_killed(kind, step, after_effect).await;
            }
            let create = json!({ "path_prefix": GROUPS, "method": "POST" });
            stage
                .create_is_killed(&of_project, create, after_effect)
                .await;
            for role in [kind, &of_project] {
                let delete = json!({ "method": "DELETE" });
                stage.revoke_is_killed(role, delete, after_effect).await;
            }
        }
    }
    let of_user = ["createDatabaseUser", "listClusters", "getClusterStatus"];
    for (role, steps) in [
        (MODEL_KEY, &["createGroupModelKey"][..]),
        (DATABASE_USER, &of_user),
    ] {
        stage.mount.issue(role).await;
        for after_effect in [false, true] {
            for step in steps {
                let step = json!({ "operation": step });
                stage.create_is_killed(role, step, after_effect).await;
            }
            let delete = json!({ "method": "DELETE" });
            stage.revoke_is_killed(role, delete, after_effect).await;
        }
    }
    let left = stage.mount.atlas.credentials().await.len();
    assert!(left > 20, "{left} credentials show no half-made ones");

    stage.turn(Duration::from_mins(11)).await;
    stage.mount.atlas.holds(6, TICKS).await;
    let give_up = Instant::now() + TICKS;
    while stage.journal().await != 6 {
        let status = stage.mount.read("status").await;
        assert!(Instant::now() < give_up, "entries are left: {status:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for role in ["programmatic_api_key", "service_account"] {
        assert_eq!(stage.mount.leases(role).await, 1);
        assert_eq!(stage.mount.leases(&format!("p-{role}")).await, 1);
    }
    for role in [MODEL_KEY, DATABASE_USER] {
        assert_eq!(stage.mount.leases(role).await, 1);
    }
}
