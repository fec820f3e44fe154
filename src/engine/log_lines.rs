//! For tests: what the log says.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Lines of the log: the names of the spans, the message and the fields.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Those with `text`, since the last time they were taken.
    pub(crate) fn take(&self, text: &str) -> Vec<String> {
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
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        // While a thread is the only one that listens, a line that another thread meets first is asked
        // of that thread alone, and is unheard from then on. With this one nobody is the only one.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(Registry::default()));
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
