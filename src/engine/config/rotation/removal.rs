//! Deleting what the rotation of the configuration's credential leaves behind: credentials that were
//! begun and never taken up, and those that were replaced.

use chrono::{DateTime, Utc};

use super::entry::{Removal, RootType};
use super::principal::Principal;
use super::record::RootRecord;
use crate::atlas::{AtlasError, Level, Presence, ROTATION_SHOWN_WITHIN, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::connection::Linked;
use crate::engine::error::EngineError;
use crate::engine::origin::BoundTo;
use crate::engine::rotation_state::RotationFailure;
use crate::engine::unasked::{Mandate, Permit};

impl Removal {
    /// One that is about to be made.
    pub(super) fn of_new(
        credential_type: RootType,
        organization_id: crate::atlas::OrgId,
        origin: BoundTo,
        description: String,
        since: DateTime<Utc>,
    ) -> Self {
        Self {
            credential_type,
            organization_id,
            origin,
            description,
            programmatic_api_key_id: None,
            public_key: String::new(),
            client_id: None,
            since,
            replaced: false,
            failure: None,
        }
    }

    /// One that was replaced.
    pub(super) fn of_old(
        made: Principal,
        origin: BoundTo,
        public_key: String,
        since: DateTime<Utc>,
    ) -> Self {
        let (kind, org) = match &made {
            Principal::ApiKey(org, _) => (RootType::ProgrammaticApiKey, org.clone()),
            Principal::ServiceAccount(org, _) => (RootType::ServiceAccount, org.clone()),
        };
        let mut removal = Self::of_new(kind, org, origin, String::new(), since);
        removal.replaced = true;
        removal.public_key = public_key;
        removal.note(made);
        removal
    }

    /// Notes what Atlas made.
    pub(super) fn note(&mut self, made: Principal) {
        match made {
            Principal::ApiKey(_, id) => self.programmatic_api_key_id = Some(id),
            Principal::ServiceAccount(_, id) => self.client_id = Some(id),
        }
    }

    fn made(&self) -> Option<Principal> {
        let org = self.organization_id.clone();
        match (&self.programmatic_api_key_id, &self.client_id) {
            (Some(id), _) => Some(Principal::ApiKey(org, id.clone())),
            (None, Some(id)) => Some(Principal::ServiceAccount(org, id.clone())),
            (None, None) => None,
        }
    }
}

/// Removes what is due, with the present credential. What does not succeed stays for the next
/// periodic run, as does everything while deletions that nobody ordered are held.
pub(super) async fn clean_up(
    record: &mut RootRecord,
    linked: &Linked,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let removals = &record.entry.rotation.removals;
    if removals.is_empty() {
        return Ok(());
    }
    // Where the configuration is elsewhere, nothing is asked there on their account.
    let is_here = |removal: &Removal| linked.serves(&removal.origin);
    if removals.iter().any(is_here)
        && let Ok(permit) = mandate.permit(&record.engine).await?
    {
        return clean_up_those(record, linked, permit, |_| true, budget).await;
    }
    clean_up_those(record, linked, Permit::UNDO, |_| false, budget).await
}

/// Removes what this request has made under this name.
pub(super) async fn clean_up_own(
    record: &mut RootRecord,
    linked: &Linked,
    name: &str,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let is_own = |removal: &Removal| removal.description == name;
    clean_up_those(record, linked, Permit::UNDO, is_own, budget).await
}

async fn clean_up_those(
    record: &mut RootRecord,
    linked: &Linked,
    permit: Permit,
    is_meant: impl Fn(&Removal) -> bool,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let now = record.engine.clock.now();
    let old_in_use = record.engine.root.is_old_in_use();
    let removals = std::mem::take(&mut record.entry.rotation.removals);
    let before = removals.clone();
    for mut removal in removals {
        if removal.is_credential_of(&record.entry) {
            continue;
        }
        let waits = removal.failure.as_ref().is_some_and(|t| t.next_try > now)
            || (removal.replaced && old_in_use)
            // Until the configuration is where it was made, or that was moved.
            || !linked.serves(&removal.origin)
            || !is_meant(&removal);
        let presence = if waits {
            Ok(Presence::Present)
        } else {
            delete_leftover(&record.engine, linked, &removal, permit, budget).await
        };
        if let Err(error) = &presence
            && !error.is_rate_limited()
        {
            let entropy = &*record.engine.entropy;
            let failure = RotationFailure::after(removal.failure.as_ref(), error, now, entropy);
            tracing::warn!(
                error = failure.error, next_retry_time = %Rfc3339(failure.next_try),
                replaced = removal.replaced,
                "unused root credential could not be deleted in Atlas yet; retrying"
            );
            removal.failure = Some(failure);
        }
        if !matches!(presence, Ok(Presence::Gone)) {
            record.entry.rotation.removals.push(removal);
        }
    }
    if record.entry.rotation.removals == before {
        return Ok(());
    }
    record.store().await
}

/// Removes it, or finds out that it was never made. [`Presence::Present`]: it may still be there, as
/// nothing is listed, which does not prove anything yet.
///
/// That enough time has passed is told by a clock. While that is doubted it may still be there, also for
/// whoever ordered a rotation: forgotten, it would stay in Atlas for good.
async fn delete_leftover(
    engine: &Engine,
    linked: &Linked,
    removal: &Removal,
    permit: Permit,
    budget: RequestBudget,
) -> Result<Presence, EngineError> {
    if let Some(made) = removal.made() {
        remove(linked, &made, permit, budget).await?;
        return Ok(Presence::Gone);
    }
    let looking = |error| EngineError::atlas("looking for an incomplete credential", error);
    let mut found = find(linked, removal, budget).await.map_err(looking)?;
    if found.is_empty() {
        let is_new = engine.clock.now() - removal.since <= ROTATION_SHOWN_WITHIN;
        if is_new || engine.may_believe_clock().await?.is_err() {
            return Ok(Presence::Present);
        }
        let pause = linked.atlas.pause_between_looks(budget).await;
        pause.map_err(looking)?;
        found = find(linked, removal, budget).await.map_err(looking)?;
    }
    for made in &found {
        remove(linked, made, permit, budget).await?;
    }
    Ok(Presence::Gone)
}

async fn remove(
    linked: &Linked,
    made: &Principal,
    permit: Permit,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let made = made.clone().into();
    let deletion = crate::engine::resource::remove(linked, &made, permit, budget).await?;
    tracing::info!(
        %made,
        %deletion,
        "unused root credential deleted"
    );
    Ok(())
}

async fn find(
    linked: &Linked,
    removal: &Removal,
    budget: RequestBudget,
) -> Result<Vec<Principal>, AtlasError> {
    let org = &removal.organization_id;
    let description = &removal.description;
    let atlas = &linked.atlas;
    match removal.credential_type {
        RootType::ProgrammaticApiKey => {
            let keys = atlas
                .find_org_api_keys_by_description(org, description, budget)
                .await?;
            let made = keys
                .into_iter()
                .map(|key| Principal::ApiKey(org.clone(), key.id));
            Ok(made.collect())
        }
        RootType::ServiceAccount => {
            let level = Level::Org(org.clone());
            let accounts = atlas
                .find_service_accounts_by_name(&level, description, budget)
                .await?;
            let made = accounts
                .into_iter()
                .map(|account| Principal::ServiceAccount(org.clone(), account.client_id));
            Ok(made.collect())
        }
    }
}
