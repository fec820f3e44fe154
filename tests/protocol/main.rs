//! A minimal host drives the plugin's process: handshake, TLS, go-plugin's services, the end.
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

mod connection;
mod ending;
mod handshake;
mod host;
mod identity;
mod launch;
mod logging;
mod services;
