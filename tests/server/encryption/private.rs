//! Projects that require private networking: Atlas takes a change unseen, and stops the clusters a
//! quarter of an hour later if a grant is missing.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer::Customer;
use super::time::Timed;

impl Customer {
    /// A new project that signs in with the static secret through a private endpoint that is up.
    pub(super) async fn private(&self, name: &str, key: &Value) -> String {
        let project = self.project(name).await;
        let mut key = key.clone();
        key["requirePrivateNetworking"] = json!(true);
        let endpoint = json!({
            "project_id": project, "region": "US_EAST_2", "create": true, "approved": true,
        });
        self.control("/private-endpoints", endpoint).await;
        self.encrypt(&project, &key, &self.secret).await;
        project
    }
}

fn consent() -> Value {
    json!({ "accept_unvalidated": true, "accept_no_way_back": true })
}

#[tokio::test]
async fn a_private_project_is_changed_with_consent_or_proof_alone() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-private").await;
    let project = customer.private("private", &key).await;
    let before = customer.held(&project).await;
    customer.register(&project, true).await;
    customer.grant("kv-private").await;
    for half in [
        json!({}),
        json!({ "accept_unvalidated": true }),
        json!({ "accept_no_way_back": true }),
    ] {
        let refused = customer.order(&project, "apply", half.clone()).await;
        assert_eq!(refused.status, 400, "{half}: {refused:?}");
        let said = refused.errors();
        assert!(said.contains("private networking"), "{half}: {said}");
    }
    let endpoint =
        |trouble| json!({ "project_id": project, "region": "US_EAST_2", "trouble": trouble });
    customer
        .control("/private-endpoints", endpoint(json!("FAILED")))
        .await;
    let refused = customer.order(&project, "apply", consent()).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let said = refused.errors();
    assert!(
        said.contains("private endpoint in US_EAST_2 is FAILED"),
        "{said}"
    );
    customer
        .control("/private-endpoints", endpoint(Value::Null))
        .await;
    assert_eq!(customer.held(&project).await, before);
    assert!(customer.changes(&project).await.is_empty());

    // Another project shows that the principal can use this very key.
    let public = customer.encrypted("public", &key).await;
    customer.register(&public, false).await;
    let applied = customer.order(&public, "apply", json!({})).await;
    assert_eq!(applied.data()["valid"], true);
    let applied = customer.order(&project, "apply", json!({})).await;
    assert_eq!(applied.data()["state"], "observing", "{applied:?}");
    assert_eq!(customer.standing(&project).await["mode"], "role");
    customer.nothing_else_was_touched().await;
}

/// With a missing grant: what has a way back is taken back before Atlas looks, and of what has none
/// everybody is told.
#[tokio::test]
async fn a_private_project_without_a_grant_is_taken_back_before_atlas_stops_it() {
    let timed = Timed::new().await;
    let customer = &timed.customer;
    let settings = json!({ "static_credentials_after_role": "unproved" });
    customer.mount.atlas.settings(settings).await;
    let key = customer.vault("kv").await;
    let back = customer.private("back", &key).await;
    let stuck = customer.private("stuck", &key).await;
    let before = customer.held(&back).await;
    for (project, keeps) in [(&back, true), (&stuck, false)] {
        customer.register(project, keeps).await;
        let applied = customer.order(project, "apply", consent()).await;
        assert_eq!(applied.data()["state"], "observing", "{applied:?}");
    }

    timed.passes(Duration::from_mins(6)).await;
    timed.reaches(&back, "static").await;
    assert_eq!(customer.held(&back).await, before);
    timed
        .until("the invalid key", async || {
            timed.shows(&stuck, "valid").await == json!(false)
        })
        .await;
    let status = customer.mount.read("status").await;
    assert_eq!(
        status.data()["encryption_at_rest"]["invalid"],
        1,
        "{status:?}"
    );
    let check = customer.check(&stuck).await;
    assert_eq!(check.data()["ok"], false, "{check:?}");
    for told in [
        "changed back to the static secret: Atlas could not use the key by the role",
        "Atlas cannot use the project's key, and stops its clusters at its next check",
    ] {
        timed.bao.log.tells(told).await;
    }
    customer.grant("kv").await;
    timed.passes(Duration::from_mins(2)).await;
    timed
        .until("the valid key", async || {
            timed.shows(&stuck, "valid").await == json!(true)
        })
        .await;
    customer.is_on_its_role(&stuck).await;
    customer.nothing_else_was_touched().await;
}
