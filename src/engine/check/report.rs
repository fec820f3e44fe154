//! What a check found: problems, warnings and facts.

use serde_json::{Value, json};

use crate::atlas::AtlasError;
use crate::engine::error::EngineError;
use crate::vault::Data;

/// Collects findings. A finding is an answer, not an error.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<String>,
    warnings: Vec<String>,
    facts: Data,
}

impl Report {
    /// It does not work like this; the text says what to do.
    pub(super) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// It works, but.
    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Something worth knowing.
    pub(super) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// What Atlas answered; a refusal is a finding, and that Atlas could not be asked an error.
    pub(super) fn asked<T>(
        &mut self,
        doing: &str,
        answer: Result<T, AtlasError>,
    ) -> Result<Option<T>, EngineError> {
        let error = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        match &error {
            AtlasError::Refused { .. }
            | AtlasError::Unauthenticated { .. }
            | AtlasError::UnexpectedAnswer { .. } => {
                let told = EngineError::atlas(doing, error);
                self.problem(crate::vault::failure::chain(&told));
                Ok(None)
            }
            AtlasError::RateLimited { .. }
            | AtlasError::ServerFault { .. }
            | AtlasError::NoAnswer { .. }
            | AtlasError::MalformedAnswer { .. } => Err(EngineError::atlas(doing, error)),
        }
    }

    /// The whole as the data of an answer.
    pub(super) fn into_data(self) -> Data {
        let mut data = self.facts;
        data.insert("ok".to_owned(), json!(self.problems.is_empty()));
        data.insert("problems".to_owned(), json!(self.problems));
        data.insert("warnings".to_owned(), json!(self.warnings));
        data
    }
}
