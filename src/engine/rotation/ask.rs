//! Asking Atlas for a secret of an account. One way for all who ask: the request is stored before it is
//! sent, and how long it took is noted after, so that a secret whose answer was lost is known for what it
//! is (see `lost_secret`).

use async_trait::async_trait;
use tokio::time::Instant;

use crate::atlas::{Atlas, AtlasError, ClientId, CreatedSecret, Hours, Level, RequestBudget};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::lost_secret::SecretRequest;

/// Where a request is written down.
#[async_trait]
pub(crate) trait Requests: Send {
    /// Stores a request that is about to be sent.
    async fn store(&mut self, request: SecretRequest) -> Result<(), EngineError>;
    /// The request that was sent, to note its end; that is stored with what comes next.
    fn sent(&mut self) -> Option<&mut SecretRequest>;
}

/// What is asked for.
pub(crate) struct WantedSecret<'a> {
    pub(crate) engine: &'a Engine,
    /// Signed in as whoever manages the account.
    pub(crate) atlas: &'a Atlas,
    pub(crate) level: Level,
    pub(crate) client_id: ClientId,
    pub(crate) lifetime: Hours,
    pub(crate) budget: RequestBudget,
}

impl WantedSecret<'_> {
    /// Asks for it. Fails as a whole where the request could not be stored: then it was not sent.
    pub(crate) async fn ask(
        &self,
        requests: &mut dyn Requests,
    ) -> Result<Result<CreatedSecret, AtlasError>, EngineError> {
        let request = SecretRequest::about_to_send(self.engine, self.atlas, self.budget);
        requests.store(request).await?;
        let begun = Instant::now();
        let created = self
            .atlas
            .create_secret(&self.level, &self.client_id, self.lifetime, self.budget)
            .await;
        if let Some(request) = requests.sent() {
            request.ended_after(begun.elapsed());
        }
        Ok(created)
    }
}
