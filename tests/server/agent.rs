//! `bao agent` renders what `docs/consumers.md` shows, from the very files that stand there, and
//! renders it again after a rotation.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Mount, agent};

const PAGE: &str = include_str!("../../docs/consumers.md");
/// Where the page puts everything.
const FOLDER: &str = "/etc/atlas";
/// The page's name of the mount.
const MOUNT: &str = "mongodbatlas";

/// The block of the page after this mark.
fn shown(mark: &str) -> &'static str {
    let mark = format!("<!-- {mark} -->\n```");
    let mut parts = PAGE.split(&mark).skip(1);
    let (Some(part), None) = (parts.next(), parts.next()) else {
        panic!("{mark} is not shown once");
    };
    let block = part.split_once('\n').expect("a block").1;
    block.split_once("```").expect("its end").0
}

/// The page's reader: an `AppRole` with a policy of the page. Writes its two ids into the folder.
async fn sign_up(client: &Client, folder: &Path, policy: &str) {
    let policy = json!({ "policy": policy });
    let enable = json!({ "type": "approle" });
    let role = json!({ "token_policies": "reader" });
    for (path, body) in [
        ("sys/policies/acl/reader", policy),
        ("sys/auth/approle", enable),
        ("auth/approle/role/reader", role),
    ] {
        let written = client.write(path, body).await;
        assert!(written.ok(), "{path}: {written:?}");
    }
    let id = client.read("auth/approle/role/reader/role-id").await;
    let secret = client
        .write("auth/approle/role/reader/secret-id", json!({}))
        .await;
    put(folder, "role-id", text(&id.data()["role_id"]));
    put(folder, "secret-id", text(&secret.data()["secret_id"]));
}

fn put(folder: &Path, name: &str, content: &str) {
    std::fs::write(folder.join(name), content).expect("a file");
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// What the page's files must become with this answer.
fn wanted(creds: &Value) -> [(&'static str, String); 2] {
    let part = |name: &str| text(&creds[name]).to_owned();
    let (org, id, secret) = (
        part("organization_id"),
        part("client_id"),
        part("client_secret"),
    );
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: atlas-connection\n  namespace: \
         mongodb-atlas-system\n  labels:\n    atlas.mongodb.com/type: credentials\ntype: Opaque\n\
         stringData:\n  orgId: \"{org}\"\n  clientId: \"{id}\"\n  clientSecret: \"{secret}\"\n"
    );
    let variables = format!(
        "MONGODB_ATLAS_ORG_ID={org}\nMONGODB_ATLAS_CLIENT_ID={id}\n\
         MONGODB_ATLAS_CLIENT_SECRET={secret}\n"
    );
    [("connection.yaml", manifest), ("atlas.env", variables)]
}

/// Waits until the agent has rendered what the server answers now.
async fn rendered(mount: &Mount, folder: &Path, log: &Path) {
    let answer = mount.read("static-creds/operator").await;
    let give_up = Instant::now() + Duration::from_secs(30);
    for (name, content) in wanted(answer.data()) {
        let file = folder.join(name);
        while std::fs::read_to_string(&file).ok().as_ref() != Some(&content) {
            assert!(
                Instant::now() < give_up,
                "{name} is not as it should be: {:?}\n{}",
                std::fs::read_to_string(&file),
                std::fs::read_to_string(log).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn the_agent_renders_the_operators_secret_and_follows_a_rotation() {
    let (bao, mount) = Mount::at(MOUNT).await;
    let body = json!({ "org_id": mount.atlas.org(), "org_roles": ["ORG_MEMBER"] });
    let account = mount.atlas.control("POST", "/accounts", body).await;
    let role = json!({
        "client_id": account["client_id"], "organization_id": mount.atlas.org(),
        "rotation_period": "30d", "overlap": "2h",
    });
    let written = mount.write("static-roles/operator", role).await;
    assert!(written.ok(), "{written:?}");

    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let policy = PAGE.split("```hcl\n").nth(1).expect("a policy");
    let policy = policy.split_once("```").expect("its end").0;
    sign_up(&mount.client, folder, policy).await;
    for name in ["connection.yaml.tpl", "atlas.env.tpl"] {
        put(folder, name, shown(&format!("{FOLDER}/{name}")));
    }
    let config = shown(&format!("{FOLDER}/agent.hcl"))
        .replace("http://127.0.0.1:8200", &bao.address)
        .replace(FOLDER, folder.to_str().expect("a path of text"))
        .replace("= \"1m\"", "= \"1s\"");
    put(folder, "agent.hcl", &config);
    let log = folder.join("agent.log");
    let _agent = agent(&folder.join("agent.hcl"), &log);

    rendered(&mount, folder, &log).await;
    let rotated = mount
        .write("rotate-role/operator", json!({ "force": true }))
        .await;
    assert!(rotated.ok(), "{rotated:?}");
    rendered(&mount, folder, &log).await;
}

/// The name of the database user that the page's file has now.
fn user_in(file: &Path) -> Option<String> {
    let content = std::fs::read_to_string(file).ok()?;
    let rest = content.strip_prefix("MONGODB_URI=mongodb+srv://")?;
    Some(rest.split_once(':')?.0.to_owned())
}

#[tokio::test]
async fn the_agent_gives_an_application_the_next_database_user_before_the_last_one_ends() {
    let (bao, mount) = Mount::at(MOUNT).await;
    let role = json!({
        "credential_type": "database_user", "project_id": mount.atlas.project(0),
        "database_roles": "readWrite@orders", "ttl": "6s", "max_ttl": "12s",
    });
    let written = mount.write("roles/orders", role).await;
    assert!(written.ok(), "{written:?}");

    let temporary = tempfile::tempdir().expect("a folder");
    let (folder, place) = (temporary.path(), "/etc/orders");
    sign_up(&mount.client, folder, shown(&format!("{place}/policy.hcl"))).await;
    put(
        folder,
        "orders.env.tpl",
        shown(&format!("{place}/orders.env.tpl")),
    );
    let restarted = folder.join("restarted");
    let config = shown(&format!("{place}/agent.hcl"))
        .replace("http://127.0.0.1:8200", &bao.address)
        .replace(place, folder.to_str().expect("a path of text"))
        .replace(
            "\"systemctl\", \"restart\", \"orders\"",
            &format!("\"touch\", {restarted:?}"),
        );
    put(folder, "agent.hcl", &config);
    let log = folder.join("agent.log");
    let _agent = agent(&folder.join("agent.hcl"), &log);

    let file = folder.join("orders.env");
    let give_up = Instant::now() + Duration::from_mins(1);
    let wait = || async {
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(Instant::now() < give_up, "{}", said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let first = loop {
        if let Some(user) = user_in(&file).filter(|_| restarted.exists()) {
            break user;
        }
        wait().await;
    };
    std::fs::remove_file(&restarted).expect("the file that the agent made");
    let second = loop {
        if let Some(user) = user_in(&file).filter(|user| *user != first && restarted.exists()) {
            break user;
        }
        wait().await;
    };
    let names = |name: &str, all: &[String]| all.iter().any(|known| known.contains(name));
    let alive = mount.atlas.credentials().await;
    assert!(names(&first, &alive) && names(&second, &alive), "{alive:?}");
    while names(&first, &mount.atlas.credentials().await) {
        wait().await;
    }
}
