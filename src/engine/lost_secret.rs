//! Which secret of a service account is the one whose answer was lost. One rule for all who ask for
//! secrets.
//!
//! Nobody knows the value of a lost secret, so nobody ever used it. It was not there before, and Atlas
//! made it while the request was under way, by Atlas's own clock: what the request stores before it is
//! sent says when that was. Where Atlas had not told its time, or does not tell when a secret was made,
//! or several fit, it cannot be decided: then none is deleted, and `status` leaves it to a person.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Engine;
use crate::atlas::{Atlas, ClientId, RequestBudget, SecretId, SecretState};

/// How far a moment of Atlas may be from where it was thought to be: both are told in whole seconds.
const SLACK: TimeDelta = TimeDelta::seconds(2);
/// What Atlas told of its time is taken to place a request for so long.
const TOLD_FOR: Duration = Duration::from_hours(1);
/// The most requests of one account whose answers may be missing at once: it holds two secrets.
const MAX_REQUESTS: usize = 8;
/// How many are listed in `status`; how many there are is told in any case.
const MAX_LISTED: usize = 20;

/// A request for a secret, as it is stored before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRequest {
    /// When it was about to be sent, by this server's clock.
    sent_at: DateTime<Utc>,
    /// How far Atlas's clock was ahead of this server's; absent: Atlas had not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    atlas_ahead_ms: Option<i64>,
    /// It had ended so long after it was sent: at its caller's deadline at the latest, by which it
    /// would have been given up. A process that dies has no time to note an earlier end.
    ended_within_ms: u64,
}

impl SecretRequest {
    /// One that is about to be sent.
    pub(crate) fn about_to_send(engine: &Engine, atlas: &Atlas, budget: RequestBudget) -> Self {
        let (wall, monotonic) = (engine.clock.now(), engine.clock.monotonic());
        let told = atlas.atlas_time();
        let told = told.filter(|time| time.is_precise() && time.age(monotonic) <= TOLD_FOR);
        Self {
            sent_at: wall,
            atlas_ahead_ms: told.map(|time| (time.at(monotonic) - wall).num_milliseconds()),
            ended_within_ms: millis(budget.deadline.saturating_duration_since(Instant::now())),
        }
    }

    /// It ended after this long, with or without an answer.
    pub(crate) fn ended_after(&mut self, elapsed: Duration) {
        self.ended_within_ms = self.ended_within_ms.min(millis(elapsed));
    }

    /// When Atlas made the secret, if it made one: by Atlas's clock.
    fn window(&self) -> Option<RangeInclusive<DateTime<Utc>>> {
        let ahead = TimeDelta::try_milliseconds(self.atlas_ahead_ms?)?;
        let took = TimeDelta::try_milliseconds(i64::try_from(self.ended_within_ms).ok()?)?;
        let sent = self.sent_at.checked_add_signed(ahead)?;
        let ended = sent.checked_add_signed(took)?;
        Some(sent.checked_sub_signed(SLACK)?..=ended.checked_add_signed(SLACK)?)
    }
}

/// Adds a request that is about to be sent. Of all but the last few before it nothing is to be expected
/// any more, if nothing was found by now.
pub(crate) fn add(requests: &mut Vec<SecretRequest>, request: SecretRequest) {
    requests.drain(..(requests.len() + 1).saturating_sub(MAX_REQUESTS));
    requests.push(request);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What became of requests whose answers were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Atlas made these.
    Ours(Vec<SecretId>),
    /// The account has none of them, or does not show it yet.
    NotThere,
    /// One of these may be lost, or it may be somebody else's.
    Ambiguous(Vec<SecretId>),
}

/// Finds the secrets of these requests among those that an account holds; `known` were there before,
/// or are known for what they are.
pub(crate) fn find(
    requests: &[SecretRequest],
    known: &[SecretId],
    secrets: &[SecretState],
) -> Lost {
    let windows: Vec<_> = requests.iter().map(SecretRequest::window).collect();
    let is_placed = !windows.is_empty() && windows.iter().all(Option::is_some);
    let may_be = |secret: &&SecretState| {
        let made_in = |window: &RangeInclusive<_>| {
            secret
                .created_at
                .is_none_or(|made_at| window.contains(&made_at))
        };
        !known.contains(&secret.id)
            && secret.last_used_at.is_none()
            && (!is_placed || windows.iter().flatten().any(made_in))
    };
    let candidates: Vec<&SecretState> = secrets.iter().filter(may_be).collect();
    let ids = || candidates.iter().map(|secret| secret.id.clone()).collect();
    if candidates.is_empty() {
        return Lost::NotThere;
    }
    let is_dated = candidates.iter().all(|secret| secret.created_at.is_some());
    // Each request made one at most.
    let is_one_each = windows.iter().flatten().all(|window| {
        let made_at = candidates.iter().filter_map(|secret| secret.created_at);
        made_at.filter(|made_at| window.contains(made_at)).count() <= 1
    });
    if is_placed && is_dated && is_one_each {
        Lost::Ours(ids())
    } else {
        Lost::Ambiguous(ids())
    }
}

/// What could not be decided, by the storage key that it belongs to. In memory alone: whoever meets it
/// again notes it again.
#[derive(Default)]
pub(crate) struct AmbiguousSecrets(Mutex<BTreeMap<String, (ClientId, Vec<SecretId>)>>);

