//! The real Go engine and this one take turns at a mount with live leases.
//!
//! `GO_ENGINE` names the Go engine's binary; `scripts/test` builds it where Go is installed. Both
//! engines speak to `https://cloud.mongodb.com`, the only address that the Go engine knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bao::{Extras, register_file};
use crate::support::cloud::Cloud;
use crate::support::{Atlas, Bao, Mount};

/// A role for each way to make a key.
const SHAPES: [&str; 4] = ["organization", "listed", "project", "both"];

/// Lease times in seconds; the Go engine renews by the second.
const TTL: u64 = 1_800;
const MAX_TTL: u64 = 7_200;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Engine {
    Go,
    This,
}

/// A server, one mount, and the simulator behind Atlas's own address.
struct Stage {
    bao: Bao,
    mount: Mount,
    cloud: Cloud,
}

impl Stage {
    /// The Go engine serves a mount with roles of every shape.
    async fn set(turnable: bool) -> Self {
        let atlas = Atlas::start().await;
        let cloud = Cloud::of(&atlas).await;
        let extras = Extras {
            turnable,
            config: "raw_storage_endpoint = true".to_owned(),
            variables: cloud.variables(),
            ..Extras::default()
        };
        let bao = Bao::on_disk_with(extras).await;
        let engine = std::env::var_os("GO_ENGINE").expect("GO_ENGINE names the Go engine's binary");
        std::fs::copy(engine, bao.plugin_folder.join("mongodbatlas-go")).expect("the Go engine");
        register(&bao, Engine::Go).await;
        let mount = Mount::with(&bao.client(), atlas).await;
        let written = mount.write("config", mount.atlas.go_config()).await;
        assert!(written.ok(), "{written:?}");
        Self { bao, mount, cloud }
    }

    /// Puts the other binary under the same name, and reloads.
    async fn hand_over_to(&self, engine: Engine) {
        let before = self.cloud.tunnels();
        register(&self.bao, engine).await;
        self.bao.reload().await;
        let path = format!("sys/mounts/{}", self.mount.path);
        let running = self.mount.client.read(&path).await;
        let file = std::fs::read(self.bao.plugin_folder.join(command(engine))).unwrap();
        let sum = crate::support::bao::sha256(&file);
        assert_eq!(running.data()["running_sha256"], json!(sum), "{engine:?}");
        let lease = self.mount.issue("organization").await.lease_id();
        assert!(self.mount.revoke(&lease).await.ok());
        assert!(
            self.cloud.tunnels() > before,
            "{engine:?} comes by the proxy"
        );
    }

    /// A role with these lease times in seconds.
    async fn role(&self, shape: &str, ttl: u64, max_ttl: u64) {
        let (org, project) = (self.mount.atlas.org(), self.mount.atlas.project(0));
        let mut body = match shape {
            "project" => json!({
                "project_id": project, "roles": "GROUP_READ_ONLY", "ip_addresses": "192.0.2.1",
            }),
            "both" => json!({
                "organization_id": org, "roles": "ORG_MEMBER", "cidr_blocks": "192.0.2.0/24",
                "project_id": project, "project_roles": "GROUP_READ_ONLY",
            }),
            "listed" => json!({
                "organization_id": org, "roles": "ORG_MEMBER",
                "ip_addresses": "192.0.2.1", "cidr_blocks": "198.51.100.0/24",
            }),
            _ => json!({ "organization_id": org, "roles": "ORG_MEMBER" }),
        };
        body["ttl"] = json!(ttl);
        body["max_ttl"] = json!(max_ttl);
        self.mount.role(shape, body).await;
    }

