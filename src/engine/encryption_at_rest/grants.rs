//! The commands with which a customer lets Atlas's principal use the key. Nothing here runs them: the
//! engine has no credential of Azure's.
//!
//! Source: Atlas documentation, "Enable Secretless Authentication for Azure Key Vault".

use super::entry::Principal;
use crate::atlas::VaultKey;

/// What Atlas needs on the vault, and on the key.
const ROLES: [&str; 2] = ["Reader", "Key Vault Crypto User"];

/// The commands for this vault; with placeholders where it is not known.
pub(super) fn commands(principal: &Principal, key: Option<&VaultKey>) -> Vec<String> {
    let scope = key.map_or_else(
        || vault_scope("<subscription_id>", "<resource_group>", "<key_vault_name>"),
        |key| vault_scope(&key.subscription_id, &key.resource_group, &key.vault),
    );
    let id = &principal.object;
    let command = |role| {
        format!(
            "az role assignment create --assignee-object-id {id} --assignee-principal-type \
             ServicePrincipal --role \"{role}\" --scope {}",
            quoted(&scope)
        )
    };
    ROLES.map(command).into()
}

fn vault_scope(subscription: &str, group: &str, vault: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}"
    )
}

/// As one word of a shell, whatever Atlas says the names are.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/-._()".contains(letter);
    if text
        .chars()
        .all(|letter| is_plain(letter) && !"()".contains(letter))
    {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_or_quotes_stays_one_word() {
        assert_eq!(
            quoted("/subscriptions/a-1/b_c.d"),
            "/subscriptions/a-1/b_c.d"
        );
        assert_eq!(quoted("a (b)"), "'a (b)'");
        assert_eq!(quoted("a'; rm -rf '"), r"'a'\''; rm -rf '\'''");
    }
}
