//! `encryption-at-rest/`: how Atlas signs in to a customer's Azure Key Vault.
//!
//! This room changes the credential and nothing else. What the key is, how the vault is reached and
//! what is set for other providers is the customer's.

mod apply;
#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod customer_tests;
mod entry;
mod grants;
mod input;
pub(crate) mod paths;
mod plan;
mod register;
#[cfg(test)]
mod register_tests;
mod rollback;