    /// A lease of each shape.
    async fn issue_all(&self) -> BTreeMap<&'static str, Lease> {
        let mut leases = BTreeMap::new();
        for shape in SHAPES {
            let issued = self.mount.issue(shape).await;
            let lease = Lease {
                id: issued.lease_id(),
                public_key: issued.data()["public_key"].as_str().unwrap().to_owned(),
            };
            assert!(self.knows(&lease).await, "{shape}");
            leases.insert(shape, lease);
        }
        leases
    }

    async fn knows(&self, lease: &Lease) -> bool {
        self.mount.atlas.known(&lease.public_key).await.is_object()
    }

    /// Renews every lease; answers for how many seconds.
    async fn renew_all(&self, leases: &BTreeMap<&str, Lease>) -> Vec<u64> {
        let mut seconds = Vec::new();
        for (shape, lease) in leases {
            let renewed = self.mount.renew(&lease.id, 0).await;
            assert!(renewed.ok(), "{shape}: {renewed:?}");
            seconds.push(renewed.body["lease_duration"].as_u64().unwrap());
        }
        seconds
    }

    /// Revokes every lease, whose key must be there before, and not after.
    async fn revoke_all(&self, leases: &BTreeMap<&str, Lease>) {
        for (shape, lease) in leases {
            assert!(self.knows(lease).await, "{shape}");
            let revoked = self.mount.revoke(&lease.id).await;
            assert!(revoked.ok(), "{shape}: {revoked:?}");
            assert!(!self.knows(lease).await, "{shape}: the key is still there");
        }
    }

    /// What the engine answers of its configuration and its roles.
    async fn shown(&self) -> BTreeMap<String, Value> {
        let mut shown = BTreeMap::new();
        for path in SHAPES.map(|shape| format!("roles/{shape}")) {
            let data = self.mount.read(&path).await.data().clone();
            shown.insert(path, data);
        }
        let config = self.mount.read("config").await.data().clone();
        shown.insert("config".to_owned(), config);
        shown
    }

    /// An entry below the mount as it is stored.
    async fn stored(&self, key: &str) -> String {
        let path = format!("{}/{key}", self.raw().await);
        let answer = self.mount.client.read(&path).await;
        answer.data()["value"].as_str().unwrap().to_owned()
    }

    async fn stored_roles(&self) -> Vec<String> {
        let mut roles = Vec::new();
        for shape in SHAPES {
            roles.push(self.stored(&format!("roles/{shape}")).await);
        }
        roles
    }

    /// Where the server shows the mount's storage.
    async fn raw(&self) -> String {
        let path = format!("sys/mounts/{}", self.mount.path);
        let mount = self.mount.client.read(&path).await;
        format!("sys/raw/logical/{}", mount.data()["uuid"].as_str().unwrap())
    }

    /// The names of entries of the write-ahead log.
    async fn write_ahead(&self) -> Vec<String> {
        let path = format!("{}/wal", self.raw().await);
        let listed = self.mount.client.list(&path).await;
        let keys = listed.body["data"]["keys"].as_array().cloned();
        let keys = keys.unwrap_or_default();
        keys.iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect()
    }

    /// The internal data of a lease as the server keeps it.
    async fn internal(&self, lease: &Lease) -> Value {
        let path = format!("sys/raw/sys/expire/id/{}", lease.id);
        let answer = self.mount.client.read(&path).await;
        let kept: Value = serde_json::from_str(answer.data()["value"].as_str().unwrap()).unwrap();
        kept["secret"]["internal_data"].clone()
    }

    /// An entry of the files in `tests/stored`, with what exists in this test put in.
    fn fixture(&self, name: &str, key_id: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored/go-0.16");
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let config = self.mount.atlas.key_config();
        let text = text
            .replace("ORG_ID", self.mount.atlas.org())
            .replace("PROJECT_ID", self.mount.atlas.project(0))
            .replace("PUBLIC_KEY", config["public_key"].as_str().unwrap())
            .replace("PRIVATE_KEY", config["private_key"].as_str().unwrap())
            .replace("KEY_ID", key_id);
        serde_json::from_str(&text).unwrap()
    }
}

/// A lease, and the public part of its key.
struct Lease {
    id: String,
    public_key: String,
}

fn command(engine: Engine) -> &'static str {
    match engine {
        Engine::Go => "mongodbatlas-go",
        Engine::This => "mongodbatlas",
    }
}

async fn register(bao: &Bao, engine: Engine) {
    let arguments: &[&str] = match engine {
        Engine::Go => &[],
        Engine::This => &["--unversioned"],
    };
    let folder = &bao.plugin_folder;
    let registered = register_file(&bao.client(), folder, command(engine), arguments).await;
    assert!(registered.ok(), "{registered:?}");
}

/// The same with an absent list for an empty one, and only what the Go engine shows.
fn as_go_shows(shown: &BTreeMap<String, Value>, by_go: &BTreeMap<String, Value>) -> Value {
    let mut same = json!({});
    for (path, fields) in by_go {
        for (name, value) in fields.as_object().unwrap() {
            let ours = &shown[path][name];
            let empty = value.is_null() && *ours == json!([]);
            same[path][name] = if empty { Value::Null } else { ours.clone() };
        }
    }
    same
}

