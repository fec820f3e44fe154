//! Projects with private networking, where Atlas takes a change unseen.

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::log_lines::Lines;
use crate::engine::testing::{Outcome, TestMount};

impl Customer {
    pub(super) async fn with_both_consents(&self) -> Outcome {
        let consents = json!({"accept_unvalidated": true, "accept_no_way_back": true});
        self.apply_with(consents).await
    }

    pub(super) async fn back_is_allowed(&self) {
        let allowed = json!({"static_credentials_after_role": "accept"});
        self.mount.atlas.settings(allowed).await;
    }

    /// The fields that switch encryption on with the customer's key.
    pub(super) fn enabling(&self) -> Value {
        let mut fields = json!({"enable": true});
        for (ours, theirs) in [
            ("subscription_id", "subscriptionID"),
            ("resource_group_name", "resourceGroupName"),
            ("key_vault_name", "keyVaultName"),
            ("key_identifier", "keyIdentifier"),
        ] {
            fields[ours] = self.key[theirs].clone();
        }
        fields
    }

    async fn assert_stays_private(&self) {
        for change in self.changes().await {
            let block = &change["azureKeyVault"];
            assert_eq!(block["requirePrivateNetworking"], json!(true), "{change}");
        }
        self.assert_only_credentials_were_sent().await;
    }
}

#[tokio::test]
async fn without_both_consents_nothing_is_sent() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.register().await;
    customer.grant().await;
    for consents in [
        json!({}),
        json!({"accept_unvalidated": true}),
        json!({"accept_no_way_back": true}),
    ] {
        let refused = customer.apply_with(consents.clone()).await;
        let refused = refused.expect_err("no consent").to_string();
        assert!(
            refused.contains("accept_no_way_back=true"),
            "{consents}: {refused}"
        );
    }
    assert_eq!(customer.changes().await.len(), 0);
    assert_eq!(customer.read().await["state"], "registered");
}

#[tokio::test]
async fn an_endpoint_that_is_not_up_is_in_the_way_of_any_consent() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.register().await;
    customer.grant().await;
    customer.endpoint(json!({"approved": false})).await;
    let refused = customer.with_both_consents().await.expect_err("not up");
    let refused = refused.to_string();
    assert!(
        refused.contains("private endpoint in US_EAST is PENDING_ACCEPTANCE"),
        "{refused}"
    );
    assert_eq!(customer.changes().await.len(), 0);
}

#[tokio::test]
async fn without_any_endpoint_no_consent_helps() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let private = json!({"requirePrivateNetworking": true});
    customer.set(customer.static_block(&private)).await;
    customer.register().await;
    customer.grant().await;
    let refused = customer.with_both_consents().await.expect_err("nowhere");
    let refused = refused.to_string();
    assert!(refused.contains("no private endpoint"), "{refused}");
    let dry = json!({"dry_run": true, "accept_unvalidated": true, "accept_no_way_back": true});
    let plan = TestMount::data(customer.apply_with(dry).await);
    assert_eq!(plan["obstacles"].as_array().map(Vec::len), Some(1));
    let obstacle = plan["obstacles"][0].to_string();
    assert!(obstacle.contains("no private endpoint"), "{obstacle}");
    let path = format!("{}/check", customer.path);
    let check = customer.mount.read(&path).await;
    let problems = TestMount::data(check)["problems"].to_string();
    assert!(problems.contains("no private endpoint"), "{problems}");
    assert_eq!(customer.changes().await.len(), 0);
}

/// Atlas takes the flag's lack for false, so that what was private would be reached by the internet.
#[tokio::test]
async fn switching_on_keeps_private_networking_and_wants_both_words() {
    let customer = Customer::new().await;
    customer.register().await;
    customer.grant().await;
    let off = json!({"enabled": false, "requirePrivateNetworking": true});
    customer.set(off).await;
    let mut fields = customer.enabling();
    let refused = customer.apply_with(fields.clone()).await;
    let refused = refused.expect_err("nowhere").to_string();
    assert!(refused.contains("no private endpoint"), "{refused}");
    customer
        .endpoint(json!({"create": true, "approved": true}))
        .await;
    let refused = customer.apply_with(fields.clone()).await;
    let refused = refused.expect_err("no consent").to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    let mut dry = fields.clone();
    dry["dry_run"] = json!(true);
    let plan = TestMount::data(customer.apply_with(dry).await);
    assert_eq!(plan["require_private_networking"], json!(true));
    let obstacles = plan["obstacles"].to_string();
    assert!(obstacles.contains("accept_no_way_back=true"), "{obstacles}");
    assert_eq!(customer.changes().await.len(), 0);
    fields["accept_unvalidated"] = json!(true);
    fields["accept_no_way_back"] = json!(true);
    // Where the answer is lost it is not sent again unless it is ordered again.
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    let again = fields.clone();
    customer.apply_with(fields).await.expect_err("unknown");
    customer.mount.tick_for(1).await;
    assert_eq!(customer.changes().await.len(), 1);
    customer.apply_with(again).await.expect("ordered again");
    assert_eq!(customer.state().await, "observing");
    assert_eq!(customer.changes().await.len(), 2);
    customer.assert_stays_private().await;
}

