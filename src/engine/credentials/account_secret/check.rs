//! Whether an existing service account has room for secrets.

use super::frees_at;
use crate::atlas::{ClientId, Level, MOST_SECRETS};
use crate::engine::credentials::report::{CheckContext, Report};
use crate::engine::error::EngineError;

/// Adds what stands against adding secrets to the account.
pub(super) async fn check(
    context: &CheckContext<'_>,
    level: &Level,
    account: &ClientId,
    report: &mut Report,
) -> Result<(), EngineError> {
    let (atlas, budget) = (&context.linked.atlas, context.budget);
    let seen = atlas.service_account(level, account, budget).await;
    if let Err(error) = &seen
        && error.says_not_found()
    {
        report.problem(EngineError::NoSuchAccount(account.clone()).to_string());
        return Ok(());
    }
    let doing = format!("reading service account {account}");
    let Some(seen) = report.asked(&doing, seen)? else {
        return Ok(());
    };
    let taken = seen.secrets.len();
    report.fact("free_secrets", MOST_SECRETS.saturating_sub(taken));
    let ours = context.engine.journal.secrets_of(account).await?.known;
    let now = context.engine.clock.now();
    let over = seen
        .secrets
        .iter()
        .any(|secret| ours.contains(&secret.id) && secret.expires_at.is_some_and(|end| end <= now));
    if taken >= MOST_SECRETS && !over {
        let full = EngineError::NoFreeSlot {
            client_id: account.clone(),
            taken,
            frees_at: frees_at(&seen.secrets, &ours),
        };
        report.problem(full.to_string());
    } else if taken > ours.len() {
        report.warning(format!(
            "service account {account} has a secret that was not issued here: each lease cuts its \
             life to a week"
        ));
    }
    check_account_list(context, level, account, report).await
}

async fn check_account_list(
    context: &CheckContext<'_>,
    level: &Level,
    account: &ClientId,
    report: &mut Report,
) -> Result<(), EngineError> {
    if !context.requires_access_lists() {
        return Ok(());
    }
    let atlas = &context.linked.atlas;
    let list = atlas
        .service_account_access_list(level, account, context.budget)
        .await;
    let doing = format!("reading the access list of service account {account}");
    if report
        .asked(&doing, list)?
        .is_some_and(|list| list.is_empty())
    {
        report.problem(format!(
            "the organization requires access lists and service account {account} has none: add \
             one in Atlas"
        ));
    }
    Ok(())
}
