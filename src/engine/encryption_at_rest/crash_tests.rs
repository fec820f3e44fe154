//! Crashes, lost answers and failing storage at each step: a project ends on its role or as it was, the
//! static secret is never lost before the role has proved itself, and no cluster is stopped.

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP, text};
use crate::engine::testing::Outcome;

/// What a call that changes something may come to, and whether that is repeated by the client.
fn faults() -> Vec<Value> {
    let mut faults: Vec<_> = ["close", "lose_answer", "cut_json", "not_json"]
        .map(|kind| json!({"kind": kind}))
        .into();
    for after_effect in [false, true] {
        faults.push(json!({"kind": "answer", "status": 500, "after_effect": after_effect}));
    }
    faults.push(refusal());
    faults
}

fn refusal() -> Value {
    json!({"kind": "answer", "status": 403, "code": "USER_UNAUTHORIZED"})
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Register,
    Apply,
    RollBack,
}

impl Step {
    const ALL: [Self; 3] = [Self::Register, Self::Apply, Self::RollBack];

    /// The call that changes something, and one that the client repeats by itself.
    fn operations(self) -> (&'static str, &'static str) {
        match self {
            Self::Register => ("createCloudProviderAccess", "authorizeProviderAccessRole"),
            Self::Apply | Self::RollBack => ("updateEncryptionAtRest", "getEncryptionAtRest"),
        }
    }

    /// Faults of each call: the first and the second one of the kind.
    fn faults(self) -> Vec<Value> {
        let (changing, repeated) = self.operations();
        let one = |action| json!({"operation": changing, "action": action});
        let mut all: Vec<Value> = faults().into_iter().map(one).collect();
        all.extend([0, 1].map(
            |skip| json!({"operation": repeated, "skip": skip, "count": 0, "action": refusal()}),
        ));
        all
    }

    /// A customer for whom this step is next, and can be done.
    async fn next_for(self) -> Customer {
        let customer = Customer::new().await;
        let allowed = json!({"static_credentials_after_role": "accept"});
        customer.mount.atlas.settings(allowed).await;
        customer.encrypted().await;
        if self != Self::Register {
            customer.registered_with(json!({})).await;
            customer.grant().await;
        }
        if self == Self::RollBack {
            customer.apply().await.expect("changed over");
        }
        customer
    }

    async fn take(self, customer: &Customer) -> Outcome {
        match self {
            Self::Register => customer.mount.write(&customer.path, customer.ids()).await,
            Self::Apply => customer.apply().await,
            Self::RollBack => customer.roll_back().await,
        }
    }

    /// The state that it leads to, and the one of before.
    fn ends(self) -> (&'static str, &'static str) {
        match self {
            Self::Register => ("registered", ""),
            Self::Apply => ("observing", "registered"),
            Self::RollBack => ("static", "observing"),
        }
    }
}

/// After some minutes the step is done, or all is as before; and then it can be done.
async fn comes_to_an_end(step: Step, customer: &Customer, what: &str) {
    customer.mount.tick_for(3).await;
    let read = customer
        .mount
        .read(&customer.path)
        .await
        .expect("an answer");
    let state = read
        .and_then(|read| read.data)
        .map(|data| data["state"].clone());
    let (done, before) = step.ends();
    match state.as_ref().and_then(Value::as_str) {
        Some(state) => assert!(state == done || state == before, "{what}: {state}"),
        None => assert_eq!(before, "", "{what}"),
    }
    let standing = customer.standing().await;
    assert_eq!(standing["check"], "usable", "{what}");
    let stored = customer.mount.storage.keys();
    if step != Step::Register {
        assert!(
            stored
                .iter()
                .any(|key| key.starts_with("encryption-at-rest/"))
        );
    }
    step.take(customer).await.expect(what);
    assert_eq!(customer.read().await["state"], done, "{what}");
    assert!(customer.registrations().await <= 1, "{what}");
    let mode = if step == Step::Apply {
        "role"
    } else {
        "static"
    };
    assert_eq!(customer.standing().await["mode"], mode, "{what}");
    customer.assert_only_credentials_were_sent().await;
}

#[tokio::test]
async fn whichever_call_fails_or_loses_its_answer_the_step_ends_done_or_as_before() {
    for step in Step::ALL {
        for fault in step.faults() {
            let what = format!("{step:?} {fault}");
            let mut customer = step.next_for().await;
            customer.mount.atlas.fault(fault).await;
            let _ = step.take(&customer).await;
            customer.mount.atlas.no_more_faults().await;
            customer.mount.restart().await;
            comes_to_an_end(step, &customer, &what).await;
        }
    }
}