#[tokio::test]
#[ignore = "needs the Go engine: scripts/test takeover"]
async fn leases_of_every_shape_go_to_this_engine_back_and_here_again() {
    let stage = Stage::set(false).await;
    for shape in SHAPES {
        stage.role(shape, TTL, MAX_TTL).await;
    }
    let (by_go, stored) = (stage.shown().await, stage.stored_roles().await);
    let [first, second, third] = [
        stage.issue_all().await,
        stage.issue_all().await,
        stage.issue_all().await,
    ];

    stage.hand_over_to(Engine::This).await;
    let shown = stage.shown().await;
    assert_eq!(as_go_shows(&shown, &by_go), json!(by_go));
    assert_eq!(stage.renew_all(&first).await, [TTL; SHAPES.len()]);
    assert_eq!(stage.renew_all(&second).await, [TTL; SHAPES.len()]);
    stage.revoke_all(&first).await;
    let [ours, more] = [stage.issue_all().await, stage.issue_all().await];
    stage.renew_all(&ours).await;

    stage.hand_over_to(Engine::Go).await;
    assert_eq!(stage.shown().await, by_go);
    assert_eq!(stage.stored_roles().await, stored);
    for leases in [&second, &ours, &third] {
        stage.renew_all(leases).await;
    }
    stage.revoke_all(&second).await;
    stage.revoke_all(&ours).await;
    let fourth = stage.issue_all().await;

    stage.hand_over_to(Engine::This).await;
    for leases in [&third, &more, &fourth] {
        assert_eq!(stage.renew_all(leases).await, [TTL; SHAPES.len()]);
        stage.revoke_all(leases).await;
    }
    assert_eq!(stage.mount.atlas.credentials().await, [""; 0]);
    let irrevocable = "sys/leases/count?type=irrevocable";
    let irrevocable = stage.mount.client.read(irrevocable).await;
    assert_eq!(irrevocable.data()["lease_count"], 0);
    // The journal still holds those of this engine that the Go engine revoked, and no others.
    let listed = stage.mount.list("issued").await;
    let keys = listed.data()["keys"].as_array().unwrap();
    assert_eq!(keys.len(), SHAPES.len(), "{listed:?}");
}

#[tokio::test]
#[ignore = "needs the Go engine: scripts/test takeover"]
async fn the_stored_entries_are_those_of_the_real_go_engine() {
    let stage = Stage::set(false).await;
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let config = parsed(stage.stored("config").await);
    assert_eq!(config, stage.fixture("config.json", ""));
    let shapes = [
        ("organization", 7_200, 18_000),
        ("project", 0, 0),
        ("both", 90, 0),
    ];
    for (shape, ttl, max_ttl) in shapes {
        stage.role(shape, ttl, max_ttl).await;
        let role = parsed(stage.stored(&format!("roles/{shape}")).await);
        assert_eq!(role, stage.fixture(&format!("role-{shape}.json"), ""));
        let issued = stage.mount.issue(shape).await;
        let lease = Lease {
            id: issued.lease_id(),
            public_key: issued.data()["public_key"].as_str().unwrap().to_owned(),
        };
        let key = stage.mount.atlas.known(&lease.public_key).await;
        let internal = stage.internal(&lease).await;
        let fixture = stage.fixture(&format!("lease-{shape}.json"), key["id"].as_str().unwrap());
        assert_eq!(internal, fixture, "{shape}");
        assert!(stage.mount.revoke(&lease.id).await.ok());
    }
}

#[tokio::test]
#[ignore = "needs the Go engine: scripts/test takeover"]
async fn a_key_that_the_go_engine_left_behind_is_removed() {
    let stage = Stage::set(true).await;
    stage.role("listed", TTL, MAX_TTL).await;
    let refused = json!({
        "operation": "createOrgAccessEntry", "count": 0,
        "action": { "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" },
    });
    stage.mount.atlas.fault(refused).await;
    assert!(!stage.mount.read("creds/listed").await.ok());
    stage.mount.atlas.no_more_faults().await;
    assert_eq!(stage.mount.atlas.credentials().await.len(), 1);
    let [entry] = &stage.write_ahead().await[..] else {
        panic!("not one entry");
    };
    let entry: Value = serde_json::from_str(&stage.stored(&format!("wal/{entry}")).await).unwrap();
    let mut like_this = stage.fixture("wal-description.json", "");
    like_this["created_at"] = entry["created_at"].clone();
    like_this["data"]["Role"] = entry["data"]["Role"].clone();
    assert_eq!(entry, like_this);
    assert!(entry["created_at"].is_i64());
    let description = entry["data"]["Role"].as_str().unwrap();
    assert!(description.starts_with("vault-listed-"), "{description}");

    register(&stage.bao, Engine::This).await;
    stage.bao.reload().await;
    let aged = Duration::from_mins(11);
    stage.bao.clock.as_ref().unwrap().turn(aged);
    stage.mount.atlas.turn_clock(aged).await;
    stage.mount.atlas.empties(Duration::from_mins(4)).await;
    let give_up = Instant::now() + Duration::from_mins(1);
    while !stage.write_ahead().await.is_empty() {
        assert!(Instant::now() < give_up, "the entry stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.mount.list("issued").await.status, 404);
}
