//! Everything that is wrong with a request's fields, told in one answer.

use std::fmt;

use crate::vault::Failure;

/// What is wrong with the fields of one request; one reason a field, the first found.
///
/// An engine uses it for checks of its own. A reason must not repeat the value: it goes into
/// answers and audit logs, and the value may be a misplaced secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    found: Vec<(String, String)>,
}

impl Faults {
    /// Nothing found so far.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes what is wrong with a field, unless something is noted for it already.
    pub(crate) fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        let field = field.into();
        if self.found.iter().all(|(known, _)| *known != field) {
            self.found.push((field, reason.into()));
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Everything found as one bad request (HTTP 400), in the order in which it was found.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Failure::BadRequest(self.to_string()))
    }
}

impl fmt::Display for Faults {
    /// Opens with the words of Vault's SDK, which users know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Field validation failed: ")?;
        for (index, (field, reason)) in self.found.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_found_is_no_failure() {
        assert_eq!(Faults::new().into_result(), Ok(()));
    }

    #[test]
    fn all_faults_are_one_bad_request() {
        let mut faults = Faults::new();
        faults.add("ttl", "must not be longer than max_ttl");
        faults.add("roles", "at least one is required");
        assert_eq!(
            faults.into_result(),
            Err(Failure::BadRequest(
                "Field validation failed: ttl: must not be longer than max_ttl; \
                 roles: at least one is required"
                    .to_owned()
            ))
        );
    }

    #[test]
    fn the_first_reason_of_a_field_stays() {
        let mut faults = Faults::new();
        faults.add("roles", "must be a list");
        faults.add("roles", "at least one is required");
        assert_eq!(
            faults.to_string(),
            "Field validation failed: roles: must be a list"
        );
    }
}