#[tokio::test]
async fn a_change_with_consent_is_watched_until_the_data_nodes_have_proved_it() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.registered_with(json!({})).await;
    customer.grant().await;
    let answer = TestMount::data(customer.with_both_consents().await);
    assert_eq!(
        (&answer["state"], &answer["valid"], &answer["invalid_since"]),
        (&json!("observing"), &json!(false), &Value::Null)
    );
    customer.mount.tick_for(2).await;
    assert_eq!(customer.read().await["valid"], json!(true));
    assert_eq!(customer.standing().await["holds_static"], json!(false));
    customer.mount.tick_for(19).await;
    assert_eq!(customer.read().await["state"], "applied");
    customer.assert_stays_private().await;
}

#[tokio::test]
async fn a_change_that_turns_out_bad_goes_back_by_itself_and_stops_nothing() {
    let lines = Lines::default();
    let _listening = lines.listen();
    for shown_early in [false, true] {
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        customer.registered_with(json!({})).await;
        customer.back_is_allowed().await;
        let early = json!({"private_valid_before_verdict": shown_early});
        customer.mount.atlas.settings(early).await;
        customer.with_both_consents().await.expect("taken unseen");
        customer.mount.tick_for(5).await;
        // Not before `settle`, nor at the first look.
        let read = customer.read().await;
        assert_eq!(read["state"], "observing");
        assert!(read["invalid_since"].is_string());
        customer.mount.tick_for(1).await;
        let read = customer.read().await;
        assert_eq!(
            (&read["state"], &read["mode"]),
            (&json!("static"), &json!("static"))
        );
        let warned = lines.take("hanged back to the static secret");
        assert_eq!(warned.len(), 1, "{warned:?}");
        customer.mount.tick_for(40).await;
        let standing = customer.standing().await;
        assert_eq!(
            (&standing["check"], &standing["stops"]),
            (&json!("usable"), &json!(0))
        );
        let read = customer.read().await;
        assert_eq!(
            (&read["way_back"], &read["valid"]),
            (&json!("available"), &json!(true))
        );
        customer.assert_stays_private().await;
    }
}

#[tokio::test]
async fn without_a_secret_in_keeping_or_where_atlas_refuses_people_are_told() {
    for has_secret in [false, true] {
        let lines = Lines::default();
        let _listening = lines.listen();
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        if has_secret {
            customer.registered_with(json!({})).await;
        } else {
            customer.register().await;
        }
        // The way back is refused from the moment of the change on.
        customer.with_both_consents().await.expect("taken unseen");
        customer.mount.tick_for(8).await;
        assert_eq!(lines.take("Atlas cannot use the project's key").len(), 1);
        let read = customer.read().await;
        assert_eq!(
            (&read["state"], &read["mode"]),
            (&json!("observing"), &json!("role"))
        );
        assert!(read["invalid_since"].is_string());
        let (way_back, sent) = if has_secret {
            ("refused by Atlas", 2)
        } else {
            ("no secret in keeping", 1)
        };
        assert_eq!(read["way_back"], way_back);
        assert_eq!(customer.changes().await.len(), sent, "tried once");
        customer.grant().await;
        customer.mount.tick_for(3).await;
        let read = customer.read().await;
        assert_eq!(
            (&read["valid"], &read["invalid_since"]),
            (&json!(true), &Value::Null)
        );
        customer.assert_stays_private().await;
    }
}

#[tokio::test]
async fn a_hold_holds_the_way_back_and_says_so_once() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.registered_with(json!({})).await;
    customer.back_is_allowed().await;
    customer.with_both_consents().await.expect("taken unseen");
    let hold = |on: bool| customer.mount.write("config", json!({"hold": on}));
    hold(true).await.expect("held");
    customer.mount.tick_for(8).await;
    assert_eq!(lines.take("on hold").len(), 1);
    assert_eq!(customer.changes().await.len(), 1);
    hold(false).await.expect("no longer held");
    customer.mount.tick_for(1).await;
    assert_eq!(customer.read().await["state"], "static");
}

