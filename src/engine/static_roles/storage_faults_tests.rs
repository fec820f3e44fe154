//! Storage that fails while an account is adopted: the role is refused whole, or stored and finished.

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated, status};

impl Rotated {
    fn is_stored(&self) -> bool {
        let keys = self.mount.storage.keys();
        keys.contains(&"static-roles/app".to_owned())
    }

    /// Whatever the answer was, it is true, and a retry ends in a role that works.
    async fn holds_what_was_answered(&self, answer: &Result<Vec<String>, String>, options: Value) {
        assert_eq!(self.is_stored(), answer.is_ok(), "{options}: {answer:?}");
        if answer.is_err() {
            assert_eq!(self.secrets_at_atlas().await, 1, "{options}: {answer:?}");
            self.write(options).await.expect("a second try");
        }
        self.pass(90).await;
        assert!(self.works().await, "{answer:?}");
        for _ in 0..18 {
            self.pass(600).await;
            assert!(self.works().await, "{answer:?}");
        }
        assert_eq!(self.secrets_at_atlas().await, 1, "{answer:?}");
        let status = status(self).await;
        assert_eq!(
            (&status["roles"], &status["failing"]),
            (&json!(1), &json!(0))
        );
    }
}

#[tokio::test]
async fn an_adoption_is_refused_whole_or_finished_whichever_write_fails() {
    for (given, for_good) in [(false, false), (true, false), (false, true), (true, true)] {
        for writes in 0..8 {
            let app = Rotated::not_yet_adopted(json!(["ORG_MEMBER"])).await;
            let mut options = json!({"rotation_period": DAY});
            if given {
                options["client_secret"] = json!(app.account.secret);
            }
            let storage = &app.mount.storage;
            if for_good {
                storage.fail_after(Some(writes));
            } else {
                storage.fail_once_after(Some(writes));
            }
            let answer = app.write(options.clone()).await;
            let all_passed = !for_good && storage.fail_once_after(None);
            storage.fail_after(None);
            app.holds_what_was_answered(&answer, options).await;
            assert!(!all_passed || answer.is_ok_and(|warnings| warnings.is_empty()));
        }
    }
}

/// Atlas does not take back what could not be stored.
#[tokio::test]
async fn a_first_secret_that_could_neither_be_stored_nor_removed_is_found_by_the_periodic_run() {
    let app = Rotated::not_yet_adopted(json!(["ORG_MEMBER"])).await;
    app.mount
        .atlas
        .fault(json!({
            "operation": "deleteOrgSecret", "count": 1,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        }))
        .await;
    app.mount.storage.fail_once_after(Some(1));
    let options = json!({"rotation_period": DAY});
    let answer = app.write(options.clone()).await;
    assert_eq!(app.secrets_at_atlas().await, 2);
    app.holds_what_was_answered(&answer, options).await;
}

/// What an earlier role of the account left cannot be deleted from storage.
#[tokio::test]
async fn an_adopted_role_is_in_the_queue_though_what_was_left_before_stays() {
    let app = Rotated::every_day().await;
    let secret = app.secret().await;
    let deleted = app
        .mount
        .ask(
            crate::vault::Operation::Delete,
            "static-roles/app",
            json!({}),
        )
        .await;
    deleted.expect("deleted");
    app.mount.storage.fail_once_after(Some(1));
    let back = json!({
        "client_secret": secret, "skip_initial_rotation": true, "rotation_period": DAY,
    });
    app.write(back).await.expect("a role");
    assert!(!app.mount.storage.fail_once_after(None));
    app.pass(DAY + 1).await;
    assert_ne!(app.secret().await, secret);
    assert!(app.works().await);
}

/// The last write of a rotation fails once; the next periodic run has it all.
#[tokio::test]
async fn a_rotation_whose_last_write_fails_is_published_and_fails_no_more() {
    for writes in 0..4 {
        let app = Rotated::with(json!({"rotation_period": "30d"})).await;
        app.pass(HOUR + 1).await;
        let first = app.secret().await;
        app.mount.storage.fail_once_after(Some(writes));
        let _ = app.mount.write("rotate-role/app", json!({})).await;
        app.mount.storage.fail_once_after(None);
        assert!(app.works().await);
        app.pass(90).await;
        app.pass(90).await;
        assert_eq!(status(&app).await["failing"], json!(0), "{writes}");
        assert!(app.works().await);
        assert!(writes < 2 || app.secret().await != first, "{writes}");
    }
}

#[tokio::test]
async fn two_creates_of_one_name_at_once_leave_the_refused_account_alone() {
    let app = Rotated::not_yet_adopted(json!(["ORG_MEMBER"])).await;
    let other = app.mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let (one, two) = tokio::join!(
        app.write(json!({})),
        app.write(json!({"client_id": other.client_id}))
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let refused = if one.is_ok() { &other } else { &app.account };
    let text = one.err().or(two.err()).expect("one is refused");
    assert!(text.contains("client_id: cannot be changed"), "{text}");
    assert_eq!(app.mount.atlas.secrets(&refused.client_id).await.len(), 1);
    assert!(
        app.mount
            .atlas
            .mints(&refused.client_id, &refused.secret)
            .await
    );
    let creds = app.creds().await;
    let (id, secret) = (&creds["client_id"], &creds["client_secret"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    assert!(app.mount.atlas.mints(&text(id), &text(secret)).await);
}

#[tokio::test]
async fn a_configuration_and_a_static_role_never_take_one_account_at_once() {
    let app = Rotated::not_yet_adopted(json!(["ORG_OWNER"])).await;
    let mut config = app.mount.atlas.account_config();
    config["client_id"] = json!(app.account.client_id);
    config["client_secret"] = json!(app.account.secret);
    let (role, config) = tokio::join!(app.write(json!({})), app.mount.write("config", config));
    assert!(role.is_err() || config.is_err(), "{role:?} {config:?}");
}
