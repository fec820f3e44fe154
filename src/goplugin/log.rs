//! Log lines on stderr, where the host reads them and puts them into its own log.
//!
//! Lines are handed to a thread over a bounded queue: a request never waits for its log lines, and
//! when the queue is full, lines are dropped and counted. Nothing is filtered by content here: what
//! must not be seen is not logged.

use std::{io, panic::PanicHookInfo};

use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter, span};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::{
    line::{Fields, render},
    queue::Queue,
};
use crate::base::{Clock as _, SystemClock};

/// Other people's code may log headers and bodies below this.
const FOREIGN_LEVEL: LevelFilter = LevelFilter::WARN;
/// The resolver's crates begin so. They warn of each stray datagram, with its text: whoever sends some would
/// fill the host's log and crowd out our own lines.
const RESOLVER: &str = "hickory_";
const RESOLVER_LEVEL: LevelFilter = LevelFilter::ERROR;

/// What is logged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    /// The crates that log by `level`; all others are heard only from `warn` up.
    pub crates: &'static [&'static str],
    /// `trace`, `debug`, `info`, `warn`, `error` or `off`. Anything else, or nothing, is `debug`:
    /// the host filters once more by its own level.
    pub level: Option<&'a str>,
}

/// Keeps logging alive; dropping it waits a moment for the last lines.
#[derive(Debug)]
pub(crate) struct Log {
    queue: Queue,
    level: LevelFilter,
}

impl Log {
    /// Nothing is logged, be it the reason why the process ends.
    pub(crate) fn is_off(&self) -> bool {
        self.level == LevelFilter::OFF
    }
}

/// Sends the process's tracing events, and the places of its panics, to stderr.
///
/// The first call of the process counts; another one has no effect.
#[must_use]
pub(crate) fn start(settings: Settings<'_>) -> Log {
    let queue = Queue::start(Box::new(io::stderr()));
    let level = level(settings.level);
    let layer = HostLayer {
        crates: settings.crates,
        level,
        queue: queue.clone(),
    };
    if tracing::subscriber::set_global_default(Registry::default().with(layer)).is_ok() {
        let panics = queue.clone();
        std::panic::set_hook(Box::new(move |info| panics.push(panic_line(info))));
    }
    Log { queue, level }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.flush();
    }
}

/// Whether a level of that name is taken for what it says.
pub(crate) fn is_level(name: &str) -> bool {
    name.parse::<LevelFilter>().is_ok()
}

fn level(name: Option<&str>) -> LevelFilter {
    name.and_then(|name| name.parse().ok())
        .unwrap_or(LevelFilter::DEBUG)
}

/// Tells where a panic happened, never its message: that may hold what was being worked on.
fn panic_line(info: &PanicHookInfo<'_>) -> Vec<u8> {
    let mut fields = Fields::message("a request or task panicked");
    if let Some(location) = info.location() {
        fields.set("location", location.to_string().into());
    }
    render(SystemClock.now(), Level::ERROR, "panic", fields)
}

/// Turns events into lines, with the fields of the spans around them.
pub(super) struct HostLayer {
    pub(super) crates: &'static [&'static str],
    pub(super) level: LevelFilter,
    pub(super) queue: Queue,
}

impl HostLayer {
    fn is_own(&self, target: &str) -> bool {
        let root = target.split("::").next().unwrap_or(target);
        self.crates.contains(&root)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HostLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let target = metadata.target();
        let filter = if self.is_own(target) {
            self.level
        } else if target.starts_with(RESOLVER) {
            self.level.min(RESOLVER_LEVEL)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::Value;

    use super::*;
    use crate::goplugin::queue::tests::Output;

    /// The lines that `events` makes.
    fn logged(level: LevelFilter, events: impl FnOnce()) -> Vec<Value> {
        let output = Output::default();
        let queue = Queue::start(Box::new(output.clone()));
        let layer = HostLayer {
            crates: &["mongodbatlas"],
            level,
            queue: queue.clone(),
        };
        tracing::subscriber::with_default(Registry::default().with(layer), events);
        queue.flush();
        output.lines()
    }

    #[test]
    fn an_event_carries_the_fields_of_its_spans() {
        let lines = logged(LevelFilter::DEBUG, || {
            let _mount = tracing::info_span!("mount", mount = "a1", count = 1).entered();
            tracing::info!(count = 2, "rotated {}", "it");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["@message"], "rotated it");
        assert_eq!(lines[0]["@level"], "info");
        assert_eq!(lines[0]["mount"], "a1");
        assert_eq!(lines[0]["count"], 2, "the nearest wins");
    }

    #[test]
    fn other_peoples_code_is_heard_from_warn_up() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::debug!(target: "h2::codec", "authorization: secret");
            tracing::info!(target: "mongodbatlas_like", "no crate of ours");
            tracing::warn!(target: "h2::codec", "trouble");
            tracing::trace!("ours");
        });
        let messages: Vec<_> = lines.iter().map(|line| &line["@message"]).collect();
        assert_eq!(messages, ["trouble", "ours"]);
    }

    #[test]
    fn stray_datagrams_are_not_told() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::warn!(target: "hickory_net::udp::udp_client_stream", "detected forged question");
            tracing::error!(target: "hickory_resolver::name_server_pool", "trouble");
        });
        let messages: Vec<_> = lines.iter().map(|line| &line["@message"]).collect();
        assert_eq!(messages, ["trouble"]);
    }

    #[test]
    fn the_level_is_debug_unless_another_is_named() {
        assert_eq!(level(None), LevelFilter::DEBUG);
        assert_eq!(level(Some("loud")), LevelFilter::DEBUG);
        assert_eq!(level(Some("WARN")), LevelFilter::WARN);
        assert_eq!(level(Some("off")), LevelFilter::OFF);
        let lines = logged(LevelFilter::ERROR, || {
            tracing::warn!("ours");
            tracing::warn!(target: "h2", "theirs");
        });
        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn a_panic_is_logged_with_its_place_alone() {
        let (lines, told) = mpsc::channel();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| drop(lines.send(panic_line(info)))));
        let caught = std::panic::catch_unwind(|| panic!("private key 9f2c"));
        std::panic::set_hook(before);
        assert!(caught.is_err());
        let mut lines = told.iter().map(|line| String::from_utf8(line).unwrap());
        let line = lines.find(|line| line.contains("log.rs")).unwrap();
        assert!(!line.contains("9f2c"), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["@level"], "error");
    }
}
