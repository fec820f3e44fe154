//! What comes late: a change that an order before had sent, a role that is shown again, a verdict at the last
//! minute, and the end of what would not end.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::Operation;

/// Half a year.
const LONG: u64 = 180 * 86_400;

fn conflict() -> Value {
    json!({"kind": "answer", "status": 409, "code": "CONFLICT"})
}

fn forbidden() -> Value {
    json!({"kind": "answer", "status": 403, "code": "USER_UNAUTHORIZED"})
}

impl Customer {
    /// An order with both words that meets this at Atlas.
    async fn ordered_and_met(&self, action: Value) {
        self.fault("updateEncryptionAtRest", action).await;
        self.with_both_consents().await.expect_err("not taken");
        self.mount.atlas.no_more_faults().await;
    }

    /// Another project proves what this one's change wants to know. Gives the path of that one.
    async fn proved_by_another(&self) -> String {
        self.encrypted_privately().await;
        self.registered_with(json!({})).await;
        self.grant().await;
        let other = self.another(&json!({})).await;
        self.apply_to(&other).await.expect("changed over");
        other
    }

    /// A change to which no answer came.
    async fn applied_and_lost(&self) {
        let away = json!({"kind": "close"});
        self.fault("updateEncryptionAtRest", away).await;
        self.apply().await.expect_err("unknown");
        self.mount.atlas.no_more_faults().await;
        assert_eq!(self.state().await, "applying");
    }

    async fn proved_by_another_and_lost(&self) {
        self.proved_by_another().await;
        self.applied_and_lost().await;
    }

    async fn no_answer_to(&self, operation: &str, count: u32, status: u16) {
        let fault = json!({
            "operation": operation, "count": count,
            "action": {"kind": "answer", "status": status, "code": "UNEXPECTED_ERROR"},
        });
        self.mount.atlas.fault(fault).await;
    }

    async fn delete(&self, given: Value) -> Outcome {
        let (mount, path) = (&self.mount, &self.path);
        mount.ask(Operation::Delete, path, given).await
    }
}

/// Atlas showed how all was before, or takes the first change only now; and the grant is missing.
#[tokio::test]
async fn a_second_order_that_is_refused_takes_no_words_from_the_first() {
    for is_taken in [true, false] {
        let customer = Customer::new().await;
        customer.private_with(json!({}), json!({})).await;
        if is_taken {
            customer.with_both_consents().await.expect("taken unseen");
            customer.looks_show(customer.own_block(true), 1).await;
        } else {
            customer.ordered_and_met(json!({"kind": "close"})).await;
            customer.roll_back().await.expect("called off");
        }
        customer.fault("updateEncryptionAtRest", conflict()).await;
        customer.with_both_consents().await.expect_err("refused");
        assert_eq!(customer.state().await, "failed", "{is_taken}");
        if !is_taken {
            customer.owner_sets_the_role().await;
        }
        customer.mount.tick_for(10).await;
        assert_eq!(customer.state().await, "static", "{is_taken}");
        assert_eq!(customer.standing().await["mode"], "static", "{is_taken}");
    }
}

/// Nothing of it was sent, and what is shown later is somebody else's.
#[tokio::test]
async fn words_that_atlas_did_not_take_are_none_for_a_role_of_others() {
    for is_called_off in [false, true] {
        for action in [conflict(), forbidden()] {
            let customer = Customer::new().await;
            let wrong = json!({"client_secret": "wrong-one"});
            customer.private_with(wrong, json!({})).await;
            customer.grant().await;
            if is_called_off {
                customer.ordered_and_met(json!({"kind": "close"})).await;
                customer.roll_back().await.expect("called off");
                // What it had sent comes no more.
                customer.mount.advance(Duration::from_mins(75)).await;
                customer.mount.tick_for(1).await;
            } else {
                customer.ordered_and_met(conflict()).await;
            }
            assert_eq!(customer.state().await, "failed");
            customer.ordered_and_met(action.clone()).await;
            let sent = customer.sent().await;
            customer.vault_is_open(false).await;
            customer.owner_sets_the_role().await;
            customer.mount.tick_for(12).await;
            let at = format!("{action} {is_called_off}");
            assert_eq!(customer.sent().await, sent, "{at}");
            assert_eq!(customer.read().await["mode"], "role", "{at}");
        }
    }
}

/// The words of the second order sent nothing, and the first was proved by another project.
#[tokio::test]
async fn words_that_were_refused_make_no_proved_change_an_unproved_one() {
    for action in [conflict(), forbidden()] {
        let customer = Customer::new().await;
        customer.proved_by_another_and_lost().await;
        assert_eq!(customer.entry()["unproved"], json!(false));
        customer.ordered_and_met(action.clone()).await;
        assert_eq!(customer.entry()["unproved"], json!(false), "{action}");
    }
}

