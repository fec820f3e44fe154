//! Mutual TLS between two parties that know each other's one certificate.
//!
//! Each side makes a certificate for the life of the process and tells it to the other. There is no
//! root store: the library's usual verifiers refuse the host's certificate as the end of a chain,
//! because it is marked as an authority. Instead it must equal the pinned one byte for byte, and the
//! peer must prove that it holds the key. Source: hashicorp/go-plugin v1.8.0, `mtls.go`.

use std::{sync::Arc, time::SystemTime};

use chrono::TimeDelta;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
        verify_tls13_signature,
    },
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject,
    },
    server::{
        NoServerSessionStorage, ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::{TLS12, TLS13},
};

use crate::base::Clock;

/// The name that both sides put in their certificate and expect in the other's.
pub(crate) const NAME: &str = "localhost";
/// How far the host's clock may be behind ours.
const BACKDATED: TimeDelta = TimeDelta::minutes(10);
/// A process never renews its certificate, so it must outlast any process; as long as the host's.
const VALID: TimeDelta = TimeDelta::days(30 * 365);

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
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

/// Accepts exactly one certificate, in either role.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(certificate: CertificateDer<'static>, provider: &CryptoProvider) -> Self {
        Self {
            certificate,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Whether the peer showed the pinned certificate alone. That it holds the key too is checked
    /// by the signature functions below, which TLS always calls next.
    fn is_shown(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), Error> {
        if *shown == self.certificate && intermediates.is_empty() {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.is_shown(shown, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name needs no check: the pinned certificate says `localhost` or it does not.
        self.is_shown(shown, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
