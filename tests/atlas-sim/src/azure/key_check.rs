//! Whether a key can be used: who signs in, how, and what Azure says to that.

use chrono::{DateTime, TimeDelta, Utc};

use super::vault::{Key, Vault};
use super::{Azure, Principal};

/// Atlas takes no key that expires sooner. Source: Atlas documentation, error code
/// `AZURE_KEY_VAULT_KEY_EXPIRING`.
const EXPIRING: TimeDelta = TimeDelta::hours(48);

/// How somebody signs in to Azure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignIn<'a> {
    /// As the principal of one's own application.
    Principal {
        tenant_id: &'a str,
        id: &'a str,
        app_id: &'a str,
    },
    /// As any application, with one of its passwords.
    Secret {
        tenant_id: &'a str,
        client_id: &'a str,
        secret: &'a str,
    },
}

/// One use of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyUse<'a> {
    pub(crate) sign_in: SignIn<'a>,
    pub(crate) subscription_id: &'a str,
    pub(crate) resource_group: &'a str,
    pub(crate) vault: &'a str,
    pub(crate) key_identifier: &'a str,
    pub(crate) route: Route,
}

/// The way to a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Internet,
    PrivateEndpoint,
    /// Only private endpoints are allowed, and there is none.
    Nowhere,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyCheck {
    /// The key encrypts and decrypts.
    Usable,
    /// Azure refused.
    Refused(Fault),
    /// Azure did not answer.
    Unreachable,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    SignIn,
    NoVault,
    MayNotReadVault,
    MayNotUseKeys,
    NoKey,
    KeyDisabled,
    KeyNotActive,
    KeyExpired,
    KeyExpiring,
}

impl Azure {
    /// Tries the key.
    pub(crate) fn check(&self, key_use: &KeyUse<'_>, now: DateTime<Utc>) -> KeyCheck {
        match self.refusal(key_use, now) {
            Err(fault) => KeyCheck::Refused(fault),
            Ok(vault) if vault.is_reached(key_use.route) => {
                let key = vault.key(key_use.key_identifier);
                key.ok_or(Fault::NoKey)
                    .and_then(|key| key.refusal(now))
                    .map_or_else(KeyCheck::Refused, |()| KeyCheck::Usable)
            }
            Ok(_) => KeyCheck::Unreachable,
        }
    }

    /// As [`Self::check`], for a key that is to be used from now on.
    pub(crate) fn check_new(&self, key_use: &KeyUse<'_>, now: DateTime<Utc>) -> KeyCheck {
        let check = self.check(key_use, now);
        let key = self.vault(key_use.vault);
        let key = key.and_then(|vault| vault.key(key_use.key_identifier));
        let soon = now.checked_add_signed(EXPIRING).unwrap_or(now);
        let expires = key.and_then(|key| key.expires_at);
        if check == KeyCheck::Usable && expires.is_some_and(|expires| expires < soon) {
            KeyCheck::Refused(Fault::KeyExpiring)
        } else {
            check
        }
    }

    /// The vault, or why the one who signs in has no access to it.
    fn refusal(&self, key_use: &KeyUse<'_>, now: DateTime<Utc>) -> Result<&Vault, Fault> {
        let principal = self.signed_in(key_use.sign_in, now).ok_or(Fault::SignIn)?;
        let (SignIn::Principal { tenant_id, .. } | SignIn::Secret { tenant_id, .. }) =
            key_use.sign_in;
        let same = str::eq_ignore_ascii_case;
        let vault = self
            .vault(key_use.vault)
            .filter(|vault| same(&vault.tenant_id, tenant_id))
            .filter(|vault| same(&vault.subscription_id, key_use.subscription_id))
            .filter(|vault| same(&vault.resource_group, key_use.resource_group))
            .ok_or(Fault::NoVault)?;
        if !vault.may_read(&principal.id, now) {
            Err(Fault::MayNotReadVault)
        } else if !vault.may_use_keys(&principal.id, now) {
            Err(Fault::MayNotUseKeys)
        } else {
            Ok(vault)
        }
    }

    fn signed_in(&self, sign_in: SignIn<'_>, now: DateTime<Utc>) -> Option<&Principal> {
        let principal = match sign_in {
            SignIn::Principal {
                tenant_id,
                id,
                app_id,
            } => self
                .tenant(tenant_id)?
                .principal(id)
                .filter(|principal| principal.app_id.eq_ignore_ascii_case(app_id)),
            SignIn::Secret {
                tenant_id,
                client_id,
                secret,
            } => self
                .tenant(tenant_id)?
                .principal_of(client_id)
                .filter(|principal| principal.takes(secret, now)),
        };
        principal.filter(|principal| principal.works_from <= now)
    }

    /// Whether the application can sign in as this principal.
    pub(crate) fn knows(
        &self,
        tenant_id: &str,
        id: &str,
        app_id: &str,
        now: DateTime<Utc>,
    ) -> bool {
        let sign_in = SignIn::Principal {
            tenant_id,
            id,
            app_id,
        };
        self.signed_in(sign_in, now).is_some()
    }
}

impl Vault {
    fn is_reached(&self, route: Route) -> bool {
        self.reachable
            && match route {
                Route::Internet => self.public_network,
                Route::PrivateEndpoint => true,
                Route::Nowhere => false,
            }
    }
}

impl Key {
    fn refusal(&self, now: DateTime<Utc>) -> Result<(), Fault> {
        if !self.enabled {
            Err(Fault::KeyDisabled)
        } else if self.not_before.is_some_and(|from| now < from) {
            Err(Fault::KeyNotActive)
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Err(Fault::KeyExpired)
        } else {
            Ok(())
        }
    }
}
