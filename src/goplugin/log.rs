//! Log lines on stderr, where the host reads them and puts them into its own log.
//!
//! A host that is slow to read makes writes to stderr block. So lines are handed to a thread over a
//! bounded queue: a request never waits for its log lines, and when the queue is full, lines are
//! dropped and counted. Nothing is filtered by content here: what must not be seen is not logged.

use std::{
    io::{self, Write},
    panic::PanicHookInfo,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter, span};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::line::{Fields, render};
use crate::base::{Clock, SystemClock};

/// Lines waiting to be written; at the longest line that is some 32 MiB, at a usual one 200 KiB.
const QUEUE_LINES: usize = 1024;
/// How long the end of the process waits for the last lines.
const FLUSH_LIMIT: Duration = Duration::from_millis(200);
/// Other people's code may log headers and bodies below this.
const FOREIGN_LEVEL: LevelFilter = LevelFilter::WARN;

/// What is logged.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The crates that log by `level`; all others are heard only from `warn` up.
    pub crates: &'static [&'static str],
    /// `trace`, `debug`, `info`, `warn`, `error` or `off`. Anything else, or nothing, is `debug`:
    /// the host filters once more by its own level.
    pub level: Option<&'a str>,
}

/// Keeps logging alive; dropping it waits a moment for the last lines.
#[derive(Debug)]
pub struct Log {
    queue: Queue,
}

/// Sends the process's tracing events, and the places of its panics, to stderr.
///
/// The first call of the process counts; another one has no effect.
#[must_use]
pub fn start(settings: Settings<'_>) -> Log {
    let queue = Queue::start(Box::new(io::stderr()));
    let layer = HostLayer {
        crates: settings.crates,
        level: level(settings.level),
        queue: queue.clone(),
    };
    if tracing::subscriber::set_global_default(Registry::default().with(layer)).is_ok() {
        let panics = queue.clone();
        std::panic::set_hook(Box::new(move |info| panics.push(panic_line(info))));
    }
    Log { queue }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.flush();
    }
}

fn level(name: Option<&str>) -> LevelFilter {
    name.and_then(|name| name.parse().ok())
        .unwrap_or(LevelFilter::DEBUG)
}

/// Tells where a panic happened, never its message: that may hold what was being worked on.
fn panic_line(info: &PanicHookInfo<'_>) -> Vec<u8> {
    let mut fields = Fields::message("a request or task failed: the plugin's code panicked");
    if let Some(location) = info.location() {
        fields.set("location", location.to_string().into());
    }
    render(SystemClock.now(), Level::ERROR, "panic", fields)
}

/// The way from any thread to stderr.
#[derive(Debug, Clone)]
struct Queue {
    orders: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

enum Order {
    Write(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Queue {
    fn start(output: Box<dyn Write + Send>) -> Self {
        let (orders, inbox) = sync_channel(QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        // Without the thread, lines are dropped; the process itself can do without.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || write_all(&inbox, output, &counter));
        Self { orders, dropped }
    }

    fn push(&self, line: Vec<u8>) {
        if self.orders.try_send(Order::Write(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was pushed before is written, or for as long as the end may take.
    fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mut order = Order::Flush(done);
        let steps = 20;
        for _ in 0..steps {
            match self.orders.try_send(order) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => order = back,
            }
            thread::sleep(FLUSH_LIMIT / steps);
        }
        let _: Result<(), RecvTimeoutError> = written.recv_timeout(FLUSH_LIMIT);
    }
}

/// Writes each line in one piece, until the last sender is gone.
fn write_all(inbox: &Receiver<Order>, mut output: Box<dyn Write + Send>, dropped: &AtomicU64) {
    for order in inbox {
        // A host that closed its end does not want the lines; there is nobody else to tell.
        match order {
            Order::Write(line) => drop(output.write_all(&line)),
            Order::Flush(done) => drop(done.try_send(())),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let mut fields = Fields::message("log lines were dropped: the host reads too slowly");
            fields.set("dropped", lost.into());
            let line = render(SystemClock.now(), Level::WARN, "log", fields);
            drop(output.write_all(&line));
        }
    }
}

/// Turns events into lines, with the fields of the spans around them.
struct HostLayer {
    crates: &'static [&'static str],
    level: LevelFilter,
    queue: Queue,
}

impl HostLayer {
    fn is_own(&self, target: &str) -> bool {
        let root = target.split("::").next().unwrap_or(target);
        self.crates.contains(&root)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HostLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let own = self.is_own(metadata.target());
        let filter = if own {
            self.level
        } else {
            self.level.min(FOREIGN_LEVEL)
        };
        *metadata.level() <= filter
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        let metadata = event.metadata();
        self.queue.push(render(
            SystemClock.now(),
            *metadata.level(),
            metadata.target(),
            fields,
        ));
    }
}