/// Of two that are sent at a time nobody knows which Atlas takes last.
#[tokio::test]
async fn no_third_secret_is_sent_while_the_second_is_on_its_way() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    customer.mount.tick_for(8).await;
    assert_eq!(customer.state().await, "failed");
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    let second = customer.another_secret(LONG).await;
    customer.rotate_unseen(&second).await.expect_err("unknown");
    let sent = customer.sent().await;
    let third = customer.another_secret(LONG).await;
    let early = customer.rotate_unseen(&third).await;
    let early = early.expect_err("Atlas may be at work on it").to_string();
    assert!(early.contains("is rotating"), "{early}");
    assert_eq!(customer.sent().await, sent);
    assert!(!customer.stored().contains(&third));
    customer.mount.advance(Duration::from_mins(1)).await;
    TestMount::data(customer.rotate_unseen(&third).await);
    assert!(customer.holds(&third).await);
    customer.standing().await;
}

/// The registration may be this project's: its answer was lost.
#[tokio::test]
async fn without_a_list_no_principal_is_told_to_be_in_another_project() {
    for is_written_again in [false, true] {
        let customer = Customer::new().await;
        customer.encrypted().await;
        let lost = json!({"kind": "lose_answer"});
        customer.fault("createCloudProviderAccess", lost).await;
        customer
            .no_answer_to("listCloudProviderAccess", 0, 503)
            .await;
        customer.refused(customer.ids()).await;
        if is_written_again {
            let refused = customer.refused(customer.ids()).await;
            assert!(!refused.contains("another project"), "{refused}");
        }
        customer.mount.tick_for(3).await;
        let read = customer.read().await;
        assert_eq!(read["state"], "registering");
        let told = read["last_error"].to_string();
        assert!(!told.contains("another project"), "{told}");
        assert!(told.contains("listCloudProviderAccess"), "{told}");
        customer.mount.atlas.no_more_faults().await;
        customer.mount.tick_for(6).await;
        assert_eq!(customer.state().await, "registered");
        assert_eq!(customer.registrations().await, 1);
    }
}

/// It is sent again for an hour, once Atlas answers whether the other project still proves it.
#[tokio::test]
async fn a_proved_change_outlives_answers_that_prove_nothing() {
    let customer = Customer::new().await;
    customer.proved_by_another_and_lost().await;
    customer
        .no_answer_to("listRestPrivateEndpoints", 0, 503)
        .await;
    let sent = customer.sent().await;
    customer.mount.tick_for(12).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "applying");
    let told = read["last_error"].to_string();
    assert!(told.contains("listRestPrivateEndpoints"), "{told}");
    assert_eq!(customer.sent().await, sent);
    customer.mount.atlas.no_more_faults().await;
    customer.mount.tick_for(6).await;
    assert_eq!(customer.state().await, "observing");
    assert_eq!(customer.standing().await["mode"], "role");
}

#[tokio::test]
async fn an_answer_that_proves_nothing_does_not_hide_what_went_wrong_before() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.ordered_and_met(json!({"kind": "close"})).await;
    customer.no_answer_to("getEncryptionAtRest", 0, 503).await;
    customer.mount.tick_for(1).await;
    let told = customer.read().await["last_error"].to_string();
    assert!(told.contains("getEncryptionAtRest"), "{told}");
    customer.mount.atlas.no_more_faults().await;
    customer
        .no_answer_to("listRestPrivateEndpoints", 0, 403)
        .await;
    customer.mount.tick_for(3).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "applying");
    assert_eq!(read["last_error"].to_string(), told);
}

/// Atlas lets nobody look any more, and so it never comes to an end.
#[tokio::test]
async fn a_way_back_that_does_not_end_is_ended_by_force() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.back_is_allowed().await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer.roll_back().await.expect_err("unknown");
    customer.mount.atlas.no_more_faults().await;
    let fault = json!({"operation": "getEncryptionAtRest", "count": 0, "action": forbidden()});
    customer.mount.atlas.fault(fault).await;
    let force = json!({"force": true});
    customer.mount.tick_for(60).await;
    let early = customer.delete(force.clone()).await;
    let early = early.expect_err("it may be under way").to_string();
    assert!(early.contains("is rolling_back"), "{early}");
    customer.mount.tick_for(6).await;
    assert_eq!(customer.state().await, "rolling_back");
    customer.delete(json!({})).await.expect_err("no accident");
    let deleted = customer.delete(force).await;
    let warnings = TestMount::warnings(deleted).join("; ");
    for part in ["was rolling_back", "leave every password"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    assert!(!warnings.contains("another address"), "{warnings}");
    assert!(!customer.mount.storage.keys().contains(&customer.path));
}

