//! Two mishaps at once: a lost answer, an old one, a refusal or an outage, and what then comes of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::{Atlas, TestMount};

/// Half a year.
const LONG: u64 = 180 * 86_400;

impl Customer {
    /// A new secret does not work, and no answer came when the one before was sent again.
    async fn way_back_without_an_answer(&self) {
        self.encrypted_privately().await;
        self.kept("2200-01-31T12:00:00Z").await;
        TestMount::data(self.rotate_unseen("wrong-one").await);
        let away = json!({"kind": "close"});
        self.fault("updateEncryptionAtRest", away).await;
        for _ in 0..9 {
            if self.state().await == "rolling_back" {
                break;
            }
            self.mount.tick_for(1).await;
        }
        assert_eq!(self.state().await, "rolling_back");
    }

    /// A secret of which Atlas took another after it: it is known to work.
    pub(super) async fn proved(&self) {
        self.encrypted_privately().await;
        self.kept("2200-01-31T12:00:00Z").await;
        self.plant(|stored| stored["static"]["proved"] = json!(true));
    }

    pub(super) async fn owner_sets_the_role(&self) {
        let role = self.read().await["role_id"].clone();
        self.set(self.block(&json!({"roleId": role}))).await;
    }

    pub(super) async fn vault_is_open(&self, is_so: bool) {
        let vault = json!({"reachable": is_so});
        let atlas = &self.mount.atlas;
        atlas.control("POST", "/azure/vaults/v", vault).await;
    }
}

/// The first looks after the change show how all was before, and nobody put it back.
#[tokio::test]
async fn old_answers_after_a_change_end_no_proof_of_the_secret_before() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.plant(|stored| stored["static"]["proved"] = json!(true));
    customer.looks_show(customer.own_block(true), 3).await;
    customer.with_both_consents().await.expect("taken unseen");
    // As where another project proved the grants.
    customer.plant(|stored| stored["unproved"] = json!(false));
    customer.mount.tick_for(12).await;
    assert_eq!(customer.standing().await["mode"], "static");
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// Nothing else would send it again.
#[tokio::test]
async fn a_way_back_from_a_new_secret_goes_on_after_an_outage() {
    let customer = Customer::new().await;
    customer.way_back_without_an_answer().await;
    customer.mount.advance(Duration::from_mins(70)).await;
    customer.mount.tick_for(3).await;
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.state().await, "static");
}

/// Somebody else's change has its time to prove itself, whatever was ordered here before.
#[tokio::test]
async fn a_role_of_others_after_an_order_that_ended_settles_like_any() {
    for is_refused in [true, false] {
        let customer = Customer::new().await;
        customer.private_with(json!({}), json!({})).await;
        customer.grant().await;
        if is_refused {
            let refused = json!({"kind": "answer", "status": 409, "code": "CONFLICT"});
            customer.fault("updateEncryptionAtRest", refused).await;
            customer.with_both_consents().await.expect_err("refused");
        } else {
            let away = json!({"kind": "close"});
            customer.fault("updateEncryptionAtRest", away).await;
            customer.with_both_consents().await.expect_err("unknown");
            customer.roll_back().await.expect("called off");
        }
        assert_eq!(customer.state().await, "failed");
        customer.mount.tick_for(6).await;
        let sent = customer.sent().await;
        customer.vault_is_open(false).await;
        customer.owner_sets_the_role().await;
        customer.mount.tick_for(4).await;
        customer.vault_is_open(true).await;
        customer.mount.tick_for(4).await;
        assert_eq!(customer.sent().await, sent, "{is_refused}");
        assert_eq!(customer.read().await["mode"], "role", "{is_refused}");
        customer.standing().await;
    }
}

/// They were for the order, and nothing of that is left.
#[tokio::test]
async fn words_of_an_order_that_was_refused_send_no_secret_over_a_role_of_others() {
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one"});
    customer.private_with(wrong, json!({})).await;
    customer.grant().await;
    let refused = json!({"kind": "answer", "status": 409, "code": "CONFLICT"});
    customer.fault("updateEncryptionAtRest", refused).await;
    customer.with_both_consents().await.expect_err("refused");
    let sent = customer.sent().await;
    customer.owner_sets_the_role().await;
    customer.vault_is_open(false).await;
    customer.mount.tick_for(12).await;
    assert_eq!(customer.sent().await, sent);
    assert_eq!(customer.read().await["mode"], "role");
}

