//! Which address the configuration's secret was given for, and what follows when that is another.

use std::time::Duration;

use tokio::time::Instant;

use super::census::Census;
use crate::atlas::{OrgId, Origin, RequestBudget};
use crate::base::Counted;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::origin::{BoundTo, Origins};
use crate::engine::{Engine, keys};
use crate::framework::{Faults, Fields};

/// How long Atlas is asked for an organization that is only good to know.
const BUDGET: Duration = Duration::from_secs(5);

/// Binds a secret that is given to the address that is given with it. One that is stored stays what it
/// is: it is not sent to another address, nor to one that somebody new vouches for.
pub(super) fn bind(
    entry: &mut ConfigEntry,
    before: &ConfigEntry,
    origins: &Origins,
    fields: &Fields,
    faults: &mut Faults,
) {
    // What is no address is a fault already.
    let Ok(origin) = entry.base_url().parse::<Origin>() else {
        return;
    };
    // A secret of somebody's own for that address would take along all that was carried away from it.
    if let Some(home) = origins.carried_to(&origin) {
        faults.add(
            "base_url",
            format!(
                "what belonged to {origin} was moved to {home}, and nothing is sent to {origin} \
                 since: the way back is config/move (base_url={origin}, needs the sudo capability)"
            ),
        );
        return;
    }
    if gives_secret(fields) {
        entry.origin = BoundTo::origin(origin);
        return;
    }
    let way_out = "give private_key or client_secret in the same request; if nobody has it any \
                   more, use config/move (needs the sudo capability)";
    if !origins.admits(&entry.origin, &origin) {
        let home = origins.home(&entry.origin);
        faults.add(
            "base_url",
            format!(
                "the stored secret was given for {home} and is not sent to {origin}: {way_out}"
            ),
        );
    }
    if adds_trust(entry, before) {
        faults.add(
            "ca_certificate",
            format!(
                "whoever holds the key of a certificate that was not trusted before could read the \
                 stored secret: {way_out}"
            ),
        );
    }
}

pub(super) fn gives_secret(fields: &Fields) -> bool {
    ["private_key", "client_secret"]
        .into_iter()
        .filter_map(|name| fields.text(name))
        .any(|text| !text.trim().is_empty())
}

/// Whether a certificate is trusted that was not before.
fn adds_trust(entry: &ConfigEntry, before: &ConfigEntry) -> bool {
    let Ok(Some(now)) = entry.trusted() else {
        return false;
    };
    let before = before.trusted().ok().flatten();
    now.adds_to(before.as_ref())
}

/// Notes the organization of the configuration of before, while its credential is there to be asked:
/// what the Go engine made in a project is told from what is gone by it.
pub(super) async fn remember_organization(
    engine: &Engine,
    before: &ConfigEntry,
    entry: &ConfigEntry,
    is_same: bool,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let origins = engine.connection.origins().await?;
    let stays = entry.origin.is_legacy() && entry.organization_id == before.organization_id;
    let replaced = before.origin.is_legacy() && (!stays || entry.credential().is_err());
    if origins.legacy_organization_id.is_some() || !replaced || before.credential().is_err() {
        return Ok(());
    }
    let known = before.organization_id.clone();
    let org = match known.or_else(|| entry.organization_id.clone().filter(|_| is_same)) {
        Some(org) => Some(org),
        None => ask(engine, budget).await,
    };
    let Some(org) = org else {
        return Ok(());
    };
    let mut origins = (*origins).clone();
    origins.legacy_organization_id = Some(org);
    engine.connection.store_origins(origins).await
}

/// Asks the configuration that is stored until now. Where it cannot be asked any more, it stays unknown.
async fn ask(engine: &Engine, budget: RequestBudget) -> Option<OrgId> {
    let budget = RequestBudget {
        deadline: budget.deadline.min(Instant::now() + BUDGET),
        ..budget
    };
    let linked = engine.connection.linked().await.ok()?;
    let asked = linked.own_organization(budget).await;
    let told = asked.inspect_err(|error| {
        let error = crate::vault::failure::chain(error);
        tracing::warn!(
            error,
            "organization of the replaced configuration is unknown; leases of the Go engine whose \
             project was deleted may fail to revoke"
        );
    });
    told.ok()
}

/// After a write: warns of projects whose key vaults were looked after for another organization. A
/// project is no other organization's, so nobody looks after them from now on.
pub(super) async fn left_projects(
    engine: &Engine,
    before: &ConfigEntry,
    entry: &ConfigEntry,
) -> Result<Option<String>, EngineError> {
    let (Some(former), Some(present)) = (&before.organization_id, &entry.organization_id) else {
        return Ok(None);
    };
    if former == present {
        return Ok(None);
    }
    let projects = engine.storage.list(keys::AZURE_KEY_VAULTS).await?;
    Ok((!projects.is_empty()).then(|| {
        format!(
            "{} belong to organization {former}, which this credential is not of: their key vaults \
             are not watched from now on, and no change of them comes to its end; write a credential \
             of that organization, or delete these entries and look after them on a mount of its own",
            Counted(projects.len(), "encryption-at-rest project")
        )
    }))
}

/// After a write: warns of what belongs elsewhere, if the address is another.
pub(super) async fn settled(
    engine: &Engine,
    before: &ConfigEntry,
    entry: &ConfigEntry,
) -> Result<Vec<String>, EngineError> {
    let Ok(origin) = entry.base_url().parse::<Origin>() else {
        return Ok(Vec::new());
    };
    let origins = engine.connection.origins().await?;
    let was_here = before
        .base_url()
        .parse::<Origin>()
        .is_ok_and(|of| of == origin);
    if was_here && before.credential().is_ok() {
        return Ok(Vec::new());
    }
    let census = Census::take(engine, &origins).await;
    let census = census.unwrap_or_else(|error| {
        let error = crate::vault::failure::chain(&error);
        tracing::warn!(error, "could not count what belongs to other addresses");
        Census::default()
    });
    Ok(census
        .elsewhere(&origin)
        .map(|(home, counts)| {
            format!(
                "{counts} belong to {home} and are neither looked for nor deleted at {origin}: if \
                 they are reached there now, move them with config/move (from={home}, needs the \
                 sudo \
                 capability)"
            )
        })
        .collect())
}
