//! What Atlas's refusals about Azure mean. Told by Atlas's codes alone.
//!
//! Source: Atlas documentation, list of error codes; the codes that acceptance tests of others met.

use super::error::AtlasError;

/// Why a change of the key vault's configuration was refused. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyVaultRefusal {
    /// Azure does not let Atlas in, or not to the key: a grant is missing, or not there yet. Which code
    /// Atlas gives for that with a role is not documented, so every code is taken for it that is about
    /// credentials, the vault or the role.
    NoAccess,
    /// The key is disabled, expired, about to, or not active yet.
    KeyState,
    /// Atlas cannot reach the present key, and lets only credentials be changed.
    PresentKeyLost,
    /// Atlas takes no static credentials any more.
    StaticCredentials,
    /// Private endpoints stand in the way.
    PrivateEndpoints,
    /// Anything else that Atlas said.
    Other,
}

impl AtlasError {
    /// Why Atlas refused a change of the key vault's configuration; [`None`] if it did not refuse it.
    #[must_use]
    pub(crate) fn key_vault_refusal(&self) -> Option<KeyVaultRefusal> {
        let Self::Refused { status, code, .. } = self else {
            return None;
        };
        if !matches!(status, 400 | 409) {
            return None;
        }
        Some(match code.as_str() {
            "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED" => KeyVaultRefusal::StaticCredentials,
            "AZURE_KEY_VAULT_KEY_EXPIRED"
            | "AZURE_KEY_VAULT_KEY_EXPIRING"
            | "AZURE_KEY_VAULT_KEY_NOT_ENABLED"
            | "AZURE_KEY_VAULT_KEY_NOT_ACTIVE" => KeyVaultRefusal::KeyState,
            "ENCRYPTION_AT_REST_SETTINGS_INVALID" => KeyVaultRefusal::PresentKeyLost,
            "AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT"
            | "AZURE_KEY_VAULT_ENVIRONMENT_NOT_SUPPORTED" => KeyVaultRefusal::Other,
            "INVALID_AZURE_CREDENTIALS"
            | "NO_PERMISSION_TO_ENCRYPT_DECRYPT"
            | "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL"
            | "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED"
            | "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID" => KeyVaultRefusal::NoAccess,
            code if code.starts_with("AZURE_KEY_VAULT_") => KeyVaultRefusal::NoAccess,
            code if code.contains("PRIVATE_ENDPOINTS") => KeyVaultRefusal::PrivateEndpoints,
            _ => KeyVaultRefusal::Other,
        })
    }

    /// Whether Atlas says that the service principal is registered already.
    #[must_use]
    pub(crate) fn says_principal_is_registered(&self) -> bool {
        matches!(self, Self::Refused { status: 409, code, .. }
            if code == "DUPLICATE_AZURE_SERVICE_PRINCIPAL")
    }

    /// Whether Atlas cannot sign in as the service principal: Azure does not know it, or not yet.
    #[must_use]
    pub(crate) fn says_principal_is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 400, code, .. } if matches!(code.as_str(),
            "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL"
            | "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID"))
    }

    /// Whether Atlas keeps a registration because something uses it.
    #[must_use]
    pub(crate) fn says_principal_is_in_use(&self) -> bool {
        matches!(self, Self::Refused { status: 400, code, .. }
            if code == "AZURE_SERVICE_PRINCIPAL_IN_USE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> AtlasError {
        AtlasError::Refused {
            operation: "updateEncryptionAtRest",
            status,
            code: code.to_owned(),
            detail: String::new(),
        }
    }

    #[test]
    fn a_missing_grant_is_told_from_a_bad_key_and_from_all_else() {
        use KeyVaultRefusal as R;
        for (code, want) in [
            ("INVALID_AZURE_CREDENTIALS", R::NoAccess),
            ("NO_PERMISSION_TO_ENCRYPT_DECRYPT", R::NoAccess),
            ("AZURE_KEY_VAULT_KEY_NOT_FOUND", R::NoAccess),
            ("CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED", R::NoAccess),
            ("AZURE_KEY_VAULT_KEY_EXPIRING", R::KeyState),
            ("AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT", R::Other),
            (
                "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED",
                R::StaticCredentials,
            ),
            ("ENCRYPTION_AT_REST_SETTINGS_INVALID", R::PresentKeyLost),
            (
                "CANNOT_DISABLE_ENCRYPTION_AT_REST_DUE_TO_PRIVATE_ENDPOINTS",
                R::PrivateEndpoints,
            ),
            ("BAD_REQUEST", R::Other),
        ] {
            assert_eq!(refused(400, code).key_vault_refusal(), Some(want), "{code}");
        }
        // A missing right of our own credential is no word about Azure.
        assert_eq!(refused(401, "USER_UNAUTHORIZED").key_vault_refusal(), None);
    }

    #[test]
    fn codes_count_with_their_status() {
        assert!(refused(409, "DUPLICATE_AZURE_SERVICE_PRINCIPAL").says_principal_is_registered());
        assert!(!refused(400, "DUPLICATE_AZURE_SERVICE_PRINCIPAL").says_principal_is_registered());
        assert!(refused(400, "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL").says_principal_is_unknown());
        assert!(refused(400, "AZURE_SERVICE_PRINCIPAL_IN_USE").says_principal_is_in_use());
    }
}