/// The one before may be in force already.
#[tokio::test]
async fn a_secret_that_does_not_work_is_not_sent_over_the_one_before() {
    let customer = Customer::new().await;
    customer.way_back_without_an_answer().await;
    customer.mount.advance(Duration::from_mins(2)).await;
    for given in [json!({}), json!({"client_secret": "wrong-one"})] {
        let mut words = given;
        words["accept_unvalidated"] = json!(true);
        words["accept_no_way_back"] = json!(true);
        let refused = customer.rotate(words).await.expect_err("under way");
        let refused = refused.to_string();
        assert!(refused.contains("is rolling_back"), "{refused}");
    }
    let told = customer.mount.read_warnings(&customer.path).await;
    let told = told.join("\n");
    assert!(!told.contains("without client_secret"), "{told}");
    customer.mount.tick_for(2).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// Of two that are sent at a time nobody knows which Atlas takes last.
#[tokio::test]
async fn no_third_secret_is_sent_while_the_one_before_is_on_its_way() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    let refused = json!({"kind": "answer", "status": 409, "code": "CONFLICT"});
    customer.every_change_meets(refused).await;
    customer.mount.tick_for(8).await;
    assert_eq!(customer.state().await, "rotating");
    customer.mount.atlas.no_more_faults().await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    let third = customer.another_secret(LONG).await;
    for _ in 0..2 {
        let sent = customer.sent().await;
        customer.rotate_unseen(&third).await.expect_err("unknown");
        assert!(customer.sent().await <= sent + 1);
        assert_eq!(customer.state().await, "rolling_back");
        assert!(!customer.stored().contains(&third));
        assert!(!customer.holds(&third).await);
    }
    customer.mount.advance(Duration::from_mins(1)).await;
    TestMount::data(customer.rotate_unseen(&third).await);
    assert!(customer.holds(&third).await);
}

/// A typing mistake, and a lost answer.
#[tokio::test]
async fn a_new_secret_without_an_answer_makes_way_for_another_and_ends() {
    for is_corrected in [true, false] {
        let customer = Customer::new().await;
        customer.proved().await;
        customer.plant(|stored| stored["observe"] = json!(86_400_000_000_000_u64));
        let away = json!({"kind": "close"});
        customer.fault("updateEncryptionAtRest", away).await;
        let new = customer.another_secret(LONG).await;
        customer.rotate_unseen(&new).await.expect_err("unknown");
        let third = customer.another_secret(LONG).await;
        let early = customer.rotate_unseen(&third).await;
        early.expect_err("Atlas may be at work on it");
        customer.mount.tick_for(7).await;
        let read = customer.read().await;
        assert_eq!(read["state"], "rotating");
        let told = read["last_error"].to_string();
        assert!(told.contains("leave both in Azure"), "{told}");
        if is_corrected {
            TestMount::data(customer.rotate_unseen(&third).await);
            assert!(customer.holds(&third).await);
        } else {
            customer.mount.tick_for(18).await;
            assert_eq!(customer.state().await, "failed");
        }
        customer.standing().await;
    }
}

/// Nothing is tried there, and what has begun goes on where it belongs.
#[tokio::test]
async fn an_address_that_is_wrong_for_a_while_ends_no_way_back() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.back_is_allowed().await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer.roll_back().await.expect_err("unknown");
    let config = async |config: Value| {
        let written = customer.mount.write("config", config).await;
        written.expect("taken");
    };
    let other = Atlas::another().await;
    config(other.key_and_organization()).await;
    customer.mount.tick_for(25).await;
    assert_eq!(customer.state().await, "rolling_back");
    config(customer.mount.atlas.key_and_organization()).await;
    customer.mount.tick_for(3).await;
    assert!(customer.holds(&customer.secret).await);
}

/// It is not sent again, so that nobody needs to know of the endpoints.
#[tokio::test]
async fn a_change_that_was_not_taken_ends_where_no_endpoints_are_listed() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    let refused = json!({
        "operation": "listRestPrivateEndpoints", "skip": 1, "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "USER_UNAUTHORIZED"},
    });
    customer.mount.atlas.fault(refused).await;
    customer.with_both_consents().await.expect_err("unknown");
    customer.mount.tick_for(8).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].to_string();
    assert!(error.contains("does not show it"), "{error}");
}

/// Whatever the first looks show, the data nodes have the time that was set.
#[tokio::test]
async fn one_old_answer_does_not_shorten_the_time_to_settle() {
    let customer = Customer::new().await;
    let slow = json!({"private_verdict_seconds": 480});
    let fields = json!({"client_secret": "wrong-one", "settle": "10m"});
    customer.private_with(fields, slow).await;
    customer.grant().await;
    customer.looks_show(customer.own_block(true), 2).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(25).await;
    assert_eq!(customer.state().await, "applied");
    assert_eq!(customer.sent().await, 1);
    customer.standing().await;
}

/// Slow looks before it take most of the time.
#[tokio::test]
async fn a_way_back_that_is_owed_is_begun_with_little_time_left() {
    let customer = Customer::new().await;
    customer.way_back_without_an_answer().await;
    customer.mount.advance(Duration::from_mins(1)).await;
    let path = format!("{}/rollback", customer.path);
    let soon = Duration::from_secs(20);
    let back = customer.mount.write_within(&path, json!({}), soon).await;
    back.expect("sent");
    assert!(customer.holds(&customer.secret).await);
}