#[tokio::test]
async fn whichever_write_to_storage_fails_the_step_ends_done_or_as_before() {
    for step in Step::ALL {
        for for_good in [false, true] {
            for writes in 0..4 {
                let what = format!("{step:?} {for_good} {writes}");
                let mut customer = step.next_for().await;
                let storage = &customer.mount.storage;
                if for_good {
                    storage.fail_after(Some(writes));
                } else {
                    storage.fail_once_after(Some(writes));
                }
                let _ = step.take(&customer).await;
                storage.fail_once_after(None);
                storage.fail_after(None);
                customer.mount.restart().await;
                comes_to_an_end(step, &customer, &what).await;
            }
        }
    }
}

/// The periodic function meets the same, while it finishes what was left.
#[tokio::test]
async fn whichever_write_of_the_periodic_function_fails_it_finishes_in_the_end() {
    for step in Step::ALL {
        for writes in 0..4 {
            let what = format!("{step:?} {writes}");
            let customer = step.next_for().await;
            let (changing, _) = step.operations();
            let fault = json!({"operation": changing, "action": {"kind": "close"}});
            customer.mount.atlas.fault(fault).await;
            step.take(&customer).await.expect_err("left half done");
            customer.mount.atlas.no_more_faults().await;
            customer.mount.storage.fail_once_after(Some(writes));
            customer.mount.tick_for(1).await;
            customer.mount.storage.fail_once_after(None);
            comes_to_an_end(step, &customer, &what).await;
        }
    }
}

/// Somebody sets a new version of the key between the question and the change: that is put back, and
/// Atlas shows no trace of it. What he writes after the change is told.
#[tokio::test]
async fn what_another_writes_just_before_the_change_is_put_back_and_after_it_told() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.grant().await;
    let key = json!({"vault": "v", "name": "k"});
    let made = customer.mount.atlas.control("POST", "/azure/keys", key);
    let other = made.await["keyIdentifier"].clone();
    let theirs = json!({"azureKeyVault": {"keyIdentifier": other}});
    let meddle = json!({"kind": "other_writer", "body": theirs});
    customer.fault("updateEncryptionAtRest", meddle).await;
    let answer = customer.apply().await.expect("changed").expect("an answer");
    let data = answer.data.expect("data");
    assert_eq!(
        (&data["mode"], &data["drift"]),
        (&json!("role"), &json!([]))
    );
    assert_eq!(data["key_identifier"], customer.key["keyIdentifier"]);
    // Whoever it was finds it gone and writes it again.
    let mut block = customer.key.clone();
    block["keyIdentifier"] = other.clone();
    block["enabled"] = json!(true);
    block["roleId"] = data["role_id"].clone();
    customer.set(block).await;
    customer.mount.tick_for(1).await;
    let drift = customer.read().await["drift"].to_string();
    assert!(drift.contains(other.as_str().expect("a text")), "{drift}");
}

/// The key was changed while it was not known whether the change had taken effect: the one of now is
/// sent, and it stays.
#[tokio::test]
async fn a_change_that_is_sent_again_carries_the_key_of_now() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.grant().await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    customer.apply().await.expect_err("unknown");
    let key = json!({"vault": "v", "name": "k"});
    let made = customer.mount.atlas.control("POST", "/azure/keys", key);
    let other = made.await["keyIdentifier"].clone();
    let changed = json!({"keyIdentifier": other});
    customer.set(customer.static_block(&changed)).await;
    customer.mount.tick_for(1).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["drift"]),
        (&json!("observing"), &json!([]))
    );
    assert_eq!(read["key_identifier"], other);
}

/// The clock goes over the secret's expiry.
#[tokio::test]
async fn a_change_in_the_last_hours_of_the_secret_stops_nothing() {
    let mut customer = Customer::new().await;
    let hours = |hours| std::time::Duration::from_hours(hours);
    let day = json!({
        "tenant_id": customer.tenant, "app_id": OWN_APP, "seconds": hours(24).as_secs(),
    });
    let made = customer.mount.atlas.control("POST", "/azure/secrets", day);
    customer.secret = text(&made.await, "client_secret");
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.grant().await;
    customer.mount.advance(hours(23)).await;
    customer.apply().await.expect("changed over");
    customer.mount.advance(hours(24)).await;
    customer.mount.tick_for(3).await;
    let standing = customer.standing().await;
    assert_eq!(
        (&standing["check"], &standing["mode"]),
        (&json!("usable"), &json!("role"))
    );
}
