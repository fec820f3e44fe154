//! Identifiers of Azure's things, as Atlas takes and shows them: UUIDs.
//!
//! Azure compares them without regard to case, and so do these. Their text stays as it was written, so
//! that what Atlas shows goes back to it unchanged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{IdError, checked_text};

/// Declares an identifier of one kind of thing.
macro_rules! azure_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub(crate) struct $name(String);

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        checked_text!($name, $expected, is_uuid);
    };
}

azure_id!(
    /// A directory of Azure.
    TenantId,
    "a tenant id is a UUID"
);
azure_id!(
    /// A service principal, by its object id; not the id of its application.
    ServicePrincipalId,
    "a service principal id is a UUID: the object id, not the application's"
);
azure_id!(
    /// An application, which Atlas also calls client.
    ApplicationId,
    "an application id is a UUID"
);

/// 32 hexadecimal digits in five groups.
fn is_uuid(text: &str) -> bool {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut groups = text.split('-');
    let fits = |length: usize| {
        let group = groups.next().unwrap_or_default();
        group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    GROUPS.into_iter().all(fits) && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9efedfcc-2eca-4b27-a613-0cad1e114cb7";

    #[test]
    fn an_id_is_a_uuid_and_keeps_its_text() {
        let upper = ID.to_uppercase();
        let id: TenantId = upper.parse().expect("an id");
        assert_eq!(id.to_string(), upper);
        assert_eq!(id, ID.parse().expect("an id"), "case does not matter");
        for wrong in [
            "",
            "9efedfcc2eca4b27a6130cad1e114cb7",
            "9efedfcc-2eca-4b27-a613-0cad1e114cb",
            "9efedfcc-2eca-4b27-a613-0cad1e114cb7-",
            "9efedfcg-2eca-4b27-a613-0cad1e114cb7",
        ] {
            let error = wrong.parse::<TenantId>().expect_err("no id");
            assert_eq!(error.to_string(), "a tenant id is a UUID");
        }
    }

    #[test]
    fn stored_ids_are_checked_when_read() {
        let json = format!("\"{ID}\"");
        let id: ServicePrincipalId = serde_json::from_str(&json).expect("an id");
        assert_eq!(serde_json::to_string(&id).expect("json"), json);
        assert!(serde_json::from_str::<ApplicationId>("\"../groups\"").is_err());
    }
}
