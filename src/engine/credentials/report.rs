//! What a check of a role goes by, and what it found: problems, warnings and facts.

use serde_json::{Value, json};

use super::grant::Grant;
use crate::atlas::{AtlasError, OrganizationSettings, RequestBudget};
use crate::engine::Engine;
use crate::engine::connection::{ConfiguredClient, Identity};
use crate::engine::error::EngineError;
use crate::vault::Data;

/// What checks of a role go by.
pub(crate) struct CheckContext<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) linked: &'a ConfiguredClient,
    pub(crate) identity: Identity,
    /// [`None`]: Atlas did not tell.
    pub(crate) settings: Option<OrganizationSettings>,
    pub(crate) budget: RequestBudget,
}

impl CheckContext<'_> {
    /// Whether the organization is known to refuse credentials without an access list.
    pub(crate) fn requires_access_lists(&self) -> bool {
        let settings = self.settings.as_ref();
        settings.is_some_and(|settings| settings.api_access_list_required)
    }
}

/// Collects findings. A finding is an answer, not an error.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<String>,
    warnings: Vec<String>,
    facts: Data,
}

impl Report {
    /// It does not work like this; the text says what to do.
    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// It works, with a warning.
    pub(crate) fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Something worth knowing.
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// What Atlas answered; a refusal is a finding, and that Atlas could not be asked an error.
    pub(crate) fn asked<T>(
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
    pub(crate) fn into_data(self) -> Data {
        let mut data = self.facts;
        data.insert("ok".to_owned(), json!(self.problems.is_empty()));
        data.insert("problems".to_owned(), json!(self.problems));
        data.insert("warnings".to_owned(), json!(self.warnings));
        data
    }
}

/// That the organization requires an access list of what is made for the role, which has none.
pub(super) fn check_access_list(context: &CheckContext<'_>, grant: &Grant, report: &mut Report) {
    let has_list = grant.bind_to_caller || !grant.access_list.is_empty();
    if context.requires_access_lists() && !has_list {
        report.problem(
            "the organization requires access lists and the role has none: give it ip_addresses, \
             cidr_blocks or bind_to_caller",
        );
    }
}
