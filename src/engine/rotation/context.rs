//! What a rotation works on and with: the record of an account's secrets, and who asked for what.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::atlas::{Atlas, ClientId, Hours, Level, RequestBudget, SecretId};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::rotation_state::{ClientSecret, OtherSecrets, PresentSecret};
use crate::engine::unasked::{self, Mandate, Permit};

/// Where an account's secrets are kept.
#[async_trait]
pub(crate) trait Record: Send + Sync {
    /// The account.
    fn client_id(&self) -> &ClientId;
    /// Where it is managed.
    fn level(&self) -> Level;
    /// How long a replaced secret lives on.
    fn overlap(&self) -> Duration;
    /// The secret that readers are given: what has to be known of it, which seldom is its value.
    fn current(&self) -> Option<PresentSecret>;
    /// Learns more of the present secret; it stays the same one.
    fn amend_current(&mut self, id: Option<SecretId>, expires_at: Option<DateTime<Utc>>);
    /// What else there is.
    fn others(&self) -> &OtherSecrets;
    /// What else there is, to be changed.
    fn others_mut(&mut self) -> &mut OtherSecrets;
    /// The storage key of that entry.
    fn key(&self) -> String;
    /// Writes all of it in one entry.
    async fn store(&self) -> Result<(), EngineError>;
}

/// One whose secret is rotated, and not only left alone.
pub(crate) trait RotatedRecord: Record {
    /// Makes a proved secret the one that readers are given, and notes when that was.
    fn publish(&mut self, held: ClientSecret, now: DateTime<Utc>);
}

/// What a rotation works with.
pub(crate) struct RotationContext<'a> {
    pub(crate) engine: &'a Engine,
    /// Signed in as whoever manages the account.
    pub(crate) atlas: &'a Atlas,
    pub(crate) budget: RequestBudget,
    /// The lifetime of a new secret.
    pub(crate) lifetime: Hours,
    /// Whether somebody ordered the deletions that it comes to.
    pub(crate) mandate: Mandate,
}

impl RotationContext<'_> {
    /// The permit for a deletion, or why there is none.
    pub(super) async fn permit(&self) -> Result<Result<Permit, unasked::Held>, EngineError> {
        self.mandate.permit(self.engine).await
    }

    /// Whether what nothing but the wall clock tells may be acted on, or why not. An order to rotate is
    /// none to delete before its time what others use.
    pub(super) async fn believe_clock(&self) -> Result<Result<(), unasked::Held>, EngineError> {
        Ok(self.engine.may_believe_clock().await?.map(drop))
    }
}
