//! A minimal host drives the plugin's process: handshake, TLS, go-plugin's services, Vault's calls,
//! the end. `docs/conformance.md` tells which test holds which rule of the protocol.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod answer;
mod atlas;
mod connection;
mod ending;
mod fields;
mod handshake;
mod help;
mod host;
mod identity;
mod instances;
mod launch;
mod leases;
mod logging;
mod messages;
mod mount;
mod refusals;
mod release;
mod requests;
mod rollback;
mod secrecy;
mod self_test;
mod services;
mod setup;
mod socket_file;
mod store;
mod stored;
mod view;
