//! The plan: what stands in the way of each project, and that nothing is changed by asking.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fleet_tests::{Fleet, row};
use crate::engine::testing::TestMount;

#[tokio::test]
async fn each_project_has_its_verdict_and_nothing_is_changed() {
    let fleet = Fleet::new(8).await;
    fleet.hand_in(0).await;
    // Changed over by hand, so that its key is proved.
    fleet.customer.grant().await;
    let path = format!("encryption-at-rest/azure/{}", fleet.projects[1]);
    let mount = fleet.mount();
    mount
        .write(&path, fleet.customer.ids())
        .await
        .expect("registered");
    let applied = mount.write(&format!("{path}/apply"), json!({})).await;
    applied.expect("changed over");
    fleet.set_block(2, json!({})).await;
    fleet.make_private(3, true).await;
    fleet.make_private(4, false).await;
    fleet.set(5, json!({"secret": "expired long ago"})).await;
    let forbidden = json!({
        "operation": "getEncryptionAtRest", "count": 0,
        "path_prefix": format!("/api/atlas/v2/groups/{}", fleet.projects[6]),
        "action": {"kind": "answer", "status": 401, "code": "USER_UNAUTHORIZED"},
    });
    mount.atlas.fault(forbidden).await;
    // A private project of another key.
    let atlas = &mount.atlas;
    fleet.make_private(7, true).await;
    let mut block = fleet.other_key().await;
    block["requirePrivateNetworking"] = json!(true);
    fleet.set(7, block).await;
    let before = atlas.state().await["projects"].clone();
    atlas.forget_requests().await;

    let data = fleet.plan(json!({})).await;

    assert_eq!(data["state"], "planned");
    let verdicts = |number: usize| row(&data, &fleet.projects[number])["verdicts"].clone();
    assert_eq!(verdicts(0), json!(["ready"]));
    assert_eq!(verdicts(1), json!(["already on a role"]));
    assert_eq!(verdicts(2), json!(["not enabled"]));
    let proved = format!("same vault proved by {}", fleet.projects[1]);
    assert_eq!(verdicts(3), json!([proved, "way back: none"]));
    assert_eq!(verdicts(4), json!(["endpoint not ACTIVE: US_EAST_2"]));
    assert_eq!(verdicts(5), json!(["invalid now"]));
    assert_eq!(verdicts(6), json!(["no permission"]));
    assert_eq!(
        verdicts(7),
        json!(["needs accept_unvalidated", "way back: none"])
    );
    let told = row(&data, &fleet.projects[6]);
    assert!(
        told["error"]
            .as_str()
            .expect("why")
            .contains("USER_UNAUTHORIZED")
    );
    assert_eq!((&data["ready"], &data["skipped"]), (&json!(3), &json!(5)));
    // Once for each vault.
    let grants = data["grants"].as_array().expect("commands");
    assert_eq!(grants.len(), 4, "{grants:?}");
    let operations = atlas.operations().await;
    let asked: Vec<&String> = operations.as_object().expect("counts").keys().collect();
    for operation in asked {
        let reads = operation.starts_with("get") || operation.starts_with("list");
        assert!(reads, "{operation}");
    }
    assert_eq!(atlas.state().await["projects"], before);
}

#[tokio::test]
async fn all_static_projects_are_found() {
    let fleet = Fleet::new(3).await;
    fleet.set_block(2, json!({})).await;
    let mut body = fleet.customer.ids();
    body["all_static"] = json!(true);
    let data = TestMount::data(fleet.write(body).await);
    let mut found: Vec<&str> = data["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["project_id"].as_str())
        .collect();
    found.sort_unstable();
    let mut want = vec![fleet.projects[0].as_str(), fleet.projects[1].as_str()];
    want.sort_unstable();
    assert_eq!(found, want);
}

#[tokio::test]
async fn the_canary_is_one_that_can_be_changed() {
    let fleet = Fleet::new(3).await;
    fleet.set_block(0, json!({})).await;
    let first = fleet.plan(json!({})).await;
    assert_eq!(first["canary"], fleet.projects[1]);
    let chosen = fleet.plan(json!({"canary": fleet.projects[2]})).await;
    assert_eq!(chosen["canary"], fleet.projects[2]);
    assert_eq!(chosen["rows"][0]["project_id"], fleet.projects[2]);
    let wrong = fleet
        .write(json!({"canary": fleet.projects[0], "action": "start"}))
        .await;
    let answer = wrong.expect("an answer").expect("an answer");
    let told = format!("canary: project {} is not enabled", fleet.projects[0]);
    assert_eq!(answer.warnings, [told]);
    let data = answer.data.expect("data");
    assert_eq!(
        (&data["state"], &data["started_at"]),
        (&json!("planned"), &Value::Null)
    );
}

#[tokio::test]
async fn the_document_names_what_a_read_shows() {
    let fleet = Fleet::new(1).await;
    let data = fleet.plan(json!({})).await;
    let shown: BTreeSet<&str> = data.keys().map(String::as_str).collect();
    let declared = super::shown::answer();
    let declared: BTreeSet<&str> = declared.iter().map(|field| field.name).collect();
    assert_eq!(shown, declared);
}

#[tokio::test]
async fn every_fault_of_a_write_is_named() {
    let fleet = Fleet::new(1).await;
    let refused = fleet
        .refused(json!({
            "project_ids": ["x"], "tenant_id": "y", "canary": "z", "observe": "25h",
            "interval": "0s", "max_failures": 0,
        }))
        .await;
    for field in [
        "project_ids",
        "tenant_id",
        "service_principal_id",
        "canary",
        "observe",
        "interval",
        "max_failures",
    ] {
        assert!(
            refused.contains(&format!("{field}: ")),
            "{field}: {refused}"
        );
    }
    let nothing = fleet.refused(json!({"dry_run": true})).await;
    assert!(
        nothing.contains("project_ids or all_static=true"),
        "{nothing}"
    );
    let mut many = fleet.all();
    many["project_ids"] = json!(
        (0..1_001)
            .map(|id| format!("{id:024x}"))
            .collect::<Vec<_>>()
    );
    let refused = fleet.refused(many).await;
    assert!(refused.contains("at most 1000 projects"), "{refused}");
    for action in ["pause", "resume", "rollback"] {
        let refused = fleet.refused(json!({ "action": action })).await;
        assert!(refused.contains("no such migration"), "{refused}");
    }
    let odd = fleet.refused(json!({"action": "stop"})).await;
    assert!(odd.contains("start, pause, resume or rollback"), "{odd}");
    let mut both = fleet.all();
    both["action"] = json!("start");
    both["dry_run"] = json!(true);
    let refused = fleet.refused(both).await;
    assert!(refused.contains("dry_run: "), "{refused}");
    fleet.plan(json!({})).await;
    let refused = fleet.refused(json!({"action": "rollback"})).await;
    assert!(refused.contains("nothing to roll back"), "{refused}");
    let refused = fleet.refused(json!({"action": "pause"})).await;
    assert!(
        refused.contains("while this migration is planned"),
        "{refused}"
    );
    // Nobody starts something by way of a pause that there was not.
    let refused = fleet.refused(json!({"action": "resume"})).await;
    assert!(
        refused.contains("resume means nothing while this migration is planned"),
        "{refused}"
    );
}
