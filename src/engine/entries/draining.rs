//! The stored order to end everything that was issued.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::framework::Call;
use crate::vault::Data;

/// An order to end everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draining {
    /// When it was given first.
    pub(crate) since: DateTime<Utc>,
    /// How the token of who gave it is shown to people.
    pub(crate) display_name: String,
    /// The identity entity of who gave it; empty for none.
    pub(crate) entity_id: String,
}

impl Draining {
    /// Ordered now by whoever sent a request.
    pub(crate) fn ordered(engine: &Engine, call: &Call) -> Self {
        Self {
            since: engine.clock.now(),
            display_name: call.display_name.clone(),
            entity_id: call.entity_id.clone(),
        }
    }

    /// As people are shown it.
    pub(crate) fn shown(&self) -> Data {
        Data::from_iter([
            ("since".to_owned(), json!(Rfc3339(self.since))),
            ("display_name".to_owned(), json!(self.display_name)),
            ("entity_id".to_owned(), json!(self.entity_id)),
        ])
    }

    /// Why nothing new is made meanwhile.
    pub(crate) fn refusal(self) -> EngineError {
        EngineError::Draining {
            since: Rfc3339(self.since),
            by: self.display_name,
        }
    }
}
