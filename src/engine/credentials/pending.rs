//! Issuing a credential that is made in Atlas: journal, Atlas, journal, answer. Whatever fails on
//! the way, what was made is removed, at once or by the next periodic run.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::caller_address;
use super::grant::Grant;
use super::granted::Granted;
use super::issued::{Issued, description, not_completed};
use super::kind::CredentialKind;
use super::lease_ttl::LeaseTtl;
use crate::atlas::{Atlas, Deletion, Level, OrgId, Priority, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::{ConfiguredClient, Search, ownership};
use crate::engine::error::EngineError;
use crate::engine::journal::find::find;
use crate::engine::journal::{Hold, JournalEntry, Owner, State};
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::names::JournalId;
use crate::engine::origin::BoundTo;
use crate::engine::resource::remove;
use crate::engine::unasked::Permit;
use crate::vault::Response;

/// How long the removal of an incomplete credential may take. Its caller may be gone by then.
const UNDO_BUDGET: Duration = Duration::from_secs(30);

/// One credential on its way.
pub(super) struct PendingCredential {
    pub(super) engine: Arc<Engine>,
    pub(super) linked: Arc<ConfiguredClient>,
    /// The client with which it is made: it sends nothing more once the caller is gone.
    pub(super) atlas: Atlas,
    /// Cancelled when the caller goes away.
    pub(super) gone: CancellationToken,
    pub(super) grant: Grant,
    pub(super) life: LeaseTtl,
    pub(super) id: JournalId,
    pub(super) entry: JournalEntry,
    pub(super) budget: RequestBudget,
    /// Whether the create was sent: from then on Atlas may hold something.
    pub(super) sent: bool,
    /// What the reader of the credential should know.
    pub(super) warnings: Vec<String>,
    /// Held where others must not work on the same account, until this is issued or undone.
    pub(super) guard: Option<KeyedGuard>,
    /// Keeps the periodic run's hands off the entry until this pending is gone.
    _hold: Hold,
}

impl PendingCredential {
    /// Checks everything that can be checked without Atlas, and writes the journal entry. Only what is
    /// for a lease takes a place of its role's `max_live`.
    pub(super) async fn begin(
        kind: &dyn CredentialKind,
        granted: Granted<'_>,
        owner: Owner,
    ) -> Result<Self, EngineError> {
        let Granted { engine, call, .. } = granted;
        let mut grant = granted.grant()?;
        let bound_address = granted.bound_address(&grant)?;
        if let Some(address) = bound_address {
            grant.access_list = grant.access_list.with(address.into());
        }
        let linked = engine.connection.linked().await?;
        let budget = granted.budget();
        if kind.ends_in_organization() {
            let allowed = Box::pin(ownership::require(&linked, &*engine.clock, budget));
            engine.while_wanted(&call.caller.gone, allowed).await??;
        }
        let life = LeaseTtl::of(granted.role, granted.times);
        let life = kind.bounded(life, Duration::ZERO);
        let id = engine.journal.draw(&*engine.entropy).await?;
        let now = engine.clock.now();
        let max_live = match owner {
            Owner::Lease => granted.role.max_live,
            Owner::Root | Owner::StaticRole { .. } | Owner::ManagedAccount => 0,
        };
        let mut entry = JournalEntry {
            owner,
            description: description(kind, granted.name, &id),
            part: kind.part(&grant),
            bound_address,
            origin: BoundTo::client(&linked),
            display_name: call.display_name.clone(),
            entity_id: call.entity_id.clone(),
            max_expire_time: now + life.max_ttl,
            ..JournalEntry::begun(granted.name.to_string(), kind.credential_type(), now)
        };
        note_place(&mut entry, &grant, &linked);
        let hold = granted.enter(&id, &entry, max_live).await?;
        Ok(Self {
            engine: Arc::clone(engine),
            atlas: linked.atlas.until(&call.caller.gone),
            gone: call.caller.gone.clone(),
            linked,
            grant,
            life,
            id,
            entry,
            budget,
            sent: false,
            warnings: Vec::new(),
            guard: None,
            _hold: hold,
        })
    }

    /// Hands out what was made, or removes it again.
    pub(super) async fn finish<T>(
        mut self,
        kind: &dyn CredentialKind,
        granted: Granted<'_>,
        made: Result<T, EngineError>,
        answer: impl FnOnce(&Self, &T) -> Issued,
    ) -> Result<Response, EngineError> {
        let made = match made {
            Ok(made) => self.complete(granted).await.map(|()| made),
            Err(error) => Err(error),
        };
        match made {
            Ok(made) => {
                let issued = answer(&self, &made);
                let times = (self.life.ttl, self.life.max_ttl);
                let mut response = issued.hand_out(kind, &self.id, &self.entry, times);
                response.warnings.extend(self.life.warning());
                let bound = self.entry.bound_address;
                response
                    .warnings
                    .extend(bound.and_then(caller_address::warning));
                response.warnings.extend(self.warnings);
                Ok(response)
            }
            Err(error) => Err(self.undo(error).await),
        }
    }

    /// Records it as live, for a caller who is there before and after: to nobody else is a lease given.
    async fn complete(&mut self, granted: Granted<'_>) -> Result<(), EngineError> {
        granted.still_there()?;
        self.entry.ttl = self.life.length().as_secs();
        self.record(State::Active).await?;
        granted.still_holds().await?;
        // A deletion of the role that began meanwhile ends this as well.
        granted.still_there()
    }

    /// Ends the lease no later than so long from now, in which nothing was made yet.
    pub(super) fn bound_life(&mut self, limit: Duration) -> Result<(), EngineError> {
        let life = self.life.within(limit);
        self.life = life.ok_or(EngineError::EndsAtOnce)?;
        Ok(())
    }

    /// Ends the lease no later than the secret that was made.
    pub(super) fn end_with(&mut self, expires_at: DateTime<Utc>) -> Result<(), EngineError> {
        let left = expires_at - self.engine.clock.now();
        self.bound_life(left.to_std().unwrap_or_default())?;
        self.entry.max_expire_time = self.entry.issued_at + self.life.max_ttl;
        Ok(())
    }

    /// Writes the entry as it is now.
    pub(super) async fn record(&mut self, state: State) -> Result<(), EngineError> {
        self.entry.state = state;
        let (journal, clock) = (&self.engine.journal, &self.engine.clock);
        journal.made(&self.id, clock.monotonic());
        journal.write(&self.id, &self.entry).await
    }

    /// Whether calls follow after which an incomplete credential would be left behind by a crash.
    pub(super) fn has_further_steps(&self) -> bool {
        !self.grant.access_list.is_empty() || !self.grant.assignments.is_empty()
    }

    /// The organization in which the credential is managed.
    pub(super) async fn organization(&self) -> Result<OrgId, EngineError> {
        let looking = self.linked.organization_of(&self.grant.level, self.budget);
        let found = self.engine.while_wanted(&self.gone, looking).await?;
        found.map_err(|error| EngineError::atlas("looking up the project's organization", error))
    }

    /// Removes what was made. The error tells what became of it, and why it came to this.
    pub(super) async fn undo(mut self, error: EngineError) -> EngineError {
        let maybe_made = self.sent && error.outcome_unknown();
        let nothing_made = !self.entry.is_known() && !maybe_made;
        if self.entry.state == State::Active {
            // Nobody is given it: should this process end now, the periodic run removes it, and not
            // the reaper at the end of a lease that there never was. Where this fails, it is as it
            // was.
            let _ = self.record(State::Pending).await;
        }
        let undone = if nothing_made {
            Ok(())
        } else {
            self.remove().await
        };
        let forgotten = match undone {
            Ok(()) => self.engine.journal.remove(&self.id).await,
            Err(failure) => Err(failure),
        };
        self.engine.note_undecidable(&self.id, &forgotten);
        if let Err(EngineError::Ambiguous { candidates, .. }) = &forgotten {
            self.entry.mark_ambiguous(candidates);
        }
        if let Err(failure) = &forgotten {
            tracing::warn!(
                journal_id = %self.id,
                error = %crate::vault::failure::chain(failure),
                "could not delete an incomplete credential; the next periodic run retries"
            );
            // The entry may be stored as live, or without what is known by now. Should this fail as
            // well, the periodic run goes by memory, and after a restart by the description.
            self.entry.state = State::Pending;
            self.engine.journal.learn(&self.id, &self.entry);
            let _ = self.record(State::Pending).await;
        }
        match (nothing_made, forgotten) {
            (true, _) => error,
            (false, Ok(())) => not_completed("was removed from Atlas again", error),
            (false, Err(_)) => not_completed(
                "could not be removed yet; this is tried again every minute",
                error,
            ),
        }
    }

    /// Deletes what was made, looking for it first where its id never arrived.
    async fn remove(&self) -> Result<(), EngineError> {
        let budget = RequestBudget::within(UNDO_BUDGET, Priority::Revoke);
        let search = Search::of_request();
        let found = find(&self.linked, &self.entry, search, budget).await?;
        let mut deleted = false;
        for made in &found {
            deleted |= remove(&self.linked, made, Permit::UNDO, budget).await? == Deletion::Deleted;
        }
        // Atlas may not yet know everywhere of what was made a moment ago.
        if deleted {
            Ok(())
        } else {
            Err(EngineError::NotListedYet)
        }
    }
}

/// Notes where it is made, by which it is found again.
fn note_place(entry: &mut JournalEntry, grant: &Grant, linked: &ConfiguredClient) {
    match &grant.level {
        Level::Org(org) => entry.organization_id = Some(org.clone()),
        Level::Project(project) => {
            entry.project_id = Some(project.clone());
            let further = grant.assignments.iter();
            entry.further_project_ids = further.map(|(id, _)| id.clone()).collect();
            entry
                .config_organization_id
                .clone_from(&linked.organization_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing::TestMount;
    use crate::vault::Failure;

    async fn mount_with_role() -> TestMount {
        let mount = TestMount::configured().await;
        let role = json!({
            "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
        });
        mount.write("roles/reader", role).await.expect("a role");
        mount
    }

    /// Storage that fails at any write of an issue leaves nothing behind.
    #[tokio::test]
    async fn storage_that_fails_at_any_write_leaves_no_key_behind() {
        for writes in 0..4 {
            let mount = mount_with_role().await;
            mount.storage.fail_after(Some(writes));
            let refused = mount.read("creds/reader").await;
            assert!(
                matches!(refused, Err(Failure::HostText(_))),
                "{writes}: {refused:?}"
            );
            assert_eq!(
                mount.atlas.credentials().await,
                Vec::<String>::new(),
                "{writes}"
            );
            mount.storage.fail_after(None);
            mount.advance(Duration::from_secs(601)).await;
            for _ in 0..2 {
                mount.tick().await.expect("a tick");
            }
            assert_eq!(mount.journal_keys(), Vec::<String>::new(), "{writes}");
        }
    }

    #[tokio::test]
    async fn a_key_whose_answer_was_lost_is_found_by_its_description_and_removed() {
        let mount = mount_with_role().await;
        mount
            .atlas
            .fault(json!({
                "operation": "createOrgApiKey", "action": {"kind": "lose_answer"},
            }))
            .await;
        let failed = mount.read("creds/reader").await.expect_err("no answer");
        assert!(
            failed.to_string().contains("was removed from Atlas again"),
            "{failed}"
        );
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_removed_at_once_is_removed_by_a_tick() {
        let mut mount = mount_with_role().await;
        for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
            mount
                .atlas
                .fault(json!({
                    "operation": operation, "count": 0,
                    "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
                }))
                .await;
        }
        let failed = mount
            .read("creds/reader")
            .await
            .expect_err("no access list");
        assert!(
            failed.to_string().contains("tried again every minute"),
            "{failed}"
        );
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.atlas.no_more_faults().await;
        mount.restart().await;
        mount
            .tick()
            .await
            .expect("too early for another process's work");
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        mount.advance(Duration::from_secs(181)).await;
        mount.tick().await.expect("a tick");
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn max_live_holds_for_requests_at_the_same_time() {
        let mut mount = TestMount::with_role(json!({ "max_live": 5 })).await;
        let asked = (0..20).map(|_| mount.read("creds/reader"));
        let answers = futures_util::future::join_all(asked).await;
        let (given, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((given.len(), refused.len()), (5, 15));
        for refusal in refused {
            let Err(Failure::Coded { status: 429, text }) = refusal else {
                panic!("{refusal:?}");
            };
            assert!(text.contains("has 5 active credentials"), "{text}");
        }
        assert_eq!(mount.atlas.credentials().await.len(), 5);
        mount.restart().await;
        assert!(mount.read("creds/reader").await.is_err());
        let lease = given.into_iter().flatten().flatten().next();
        let lease = lease.and_then(|answer| answer.secret).expect("a lease");
        mount.revoke(&lease).await.expect("revoked");
        mount.issue("reader").await;
        assert!(mount.read("creds/reader").await.is_err());
        mount.write_reader(json!({ "max_live": 0 })).await;
        mount.issue("reader").await;
    }

    #[tokio::test]
    async fn a_credential_that_was_not_completed_gives_its_place_back() {
        let mount = TestMount::with_role(json!({ "max_live": 1 })).await;
        let refusal = json!({
            "operation": "createOrgAccessEntry",
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(refusal).await;
        mount
            .read("creds/reader")
            .await
            .expect_err("no access list");
        mount.storage.fail_after(Some(0));
        mount.read("creds/reader").await.expect_err("no storage");
        mount.storage.fail_after(None);
        mount.issue("reader").await;
    }

    #[tokio::test]
    async fn a_role_with_a_wrong_max_live_is_refused() {
        let mount = TestMount::with_role(json!({ "max_live": 3 })).await;
        let role = TestMount::data(mount.read("roles/reader").await);
        assert_eq!(role["max_live"], 3);
        let refused = mount.write("roles/reader", json!({ "max_live": -1 })).await;
        assert!(matches!(refused, Err(Failure::BadRequest(text)) if text.contains("max_live")));
    }
}
