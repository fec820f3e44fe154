//! The handshake: the magic cookie, the choice of a protocol version, the one line on stdout.
//!
//! Reads and makes text only; the certificate inside it is the business of TLS.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use super::environment::Environment;

/// The version of go-plugin's own protocol, as opposed to the application's.
const CORE_VERSION: u32 = 1;
/// How much of an environment variable an error repeats.
const SHOWN_CHARACTERS: usize = 64;

/// The variable by which a host shows that it started the process as a plugin of a certain kind.
///
/// It guards a person who runs the binary by hand; it is no secret and protects nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookie {
    /// Name of the environment variable.
    pub name: &'static str,
    /// What it must be.
    pub value: &'static str,
}

impl Cookie {
    /// Whether the host that started the process wants this kind of plugin.
    #[must_use]
    pub(crate) fn is_in(&self, environment: &Environment) -> bool {
        environment.variable(self.name) == Some(self.value)
    }
}

/// Why the process cannot be a plugin of whoever started it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// Started by a person, or by a host that wants another kind of plugin.
    #[error(
        "the environment variable {name} does not have the value that a server sets: this is a \
         plugin, started by a server and not manually"
    )]
    Cookie {
        /// The cookie's variable.
        name: &'static str,
    },
    /// The host does not speak our version, or did not say what it speaks.
    #[error(
        "PLUGIN_PROTOCOL_VERSIONS offers {offered:?}, and this plugin speaks only version {spoken}; \
         update the server"
    )]
    Version {
        /// What the host offered, cut short.
        offered: String,
        /// The one version that we speak.
        spoken: u32,
    },
    /// The host did not ask for mutual TLS.
    #[error(
        "PLUGIN_CLIENT_CERT is not set; this plugin serves only over the mutual TLS that a server \
         sets up automatically (AutoMTLS)"
    )]
    ClientCertificate,
}

/// What the host asked for, as far as it can be met.
#[derive(Debug)]
pub(crate) struct Handshake<'a> {
    /// The chosen version of the application's protocol.
    version: u32,
    /// The host's certificate, PEM.
    pub client_certificate: &'a str,
    /// Whether the host knows the line's seventh field.
    knows_multiplexing: bool,
}

impl<'a> Handshake<'a> {
    /// Reads the host's side of the handshake.
    pub(crate) fn read(
        environment: &'a Environment,
        cookie: Cookie,
        spoken: u32,
    ) -> Result<Self, HandshakeError> {
        if !cookie.is_in(environment) {
            return Err(HandshakeError::Cookie { name: cookie.name });
        }
        let offered = environment
            .variable("PLUGIN_PROTOCOL_VERSIONS")
            .unwrap_or_default();
        if !offers(offered, spoken) {
            let offered = offered.chars().take(SHOWN_CHARACTERS).collect();
            return Err(HandshakeError::Version { offered, spoken });
        }
        let client_certificate = environment
            .variable("PLUGIN_CLIENT_CERT")
            .filter(|pem| !pem.is_empty())
            .ok_or(HandshakeError::ClientCertificate)?;
        let knows_multiplexing = environment
            .variable("PLUGIN_MULTIPLEX_GRPC")
            .is_some_and(|value| !value.is_empty());
        Ok(Self {
            version: spoken,
            client_certificate,
            knows_multiplexing,
        })
    }

    /// The line that answers the host, newline included.
    ///
    /// `socket` is absolute; `certificate` is the DER of the certificate served there. The seventh
    /// field says that brokered connections are not multiplexed into the main one; a host that
    /// does not ask for it may not expect it.
    #[must_use]
    pub(crate) fn line(&self, socket: &Path, certificate: &[u8]) -> String {
        let certificate = STANDARD_NO_PAD.encode(certificate);
        let multiplexing = if self.knows_multiplexing {
            "|false"
        } else {
            ""
        };
        format!(
            "{CORE_VERSION}|{}|unix|{}|grpc|{certificate}{multiplexing}\n",
            self.version,
            socket.display()
        )
    }
}

/// Whether the comma list of decimal numbers holds `version`; what is no number is passed over.
fn offers(list: &str, version: u32) -> bool {
    list.split(',')
        .any(|offered| offered.trim().parse() == Ok(version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COOKIE: Cookie = Cookie {
        name: "PLUGIN_OF_TESTS",
        value: "f00d",
    };

    fn host(variables: &[(&'static str, &'static str)]) -> Environment {
        let usual = [
            ("PLUGIN_OF_TESTS", "f00d"),
            ("PLUGIN_PROTOCOL_VERSIONS", "5"),
            ("PLUGIN_CLIENT_CERT", "pem"),
        ];
        usual.iter().chain(variables).copied().collect()
    }

    #[test]
    fn the_version_is_found_among_others_in_any_order() {
        for list in ["5", "5,6", "6,5", " 5 , 4", "x,5"] {
            assert!(offers(list, 5), "{list}");
        }
        for list in ["", "3,4", "55", "-5", "5.0", "five"] {
            assert!(!offers(list, 5), "{list}");
        }
    }

    #[test]
    fn the_line_has_six_fields_and_a_seventh_on_request() {
        let socket = Path::new("/tmp/plugin1");
        let plain = host(&[]);
        let line = Handshake::read(&plain, COOKIE, 5)
            .unwrap()
            .line(socket, b"\x00\xff\xfe\xfd");
        assert_eq!(line, "1|5|unix|/tmp/plugin1|grpc|AP/+/Q\n");
        let asking = host(&[("PLUGIN_MULTIPLEX_GRPC", "true")]);
        let line = Handshake::read(&asking, COOKIE, 5)
            .unwrap()
            .line(socket, b"");
        assert_eq!(line, "1|5|unix|/tmp/plugin1|grpc||false\n");
        let not_asking = host(&[("PLUGIN_MULTIPLEX_GRPC", "")]);
        let line = Handshake::read(&not_asking, COOKIE, 5)
            .unwrap()
            .line(socket, b"");
        assert_eq!(line, "1|5|unix|/tmp/plugin1|grpc|\n");
    }

    #[test]
    fn a_missing_piece_is_named() {
        let refused = |variables: &[(&'static str, &'static str)]| {
            Handshake::read(&host(variables), COOKIE, 5)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[("PLUGIN_OF_TESTS", "beef")]).contains("PLUGIN_OF_TESTS"));
        assert!(refused(&[("PLUGIN_PROTOCOL_VERSIONS", "3,4")]).contains("offers \"3,4\""));
        assert!(refused(&[("PLUGIN_CLIENT_CERT", "")]).contains("PLUGIN_CLIENT_CERT"));
    }

    proptest! {
        #[test]
        fn any_environment_is_answered_without_panic(
            versions in any::<String>(), pem in any::<String>(), multiplex in any::<String>(),
        ) {
            let environment = Environment::from_iter([
                ("PLUGIN_OF_TESTS".to_owned(), "f00d".to_owned()),
                ("PLUGIN_PROTOCOL_VERSIONS".to_owned(), versions),
                ("PLUGIN_CLIENT_CERT".to_owned(), pem),
                ("PLUGIN_MULTIPLEX_GRPC".to_owned(), multiplex),
            ]);
            if let Ok(handshake) = Handshake::read(&environment, COOKIE, 5) {
                let line = handshake.line(Path::new("/tmp/plugin"), b"certificate");
                prop_assert_eq!(line.matches('\n').count(), 1);
            }
        }
    }
}
