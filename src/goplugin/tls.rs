//! Mutual TLS between two parties that know each other's one certificate.
//!
//! Each side makes a certificate for the life of the process and tells it to the other. There is no
//! root store; see [`Pinned`]. Source: hashicorp/go-plugin v1.8.0, `mtls.go`.

use std::{sync::Arc, time::SystemTime};

use chrono::TimeDelta;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{
    ClientConfig, Error, ServerConfig,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{NoServerSessionStorage, ParsedCertificate},
    version::{TLS12, TLS13},
};

use super::pinned::Pinned;
use crate::base::Clock;

/// The name that both sides put in their certificate and expect in the other's.
pub(crate) const NAME: &str = "localhost";
/// How far the host's clock may be behind ours.
const BACKDATED: TimeDelta = TimeDelta::minutes(10);
/// A process never renews its certificate, so it must outlast any process; as long as the host's.
const VALID: TimeDelta = TimeDelta::days(30 * 365);

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The host's certificate is unreadable. The text itself is not repeated.
    #[error("PLUGIN_CLIENT_CERT must hold one certificate in PEM: {0}")]
    HostCertificate(&'static str),
    /// No certificate of our own could be made.
    #[error("cannot make a certificate for this process")]
    OwnCertificate(#[from] rcgen::Error),
    /// The TLS library did not take what it was given.
    #[error("cannot set up TLS")]
    Configuration(#[from] Error),
}

/// This process's certificate and key: server on the main socket, client on brokered connections.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Makes a new key and a certificate signed with it.
    pub(crate) fn generate(clock: &dyn Clock) -> Result<Self, TlsError> {
        let mut parameters = CertificateParams::new([NAME.to_owned()])?;
        parameters.distinguished_name.push(DnType::CommonName, NAME);
        parameters.not_before = SystemTime::from(clock.now() - BACKDATED).into();
        parameters.not_after = SystemTime::from(clock.now() + VALID).into();
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyAgreement,
        ];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let certificate = parameters.self_signed(&key)?.der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Self { certificate, key })
    }

    /// The certificate in DER, as the host is told it.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }
}

/// Reads the host's certificate from the text of `PLUGIN_CLIENT_CERT`.
pub(crate) fn host_certificate(pem: &str) -> Result<CertificateDer<'static>, TlsError> {
    let mut blocks = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificate = blocks
        .next()
        .ok_or(TlsError::HostCertificate("there is none"))?
        .map_err(|_| TlsError::HostCertificate("the text is damaged"))?;
    if blocks.next().is_some() {
        return Err(TlsError::HostCertificate("there is more than one"));
    }
    ParsedCertificate::try_from(&certificate)
        .map_err(|_| TlsError::HostCertificate("its content is no X.509 certificate"))?;
    Ok(certificate)
}

/// For the main socket: our certificate, and only the host as client.
pub(crate) fn server_config(
    identity: &Identity,
    host: &CertificateDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned::new(host.clone(), &provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A host connects once: remembered sessions would only cost memory.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// For brokered connections, which the host listens on: only the host as server, and our certificate.
pub(crate) fn client_config(
    identity: &Identity,
    host: &CertificateDer<'static>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned::new(host.clone(), &provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::io;

    use rcgen::{BasicConstraints, IsCa};
    use rustls::{
        pki_types::ServerName,
        sign::{CertifiedKey, SingleCertAndKey},
    };
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::base::SystemClock;

    impl Identity {
        /// The certificate of a Go host: P-521, and marked as an authority.
        pub(crate) fn of_host() -> Self {
            let mut parameters = CertificateParams::new([NAME.to_owned()]).unwrap();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
            let certificate = parameters.self_signed(&key).unwrap().der().clone();
            let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
            Self { certificate, key }
        }

        /// As each process makes it.
        pub(crate) fn of_plugin() -> Self {
            Self::generate(&SystemClock).unwrap()
        }

        /// The certificate, as the other side is told it.
        pub(crate) fn certificate_der(&self) -> CertificateDer<'static> {
            self.certificate.clone()
        }
    }

    /// Both sides' view of one handshake in memory.
    async fn shake(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> io::Result<()> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (acceptor, connector) = (TlsAcceptor::from(server), TlsConnector::from(client));
        let name = ServerName::try_from(NAME).unwrap();
        let (accepted, connected) =
            tokio::join!(acceptor.accept(near), connector.connect(name, far));
        let (accepted, connected) = (accepted?, connected?);
        assert_eq!(accepted.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(connected.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Ok(())
    }

    #[tokio::test]
    async fn two_that_know_each_other_agree_in_both_roles() {
        let (host, plugin) = (Identity::of_host(), Identity::of_plugin());
        let main = server_config(&plugin, &host.certificate_der()).unwrap();
        shake(
            main,
            client_config(&host, &plugin.certificate_der()).unwrap(),
        )
        .await
        .unwrap();
        let brokered = server_config(&host, &plugin.certificate_der()).unwrap();
        shake(
            brokered,
            client_config(&plugin, &host.certificate_der()).unwrap(),
        )
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_stranger_is_refused_in_both_roles() {
        let (host, plugin) = (Identity::of_host(), Identity::of_plugin());
        let stranger = Identity::of_host();
        let main = server_config(&plugin, &host.certificate_der()).unwrap();
        shake(
            main,
            client_config(&stranger, &plugin.certificate_der()).unwrap(),
        )
        .await
        .unwrap_err();
        let brokered = server_config(&stranger, &plugin.certificate_der()).unwrap();
        shake(
            brokered,
            client_config(&plugin, &host.certificate_der()).unwrap(),
        )
        .await
        .unwrap_err();
    }

    #[tokio::test]
    async fn a_server_with_the_pinned_certificate_and_another_key_is_refused() {
        let (host, plugin) = (Identity::of_host(), Identity::of_plugin());
        for (key, agrees) in [(&host, true), (&Identity::of_host(), false)] {
            let mut server = (*server_config(&host, &plugin.certificate_der()).unwrap()).clone();
            let key = aws_lc_rs::default_provider()
                .key_provider
                .load_private_key(key.key.clone_key());
            let shown = CertifiedKey::new(vec![host.certificate_der()], key.unwrap());
            server.cert_resolver = Arc::new(SingleCertAndKey::from(shown));
            let client = client_config(&plugin, &host.certificate_der()).unwrap();
            assert_eq!(shake(Arc::new(server), client).await.is_ok(), agrees);
        }
    }

    #[test]
    fn a_host_certificate_that_is_none_is_refused_without_repeating_it() {
        let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "hvs.secret", hollow, "-----BEGIN CERTIFICATE-----\n!"] {
            let error = host_certificate(text).unwrap_err().to_string();
            assert!(error.starts_with("PLUGIN_CLIENT_CERT"), "{error}");
            assert!(!error.contains("hvs"), "{error}");
        }
    }
}
