//! The end of a static role. The account and its present secret stay as they are; what the engine
//! itself still has to remove is removed by the periodic run.

use std::sync::Arc;

use super::record::RoleRecord;
use super::write::{load, name};
use crate::engine::error::EngineError;
use crate::engine::rotation::Record as _;
use crate::engine::{Engine, keys};
use crate::framework::Call;
use crate::vault::Response;

/// Deletes a static role.
pub(super) async fn delete(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let deadline = call.caller.deadline;
    let _turn_of_name = engine.static_roles.lock_name_first(&name, deadline).await?;
    let Some(entry) = load(&engine, &name).await? else {
        return Ok(None);
    };
    let client_id = entry.client_id;
    let _turn = engine.account_turn_first(&client_id, deadline).await?;
    let Some(entry) = load(&engine, &name).await? else {
        return Ok(None);
    };
    let mut record = RoleRecord {
        engine: Arc::clone(&engine),
        name,
        leaving: false,
        entry,
    };
    engine.rate_waits.forget(&record.work());
    let mut warnings = vec![format!(
        "the service account {client_id} and its present secret were left as they are"
    )];
    if record.entry.others.is_done() {
        // What an earlier attempt put aside is older than this entry.
        let aside = keys::static_leaving(&client_id);
        engine.storage.delete(&aside).await?;
        engine.undecidable.forget(&aside);
        record.erase().await?;
        engine.static_roles.drop(&client_id);
    } else {
        record.erase_later().await?;
        warnings.push(
            "an earlier secret of the account is kept for its users and is deleted \
             when its time is over"
                .to_owned(),
        );
    }
    Ok(Some(Response {
        warnings,
        ..Response::default()
    }))
}

impl RoleRecord {
    /// Puts the role aside for the periodic run. Were the second step to fail, the role is there as
    /// before: what is put aside does not count beside it.
    async fn erase_later(&mut self) -> Result<(), EngineError> {
        self.leaving = true;
        self.entry.rotation.next = None;
        self.entry.rotation.failure = None;
        self.store().await?;
        self.leaving = false;
        self.erase().await?;
        self.leaving = true;
        self.note();
        Ok(())
    }
}
