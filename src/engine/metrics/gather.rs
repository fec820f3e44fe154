//! Gathers the metrics of a mount: what is known in memory here, what storage tells beside it. Every family
//! is named with the text that Prometheus shows.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::family::Families;
use super::stored::{self, seconds};
use crate::atlas::Queue;
use crate::engine::Engine;
use crate::engine::entries::CredentialType;
use crate::engine::measures::Work;
use crate::vault::failure::chain;

/// How long what is read from storage may take; past it the scrape goes without.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that is told. What storage does not tell, or not in time, is left out, and that is told: what
/// is known in memory is never withheld for it, least of all while storage fails.
pub(super) async fn gather(engine: &Engine) -> Families {
    let mut all = Families::default();
    let info = "Version of the plugin.";
    let labels = [("version", engine.version.as_str())];
    all.gauge("info", info, &labels, 1);
    work(engine, &mut all);
    removals(engine, &mut all);
    atlas(engine, &mut all);
    let (mut is_complete, until) = (true, Instant::now() + PATIENCE);
    for part in stored::Part::ALL {
        let told = timeout_at(until, part.tell(engine, &mut all)).await;
        let missing = match told {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => chain(&error),
            Err(_) => "storage does not answer in time".to_owned(),
        };
        engine.scrapes.log_missing(part.name(), &missing);
        is_complete = false;
    }
    if is_complete {
        engine.scrapes.log_complete();
    }
    all.gauge(
        "scrape_complete",
        "1: everything is told; 0: storage failed or was too slow, and some metrics are left out.",
        &[],
        usize::from(is_complete),
    );
    all
}

/// What was done for leases.
fn work(engine: &Engine, all: &mut Families) {
    for work in Work::ALL {
        for credential_type in CredentialType::ALL {
            for (outcome, is_done) in [("success", true), ("failure", false)] {
                let labels = [
                    ("operation", work.name()),
                    ("credential_type", credential_type.name()),
                    ("outcome", outcome),
                ];
                all.counter(
                    "lease_operations_total",
                    "Credentials issued, leases renewed and revoked.",
                    &labels,
                    engine.measures.count(work, credential_type, is_done),
                );
            }
        }
        all.durations(
            "lease_operation_duration_seconds",
            "How long that took, failures included.",
            &[("operation", work.name())],
            &engine.measures.durations(work),
        );
    }
}

/// What the periodic runs did, and what the last comparison with Atlas found.
fn removals(engine: &Engine, all: &mut Families) {
    let tally = engine.journal.tally().clone();
    for (reason, count) in [("rollback", tally.rolled_back), ("reaper", tally.reaped)] {
        let help = "Credentials that the periodic runs deleted in Atlas.";
        all.counter("removals_total", help, &[("by", reason)], count);
    }
    let help = "Failed attempts at work on credentials, of all kinds.";
    all.counter("failures_total", help, &[], tally.failures);
    if let Some((orphans, at)) = engine.measures.orphans() {
        let help = "Orphans that the last tidy left in Atlas; absent until one ran.";
        all.gauge("tidy_orphans", help, &[], orphans);
        let help = "Time since the last tidy; absent until one ran.";
        let age = seconds(engine.clock.now(), at);
        all.measure("tidy_age_seconds", help, &[], age);
    }
    let help = "Client secrets of which the engine cannot tell whether they are its own.";
    let count = engine.ambiguous.count();
    all.gauge("ambiguous_secrets", help, &[], count);
}

/// The calls to Atlas, and what waits for them.
fn atlas(engine: &Engine, all: &mut Families) {
    let reached = engine.connection.reached();
    for (operation, outcome) in &reached.calls {
        for (name, count) in outcome.counts.named() {
            let labels = [("operation", *operation), ("outcome", name)];
            let help = "Requests to Atlas by the API's name of the operation.";
            all.counter("atlas_requests_total", help, &labels, count);
        }
    }
    if let Some(is_reachable) = reached.reachable() {
        let help = "1: Atlas answered last; 0: it did not; absent: it was not asked.";
        all.gauge("atlas_reachable", help, &[], usize::from(is_reachable));
    }
    let waits = reached.limiter;
    let help = "Requests that waited for Atlas's rate limits before they were sent.";
    all.counter("limiter_waits_total", help, &[], waits.waits);
    let help = "How long they waited together.";
    all.sum(
        "limiter_wait_seconds_total",
        help,
        &[],
        waits.waited.as_secs_f64(),
    );
    let help = "Requests that were not sent, as their caller would not have waited so long.";
    all.counter("limiter_refusals_total", help, &[], waits.refused);
    // Without a client in use nothing waits: none is made for a scrape.
    if let Some(linked) = engine.connection.at_hand() {
        limits(&linked.atlas.queues(), all);
    }
    let (waiting, _) = engine.waiters.counts();
    let help = "Requests to this mount that wait for Atlas or for others.";
    all.gauge("waiting_requests", help, &[], waiting);
    let help = "Requests to this mount that were refused, as too many waited.";
    all.counter(
        "waiting_refusals_total",
        help,
        &[],
        engine.waiters.refused(),
    );
    let help = "Periodic work that waits for nothing but Atlas's rate limits.";
    all.gauge("waiting_work", help, &[], engine.rate_waits.count());
}

/// Of each kind of calls the counter of requests that is worst off.
fn limits(queues: &[Queue], all: &mut Families) {
    let mut of_calls: BTreeMap<&str, (usize, u32, f64)> = BTreeMap::new();
    for queue in queues {
        let (waiting, in_flight, left) = of_calls.entry(queue.calls).or_insert((0, 0, 1.0));
        *waiting += queue.waiting;
        *in_flight += queue.in_flight;
        let free = (queue.tokens / f64::from(queue.capacity.max(1))).clamp(0.0, 1.0);
        *left = if queue.blocked_for.is_some() {
            0.0
        } else {
            left.min(free)
        };
    }
    for (calls, (waiting, in_flight, left)) in of_calls {
        let labels = [("calls", calls)];
        let help = "Requests that wait for Atlas's rate limits.";
        all.gauge("limiter_queue_length", help, &labels, waiting);
        let help = "Requests that were sent and not answered.";
        let sent = usize::try_from(in_flight).unwrap_or(usize::MAX);
        all.gauge("limiter_in_flight", help, &labels, sent);
        let help = "The part of Atlas's rate limit that is left, of the scope that has least; \
                    absent: all of it.";
        all.measure("limiter_free_ratio", help, &labels, left);
    }
}
