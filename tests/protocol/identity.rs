//! A certificate as Go hosts make it, and TLS as they set it up: the usual verification of
//! certificates, with a pool that holds the plugin's certificate and nothing else.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

/// The name in every certificate.
pub(crate) const NAME: &str = "localhost";
/// What hosts offer.
pub(crate) const BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A certificate and its key.
pub(crate) struct Identity {
    /// The certificate as it is handed to the plugin.
    pub(crate) pem: String,
    /// The certificate.
    pub(crate) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A new one; two of them differ only in their keys.
    pub(crate) fn generate() -> Self {
        let mut parameters = CertificateParams::new([NAME.to_owned()]).expect("a name");
        parameters.distinguished_name.push(DnType::CommonName, NAME);
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, "HashiCorp");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyAgreement,
            KeyUsagePurpose::KeyCertSign,
        ];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a P-521 key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// For the main connection: this identity, and `plugin` as the only server.
    pub(crate) fn client_config(
        &self,
        plugin: &[u8],
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("versions that the provider has")
            .with_root_certificates(pool(plugin))
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("a certificate and its key");
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// This key under another's certificate.
    pub(crate) fn showing(self, other: &Self) -> Self {
        Self {
            pem: other.pem.clone(),
            certificate: other.certificate.clone(),
            key: self.key,
        }
    }

    /// As [`Identity::client_config`], whether or not the key belongs to the certificate.
    pub(crate) fn impostor_config(
        &self,
        plugin: &[u8],
        version: &'static SupportedProtocolVersion,
    ) -> ClientConfig {
        let provider = Arc::new(default_provider());
        let key = provider
            .key_provider
            .load_private_key(self.key.clone_key())
            .expect("a key");
        let shown = CertifiedKey::new(vec![self.certificate.clone()], key);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version that the provider has")
            .with_root_certificates(pool(plugin))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// For brokered connections: this identity, and `plugin` as the only client.
    pub(crate) fn server_config(&self, plugin: &[u8]) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(pool(plugin)), provider.clone())
                .build()
                .expect("a pool of one");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(BOTH_VERSIONS)
            .expect("versions that the provider has")
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("a certificate and its key");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

/// TLS of a client that shows no certificate.
pub(crate) fn anonymous(plugin: &[u8]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(BOTH_VERSIONS)
        .expect("versions that the provider has")
        .with_root_certificates(pool(plugin))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn pool(certificate: &[u8]) -> RootCertStore {
    let mut pool = RootCertStore::empty();
    pool.add(CertificateDer::from(certificate.to_vec()))
        .expect("a certificate");
    pool
}
