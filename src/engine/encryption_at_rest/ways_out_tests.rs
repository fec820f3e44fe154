//! What leads out where something does not end by itself, and where one answer must not shut a way.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::customer_tests::Customer;
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;
use crate::vault::Operation;

/// Half a year.
const LONG: u64 = 180 * 86_400;

impl Customer {
    async fn role_is_set_by_others(&self) {
        let role = self.read().await["role_id"].clone();
        self.set(self.block(&json!({"roleId": role}))).await;
    }
}

/// Atlas refuses the one before for good, and the clusters stop with the new one.
#[tokio::test]
async fn a_secret_that_works_takes_the_place_of_one_that_does_not() {
    for code in ["INVALID_AZURE_CREDENTIALS", "CONFLICT"] {
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        customer.kept("2200-01-31T12:00:00Z").await;
        TestMount::data(customer.rotate_unseen("wrong-one").await);
        let refused = json!({"kind": "answer", "status": 400, "code": code});
        customer.every_change_meets(refused).await;
        customer.mount.tick_for(8).await;
        assert_eq!(customer.read().await["valid"], json!(false));
        customer.mount.atlas.no_more_faults().await;
        // The way back is refused once more, and then Atlas takes the third one.
        let refused = json!({"kind": "answer", "status": 400, "code": code});
        customer.fault("updateEncryptionAtRest", refused).await;
        let good = customer.another_secret(LONG).await;
        TestMount::data(customer.rotate_unseen(&good).await);
        customer.mount.tick_for(3).await;
        assert!(customer.holds(&good).await, "{code}");
        customer.standing().await;
    }
}

/// The one before is still to be sent.
#[tokio::test]
async fn a_third_secret_that_is_refused_ends_no_way_back() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    let refused = json!({"kind": "answer", "status": 409, "code": "CONFLICT"});
    customer.every_change_meets(refused).await;
    customer.mount.tick_for(8).await;
    let third = customer.another_secret(LONG).await;
    customer.rotate_unseen(&third).await.expect_err("refused");
    customer.mount.atlas.no_more_faults().await;
    customer.mount.tick_for(5).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// Nobody knows then how the project stands.
#[tokio::test]
async fn a_refusal_without_a_look_ends_no_way_back() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    for _ in 0..9 {
        if customer.state().await == "rolling_back" {
            break;
        }
        customer.mount.tick_for(1).await;
    }
    assert_eq!(customer.state().await, "rolling_back");
    let refused = json!({"kind": "answer", "status": 409, "code": "CONFLICT"});
    customer.fault("updateEncryptionAtRest", refused).await;
    let busy = json!({
        "operation": "getEncryptionAtRest", "skip": 1, "count": 6,
        "action": {"kind": "answer", "status": 503},
    });
    customer.mount.atlas.fault(busy).await;
    customer.mount.tick_for(1).await;
    assert_eq!(customer.state().await, "rolling_back");
    customer.mount.atlas.no_more_faults().await;
    customer.mount.tick_for(4).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

#[tokio::test]
async fn no_settle_is_longer_than_atlas_waits() {
    let customer = Customer::new().await;
    let long = json!({"settle": "30m"});
    customer.private_with(long, json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(13).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// What others put back may be another secret of the same application.
#[tokio::test]
async fn a_secret_put_back_by_others_ends_what_was_proved_of_the_one_in_keeping() {
    let customer = Customer::new().await;
    let keep = json!({"keep_static": true});
    customer.private_with(keep, json!({})).await;
    customer.plant(|stored| stored["static"]["proved"] = json!(true));
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(30).await;
    assert_eq!(customer.read().await["way_back"], "available");
    let another = customer.another_secret(LONG).await;
    let private = json!({"requirePrivateNetworking": true, "secret": another});
    customer.set(customer.static_block(&private)).await;
    customer.mount.tick_for(31).await;
    assert_eq!(customer.read().await["way_back"], "unproved");
    let third = customer.another_secret(LONG).await;
    let given = json!({"client_secret": third, "accept_unvalidated": true});
    let refused = customer.rotate(given).await.expect_err("one word");
    let refused = refused.to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
}

/// He saw it fail, and may have thought again.
#[tokio::test]
async fn nothing_is_sent_for_a_caller_who_has_gone() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    let slow = json!({
        "operation": "listRestPrivateEndpoints",
        "action": {"kind": "delay", "seconds": 2},
    });
    customer.mount.atlas.fault(slow).await;
    let path = format!("{}/apply", customer.path);
    let both = json!({"accept_unvalidated": true, "accept_no_way_back": true});
    let gone = CancellationToken::new();
    let leave = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        gone.cancel();
    };
    let asked = customer.mount.write_until(&path, both, gone.clone());
    let (asked, ()) = tokio::join!(asked, leave);
    asked.expect_err("nobody is there");
    assert_eq!(customer.sent().await, 0);
    assert_eq!(customer.state().await, "registered");
}

/// The words were for the order that came to nothing.
#[tokio::test]
async fn words_of_an_order_that_was_not_taken_send_no_secret_over_a_role_of_others() {
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one"});
    customer.private_with(wrong, json!({})).await;
    customer.grant().await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer.with_both_consents().await.expect_err("unknown");
    let sent = customer.sent().await;
    customer.mount.tick_for(8).await;
    assert_eq!(customer.state().await, "failed");
    customer.role_is_set_by_others().await;
    let reachable = |on| json!({"reachable": on});
    let atlas = &customer.mount.atlas;
    atlas
        .control("POST", "/azure/vaults/v", reachable(false))
        .await;
    customer.mount.tick_for(12).await;
    assert_eq!(customer.sent().await, sent);
    assert_eq!(customer.read().await["mode"], "role");
}

/// Atlas takes what was called off a little later, and the grant is missing.
#[tokio::test]
async fn a_change_that_was_called_off_and_comes_late_goes_back_in_time() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer.with_both_consents().await.expect_err("unknown");
    customer.mount.atlas.no_more_faults().await;
    customer.roll_back().await.expect("called off");
    customer.role_is_set_by_others().await;
    customer.mount.tick_for(10).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// It may be an old answer.
#[tokio::test]
async fn one_false_at_the_order_takes_no_way_back_away() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.looks_show(customer.own_block(false), 1).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(10).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

#[tokio::test]
async fn an_entry_of_another_address_is_told_of_and_can_be_deleted() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(LONG).await;
    customer.every_change_meets(json!({"kind": "close"})).await;
    let given = json!({"client_secret": new});
    customer.rotate(given).await.expect_err("unknown");
    assert_eq!(customer.state().await, "rotating");
    let other = crate::engine::testing::Atlas::another().await;
    let config = other.key_and_organization();
    customer.mount.write("config", config).await.expect("taken");
    let lines = Lines::default();
    let _listening = lines.listen();
    customer.mount.tick_for(2).await;
    let told = lines.take("could not look at a project's encryption at rest");
    assert_eq!(told.len(), 1, "{told:?}");
    let told = customer
        .mount
        .read_warnings(&customer.path)
        .await
        .join("\n");
    assert!(told.contains("Atlas could not be asked since"), "{told}");
    let delete = async |fields| {
        let (mount, path) = (&customer.mount, &customer.path);
        mount.ask(Operation::Delete, path, fields).await
    };
    delete(json!({})).await.expect_err("not by accident");
    delete(json!({"force": true})).await.expect("forgotten");
}
