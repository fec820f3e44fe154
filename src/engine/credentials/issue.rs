//! The way to a new credential, up to its type: the role as it is now, and a place among those who wait.

use std::sync::Arc;

use super::granted::Granted;
use super::kind::kind_of;
use super::lease_ttl::MountTimes;
use crate::engine::Engine;
use crate::engine::entries::RoleEntry;
use crate::engine::error::EngineError;
use crate::engine::measures::Work;
use crate::engine::names::RoleName;
use crate::engine::role_uses::RoleUse;
use crate::engine::waiters::{Awaited, Crowd, Waiter};
use crate::framework::Call;
use crate::vault::system_view::may_act;
use crate::vault::{Response, StorageError};

/// Issues a credential of a role. It ends when the role is deleted, as when the caller goes away.
pub(super) async fn issue(
    engine: Arc<Engine>,
    mut call: Call,
) -> Result<Option<Response>, EngineError> {
    let name = RoleName::new(call.fields.captured("name"));
    let deleted = || EngineError::NoSuchRole(name.to_string());
    let role_use = engine.role_uses.begin(&name, &call.caller.gone);
    let role_use = role_use.ok_or_else(deleted)?;
    call.caller.gone = role_use.ended().clone();
    let issued = Box::pin(issue_from(&engine, &name, &role_use, &call)).await;
    issued.map(Some).map_err(|error| {
        if role_use.role_was_deleted() {
            error.because_role_was_deleted(&name.to_string())
        } else {
            error
        }
    })
}

async fn issue_from(
    engine: &Arc<Engine>,
    name: &RoleName,
    role_use: &RoleUse,
    call: &Call,
) -> Result<Response, EngineError> {
    let drain_changes = engine.drain.changes();
    // All that is asked of the host before the journal's first write, in one round trip. Only reads: a
    // node that may not act sends the request on before anything else comes of them.
    let (may_act, role, is_open, times) = tokio::join!(
        may_act(&*engine.system),
        engine.role(name),
        engine.refuse_while_draining(),
        MountTimes::of(&*engine.system),
    );
    if !may_act? {
        return Err(StorageError::read_only().into());
    }
    let role = role?.ok_or_else(|| EngineError::NoSuchRole(name.to_string()))?;
    let kind = kind_of(&role);
    let begun = engine.clock.monotonic();
    let issued = async {
        is_open?;
        let _waiter = wait_for(engine, name, &role)?;
        let granted = Granted {
            engine,
            call,
            name,
            role: &role,
            role_use,
            times: times?,
            drain_changes,
        };
        kind.issue(granted).await
    };
    let issued = issued.await;
    let took = engine.clock.monotonic().saturating_sub(begun);
    let (work, of) = (Work::Issue, kind.credential_type());
    engine.measures.note(work, of, issued.is_ok(), took);
    issued
}

/// Counts the request among those that wait for Atlas, until it is answered.
fn wait_for(engine: &Engine, name: &RoleName, role: &RoleEntry) -> Result<Waiter, EngineError> {
    let of_role = Awaited::Role(name.clone());
    match role.client_id.parse() {
        Ok(account) => {
            let of_account = Awaited::Account(account);
            engine.waiters.enter(Crowd::Readers, [of_account, of_role])
        }
        Err(_) => engine.waiters.enter(Crowd::Readers, [of_role]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::testing::TestMount;
    use crate::vault::{Failure, Replication};

    #[tokio::test]
    async fn a_node_that_may_not_act_sends_the_request_on_before_anything_else() {
        let mount = TestMount::with_role(json!({})).await;
        mount.atlas.forget_requests().await;
        // A standby, and a secondary whose mount is not its own; a role that it may not know yet.
        for replication in [Replication(16_384), Replication(64)] {
            mount.system.set_replication(replication);
            for path in ["creds/reader", "creds/written-a-moment-ago"] {
                let refused = mount.read(path).await.err();
                assert_eq!(refused, Some(Failure::read_only()), "{path}");
            }
        }
        assert_eq!(mount.atlas.request_count().await, 0);
        assert_eq!(mount.journal_keys(), Vec::<String>::new());
        mount.system.set_local(true);
        mount.issue("reader").await;
    }
}
