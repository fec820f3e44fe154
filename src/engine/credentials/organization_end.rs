//! The end of a lease of a whole key or account: it is deleted in its organization, as the project's delete
//! would only take it out of the project.

use tokio::time::{Instant, sleep_until};

use super::kind::{CredentialKind, Revoked};
use super::lease::{budget, internal, linked, missing};
use super::project_end::end_in_project;
use super::revoke::{gone, is_new};
use crate::atlas::{Deletion, LOOK_AGAIN_AFTER, OrgId, ProjectId, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::{Certainty, ConfiguredClient, MadeUnder, Managing};
use crate::engine::error::EngineError;
use crate::engine::origin::BoundTo;
use crate::engine::resource::{Resource, remove};
use crate::engine::unasked::Permit;
use crate::framework::LeaseCall;

/// Deletes what the lease holds, once its organization is known.
pub(super) async fn end_in_organization(
    kind: &dyn CredentialKind,
    engine: &Engine,
    call: &LeaseCall,
    made: impl FnOnce(OrgId) -> Resource,
) -> Result<Revoked, EngineError> {
    let linked = linked(engine, call).await?;
    let budget = budget(call);
    let Managing { org, certainty } = organization(&linked, call, budget).await?;
    let made = made(org.clone());
    let deletion = match remove_for_good(engine, call, &linked, &made, budget).await {
        Err(error) if certainty == Certainty::Same && error.says_no_right() => {
            end_in_project(kind, engine, call, &linked, &made, error).await?;
            return Ok(Revoked::LeftToTick);
        }
        outcome => outcome?,
    };
    if certainty != Certainty::Same && deletion == Deletion::AlreadyGone {
        return Err(EngineError::ProjectOutOfSight {
            project: call
                .internal_text("project_id")
                .unwrap_or_default()
                .to_owned(),
            organization: org,
        });
    }
    Ok(gone(engine, call, &made, deletion))
}

/// Deletes what a lease holds. An API key that this process made a moment ago may not be known everywhere
/// in Atlas: one that is not found is looked for once more, seconds later, as it is for everything else.
async fn remove_for_good(
    engine: &Engine,
    call: &LeaseCall,
    linked: &ConfiguredClient,
    made: &Resource,
    budget: RequestBudget,
) -> Result<Deletion, EngineError> {
    let deletion = remove(linked, made, Permit::ORDERED, budget).await?;
    let is_proved = deletion == Deletion::Deleted || !matches!(made, Resource::ApiKey(..));
    if is_proved || !is_new(engine, call).await? {
        return Ok(deletion);
    }
    let look_again = Instant::now() + LOOK_AGAIN_AFTER;
    if look_again >= budget.deadline {
        return Err(EngineError::NotProvedGone);
    }
    sleep_until(look_again).await;
    remove(linked, made, Permit::ORDERED, budget).await
}

/// The organization of the credential. The Go engine's leases of project keys do not name it.
async fn organization(
    linked: &ConfiguredClient,
    call: &LeaseCall,
    budget: RequestBudget,
) -> Result<Managing, EngineError> {
    if let Some(org) = internal(call, "organization_id")? {
        return Ok(Managing {
            org,
            certainty: Certainty::Same,
        });
    }
    let project: Option<ProjectId> = internal(call, "project_id")?;
    let project = project.ok_or_else(|| missing("organization_id"))?;
    let made = MadeUnder {
        bound: &BoundTo::of_lease(call)?,
        organization: None,
    };
    linked
        .managing_organization(Some(&project), made, budget)
        .await
}
