//! Rotations of static roles while an operator holds what nobody asks for.

use serde_json::json;

use super::tests::{DAY, Rotated};
use crate::engine::process::ServerHold;

/// A role whose replaced secret waits for its end, held before that and before the next rotation.
async fn rotated_once() -> (Rotated, String) {
    let app = Rotated::every_day().await;
    app.tick().await;
    assert_eq!(app.secrets_at_atlas().await, 2);
    let secret = app.secret().await;
    (app, secret)
}

/// The replaced secret's time is over, the next rotation is due, and nothing comes of it.
async fn assert_held(app: &Rotated, secret: &str) {
    app.mount.atlas.forget_requests().await;
    for _ in 0..3 {
        app.pass(DAY / 2).await;
    }
    assert_eq!(app.mount.atlas.operations().await, json!({}));
    assert_eq!(app.secret().await, secret);
    assert_eq!(app.secrets_at_atlas().await, 2);
}

async fn assert_let_go(app: &Rotated, secret: &str) {
    app.pass(60).await;
    assert_ne!(app.secret().await, secret);
    assert!(app.works().await);
}

#[tokio::test]
async fn a_hold_of_the_configuration_holds_due_rotations_and_retirements() {
    let (app, secret) = rotated_once().await;
    let hold = |hold: bool| app.mount.write("config", json!({ "hold": hold }));
    hold(true).await.expect("held");
    assert_held(&app, &secret).await;
    hold(false).await.expect("let go");
    assert_let_go(&app, &secret).await;
}

#[tokio::test]
async fn a_hold_of_the_server_holds_due_rotations_and_retirements() {
    let (mut app, secret) = rotated_once().await;
    for hold in [ServerHold::Unasked, ServerHold::All] {
        app.mount.restart_held(hold).await;
        assert_held(&app, &secret).await;
    }
    app.mount.restart().await;
    assert_let_go(&app, &secret).await;
}
