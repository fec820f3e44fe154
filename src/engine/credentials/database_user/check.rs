//! Whether a role of database users would work. Only reads are sent.

use super::{DatabaseGrant, MANY_USERS, password};
use crate::atlas::{AtlasError, MOST_DATABASE_USERS, ProjectId};
use crate::engine::credentials::report::{CheckContext, Report};
use crate::engine::error::EngineError;

/// Adds what stands against it.
pub(super) async fn check(
    context: &CheckContext<'_>,
    project: &ProjectId,
    grant: &DatabaseGrant,
    report: &mut Report,
) -> Result<(), EngineError> {
    if let Err(error) = password(context.engine, &grant.password_policy).await {
        report.problem(error.to_string());
    }
    let (atlas, budget) = (&context.linked.atlas, context.budget);
    let listed = atlas.list_database_users(project, budget).await;
    if listed.as_ref().is_err_and(AtlasError::says_project_is_gone) {
        // Told of every project of a role.
        return Ok(());
    }
    let Some(users) = report.asked("listing the project's database users", listed)? else {
        return Ok(());
    };
    report.fact("database_users", users.len());
    if users.len() >= MANY_USERS {
        report.warning(format!(
            "project {project} has {} database users, and Atlas allows {MOST_DATABASE_USERS}, unless its \
             support allows more",
            users.len()
        ));
    }
    let wanted: Vec<_> = grant.clusters().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let clusters = atlas.running_clusters(project, budget).await;
    let Some(clusters) = report.asked("listing the project's clusters", clusters)? else {
        return Ok(());
    };
    for cluster in wanted.iter().filter(|cluster| !clusters.contains(cluster)) {
        report.warning(format!(
            "project {project} lists no running cluster {cluster}, which scopes name: it may be paused, or a \
             Flex cluster"
        ));
    }
    Ok(())
}
