//! Whoever manages an account: signed in, and signed out again.

use std::sync::Arc;
use std::time::Duration;

use crate::atlas::{Atlas, ClientId, Credential, Priority, RequestBudget};
use crate::base::Sensitive;
use crate::engine::connection::ConfiguredClient;
use crate::engine::error::{EngineError, RotationError};
use crate::engine::rotation_state::RotationMode;

/// Who makes and removes an account's secrets: this mount's credential, or the account itself.
pub(crate) struct Manager {
    /// Signed in.
    pub(crate) atlas: Atlas,
    /// This mount's client, whoever signs in.
    pub(crate) linked: Arc<ConfiguredClient>,
    mode: RotationMode,
}

/// How long the end of the account's own access token is waited for.
const SIGN_OUT_BUDGET: Duration = Duration::from_secs(5);

impl Manager {
    /// Signed in with `secret` where the account manages itself, at the client's origin.
    pub(crate) fn of(
        linked: Arc<ConfiguredClient>,
        mode: RotationMode,
        client_id: &ClientId,
        secret: Option<&Sensitive>,
    ) -> Result<Self, EngineError> {
        let atlas = match (mode, secret) {
            (RotationMode::Own, Some(secret)) => linked
                .atlas
                .signed_in_as(Credential::ServiceAccount {
                    client_id: client_id.clone(),
                    client_secret: secret.clone(),
                })
                .map_err(RotationError::Unusable)?,
            (RotationMode::Own, None) => {
                return Err(EngineError::BadInput(
                    "client_secret: is needed for rotation_mode=self".to_owned(),
                ));
            }
            (RotationMode::Admin, _) => linked.atlas.clone(),
        };
        Ok(Self {
            atlas,
            linked,
            mode,
        })
    }

    /// Ends the account's own access token; says of its own refused secret that it is that one.
    pub(crate) async fn done<T>(self, outcome: Result<T, EngineError>) -> Result<T, EngineError> {
        if self.mode == RotationMode::Admin {
            return outcome;
        }
        let budget = RequestBudget::within(SIGN_OUT_BUDGET, Priority::Background);
        if let Err(error) = self.atlas.sign_out(budget).await {
            tracing::debug!(%error, "could not revoke an access token; it expires within an hour");
        }
        outcome.map_err(|error| match error {
            EngineError::CredentialRefused(source) => {
                RotationError::OwnSecretRefused(source).into()
            }
            error => error,
        })
    }
}
