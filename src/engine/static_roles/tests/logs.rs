//! What the log says of static roles.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::Instrument as _;
use tracing::field::{Field, Visit};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;
use crate::engine::static_roles::tick::told;

/// Lines of the log: the names of the spans, the message and the fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Those with `text`, since the last time they were taken.
    fn take(&self, text: &str) -> Vec<String> {
        // Where another test's thread met a line first, just while this began to listen, tracing
        // remembers that nobody does.
        tracing::callsite::rebuild_interest_cache();
        let lines = std::mem::take(&mut *self.0.lock().expect("lines"));
        lines
            .into_iter()
            .filter(|line| line.contains(text))
            .collect()
    }

    /// Writes down what is logged on this thread while the guard lives.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(Registry::default().with(self.clone()))
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl<S> Layer<S> for Lines
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut line = Line(String::new());
        for span in context.event_scope(event).into_iter().flatten() {
            let _ = write!(line.0, "{}: ", span.name());
        }
        event.record(&mut line);
        self.0.lock().expect("lines").push(line.0);
    }
}

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
        (HOUR, Some("no time")),
        (DAY, None),
    ];
    for (step, left) in steps {
        app.pass(step).await;
        let told = lines.take("no rotation to rely on");
        assert_eq!(told.len(), left.iter().len(), "{left:?}: {told:?}");
        if let (Some(left), Some(told)) = (left, told.first()) {
            assert!(told.contains(&format!("has {left} or less")), "{told}");
            assert!(
                told.contains("static role") && told.contains("app"),
                "{told}"
            );
        }
        app.pass(60).await;
        let again = lines.take("no rotation to rely on");
        assert!(again.is_empty(), "{left:?}: {again:?}");
    }
}

#[tokio::test]
async fn lines_of_the_work_on_a_role_belong_to_the_span_of_the_tick() {
    let app = Rotated::every_day().await;
    app.mount.turn(Duration::from_secs(DAY + 60)).await;
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
    told(working.join_next().await);
    let logged = lines.take("ended in a fault");
    assert_eq!(logged.len(), 1);
    assert!(!logged[0].contains("nobody should see"), "{logged:?}");
}
