//! What is told of entries in storage: from memory where that knows them all, else from storage.

use chrono::{DateTime, Utc};

use super::family::Families;
use crate::engine::Engine;
use crate::engine::config;
use crate::engine::entries::{ConfigEntry, CredentialType};
use crate::engine::error::EngineError;
use crate::engine::journal::{self, State};
use crate::engine::process::ServerHold;
use crate::engine::rotation_state::ExpiryStatus;
use crate::engine::{keys, static_roles, stored};

/// What is told of one kind of entries; none withholds another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Journal,
    Configuration,
    StaticRoles,
    Drain,
    EncryptionAtRest,
}

impl Part {
    /// All of them; what is read most of storage is last.
    pub(super) const ALL: [Self; 5] = [
        Self::Journal,
        Self::Configuration,
        Self::StaticRoles,
        Self::Drain,
        Self::EncryptionAtRest,
    ];

    /// For the log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Configuration => "configuration",
            Self::StaticRoles => "static roles",
            Self::Drain => "drain",
            Self::EncryptionAtRest => "encryption at rest",
        }
    }

    pub(super) async fn tell(self, engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
        match self {
            Self::Journal => journal(engine, all).await,
            Self::Configuration => configuration(engine, all).await,
            Self::StaticRoles => static_roles(engine, all).await,
            Self::Drain => drain(engine, all).await,
            Self::EncryptionAtRest => encryption(engine, all).await,
        }
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
            "Entries of which the periodic runs have tried a removal that failed.",
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
    let help = "Credentials whose last revocation has failed and that are alive: the server tries again, \
                at last once a day.";
    all.gauge("revocations_failing", help, &[], counts.unrevoked);
    let age = counts.oldest_pending.map_or(0.0, |at| -seconds(at, now));
    let help = "Age of the oldest credential that was begun and not completed; 0: there is none.";
    all.measure("journal_oldest_pending_age_seconds", help, &[], age);
    Ok(())
}

/// The configuration's own secret, and what is held.
async fn configuration(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let entry: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    let own: Vec<ExpiryStatus> = entry
        .iter()
        .map(|entry| config::rotation_expiry(engine, entry))
        .collect();
    rotated("config", &own, engine.clock.now(), all);
    let is_held = entry.is_some_and(|entry| entry.hold);
    for (by, is_held) in [
        ("configuration", is_held),
        ("environment", engine.process.hold != ServerHold::Off),
        ("clock", engine.clock_watch.hold().is_some()),
    ] {
        let help = "1: automatic deletions are suspended; but for the clock, rotations as well.";
        all.gauge("held", help, &[("by", by)], usize::from(is_held));
    }
    Ok(())
}

/// The secrets of static roles.
async fn static_roles(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let roles = static_roles::expiries(engine).await?;
    rotated("static_role", &roles, engine.clock.now(), all);
    Ok(())
}

/// Whether everything is being ended.
async fn drain(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let (is_drained, is_blocked) = journal::drain_progress(engine).await?;
    let help = "1: issued-end was ordered; the mount issues nothing.";
    all.gauge("draining", help, &[], usize::from(is_drained));
    let help = "1: issued-end was ordered, and nothing can be ended.";
    all.gauge("draining_blocked", help, &[], usize::from(is_blocked));
    Ok(())
}

fn rotated(kind: &str, secrets: &[ExpiryStatus], now: DateTime<Utc>, all: &mut Families) {
    let labels = [("kind", kind)];
    let help = "Secrets that the engine rotates, or could.";
    all.gauge("rotated_secrets", help, &labels, secrets.len());
    let failing = secrets.iter().filter(|secret| secret.failing).count();
    let help = "Secrets whose rotation fails at present.";
    all.gauge("rotations_failing", help, &labels, failing);
    let missed = secrets.iter().filter(|secret| secret.missed).count();
    let help = "Secrets whose last rotation did not start within its window.";
    all.gauge("rotations_missed", help, &labels, missed);
    let unattended = || {
        let secrets = secrets.iter();
        secrets.filter(|secret| secret.threshold(now).is_some())
    };
    let help = "Secrets that end within 30 days, with no rotation that can be relied on before.";
    all.gauge("secrets_expiring", help, &labels, unattended().count());
    if let Some(next) = secrets
        .iter()
        .filter_map(|secret| secret.next_rotation)
        .min()
    {
        let help = "Time until the next rotation of the kind; negative: it is late.";
        let left = seconds(next, now);
        all.measure("next_rotation_seconds", help, &labels, left);
    }
    let first = secrets.iter().filter_map(|secret| secret.expires_at).min();
    let unattended = unattended().filter_map(|secret| secret.expires_at).min();
    ends(kind, first, unattended, now, all);
}

/// The first end of all, and of those that nothing replaces before.
fn ends(
    kind: &str,
    first: Option<DateTime<Utc>>,
    unattended: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    all: &mut Families,
) {
    let labels = [("kind", kind)];
    if let Some(end) = first {
        let help = "Time until the first secret of the kind ends in Atlas or Azure; absent: none is known.";
        all.measure("expiry_seconds", help, &labels, seconds(end, now));
    }
    if let Some(end) = unattended {
        let help = "The same of those that end within 30 days, with no rotation that can be relied on before; \
                    absent: there is none.";
        all.measure(
            "unattended_expiry_seconds",
            help,
            &labels,
            seconds(end, now),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
pub(super) fn seconds(at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (at - now).num_seconds() as f64
}

/// The projects whose key vaults are looked after.
async fn encryption(engine: &Engine, all: &mut Families) -> Result<(), EngineError> {
    let counts = engine.scrapes.encryption_counts(engine).await?;
    for (state, count) in [
        ("all", counts.projects),
        ("static", counts.by_secret),
        ("role", counts.by_role),
        ("invalid", counts.invalid),
        ("drifted", counts.drifted),
        ("expiring", counts.expiring),
        ("failed", counts.failed),
        ("unseen", counts.unseen),
        ("unreadable", counts.unreadable),
    ] {
        all.gauge(
            "encryption_at_rest_projects",
            "Projects whose key vaults are looked after: all, and those of which it is so.",
            &[("state", state)],
            count,
        );
    }
    let first = counts.first_end;
    // Nothing replaces these: they are Azure's.
    let unattended = first.filter(|_| counts.expiring > 0);
    ends("key_vault", first, unattended, engine.clock.now(), all);
    Ok(())
}