/// Old answers end a short watch; then the role is shown again, and does not work.
#[tokio::test]
async fn a_role_that_is_shown_again_has_settled_since_its_order() {
    let customer = Customer::new().await;
    let fields = json!({"observe": "1m", "settle": "10m"});
    customer.private_with(fields, json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.looks_show(customer.own_block(true), 5).await;
    customer.mount.tick_for(3).await;
    assert_eq!(customer.state().await, "failed");
    customer.mount.tick_for(11).await;
    assert_eq!(customer.state().await, "static");
    assert_eq!(customer.standing().await["mode"], "static");
}

/// Somebody put the static secret back, and took that back; the vault is out of reach.
#[tokio::test]
async fn an_unproved_secret_is_not_sent_over_a_role_that_worked_before_its_watch_ended() {
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one", "observe": "10m"});
    customer.private_with(wrong, json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(8).await;
    assert_eq!(customer.read().await["valid"], json!(true));
    let private = json!({"requirePrivateNetworking": true});
    customer.set(customer.static_block(&private)).await;
    customer.mount.tick_for(5).await;
    assert_eq!(customer.state().await, "failed");
    let sent = customer.sent().await;
    customer.vault_is_open(false).await;
    customer.owner_sets_the_role().await;
    customer.mount.tick_for(30).await;
    assert_eq!(customer.sent().await, sent);
    assert_eq!(customer.read().await["mode"], "role");
}

/// Somebody put the static secret back before the role had worked, and then granted and set the role again; the
/// vault is out of reach for some minutes.
#[tokio::test]
async fn a_role_that_somebody_sets_again_has_its_time() {
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one", "observe": "10m"});
    customer.private_with(wrong, json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(2).await;
    let private = json!({"requirePrivateNetworking": true});
    customer.set(customer.static_block(&private)).await;
    customer.mount.tick_for(10).await;
    assert_eq!(customer.state().await, "failed");
    customer.grant().await;
    let sent = customer.sent().await;
    customer.vault_is_open(false).await;
    customer.owner_sets_the_role().await;
    customer.apply().await.expect("in force");
    customer.mount.tick_for(4).await;
    customer.vault_is_open(true).await;
    customer.mount.tick_for(4).await;
    assert_eq!(customer.sent().await, sent);
    assert_eq!(customer.read().await["mode"], "role");
    customer.standing().await;
}

/// The words sent what somebody replaced since, and the second order sent nothing.
#[tokio::test]
async fn words_for_what_was_put_back_are_none_for_a_role_of_others() {
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one", "observe": "1h"});
    customer.private_with(wrong, json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(2).await;
    let private = json!({"requirePrivateNetworking": true});
    customer.set(customer.static_block(&private)).await;
    customer.mount.tick_for(8).await;
    assert_eq!(customer.state().await, "observing");
    customer.mount.advance(Duration::from_mins(1)).await;
    customer.ordered_and_met(conflict()).await;
    let sent = customer.sent().await;
    customer.vault_is_open(false).await;
    customer.owner_sets_the_role().await;
    customer.mount.tick_for(20).await;
    assert_eq!(customer.sent().await, sent);
    assert_eq!(customer.read().await["mode"], "role");
}

/// The other project is gone, and this one is there.
#[tokio::test]
async fn a_proved_change_outlives_the_project_that_proved_it() {
    let customer = Customer::new().await;
    let other = customer.proved_by_another().await;
    // From then on it is looked at more seldom.
    customer.mount.tick_for(25).await;
    customer.applied_and_lost().await;
    let other = other.rsplit('/').next().expect("a project");
    let gone = json!({"kind": "answer", "status": 404, "code": "GROUP_NOT_FOUND"});
    let fault = json!({
        "operation": "getEncryptionAtRest", "path_prefix": format!("/api/atlas/v2/groups/{other}"),
        "count": 0, "action": gone,
    });
    customer.mount.atlas.fault(fault).await;
    customer.mount.tick_for(3).await;
    assert_eq!(customer.state().await, "applying");
}

/// A look at the end of the watch shows it for the first time, and the next one decides.
#[tokio::test]
async fn a_verdict_in_the_last_minute_takes_a_new_secret_back() {
    let customer = Customer::new().await;
    customer.proved().await;
    let late = json!({"private_valid_before_verdict": true, "private_verdict_seconds": 1170});
    customer.mount.atlas.settings(late).await;
    let lost = json!({"kind": "lose_answer"});
    customer.fault("updateEncryptionAtRest", lost).await;
    let given = json!({"client_secret": "wrong-one", "accept_unvalidated": true});
    customer.rotate(given).await.expect_err("unknown");
    customer.mount.tick_for(23).await;
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.state().await, "static");
    customer.standing().await;
}

/// What is not in keeping is not sent again.
#[tokio::test]
async fn where_no_secret_is_in_keeping_none_is_told_to_come_back() {
    for is_kept in [false, true] {
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        if is_kept {
            customer.kept("2200-01-31T12:00:00Z").await;
        }
        let rotated = customer.rotate_unseen("wrong-one").await;
        let told = TestMount::warnings(rotated).join("\n");
        assert_eq!(told.contains("is in force again"), is_kept, "{told}");
        assert_eq!(told.contains("rotate again"), !is_kept, "{told}");
        assert!(told.contains("leave both in Azure"), "{told}");
    }
}