#[tokio::test]
async fn another_project_with_the_same_vault_proves_the_grants() {
    let customer = Customer::new().await;
    let atlas = &customer.mount.atlas;
    let other = format!("encryption-at-rest/azure/{}", atlas.project(1));
    customer.encrypted_privately().await;
    customer.register().await;
    customer.grant().await;
    let block = customer.static_block(&json!({}));
    let given = json!({"project_id": atlas.project(1), "azureKeyVault": block});
    atlas.control("POST", "/encryption", given).await;
    customer
        .mount
        .write(&other, customer.ids())
        .await
        .expect("registered");
    customer.apply().await.expect_err("nothing is proved yet");
    let path = format!("{other}/apply");
    customer
        .mount
        .write(&path, json!({}))
        .await
        .expect("changed over");
    let plan = TestMount::data(customer.apply_with(json!({"dry_run": true})).await);
    assert_eq!(
        (&plan["proved_by"], &plan["obstacles"]),
        (&json!(atlas.project(1)), &json!([]))
    );
    // A proof of long ago is none, nor one of a project that is invalid by now.
    customer.revoke().await;
    customer.mount.tick_for(6).await;
    customer.apply().await.expect_err("it is no proof any more");
    customer.grant().await;
    customer.mount.tick_for(1).await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "observing");
    customer.mount.tick_for(2).await;
    assert_eq!(customer.read().await["valid"], json!(true));
}

#[tokio::test]
async fn going_back_from_a_key_that_can_be_used_needs_a_consent() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.registered_with(json!({})).await;
    customer.back_is_allowed().await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(2).await;
    let refused = customer.roll_back().await.expect_err("it works as it is");
    assert!(
        refused.to_string().contains("accept_unvalidated=true"),
        "{refused}"
    );
    let path = format!("{}/rollback", customer.path);
    // Nobody knows whether the secret in keeping works.
    let half = json!({"accept_unvalidated": true});
    let refused = customer.mount.write(&path, half).await;
    let refused = refused.expect_err("it is unproved").to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.changes().await.len(), 1);
    let back = json!({"accept_unvalidated": true, "accept_no_way_back": true});
    let answer = TestMount::data(customer.mount.write(&path, back.clone()).await);
    assert_eq!(
        (&answer["state"], &answer["way_back"]),
        (&json!("static"), &json!("unproved"))
    );
    // One look, or two of the first minutes, prove nothing of what was taken unseen.
    customer.mount.tick_for(2).await;
    assert_eq!(customer.read().await["way_back"], "unproved");
    customer.mount.tick_for(38).await;
    assert_eq!(customer.read().await["way_back"], "available");
    // That it worked once is no promise.
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(2).await;
    let half = json!({"accept_unvalidated": true});
    let refused = customer.mount.write(&path, half).await;
    let refused = refused.expect_err("it works as it is").to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    customer.mount.write(&path, back).await.expect("accepted");
    assert_eq!(customer.read().await["state"], "static");
    customer.assert_stays_private().await;
}

/// Before the data nodes' verdict, and where Atlas says nothing, nobody knows that the key is lost.
#[tokio::test]
async fn going_back_before_the_verdict_needs_a_consent_too() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let wrong = json!({"client_secret": "expired long ago"});
    customer.registered_with(wrong).await;
    customer.back_is_allowed().await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    assert_ne!(customer.read().await["valid"], json!(true));
    let refused = customer.roll_back().await.expect_err("not tried yet");
    assert!(
        refused.to_string().contains("accept_no_way_back=true"),
        "{refused}"
    );
    assert_eq!(customer.changes().await.len(), 1);
    customer.mount.tick_for(2).await;
    assert_eq!(customer.read().await["valid"], json!(true));
}

#[tokio::test]
async fn a_change_that_is_taken_unseen_is_not_sent_again_unless_it_is_ordered_again() {
    let mut customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.registered_with(json!({})).await;
    customer.grant().await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    customer.with_both_consents().await.expect_err("unknown");
    // Earlier builds kept the words for that.
    customer.plant(|stored| {
        stored["accepted"] = json!({"unvalidated": true, "no_way_back": true});
        stored["began_by_itself"] = json!(true);
    });
    customer.mount.restart().await;
    customer.mount.tick_for(4).await;
    assert_eq!(customer.state().await, "applying");
    customer.mount.tick_for(4).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let told = read["last_error"].to_string();
    assert!(told.contains("unless it is ordered again"), "{told}");
    assert_eq!(customer.changes().await.len(), 1);
    customer.apply().await.expect_err("without words");
    customer.with_both_consents().await.expect("ordered again");
    assert_eq!(customer.state().await, "observing");
    customer.assert_stays_private().await;
}
