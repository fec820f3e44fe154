//! What is kept in memory of each entry: enough to count, to find, and to know whose turn it is.
//!
//! Some 200 bytes an entry. What attempts at removal came to is kept here too, and only here: after
//! a restart everything is tried anew.

mod counts;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub(crate) use self::counts::Counts;
use super::entry::{JournalEntry, Part, State};
use super::owner::Owner;
use crate::atlas::ClientId;
use crate::engine::backoff::whole_pause;
use crate::engine::entries::CredentialType;
use crate::engine::names::JournalId;

/// A request gives up within 85 s and cleans up for 30 s at most. What another process left
/// incomplete is nobody's after this, also where clocks differ by a minute.
const LEFT_BEHIND_AFTER: TimeDelta = TimeDelta::minutes(3);

/// From its last possible expiry to the reaper. The host tries a failing revocation again for up to
/// 11.5 minutes; a lease runs from when the answer arrived, up to 90 s after the entry was written.
/// The rest is for clocks that differ.
pub(super) const REAPED_AFTER: TimeDelta = TimeDelta::hours(1);

/// The same from the end of a lease to where it counts as lost. It is only counted.
const LOST_AFTER: TimeDelta = TimeDelta::minutes(15);

/// What became of the request that makes an incomplete entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestState {
    /// A request of this process works on it.
    InFlight,
    /// The request of this process ended without completing it.
    Abandoned,
    /// It was read from storage: another process may work on it for a while.
    Unknown,
}

/// What is known of an entry without reading it.
#[derive(Debug, Clone)]
pub(super) struct Brief {
    pub(super) state: State,
    pub(super) owner: Owner,
    /// Whether it counts for its role's `max_live`.
    counts: bool,
    pub(super) role: Arc<str>,
    pub(super) public: Option<Box<str>>,
    /// Of a credential that is part of an account.
    pub(super) part: Option<Part>,
    pub(super) credential_type: CredentialType,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) max_expire_time: DateTime<Utc>,
    /// When its lease is over, unless it was renewed before this process knew of it.
    lease_ends: Option<DateTime<Utc>>,
    pub(super) request: RequestState,
    /// Its great age has been told in the log.
    told: bool,
}

/// What attempts at removal came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Trial {
    failures: u32,
    /// Why the last one failed, of what its owner takes care of.
    pub(super) error: Option<Box<str>>,
    /// How often Atlas had nothing of it.
    not_found_count: u32,
    /// Monotonic.
    pub(super) not_before: Option<Duration>,
}

/// All briefs of one mount.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Every stored entry is known here.
    pub(super) filled: bool,
    /// Since when renewals are known: those before are noted nowhere.
    renewals_since: DateTime<Utc>,
    /// Storage is being read into memory.
    pub(super) filling: bool,
    pub(super) unreadable: usize,
    /// What these name is not known, but that they name something is.
    pub(super) unreadable_ids: HashSet<JournalId>,
    entries: BTreeMap<JournalId, Brief>,
    /// How many credentials each role has; accounts kept for it are none, nor is what was ended.
    of_role: HashMap<Arc<str>, usize>,
    pub(super) trials: HashMap<JournalId, Trial>,
    removed_meanwhile: HashSet<JournalId>,
    /// Everything was forgotten while storage was being read: what was read before is missing.
    forgotten_meanwhile: bool,
    /// What the server wanted to have revoked, and that was not.
    unrevoked: HashSet<JournalId>,
}