impl AmbiguousSecrets {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, (ClientId, Vec<SecretId>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what came of a search, for the entry at `key`.
    pub(crate) fn note(&self, key: &str, client_id: &ClientId, lost: &Lost) {
        let Lost::Ambiguous(candidates) = lost else {
            self.forget(key);
            return;
        };
        let noted = (client_id.clone(), candidates.clone());
        if self.locked().insert(key.to_owned(), noted).is_none() {
            let candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
            tracing::warn!(
                key, %client_id, candidates = candidates.join(", "),
                "cannot tell which client secret this mount created: none was deleted; delete the \
                 unused ones in Atlas"
            );
        }
    }

    /// Whether something could not be decided for the entry at `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.locked().contains_key(key)
    }

    /// The entry is gone, or settled.
    pub(crate) fn forget(&self, key: &str) {
        self.locked().remove(key);
    }

    /// The entry at `key` has changed: what it no longer has an account of is forgotten.
    pub(crate) fn keep_of(&self, key: &str, is_there: impl Fn(&ClientId) -> bool) {
        let mut all = self.locked();
        if all
            .get(key)
            .is_some_and(|(client_id, _)| !is_there(client_id))
        {
            all.remove(key);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.locked().len()
    }

    /// For the mount's status.
    pub(crate) fn listed(&self) -> Value {
        let all = self.locked();
        let listed = all.iter().take(MAX_LISTED).map(|(key, (client_id, candidates))| {
            json!({ "entry": key, "client_id": client_id, "candidates": candidates })
        });
        json!({ "count": all.len(), "secrets": listed.collect::<Vec<Value>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "2026-08-10T03:00:00Z";

    fn at(seconds: i64) -> DateTime<Utc> {
        SENT.parse::<DateTime<Utc>>().expect("a time") + TimeDelta::seconds(seconds)
    }

    fn id(number: u8) -> SecretId {
        format!("{number:024x}").parse().expect("an id")
    }

    fn secret(number: u8, created: Option<i64>) -> SecretState {
        let state = json!({ "id": id(number), "createdAt": created.map(at) });
        serde_json::from_value(state).expect("a secret")
    }

    /// Sent at second `sent` of this server's clock, with Atlas 100 s ahead; it took 10 s.
    fn request(sent: i64) -> SecretRequest {
        SecretRequest {
            sent_at: at(sent),
            atlas_ahead_ms: Some(100_000),
            ended_within_ms: 10_000,
        }
    }

    #[test]
    fn ours_was_made_while_the_request_was_under_way_by_atlas_clock() {
        for (created, is_ours) in [
            (97, false),
            (98, true),
            (112, true),
            (113, false),
            (0, false),
        ] {
            let found = find(&[request(0)], &[], &[secret(1, Some(created))]);
            let wanted = if is_ours {
                Lost::Ours(vec![id(1)])
            } else {
                Lost::NotThere
            };
            assert_eq!(found, wanted, "{created}");
        }
    }

    #[test]
    fn what_was_there_before_or_was_used_is_not_ours() {
        let mut used = secret(2, Some(105));
        used.last_used_at = Some(at(106));
        let secrets = [secret(1, Some(105)), used, secret(3, Some(105))];
        let found = find(&[request(0)], &[id(1)], &secrets);
        assert_eq!(found, Lost::Ours(vec![id(3)]));
    }

    #[test]
    fn of_two_that_fit_one_request_neither_is_taken() {
        let secrets = [secret(1, Some(105)), secret(2, Some(106))];
        let both = Lost::Ambiguous(vec![id(1), id(2)]);
        assert_eq!(find(&[request(0)], &[], &secrets), both);
        // A second request may have made the other one, but not of two that fit it as well.
        assert_eq!(find(&[request(0), request(1)], &[], &secrets), both);
        let secrets = [secret(1, Some(105)), secret(2, Some(405))];
        let found = find(&[request(0), request(300)], &[], &secrets);
        assert_eq!(found, Lost::Ours(vec![id(1), id(2)]));
    }

    #[test]
    fn without_a_date_it_cannot_be_decided() {
        let ambiguous = Lost::Ambiguous(vec![id(1)]);
        let undated = [secret(1, None)];
        assert_eq!(find(&[request(0)], &[], &undated), ambiguous);
        let dated = [secret(1, Some(105))];
        let unplaced = SecretRequest {
            atlas_ahead_ms: None,
            ..request(0)
        };
        assert_eq!(
            find(std::slice::from_ref(&unplaced), &[], &dated),
            ambiguous
        );
        assert_eq!(find(&[request(0), unplaced], &[], &dated), ambiguous);
        // As earlier versions stored it.
        assert_eq!(find(&[], &[], &dated), ambiguous);
        assert_eq!(find(&[], &[id(1)], &dated), Lost::NotThere);
    }

    #[tokio::test]
    async fn what_could_not_be_decided_is_forgotten_with_its_entry() {
        let ambiguous = std::sync::Arc::<AmbiguousSecrets>::default();
        let account: ClientId = "mdb_sa_id_6b02741eb9c9ed02f900000f".parse().expect("an id");
        let storage = std::sync::Arc::new(crate::vault::memory::MemoryStorage::default());
        let shared = std::sync::Arc::clone(&ambiguous);
        let journal =
            crate::engine::journal::Journal::new(storage, shared, &crate::base::SystemClock);
        let drawn = journal.draw(&crate::base::SystemEntropy).await;
        let entry = drawn.expect("a free id");
        let key = crate::engine::keys::issued(&entry);
        let lost = Lost::Ambiguous(vec![id(1)]);
        ambiguous.note(&key, &account, &lost);
        journal.remove(&entry).await.expect("removed");
        assert!(!ambiguous.has(&key));
        ambiguous.note("k", &account, &lost);
        ambiguous.keep_of("k", |there| *there == account);
        assert!(ambiguous.has("k"));
        ambiguous.keep_of("k", |_| false);
        assert!(!ambiguous.has("k"));
    }
}
