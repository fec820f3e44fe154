//! Holds a new user back until the clusters know it, for as long as the role and the caller wait.
//!
//! Atlas answers a create at once, and the clusters follow seconds later. Who would sign in before that is
//! refused by them, as if the password were wrong.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::grant::DatabaseGrant;
use crate::atlas::{AtlasError, ChangeStatus, ClusterName, ProjectId, RequestBudget};
use crate::base::Short;
use crate::engine::credentials::pending::PendingCredential;
use crate::engine::error::EngineError;
use crate::vault::failure::chain;

/// Of a project without scopes so many clusters are looked at.
const MOST_CLUSTERS: usize = 20;
/// What is left of the caller's time for the rest of the way.
const RESERVE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Waits, and tells what the reader should know if the user may not be able to sign in everywhere.
///
/// Fails only if nobody waits for the answer any more: the user is there, and Atlas makes it known in the end.
pub(super) async fn until_known(
    pending: &PendingCredential,
    project: &ProjectId,
    grant: &DatabaseGrant,
) -> Result<Vec<String>, EngineError> {
    let mut warnings = Vec::new();
    let begun = Instant::now();
    let last = pending.budget.deadline.checked_sub(RESERVE);
    let until = begun.checked_add(grant.wait).into_iter().chain(last).min();
    let budget = RequestBudget {
        deadline: until.unwrap_or(begun),
        ..pending.budget
    };
    let mut waiting = clusters(pending, project, grant, budget, &mut warnings).await;
    let mut pause = FIRST_PAUSE;
    loop {
        waiting = still_waiting(pending, project, waiting, budget, &mut warnings).await;
        if waiting.is_empty() {
            return Ok(warnings);
        }
        if Instant::now() + pause >= budget.deadline {
            break;
        }
        pending
            .engine
            .while_wanted(&pending.gone, sleep(pause))
            .await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let waited = begun.elapsed() + Duration::from_millis(500);
    warnings.push(format!(
        "the database user cannot sign in everywhere yet: after {} Atlas had not made it known to {}; \
         try to sign in until it works",
        Short(waited),
        listed(&waiting)
    ));
    Ok(warnings)
}

fn listed(clusters: &[ClusterName]) -> String {
    let names: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("cluster{plural} {}", names.join(", "))
}

/// The clusters that have to know the user: those of its scopes, or those of the project.
async fn clusters(
    pending: &PendingCredential,
    project: &ProjectId,
    grant: &DatabaseGrant,
    budget: RequestBudget,
    warnings: &mut Vec<String>,
) -> Vec<ClusterName> {
    if !grant.scopes.is_empty() {
        return grant.clusters().collect();
    }
    match pending.atlas.running_clusters(project, budget).await {
        Ok(mut all) => {
            if all.len() > MOST_CLUSTERS {
                warnings.push(format!(
                    "the project has {} clusters, of which {MOST_CLUSTERS} were waited for: give the role \
                     scopes, or try to sign in until it works",
                    all.len()
                ));
                all.truncate(MOST_CLUSTERS);
            }
            all
        }
        Err(error) => {
            let error = EngineError::atlas("listing the project's clusters", error);
            warnings.push(not_seen(&error));
            Vec::new()
        }
    }
}

fn not_seen(error: &EngineError) -> String {
    format!(
        "whether the database user can sign in already is not known: {}",
        chain(error)
    )
}

/// Those that do not know it yet. What Atlas refuses to tell of is not asked for again.
async fn still_waiting(
    pending: &PendingCredential,
    project: &ProjectId,
    waiting: Vec<ClusterName>,
    budget: RequestBudget,
    warnings: &mut Vec<String>,
) -> Vec<ClusterName> {
    let mut left = Vec::new();
    for cluster in waiting {
        let status = pending.atlas.change_status(project, &cluster, budget).await;
        match status {
            Ok(ChangeStatus::Applied) => {}
            Err(error @ (AtlasError::Refused { .. } | AtlasError::Unauthenticated { .. })) => {
                let doing = format!("asking for the state of cluster {cluster}");
                warnings.push(not_seen(&EngineError::atlas(&doing, error)));
            }
            Ok(ChangeStatus::Pending) | Err(_) => left.push(cluster),
        }
    }
    left
}
