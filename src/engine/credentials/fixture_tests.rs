//! What is kept of this version's leases is what it hands out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::engine::testing::fixtures::leases;

fn names<'a>(keys: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    keys.map(String::as_str).collect()
}

#[tokio::test]
async fn the_kept_leases_have_the_shapes_of_those_that_are_handed_out() {
    let mount = TestMount::configured().await;
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let account = mount.atlas.make_account(0, json!({})).await;
    let of_org = |kind: &str| json!({ "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER" });
    let of_project = |kind: &str| json!({ "credential_type": kind, "project_id": project });
    let mut user = of_project("database_user");
    user["database_roles"] = json!("read@app");
    user["wait"] = json!(0);
    let shared = json!({
        "credential_type": "service_account", "organization_id": org, "client_id": account,
    });
    let kept = leases();
    for (lease, role) in [
        ("programmatic_api_key", of_org("programmatic_api_key")),
        ("service_account", of_org("service_account")),
        ("service_account_secret", shared),
        ("access_token", of_org("access_token")),
        ("ai_model_key", of_project("ai_model_key")),
        ("database_user", user),
    ] {
        let path = format!("roles/{lease}");
        mount.write(&path, role).await.expect("a role");
        let (_, handed_out) = mount.issue(lease).await;
        let kept = kept.get(lease).and_then(Value::as_object).expect("a lease");
        let shape = names(handed_out.internal_data.keys());
        assert_eq!(names(kept.keys()), shape, "{lease}");
        let of_kind = &handed_out.internal_data["secret_type"];
        assert_eq!(kept["secret_type"], *of_kind, "{lease}");
        mount.revoke(&handed_out).await.expect("revoked");
    }
}
