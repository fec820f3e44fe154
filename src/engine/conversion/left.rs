//! What deleted static roles have left: a copy of the role in earlier versions, an entry of the journal
//! today.

use super::rename;
use super::walk::{PAGE, Walk};
use crate::engine::error::EngineError;
use crate::engine::static_roles::{self, StaticRoleEntry};
use crate::engine::{Engine, keys};

/// Notes in the journal what each of them has left. One that was interrupted between its writes is noted
/// again, under the same id.
pub(super) async fn to_journal(engine: &Engine, walk: &Walk<'_>) -> Result<(), EngineError> {
    let folder = keys::EARLIER_STATIC_LEAVING;
    let mut after = String::new();
    loop {
        let names = engine.storage.list_page(folder, &after, PAGE).await?;
        let Some(last) = names.last() else {
            return Ok(());
        };
        for name in &names {
            walk.refuse_end()?;
            one(engine, walk, &format!("{folder}{name}"), name).await?;
        }
        after.clone_from(last);
    }
}

/// Of these the account's id is all that names them.
async fn one(
    engine: &Engine,
    walk: &Walk<'_>,
    key: &str,
    client_id: &str,
) -> Result<(), EngineError> {
    let Some(stored) = engine.storage.get(key).await? else {
        return Ok(());
    };
    let today = rename::in_text(&stored.value, rename::static_role);
    let text = today.unwrap_or(stored.value);
    let Ok(entry) = serde_json::from_slice::<StaticRoleEntry>(&text) else {
        walk.is_unreadable(key);
        return Ok(());
    };
    static_roles::note_left(engine, client_id, entry).await?;
    engine.storage.delete(key).await?;
    walk.is_converted();
    Ok(())
}
