//! What nobody knows of the real Atlas, each as it may be: a project ends on its role or as it was before,
//! no cluster stops, and what came to nothing is told.

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;

/// How Atlas may be. Without more it lets projects go back.
fn atlases() -> [Value; 9] {
    [
        json!({}),
        json!({"static_azure_credentials": "refuse"}),
        json!({"azure_role_needs_authorization": false}),
        json!({"private_static_dropped_at_once": true}),
        json!({"valid_while_unreachable": true}),
        json!({"omitted_private_networking": "kept"}),
        json!({"private_valid_before_verdict": true}),
        json!({"private_valid_before_verdict": true, "private_static_dropped_at_once": true}),
        json!({"static_credentials_after_role": "unproved"}),
    ]
}

impl Customer {
    /// A project with its secret in keeping, in an Atlas that is so.
    async fn of(settings: &Value, is_private: bool) -> Self {
        let customer = Self::new().await;
        if is_private {
            customer.encrypted_privately().await;
        } else {
            customer.encrypted().await;
        }
        customer.registered_with(json!({})).await;
        customer.back_is_allowed().await;
        customer.mount.atlas.settings(settings.clone()).await;
        customer
    }

    async fn ends(&self, mode: &str, what: &str) {
        let standing = self.standing().await;
        assert_eq!(standing["mode"], mode, "{what}: {standing}");
        assert_eq!(standing["check"], "usable", "{what}: {standing}");
        assert_eq!(self.read().await["mode"], mode, "{what}");
        self.assert_only_credentials_were_sent().await;
        for change in self.changes().await {
            let private = &change["azureKeyVault"]["requirePrivateNetworking"];
            assert!(*private != json!(false), "{what}: {change}");
        }
    }

    async fn reachable(&self, is_so: bool) {
        let vault = json!({"reachable": is_so});
        let atlas = &self.mount.atlas;
        atlas.control("POST", "/azure/vaults/v", vault).await;
    }
}

#[tokio::test]
async fn with_its_grants_a_project_ends_on_its_role() {
    for settings in atlases() {
        for is_private in [false, true] {
            let what = format!("{settings}, private: {is_private}");
            let customer = Customer::of(&settings, is_private).await;
            customer.grant().await;
            let applied = customer.with_both_consents().await;
            applied.unwrap_or_else(|error| panic!("{what}: {error}"));
            customer.mount.tick_for(25).await;
            customer.ends("role", &what).await;
            assert_eq!(customer.read().await["state"], "applied", "{what}");
        }
    }
}

#[tokio::test]
async fn without_its_grants_a_project_is_as_before_and_that_is_told() {
    for settings in atlases() {
        // There the way back is closed, which was accepted with the second word.
        let is_closed = settings["static_azure_credentials"] == "refuse";
        for is_private in [false, true] {
            // There a role that never worked looks as if it did, and an unproved secret is not sent over it.
            let is_feigned = settings["private_valid_before_verdict"] == true
                && settings["private_static_dropped_at_once"] == true;
            if is_private && (is_closed || is_feigned) {
                continue;
            }
            let what = format!("{settings}, private: {is_private}");
            let customer = Customer::of(&settings, is_private).await;
            let applied = customer.with_both_consents().await;
            assert_eq!(applied.is_ok(), is_private, "{what}");
            customer.mount.tick_for(45).await;
            customer.ends("static", &what).await;
            let told = customer.read().await["last_error"].to_string();
            let why = if is_private {
                "look at the grants"
            } else {
                "INVALID_AZURE_CREDENTIALS"
            };
            assert!(told.contains(why), "{what}: {told}");
        }
    }
}

#[tokio::test]
async fn a_vault_out_of_reach_for_a_while_stops_nothing() {
    for seen_valid in [false, true] {
        for is_private in [false, true] {
            let what = format!("valid: {seen_valid}, private: {is_private}");
            let settings = json!({"valid_while_unreachable": seen_valid});
            let customer = Customer::of(&settings, is_private).await;
            customer.grant().await;
            TestMount::data(customer.with_both_consents().await);
            customer.mount.tick_for(2).await;
            customer.reachable(false).await;
            customer.mount.tick_for(30).await;
            customer.reachable(true).await;
            customer.mount.tick_for(30).await;
            let read = customer.read().await;
            let mode = read["mode"].as_str().expect("a mode").to_owned();
            let state = if mode == "role" { "applied" } else { "static" };
            assert_eq!(read["state"], state, "{what}: {read:?}");
            assert!(is_private || mode == "role", "{what}: {read:?}");
            customer.ends(&mode, &what).await;
        }
    }
}

#[tokio::test]
async fn an_atlas_that_takes_no_static_secret_any_more_says_so() {
    let without = json!({"static_azure_credentials": "refuse"});
    for is_private in [false, true] {
        let customer = Customer::of(&without, is_private).await;
        let new = customer.another_secret(LONG).await;
        let refused = customer.rotate_unseen(&new).await.expect_err("refused");
        let refused = refused.to_string();
        assert!(refused.contains("register the principal"), "{refused}");
        assert_eq!(customer.read().await["state"], "failed");
        assert!(customer.holds(&customer.secret).await);
        assert!(!customer.entry().to_string().contains(&new));
        customer.ends("static", "rotate").await;

        customer.grant().await;
        TestMount::data(customer.with_both_consents().await);
        customer.mount.tick_for(2).await;
        let path = format!("{}/rollback", customer.path);
        let both = json!({"accept_unvalidated": true, "accept_no_way_back": true});
        let refused = customer.mount.write(&path, both).await;
        let refused = refused.expect_err("refused").to_string();
        for part in [
            "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED",
            "nothing was changed",
        ] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        let read = customer.read().await;
        assert_eq!(
            (&read["state"], &read["way_back"]),
            (&json!("observing"), &json!("refused by Atlas"))
        );
        customer.mount.tick_for(25).await;
        assert_eq!(customer.read().await["state"], "applied");
        customer.ends("role", "rollback").await;
    }
}

/// The project itself shows none, as it is another's.
#[tokio::test]
async fn a_principal_that_serves_in_one_project_alone_is_told_as_such() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let everywhere = json!({"azure_principal_unique_everywhere": true});
    customer.mount.atlas.settings(everywhere).await;
    let new = json!({"org_id": customer.mount.atlas.org(), "name": "another"});
    let made = customer.mount.atlas.control("POST", "/projects", new).await;
    let project = made["id"].as_str().expect("an id");
    let path = format!("encryption-at-rest/azure/{project}");
    let refused = customer.mount.write(&path, customer.ids()).await;
    let refused = refused.expect_err("another's").to_string();
    for part in [
        "DUPLICATE_AZURE_SERVICE_PRINCIPAL",
        "in another project",
        project,
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    // Nothing came of it.
    let read = customer.mount.read(&path).await.expect("an answer");
    assert!(read.is_none(), "{read:?}");
}
