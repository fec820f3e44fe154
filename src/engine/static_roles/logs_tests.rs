//! What the log says of static roles.

use std::time::Duration;

use serde_json::json;
use tracing::Instrument as _;

use super::tests::{DAY, HOUR, Rotated};
use crate::engine::log_lines::Lines;
use crate::engine::static_roles::tick::log_outcome;

#[tokio::test]
async fn an_end_that_comes_near_is_logged_once_at_each_distance() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let app = Rotated::with(json!({"secret_ttl": "60d"})).await;
    let steps = [
        (29 * DAY, None),
        (2 * DAY, Some("30 days")),
        (16 * DAY, Some("14 days")),
        (7 * DAY, Some("7 days")),
        (4 * DAY, Some("3 days")),
        (DAY + HOUR, Some("a day")),
        (22 * HOUR + HOUR / 2, Some("an hour")),
        (HOUR, Some("expired")),
        (DAY, None),
    ];
    for (step, left) in steps {
        app.pass(step).await;
        let told = lines.take("no rotation is expected");
        assert_eq!(told.len(), left.iter().len(), "{left:?}: {told:?}");
        if let (Some(left), Some(told)) = (left, told.first()) {
            let when = match left {
                "expired" => "client secret has expired".to_owned(),
                left => format!("client secret expires within {left} "),
            };
            assert!(told.contains(&when), "{told}");
            assert!(
                told.contains("static role") && told.contains("app"),
                "{told}"
            );
        }
        app.pass(60).await;
        let again = lines.take("no rotation is expected");
        assert!(again.is_empty(), "{left:?}: {again:?}");
    }
}

#[tokio::test]
async fn lines_of_the_work_on_a_role_belong_to_the_span_of_the_periodic_run() {
    let app = Rotated::every_day().await;
    app.mount.advance(Duration::from_secs(DAY + 60)).await;
    let lines = Lines::default();
    let _listening = lines.listen();
    let span = tracing::info_span!("of_the_mount");
    app.mount.tick().instrument(span).await.expect("a tick");
    let rotated = lines.take("rotated");
    assert!(!rotated.is_empty());
    assert!(
        rotated.iter().all(|line| line.contains("of_the_mount: ")),
        "{rotated:?}"
    );
}

#[tokio::test]
async fn the_words_of_a_panic_are_not_logged() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut working = tokio::task::JoinSet::new();
    working.spawn(async { panic!("a value that nobody should see") });
    log_outcome(working.join_next().await);
    let logged = lines.take("static role task panicked");
    assert_eq!(logged.len(), 1);
    assert!(!logged[0].contains("nobody should see"), "{logged:?}");
}