impl Index {
    /// Knows of nothing yet.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            renewals_since: now,
            ..Self::default()
        }
    }

    pub(super) fn contains(&self, id: &JournalId) -> bool {
        self.entries.contains_key(id)
    }

    /// How many credentials of a role there are, incomplete ones included.
    pub(super) fn alive(&self, role: &str) -> usize {
        self.of_role.get(role).copied().unwrap_or_default()
    }

    pub(super) fn briefs(&self) -> impl Iterator<Item = (&JournalId, &Brief)> {
        self.entries.iter()
    }

    pub(super) fn live(&self) -> usize {
        let briefs = self.entries.values();
        briefs.filter(|brief| brief.state == State::Active).count()
    }

    /// Half-made ones, but for access tokens, which need no removal, and for those of which the owner
    /// takes care.
    pub(super) fn all_half_made(&self) -> usize {
        let half_made = |brief: &&Brief| brief.is_half_made() && !brief.is_token();
        self.entries.values().filter(half_made).count()
    }

    /// Takes over an entry as it was written. `request` counts for one that is new here.
    pub(super) fn put(&mut self, id: &JournalId, entry: &JournalEntry, request: RequestState) {
        let known = self.take(id);
        if entry.state == State::Ended {
            // Nothing is tried any more.
            self.trials.remove(id);
        }
        let role = match self.of_role.get_key_value(entry.role.as_str()) {
            Some((role, _)) => Arc::clone(role),
            None => Arc::from(entry.role.as_str()),
        };
        // What only waits for a credential that may delete nobody was given it, nor what has another
        // owner.
        let is_alive =
            matches!(entry.state, State::Pending | State::Active) && entry.owner.is_lease();
        let counts = is_alive && entry.pending_deletion_since.is_none();
        *self.of_role.entry(Arc::clone(&role)).or_default() += usize::from(counts);
        let brief = Brief {
            state: entry.state,
            owner: entry.owner.clone(),
            counts,
            role,
            public: entry.public_part().map(Into::into),
            part: entry.part.clone(),
            credential_type: entry.credential_type,
            issued_at: entry.issued_at,
            max_expire_time: entry.max_expire_time,
            lease_ends: match known.as_ref().and_then(|brief| brief.lease_ends) {
                Some(end) => Some(end),
                None => self.lease_end(entry),
            },
            request: known.as_ref().map_or(request, |brief| brief.request),
            told: known.is_some_and(|brief| brief.told),
        };
        self.entries.insert(id.clone(), brief);
    }

    /// Nobody knows of renewals that another process saw. None gave it more than the longest `ttl` that is
    /// noted, so that it may run as long from when this one began; it never outlives its last moment.
    fn lease_end(&self, entry: &JournalEntry) -> Option<DateTime<Utc>> {
        let ttl = TimeDelta::try_seconds(i64::try_from(entry.ttl).ok()?)?;
        let since = entry.issued_at.max(self.renewals_since);
        let end = since.checked_add_signed(ttl).filter(|_| !ttl.is_zero());
        end.map(|end| end.min(entry.max_expire_time))
    }

    /// Since when its lease is over though it is live, once it is sure that it is.
    pub(super) fn past_ttl_since(
        &self,
        id: &JournalId,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let brief = self.entries.get(id)?;
        let is_past = brief.state == State::Active && brief.is_past_ttl(now);
        brief.lease_ends.filter(|_| is_past)
    }

    /// Notes that a lease was renewed.
    pub(super) fn renewed(&mut self, id: &JournalId, lease_ends: DateTime<Utc>) {
        if let Some(brief) = self.entries.get_mut(id) {
            brief.lease_ends = Some(lease_ends);
        }
    }

    /// Takes over an entry read from storage, unless it is known or was removed meanwhile.
    pub(super) fn remember(&mut self, id: &JournalId, entry: &JournalEntry) {
        if !self.contains(id) && !self.removed_meanwhile.contains(id) {
            self.put(id, entry, RequestState::Unknown);
        }
    }

    fn take(&mut self, id: &JournalId) -> Option<Brief> {
        let brief = self.entries.remove(id)?;
        if let Some(count) = self.of_role.get_mut(&brief.role) {
            *count -= usize::from(brief.counts);
            if *count == 0 {
                self.of_role.remove(&brief.role);
            }
        }
        Some(brief)
    }

    /// Forgets an entry that was removed from storage.
    pub(super) fn remove(&mut self, id: &JournalId) {
        self.take(id);
        self.trials.remove(id);
        self.unrevoked.remove(id);
        if self.filling {
            self.removed_meanwhile.insert(id.clone());
        }
    }

    /// Begins to read storage.
    pub(super) fn begin_filling(&mut self) {
        self.filling = true;
        self.forgotten_meanwhile = false;
        self.unreadable = 0;
        self.unreadable_ids.clear();
    }

    /// Ends the reading of storage.
    pub(super) fn end_filling(&mut self, whole: bool) {
        self.filling = false;
        self.filled |= whole && !self.forgotten_meanwhile;
        self.removed_meanwhile.clear();
        if self.filled {
            let entries = &self.entries;
            self.unrevoked.retain(|id| entries.contains_key(id));
        }
    }

    /// Forgets everything that no request of this process works on.
    pub(super) fn forget(&mut self, now: DateTime<Utc>) {
        self.filled = false;
        self.renewals_since = now;
        self.forgotten_meanwhile = self.filling;
        let known: Vec<JournalId> = self.entries.keys().cloned().collect();
        for id in known {
            if self.entries[&id].request != RequestState::InFlight {
                self.take(&id);
            }
        }
    }

    /// Says that nobody works on an incomplete entry any more.
    pub(super) fn leave(&mut self, id: &JournalId) {
        if let Some(brief) = self.entries.get_mut(id) {
            brief.request = match brief.state {
                State::Pending => RequestState::Abandoned,
                State::Active | State::Managed | State::Ended => RequestState::Unknown,
            };
        }
    }

    /// Whether this process began it and did not complete it, whatever storage says.
    pub(super) fn is_left(&self, id: &JournalId) -> bool {
        let brief = self.entries.get(id);
        brief.is_some_and(|brief| {
            brief.state == State::Pending && brief.request == RequestState::Abandoned
        })
    }

    /// The account to which an entry's secret was added, of such entries.
    pub(super) fn account_of_secret(&self, id: &JournalId) -> Option<ClientId> {
        match self.entries.get(id)?.part.as_ref()? {
            Part::Secret(secret) => Some(secret.client_id.clone()),
            Part::Token { .. } | Part::Secrets(_) => None,
        }
    }

    /// Whether there is an entry whose credential may be in Atlas.
    pub(super) fn may_be_in_atlas(&self, id: &JournalId) -> bool {
        let brief = self.entries.get(id);
        brief.is_some_and(|brief| brief.state != State::Ended)
    }

    /// Live entries begun before `before`.
    pub(super) fn live_before(&self, before: DateTime<Utc>) -> Vec<JournalId> {
        let entries = self.entries.iter();
        entries
            .filter(|(_, brief)| brief.state == State::Active && brief.issued_at < before)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Entries of credentials of this type.
    pub(super) fn of_type(&self, credential_type: CredentialType) -> Vec<JournalId> {
        let entries = self.entries.iter();
        let of_it = entries.filter(|(_, brief)| brief.credential_type == credential_type);
        of_it.map(|(id, _)| id.clone()).collect()
    }

    /// Half-made entries whose turn it is; those that failed least first, so that what is stuck
    /// does not keep the others. `urgent`: the mount is about to end, and with it the journal.
    pub(super) fn half_made(
        &self,
        now: DateTime<Utc>,
        monotonic: Duration,
        urgent: bool,
    ) -> Vec<JournalId> {
        self.due(monotonic, urgent, |brief| {
            let left = match (brief.request, &brief.part) {
                (RequestState::InFlight, _) => false,
                // Nothing to look for: it dies by itself.
                (_, Some(Part::Token { .. })) => now - brief.max_expire_time > LEFT_BEHIND_AFTER,
                (RequestState::Abandoned, _) => true,
                (RequestState::Unknown, _) => urgent || now - brief.issued_at > LEFT_BEHIND_AFTER,
            };
            (brief.is_half_made() && left).then_some(brief.issued_at)
        })
    }

    /// Complete entries past their last possible expiry whose turn it is, in the same order; those
    /// of managed accounts only once the last known secret has ended.
    pub(super) fn outlived(&self, now: DateTime<Utc>, monotonic: Duration) -> Vec<JournalId> {
        self.due(monotonic, false, |brief| {
            brief.is_outlived(now).then_some(brief.max_expire_time)
        })
    }

    pub(super) fn due(
        &self,
        monotonic: Duration,
        urgent: bool,
        since: impl Fn(&Brief) -> Option<DateTime<Utc>>,
    ) -> Vec<JournalId> {
        let mut due: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(id, brief)| {
                let since = since(brief)?;
                let failures = self.trials.get(id).map_or(0, |trial| trial.failures);
                (urgent || !self.rests(id, monotonic)).then_some((failures, since, id))
            })
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, _, id)| id.clone()).collect()
    }

    /// Whether an entry rests after a failure.
    pub(super) fn rests(&self, id: &JournalId, monotonic: Duration) -> bool {
        let until = self.trials.get(id).and_then(|trial| trial.not_before);
        until.is_some_and(|until| monotonic < until)
    }

    /// Whether an attempt at the removal of an entry's credential has failed.
    pub(super) fn has_failed(&self, id: &JournalId) -> bool {
        self.trials.get(id).is_some_and(|trial| trial.failures > 0)
    }

    /// Makes everything due at once.
    pub(super) fn rest_no_more(&mut self) {
        for trial in self.trials.values_mut() {
            trial.not_before = None;
        }
    }

    /// Notes a failed attempt, after which the entry rests for a while.
    pub(super) fn failed(&mut self, id: &JournalId, monotonic: Duration) {
        if !self.contains(id) {
            return;
        }
        let trial = self.trials.entry(id.clone()).or_default();
        trial.failures = trial.failures.saturating_add(1);
        trial.not_before = Some(monotonic + whole_pause(trial.failures));
    }

    /// Notes that an attempt did not fail.
    pub(super) fn succeeded(&mut self, id: &JournalId) {
        self.trials.remove(id);
    }

    /// Notes that Atlas had nothing of an entry; answers how often that was so.
    pub(super) fn record_not_found(&mut self, id: &JournalId) -> u32 {
        let trial = self.trials.entry(id.clone()).or_default();
        trial.not_found_count = trial.not_found_count.saturating_add(1);
        trial.not_found_count
    }

    /// Entries that should have been removed more than `limit` ago, each told once.
    pub(super) fn newly_overdue(&mut self, now: DateTime<Utc>, limit: TimeDelta) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        for (id, brief) in &mut self.entries {
            let since = match brief.state {
                State::Pending
                    if brief.is_half_made() && brief.request != RequestState::InFlight =>
                {
                    brief.settles_from()
                }
                State::Pending | State::Managed | State::Ended => continue,
                State::Active => brief.max_expire_time + REAPED_AFTER,
            };
            if !brief.told && now - since > limit {
                brief.told = true;
                overdue.push(Overdue {
                    id: id.clone(),
                    state: brief.state,
                    since,
                    failures: self.trials.get(id).map_or(0, |trial| trial.failures),
                });
            }
        }
        overdue
    }
}

impl Brief {
    /// Incomplete, and the journal's to remove.
    fn is_half_made(&self) -> bool {
        self.state == State::Pending && !self.owner.takes_care()
    }

    fn is_outlived(&self, now: DateTime<Utc>) -> bool {
        let ends_with_time = self.state != State::Pending && !self.owner.takes_care();
        ends_with_time && now - self.max_expire_time > REAPED_AFTER
    }

    fn is_past_ttl(&self, now: DateTime<Utc>) -> bool {
        self.lease_ends.is_some_and(|end| now - end > LOST_AFTER)
    }

    fn is_token(&self) -> bool {
        matches!(self.part, Some(Part::Token { .. }))
    }

    /// From when on an incomplete one should be settled: a token only has to die.
    fn settles_from(&self) -> DateTime<Utc> {
        if self.is_token() {
            self.max_expire_time
        } else {
            self.issued_at
        }
    }
}

/// An entry that should have been removed long ago.
#[derive(Debug)]
pub(super) struct Overdue {
    pub(super) id: JournalId,
    pub(super) state: State,
    pub(super) since: DateTime<Utc>,
    pub(super) failures: u32,
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
