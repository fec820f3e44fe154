//! A mount of this engine with an Atlas of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Answer, Atlas, Bao, Client};

/// One mount on some server.
pub(crate) struct Mount {
    pub(crate) client: Client,
    pub(crate) path: String,
    pub(crate) atlas: Arc<Atlas>,
}

impl Mount {
    /// A mount on the shared server, without configuration.
    pub(crate) async fn new() -> Self {
        Self::on(&Bao::shared().client()).await
    }

    /// A mount on the shared server with Atlas's Organization Owner key.
    pub(crate) async fn configured() -> Self {
        let mount = Self::new().await;
        mount.configure().await;
        mount
    }

    /// A mount on another server, without configuration.
    pub(crate) async fn on(client: &Client) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = format!("atlas-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self::enable(client, path).await
    }

    /// A mount on another server, of this Atlas and without configuration.
    pub(crate) async fn with(client: &Client, atlas: Atlas) -> Self {
        Self {
            atlas: Arc::new(atlas),
            ..Self::on(client).await
        }
    }

    /// A mount at this path, of this Atlas and without configuration.
    pub(crate) async fn named(client: &Client, path: &str, atlas: &Arc<Atlas>) -> Self {
        Self {
            atlas: Arc::clone(atlas),
            ..Self::enable(client, path.to_owned()).await
        }
    }

    /// A configured mount at this path, on a server of its own.
    pub(crate) async fn at(path: &str) -> (Bao, Self) {
        let bao = Bao::dev();
        let mount = Self::enable(&bao.client(), path.to_owned()).await;
        mount.configure().await;
        (bao, mount)
    }

    /// A configured mount on another server that acts in the same organization.
    pub(crate) async fn beside(&self, client: &Client) -> Self {
        let mount = Self {
            atlas: Arc::clone(&self.atlas),
            ..Self::on(client).await
        };
        mount.configure().await;
        mount
    }

    async fn enable(client: &Client, path: String) -> Self {
        let enabled = client
            .write(
                &format!("sys/mounts/{path}"),
                json!({ "type": "mongodbatlas" }),
            )
            .await;
        assert!(enabled.ok(), "{enabled:?}");
        Self {
            client: client.clone(),
            path,
            atlas: Arc::new(Atlas::start().await),
        }
    }

    pub(crate) async fn configure(&self) {
        let written = self.write("config", self.atlas.key_config()).await;
        assert!(written.ok(), "{written:?}");
    }

    /// Waits until requests are answered: a new leader is active before its mounts are.
    pub(crate) async fn serves(&self) {
        let give_up = Instant::now() + Duration::from_mins(3);
        while !self.read("config").await.ok() {
            assert!(Instant::now() < give_up, "the mount does not come back");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn read(&self, path: &str) -> Answer {
        self.client.read(&format!("{}/{path}", self.path)).await
    }

    pub(crate) async fn write(&self, path: &str, body: Value) -> Answer {
        self.client
            .write(&format!("{}/{path}", self.path), body)
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.client.delete(&format!("{}/{path}", self.path)).await
    }

    pub(crate) async fn list(&self, path: &str) -> Answer {
        self.client.list(&format!("{}/{path}", self.path)).await
    }

    /// A role that must be taken.
    pub(crate) async fn role(&self, name: &str, body: Value) {
        let written = self.write(&format!("roles/{name}"), body).await;
        assert!(written.ok(), "{written:?}");
    }

    /// A role, named as its type, of what is made in a project, with these lease times in seconds.
    pub(crate) async fn project_role(&self, kind: &str, ttl: u64, max_ttl: u64) {
        let mut body = json!({
            "credential_type": kind, "project_id": self.atlas.project(0),
            "ttl": ttl, "max_ttl": max_ttl,
        });
        if kind == "database_user" {
            body["database_roles"] = json!("read@app");
            body["max_live"] = json!(90);
        }
        self.role(kind, body).await;
    }

    /// A role of the organization without further reach, with these lease times in seconds.
    pub(crate) async fn org_role(&self, name: &str, ttl: u64, max_ttl: u64) {
        let body = json!({
            "organization_id": self.atlas.org(), "roles": "ORG_MEMBER",
            "ttl": ttl, "max_ttl": max_ttl,
        });
        self.role(name, body).await;
    }

    /// A credential that must be issued.
    pub(crate) async fn issue(&self, role: &str) -> Answer {
        let answer = self.read(&format!("creds/{role}")).await;
        assert!(answer.ok(), "{answer:?}");
        answer
    }

    pub(crate) async fn revoke(&self, lease_id: &str) -> Answer {
        self.client
            .write(
                "sys/leases/revoke",
                json!({ "lease_id": lease_id, "sync": true }),
            )
            .await
    }

    /// A revocation of what somebody deleted in Atlas a moment after it was made: Atlas may only not show it
    /// yet, and so it is proved two minutes later, on a server with a clock that can be turned.
    pub(crate) async fn revoke_what_is_gone(&self, bao: &Bao, lease_id: &str) {
        let refused = self.revoke(lease_id).await;
        let told = "not conclusive within two minutes";
        assert!(refused.errors().contains(told), "{refused:?}");
        self.pass(bao, Duration::from_mins(3)).await;
        let revoked = self.revoke(lease_id).await;
        assert!(revoked.ok(), "{revoked:?}");
    }

    /// Time passes for the plugin and for Atlas.
    pub(crate) async fn pass(&self, bao: &Bao, by: Duration) {
        bao.clock.as_ref().expect("a clock to turn").turn(by);
        self.atlas.turn_clock(by).await;
    }

    pub(crate) async fn renew(&self, lease_id: &str, increment: u64) -> Answer {
        let body = json!({ "lease_id": lease_id, "increment": increment });
        self.client.write("sys/leases/renew", body).await
    }

    /// How many leases the server keeps below this mount's `creds/`.
    pub(crate) async fn leases(&self, role: &str) -> usize {
        let listing = format!("sys/leases/lookup/{}/creds/{role}", self.path);
        let answer = self.client.list(&listing).await;
        answer.body["data"]["keys"].as_array().map_or(0, Vec::len)
    }
}
