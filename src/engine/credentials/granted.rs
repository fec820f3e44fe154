//! What a credential is begun and handed out by: its mount, its role, as it was when the credential was
//! begun, and its caller.

use std::net::IpAddr;
use std::sync::Arc;

use super::caller_address;
use super::grant::Grant;
use super::lease_ttl::MountTimes;
use crate::atlas::{Priority, RequestBudget};
use crate::engine::Engine;
use crate::engine::entries::RoleEntry;
use crate::engine::error::EngineError;
use crate::engine::journal::{Hold, JournalEntry};
use crate::engine::names::{JournalId, RoleName};
use crate::engine::role_uses::RoleUse;
use crate::framework::Call;

/// The role as it was when a credential of it was begun.
#[derive(Clone, Copy)]
pub(crate) struct Granted<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) call: &'a Call,
    pub(super) name: &'a RoleName,
    pub(super) role: &'a RoleEntry,
    /// Begun before the role was read, so that it has seen every write since.
    pub(super) role_use: &'a RoleUse,
    /// The lease times of the mount.
    pub(super) times: MountTimes,
    /// How many changes of orders to drain the mount had come before it was seen that none counts.
    pub(super) drain_changes: u64,
}

impl Granted<'_> {
    /// What the role grants, or why it cannot be used.
    pub(super) fn grant(&self) -> Result<Grant, EngineError> {
        let unusable = |faults| format!("role {} cannot be used: {faults}", self.name);
        Grant::of_stored(self.role).map_err(|faults| EngineError::BadInput(unusable(faults)))
    }

    /// The caller's address, if the role binds to it.
    pub(super) fn bound_address(&self, grant: &Grant) -> Result<Option<IpAddr>, EngineError> {
        if !grant.bind_to_caller {
            return Ok(None);
        }
        let address = caller_address::read(&self.call.remote_address);
        let unknown = || EngineError::CallerAddressUnknown(self.name.to_string());
        address.map(Some).ok_or_else(unknown)
    }

    /// For as long as the caller waits.
    pub(super) fn budget(&self) -> RequestBudget {
        RequestBudget {
            deadline: self.call.caller.deadline,
            priority: Priority::Issue,
        }
    }

    /// Fails if nobody waits for the answer any more.
    pub(super) fn still_there(&self) -> Result<(), EngineError> {
        if self.call.caller.gone.is_cancelled() {
            return Err(EngineError::CallerGone);
        }
        Ok(())
    }

    /// Fails unless the role still lets the same be made as when its credential was begun, and if the
    /// mount is being drained by now. Asked last of all: what a role no longer allows is not handed out,
    /// nor what a drain may have passed by. Storage is asked only where the role was written meanwhile,
    /// or a drain was ordered: each moment between the entry's last write and the answer is one in which a
    /// crash leaves a live credential without a lease.
    pub(super) async fn still_holds(&self) -> Result<(), EngineError> {
        let engine = self.engine;
        engine.refuse_if_drained_since(self.drain_changes).await?;
        if !self.role_use.role_was_written() {
            return Ok(());
        }
        match engine.role(self.name).await? {
            None => Err(EngineError::NoSuchRole(self.name.to_string())),
            Some(now) if !Grant::is_the_same(self.role, &now) => {
                Err(EngineError::RoleChanged(self.name.to_string()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Writes a new incomplete entry, unless the mount is being drained by now. Asked once the
    /// entry is known: a drain that begins later sees it, so that nothing is sent to Atlas after
    /// one has found nothing left.
    pub(super) async fn enter(
        &self,
        id: &JournalId,
        entry: &JournalEntry,
        max_live: u32,
    ) -> Result<Hold, EngineError> {
        let engine = self.engine;
        let hold = engine.journal.begin(id, entry, max_live).await?;
        if let Err(error) = engine.refuse_if_drained_since(self.drain_changes).await {
            engine.journal.remove(id).await?;
            return Err(error);
        }
        Ok(hold)
    }
}
