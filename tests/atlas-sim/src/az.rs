//! The few commands of Azure's `az` that a customer is asked to run, as the simulated Azure understands them.
//!
//! A test can so run what it was told to, word for word. Anything else is refused, an unknown option
//! too.

use std::collections::BTreeMap;

use crate::azure::{KeyPermission, Role};

/// A command that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `az ad sp create --id APP`
    CreatePrincipal { app_id: String },
    /// `az ad app credential reset --id APP --append [--years N]`
    AddSecret { app_id: String, years: u64 },
    /// `az role assignment create --assignee-object-id ID --role ROLE --scope SCOPE`
    AssignRole {
        principal_id: String,
        role: Role,
        scope: Scope,
    },
    /// `az keyvault set-policy --name VAULT --object-id ID --key-permissions …`
    SetPolicy {
        principal_id: String,
        vault: String,
        permissions: Vec<KeyPermission>,
    },
}

/// Where a role is assigned: on one vault, or on all of a group or subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) subscription_id: String,
    pub(crate) resource_group: Option<String>,
    pub(crate) vault: Option<String>,
}

impl Command {
    /// Reads a command line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words = words(line)?;
        let begin = words.iter().position(|word| word.starts_with("--"));
        let (verbs, options) = words.split_at(begin.unwrap_or(words.len()));
        let mut options = Options::parse(options)?;
        let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
        let command = match verbs[..] {
            ["az", "ad", "sp", "create"] => Self::CreatePrincipal {
                app_id: options.one("--id")?,
            },
            ["az", "ad", "app", "credential", "reset"] => {
                options
                    .take("--append")
                    .ok_or("without --append this ends every other secret")?;
                let years = options
                    .take("--years")
                    .map_or(Ok(1), |years| number(&years))?;
                Self::AddSecret {
                    app_id: options.one("--id")?,
                    years,
                }
            }
            ["az", "role", "assignment", "create"] => {
                options.take("--assignee-principal-type");
                Self::AssignRole {
                    principal_id: options.one("--assignee-object-id")?,
                    role: named(&options.one("--role")?)?,
                    scope: Scope::parse(&options.one("--scope")?)?,
                }
            }
            ["az", "keyvault", "set-policy"] => {
                for known in ["--resource-group", "--subscription"] {
                    options.take(known);
                }
                let permissions = options.take("--key-permissions");
                let permissions = permissions.ok_or("--key-permissions is missing")?;
                let permissions = permissions.iter().map(|name| named(name));
                Self::SetPolicy {
                    principal_id: options.one("--object-id")?,
                    vault: options.one("--name")?,
                    permissions: permissions.collect::<Result<_, _>>()?,
                }
            }
            _ => return Err(format!("{} is not known here", verbs.join(" "))),
        };
        options.done()?;
        Ok(command)
    }
}

/// A name that Azure knows, such as a role's.
fn named<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

fn number(values: &[String]) -> Result<u64, String> {
    let number = values.first().and_then(|text| text.parse().ok());
    number.ok_or_else(|| "--years is no number".to_owned())
}

impl Scope {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.trim_matches('/').split('/').collect();
        let (subscription_id, group, vault) = match parts[..] {
            ["subscriptions", id] => (id, None, None),
            ["subscriptions", id, "resourceGroups", group] => (id, Some(group), None),
            [
                "subscriptions",
                id,
                "resourceGroups",
                group,
                "providers",
                "Microsoft.KeyVault",
                "vaults",
                vault,
            ] => (id, Some(group), Some(vault)),
            _ => return Err(format!("{text} is no scope")),
        };
        Ok(Self {
            subscription_id: subscription_id.to_owned(),
            resource_group: group.map(str::to_owned),
            vault: vault.map(str::to_owned),
        })
    }
}

/// The options of a command, each with its values.
struct Options(BTreeMap<String, Vec<String>>);

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = BTreeMap::<String, Vec<String>>::new();
        let mut last = String::new();
        for word in words {
            if word.starts_with("--") {
                last.clone_from(word);
                if options.insert(word.clone(), Vec::new()).is_some() {
                    return Err(format!("{word} is given twice"));
                }
            } else if let Some(values) = options.get_mut(&last) {
                values.push(word.clone());
            }
        }
        Ok(Self(options))
    }

    fn take(&mut self, name: &str) -> Option<Vec<String>> {
        self.0.remove(name)
    }

    /// An option that must have one value.
    fn one(&mut self, name: &str) -> Result<String, String> {
        match self.take(name).as_deref() {
            Some([value]) => Ok(value.clone()),
            Some(_) => Err(format!("{name} takes one value")),
            None => Err(format!("{name} is missing")),
        }
    }

    fn done(self) -> Result<(), String> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("{name} is not known here")),
        }
    }
}

/// The words of a line as a shell sees them: quotes, and lines that go on after a backslash.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '\\') => match letters.next() {
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("a backslash at the end".to_owned()),
            },
            (None, '$' | '`' | ';' | '|' | '&' | '<' | '>') => {
                return Err(format!("{letter} is for a shell, and this is none"));
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_does() {
        let split = words("az  role 'a b' \"c\"d \\\n  e\\ f ''");
        assert_eq!(split.unwrap(), ["az", "role", "a b", "cd", "e f", ""]);
        for bad in ["az 'x", "az \\", "az; rm", "az $(x)", "az | x"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands_are_understood_whole_or_refused() {
        let scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v";
        let line = format!(
            "az role assignment create --assignee-object-id p --assignee-principal-type \
             ServicePrincipal --role \"Key Vault Crypto User\" --scope {scope}"
        );
        assert_eq!(
            Command::parse(&line),
            Ok(Command::AssignRole {
                principal_id: "p".to_owned(),
                role: Role::KeyVaultCryptoUser,
                scope: Scope::parse(scope).unwrap(),
            })
        );
        let policy = "az keyvault set-policy --name v --object-id p --key-permissions get encrypt";
        assert!(Command::parse(policy).is_ok());
        for bad in [
            "",
            "az group delete --name g",
            "az ad sp create",
            "az ad sp create --id a b",
            "az ad sp create --id a --id b",
            "az ad sp create --id a --surprise",
            "az ad app credential reset --id a",
            "az role assignment create --assignee-object-id p --role Nobody --scope /subscriptions/s",
            "az role assignment create --assignee-object-id p --role Reader --scope v",
            "az keyvault set-policy --name v --object-id p --key-permissions fly",
        ] {
            assert!(Command::parse(bad).is_err(), "{bad}");
        }
    }
}
