//! What `apply` asks for, checked as far as that goes without Atlas.

use std::time::Duration;

use super::apply::ApplyRequest;
use super::input::project_id;
use crate::atlas::{TenantId, VaultKey};
use crate::framework::{Faults, Field, Fields};

/// So long a change may be tried again.
pub(super) const LONGEST_RETRY: Duration = Duration::from_hours(1);
/// The fields that name a key and its vault.
const KEY_FIELDS: [&str; 5] = [
    "subscription_id",
    "resource_group_name",
    "key_vault_name",
    "key_identifier",
    "azure_environment",
];

/// The fields of `apply`.
pub(super) fn fields() -> Vec<Field> {
    vec![
        project_id(),
        Field::boolean("dry_run")
            .about("Ask Atlas what is there, and change nothing.")
            .default(false),
        Field::seconds("retry_for")
            .about(
                "How long to try again where a grant is missing, up to an hour. The answer does not \
                 wait for that.",
            )
            .default(0),
        Field::boolean("accept_unvalidated")
            .about(
                "With private networking: accept that Atlas tries the change only after it took it, \
                 and stops the clusters if a grant is missing.",
            )
            .default(false),
        Field::boolean("accept_no_way_back")
            .about("With private networking: accept that Atlas may refuse the way back.")
            .default(false),
        Field::boolean("adopt")
            .about(
                "Take over the role that Atlas uses already, whoever registered it. Nothing is \
                 changed in Atlas.",
            )
            .default(false),
        Field::boolean("enable")
            .about("Switch encryption on where it is off, with the key that the next fields name.")
            .default(false),
        Field::text("subscription_id").about("With enable: subscription of the key vault."),
        Field::text("resource_group_name").about("With enable: resource group of the key vault."),
        Field::text("key_vault_name").about("With enable: name of the key vault."),
        Field::text("key_identifier").about(
            "With enable: address of the key, such as \
             https://v.vault.azure.net/keys/name/version.",
        ),
        Field::text("azure_environment")
            .about("With enable: cloud of the key vault: AZURE, AZURE_CHINA, AZURE_US_GOVERNMENT.")
            .default("AZURE"),
    ]
}

impl ApplyRequest {
    /// Reads a request; what is wrong goes to `faults`.
    pub(super) fn read(fields: &Fields, faults: &mut Faults) -> Self {
        let flag = |name| fields.boolean(name).unwrap_or(false);
        let retry_for = fields.duration("retry_for").unwrap_or_default();
        if retry_for > LONGEST_RETRY {
            faults.add("retry_for", "must be at most an hour");
        }
        Self {
            enable: key(fields, faults),
            retry_for,
            accept_unvalidated: flag("accept_unvalidated"),
            accept_no_way_back: flag("accept_no_way_back"),
            adopt: flag("adopt"),
            migration: None,
            proofs: None,
        }
    }

    /// What Atlas may refuse of it, which is Atlas's to say.
    pub(super) fn warning(&self) -> Option<String> {
        let key = self.enable.as_ref()?;
        (!has_version(&key.key_identifier)).then(|| {
            "key_identifier names no version of the key, as Atlas's own examples do: Atlas may refuse it"
                .to_owned()
        })
    }
}

/// Whether the address names a version of the key, and not the key alone.
fn has_version(identifier: &str) -> bool {
    let key = identifier.split_once("/keys/");
    let version = key.and_then(|(_, key)| key.split_once('/'));
    version.is_some_and(|(_, version)| !version.is_empty())
}

fn key(fields: &Fields, faults: &mut Faults) -> Option<VaultKey> {
    if !fields.boolean("enable").unwrap_or(false) {
        for name in KEY_FIELDS {
            if fields.text(name).is_some() {
                faults.add(
                    name,
                    "goes with enable=true: the key of a project is not changed",
                );
            }
        }
        return None;
    }
    let mut text = |name: &'static str| {
        let text = fields.text(name).map(str::trim).unwrap_or_default();
        if text.is_empty() && name != "azure_environment" {
            faults.add(name, "is missing: it goes with enable=true");
        }
        text.to_owned()
    };
    let [
        subscription_id,
        resource_group,
        vault,
        key_identifier,
        environment,
    ] = KEY_FIELDS.map(&mut text);
    // A UUID like the ids that Azure gives to other things.
    if !subscription_id.is_empty() && subscription_id.parse::<TenantId>().is_err() {
        faults.add("subscription_id", "is no UUID");
    }
    if !key_identifier.is_empty() && !is_key_identifier(&key_identifier) {
        faults.add(
            "key_identifier",
            "is no address of a key, such as https://v.vault.azure.net/keys/name/version",
        );
    }
    Some(VaultKey {
        environment: if environment.is_empty() {
            "AZURE".to_owned()
        } else {
            environment
        },
        subscription_id,
        resource_group,
        vault,
        key_identifier,
        require_private_networking: None,
    })
}

/// Whether it may be the address of a key. Whether it needs a version is Atlas's to say.
fn is_key_identifier(text: &str) -> bool {
    let rest = text.strip_prefix("https://");
    let parts = rest.and_then(|rest| rest.split_once("/keys/"));
    parts.is_some_and(|(host, name)| !host.is_empty() && !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_from_its_lack() {
        assert!(has_version("https://v.vault.azure.net/keys/k/0123"));
        assert!(!has_version("https://v.vault.azure.net/keys/k"));
        assert!(!has_version("https://v.vault.azure.net/keys/k/"));
    }

    #[test]
    fn an_address_of_a_key_is_told_from_other_texts() {
        assert!(is_key_identifier("https://v.vault.azure.net/keys/k/0123"));
        assert!(is_key_identifier("https://v.vault.azure.net/keys/k"));
        for wrong in [
            "k",
            "http://v.vault.azure.net/keys/k",
            "https://v.vault.azure.net/secrets/k",
            "https:///keys/k",
            "https://v/keys/",
        ] {
            assert!(!is_key_identifier(wrong), "{wrong}");
        }
    }
}
