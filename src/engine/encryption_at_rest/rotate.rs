//! A new static secret in the place of the one that Atlas signs in with.

use super::entry::AzureEntry;
use crate::atlas::{Atlas, ProjectId, RequestBudget};
use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Goes on with a rotation whose outcome is not known. Not served yet: the entry stays as it is.
#[expect(clippy::unused_async, reason = "it will ask Atlas")]
pub(super) async fn resume(
    _engine: &Engine,
    _atlas: &Atlas,
    _project: &ProjectId,
    _entry: &mut AzureEntry,
    _budget: RequestBudget,
) -> Result<(), EngineError> {
    Ok(())
}
