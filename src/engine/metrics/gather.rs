//! Gathers the metrics of a mount. Every family is named here, with the text that Prometheus shows.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::timeout;

use super::family::Families;
use crate::atlas::Queue;
use crate::engine::Engine;
use crate::engine::config;
use crate::engine::encryption_at_rest;
use crate::engine::entries::{ConfigEntry, CredentialType};
use crate::engine::error::EngineError;
use crate::engine::journal::State;
use crate::engine::measures::Work;
use crate::engine::rotation_state::ExpiryStatus;
use crate::engine::{keys, static_roles, stored};

/// How long what is read from storage may take; past it the scrape goes without.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that is told. What storage does not tell in time is left out, and that is told.
pub(super) async fn gather(engine: &Engine) -> Result<Families, EngineError> {
    let mut all = Families::default();
    let info = "Version of the plugin.";
    let labels = [("version", engine.version.as_str())];
    all.gauge("info", info, &labels, 1);
    work(engine, &mut all);
    atlas(engine, &mut all).await;
    let told = timeout(PATIENCE, async {
        journal(engine, &mut all).await?;
        rotations(engine, &mut all).await?;
        encryption(engine, &mut all).await
    });
    let is_complete = match told.await {
        Ok(outcome) => outcome.map(|()| true)?,
        Err(_) => false,
    };
    all.gauge(
        "scrape_complete",
        "1: everything is told; 0: storage was too slow, and some metrics are left out.",
        &[],
        usize::from(is_complete),
    );
    Ok(all)
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

/// The credentials that the journal knows of.
async fn journal(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let of_type = engine.journal.counts_by_type().await?;
    for credential_type in CredentialType::ALL {
        for state in [State::Pending, State::Active, State::Managed, State::Ended] {
            let count = of_type.get(&(credential_type.name(), state));
            all.gauge(
                "credentials",
                "Credentials that this mount has made, by what became of them.",
                &[
                    ("credential_type", credential_type.name()),
                    ("state", &state.to_string()),
                ],
                count.copied().unwrap_or_default(),
            );
        }
    }
    let counts = engine.journal.counts(now).await?;
    for (name, help, value) in [
        (
            "journal_due_entries",
            "Credentials that outlived their last possible lease and wait for the reaper.",
            counts.due,
        ),
        (
            "journal_past_ttl_entries",
            "Credentials whose lease is over, if nobody renewed it.",
            counts.past_ttl,
        ),
        (
            "journal_failing_entries",
            "Entries of which an attempt at removal has failed.",
            counts.failing,
        ),
        (
            "journal_unreadable_entries",
            "Entries that could not be read.",
            counts.unreadable,
        ),
    ] {
        all.gauge(name, help, &[], value);
    }
    let age = counts.oldest_pending.map_or(0.0, |at| -seconds(at, now));
    let help = "Age of the oldest credential that was begun and not completed; 0: there is none.";
    all.measure("journal_oldest_pending_age_seconds", help, &[], age);
    let tally = engine.journal.tally().clone();
    for (reason, count) in [("rollback", tally.rolled_back), ("reaper", tally.reaped)] {
        let help = "Credentials that the periodic runs deleted in Atlas.";
        all.counter("removals_total", help, &[("by", reason)], count);
    }
    let help = "Failed attempts at work on credentials, of all kinds.";
    all.counter("failures_total", help, &[], tally.failures);
    if let Some(orphans) = engine.measures.orphans() {
        let help = "Orphans that the last tidy left in Atlas; absent until one ran.";
        all.gauge("tidy_orphans", help, &[], orphans);
    }
    Ok(())
}

/// The secrets that are rotated: the configuration's own, and those of static roles.
async fn rotations(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let entry: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    let own: Vec<ExpiryStatus> = entry
        .iter()
        .map(|entry| config::rotation_expiry(engine, entry))
        .collect();
    rotated("config", &own, now, all);
    let roles = static_roles::expiries(engine).await?;
    rotated("static_role", &roles, now, all);
    Ok(())
}

fn rotated(kind: &str, secrets: &[ExpiryStatus], now: DateTime<Utc>, all: &mut Families) {
    let labels = [("kind", kind)];
    let help = "Secrets that the engine rotates, or could.";
    all.gauge("rotated_secrets", help, &labels, secrets.len());
    let failing = secrets.iter().filter(|secret| secret.failing).count();
    let help = "Secrets whose rotation fails at present.";
    all.gauge("rotations_failing", help, &labels, failing);
    let unsafe_ends = secrets
        .iter()
        .filter(|secret| secret.threshold(now).is_some());
    let help = "Secrets that end within 30 days, with no rotation that can be relied on before.";
    all.gauge("secrets_expiring", help, &labels, unsafe_ends.count());
    if let Some(next) = secrets
        .iter()
        .filter_map(|secret| secret.next_rotation)
        .min()
    {
        let help = "Time until the next rotation of the kind; negative: it is late.";
        let left = seconds(next, now);
        all.measure("next_rotation_seconds", help, &labels, left);
    }
    expiry(
        kind,
        secrets.iter().filter_map(|secret| secret.expires_at).min(),
        now,
        all,
    );
}

fn expiry(kind: &str, end: Option<DateTime<Utc>>, now: DateTime<Utc>, all: &mut Families) {
    if let Some(end) = end {
        let help = "Time until the first secret of the kind ends in Atlas or Azure; absent: none is known.";
        let left = seconds(end, now);
        all.measure("expiry_seconds", help, &[("kind", kind)], left);
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
fn seconds(at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (at - now).num_seconds() as f64
}

/// The projects whose key vaults are looked after.
async fn encryption(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let counts = encryption_at_rest::counts(engine).await?;
    for (state, count) in [
        ("all", counts.projects),
        ("static", counts.by_secret),
        ("role", counts.by_role),
        ("invalid", counts.invalid),
        ("drifted", counts.drifted),
        ("expiring", counts.expiring),
        ("failed", counts.failed),
    ] {
        all.gauge(
            "encryption_at_rest_projects",
            "Projects whose key vaults are looked after: all, and those of which it is so.",
            &[("state", state)],
            count,
        );
    }
    Ok(())
}

/// The calls to Atlas, and what waits for them.
async fn atlas(engine: &Engine, all: &mut Families) {
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
    if let Ok(linked) = engine.connection.linked().await {
        limits(&linked.atlas.queues(), all);
    }
    let (waiting, _) = engine.waiters.counts();
    let help = "Requests to this mount that wait for Atlas or for others.";
    all.gauge("waiting_requests", help, &[], waiting);
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
