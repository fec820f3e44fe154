//! The proof of a secret: it mints an access token, which is revoked at once.
//!
//! Minting needs no place on the account's access list, so it proves the secret and nothing else.

use tokio::time::{Instant, sleep};

use super::context::{Record, RotationContext};
use crate::atlas::{Atlas, AtlasError, ClientId, RequestBudget};
use crate::base::Sensitive;
use crate::engine::Engine;

/// Mints a token with a secret and revokes it.
pub(crate) async fn prove(
    atlas: &Atlas,
    client_id: &ClientId,
    secret: &Sensitive,
    budget: RequestBudget,
) -> Result<(), AtlasError> {
    let token = atlas.mint_token(client_id, secret, budget).await?;
    let revoked = atlas
        .revoke_token(client_id, secret, &token.value, budget)
        .await;
    if let Err(error) = revoked {
        tracing::debug!(
            %client_id,
            %error,
            "could not revoke a probe token; it expires within an hour"
        );
    }
    Ok(())
}

/// Proves a secret that was made a moment ago, which Atlas may not know everywhere yet.
pub(super) async fn prove_new(
    record: &dyn Record,
    secret: &Sensitive,
    context: &RotationContext<'_>,
) -> Result<(), AtlasError> {
    patiently(
        context.engine,
        context.budget,
        AtlasError::is_unauthenticated,
        || prove(context.atlas, record.client_id(), secret, context.budget),
    )
    .await
}

/// Tries again for a short while as long as `may_pass` says of the failure that it may pass.
pub(crate) async fn patiently<T, Work>(
    engine: &Engine,
    budget: RequestBudget,
    may_pass: impl Fn(&AtlasError) -> bool,
    attempt: impl Fn() -> Work,
) -> Result<T, AtlasError>
where
    Work: Future<Output = Result<T, AtlasError>>,
{
    for delay in engine.propagation_delays {
        match attempt().await {
            Err(error) if may_pass(&error) && Instant::now() + *delay < budget.deadline => {
                sleep(*delay).await;
            }
            outcome => return outcome,
        }
    }
    attempt().await
}
