//! Every field of `status`, of a mount in good order and of mounts in trouble, is explained by a row of
//! the table "Fields of status" in `docs/runbook.md`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::testing::TestMount;

const RUNBOOK: &str = include_str!("../../docs/runbook.md");
const HEADING: &str = "\n## Fields of status\n";

/// Maps whose keys are no names of fields.
const MAPS: [&str; 3] = [
    "atlas.calls",
    "draining.remaining_by_state",
    "draining.remaining_by_type",
];

const DAY: Duration = Duration::from_hours(24);

/// The names in the first cell of each row.
fn rows() -> Vec<Vec<&'static str>> {
    let (_, section) = RUNBOOK.split_once(HEADING).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = lines.filter_map(|line| line.split(" | ").next());
    let names = |cell: &'static str| cell.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    cells.map(names).filter(|names| !names.is_empty()).collect()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// A row explains a field that it names in full; or by its last part, beside a name in full of the same
/// parent, of the parent, or of what holds the list that the field is in.
fn explains(row: &[&str], path: &str) -> bool {
    let (parent_of_it, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    let near = |name: &&str| {
        *name == parent_of_it || parent(name) == parent_of_it || parent(parent_of_it) == *name
    };
    row.contains(&path) || row.contains(&leaf) && row.iter().any(near)
}

/// The paths of all fields that hold a value; those of the items of a list as if it were one item.
fn gather(at: &str, value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = if MAPS.contains(&at) { "*" } else { name };
                let path = match at {
                    "" => name.to_owned(),
                    _ => format!("{at}.{name}"),
                };
                if !field.is_object() {
                    paths.insert(path.replace(".*", ""));
                }
                gather(&path, field, paths);
            }
        }
        Value::Array(items) => {
            for item in items {
                gather(at, item, paths);
            }
        }
        _ => {}
    }
}

async fn status(mount: &TestMount) -> Value {
    json!(TestMount::data(mount.read("status").await))
}

async fn refuse(mount: &TestMount, operation: &str, status: u16, count: u64) {
    let fault = json!({
        "operation": operation, "count": count,
        "action": {
            "kind": "answer", "status": status, "code": "ACCESS_FORBIDDEN",
            "headers": {"Retry-After": "600"},
        },
    });
    mount.atlas.fault(fault).await;
}

/// Revocations that Atlas refuses, a mount whose drain is blocked, and one clock that is wrong.
async fn of_a_blocked_drain() -> Value {
    let mount = TestMount::with_role(json!({})).await;
    mount.tick_for(16).await;
    let (_, lease) = mount.issue("reader").await;
    refuse(&mount, "deleteOrgApiKey", 403, 0).await;
    mount.revoke(&lease).await.expect_err("refused");
    let order = json!({ "organization_id": mount.atlas.org(), "dry_run": false });
    mount.write("issued-end", order).await.expect("ordered");
    mount.clock.jump(TimeDelta::hours(4));
    mount.tick().await.expect("a tick");
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let status = status(&mount).await;
        if status["draining"]["failing"] == 1 && !status["hold"]["clock"].is_null() {
            return status;
        }
        assert!(Instant::now() < give_up, "{status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Rotations that Atlas refuses with this status.
async fn of_rotations_that_fail(answer: u16) -> Value {
    let mount = TestMount::new().await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!("1d");
    mount.write("config", config).await.expect("configured");
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_period": "1d",
    });
    mount.write("static-roles/app", role).await.expect("a role");
    refuse(&mount, "createOrgSecret", answer, 0).await;
    mount.advance(DAY).await;
    mount.tick().await.expect("a tick");
    status(&mount).await
}

/// A secret whose creation got no answer, at an Atlas that does not tell its time.
async fn of_a_secret_that_is_anybodys() -> Value {
    let mut mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "credential_type": "service_account", "client_id": account.client_id,
        "organization_id": mount.atlas.org(),
    });
    mount.write("roles/shared", role).await.expect("a role");
    mount.atlas.set(json!({ "date_header": false })).await;
    mount.restart().await;
    mount.lose_a_secret(&account.client_id).await;
    mount.atlas.set(json!({ "date_header": true })).await;
    mount.tick_for(13).await;
    status(&mount).await
}

#[tokio::test]
async fn the_runbook_explains_every_field_of_status() {
    let mut paths = BTreeSet::new();
    for status in [
        of_a_blocked_drain().await,
        of_rotations_that_fail(403).await,
        of_rotations_that_fail(429).await,
        of_a_secret_that_is_anybodys().await,
    ] {
        gather("", &status, &mut paths);
    }
    for seen in [
        "ambiguous_secrets.secrets.candidates",
        "atlas.calls.last_error",
        "atlas.waiting_work.since",
        "configuration.rotation.rotation_failures",
        "draining.last_error",
        "hold.clock.reason",
        "journal.errors.during",
        "static_roles.failing_roles.name",
    ] {
        assert!(paths.contains(seen), "{seen} was not provoked: {paths:?}");
    }
    let rows = rows();
    paths.retain(|path| !rows.iter().any(|row| explains(row, path)));
    assert!(
        paths.is_empty(),
        "docs/runbook.md, \"Fields of status\", has no row for these: {paths:?}"
    );
}
