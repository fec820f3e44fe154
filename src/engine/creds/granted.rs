//! What a credential is handed out by: its role, as it was when the credential was begun, and its caller.

use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::roles::{Grant, RoleEntry, RoleName, RoleUse};
use crate::framework::Call;

/// The role as it was when a credential of it was begun.
#[derive(Clone, Copy)]
pub(super) struct Granted<'a> {
    pub(super) name: &'a RoleName,
    pub(super) role: &'a RoleEntry,
    /// Begun before the role was read, so that it has seen every write since.
    pub(super) role_use: &'a RoleUse,
}

impl Granted<'_> {
    /// Fails unless the role still lets the same be made as when its credential was begun. Asked last
    /// of all: what a role no longer allows is not handed out. Storage is asked only where the role was
    /// written meanwhile: each moment between the entry's last write and the answer is one in which a
    /// crash leaves a live credential without a lease.
    pub(super) async fn still_holds(&self, engine: &Engine) -> Result<(), EngineError> {
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
}

/// Fails if nobody waits for the answer any more.
pub(super) fn still_there(call: &Call) -> Result<(), EngineError> {
    if call.caller.gone.is_cancelled() {
        return Err(EngineError::CallerGone);
    }
    Ok(())
}
