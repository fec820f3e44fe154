//! The simulator's own tests: each starts a server in the process and talks to it over HTTP. Every
//! exchange is written to a file, to be held against the API description afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests: a failure is to stop the test, and bodies are written in place"
)]

mod access_lists;
mod accounts;
mod api_keys;
mod azure;
mod azure_hands;
mod binary;
mod cloud;
mod clusters;
mod control;
mod database_users;
mod digest;
mod faults;
mod harness;
mod key_checks;
mod limits;
mod model_keys;
mod orgs;
mod private_networking;
mod project_keys;
mod projects;
mod requests;
mod roles;
mod secrets;
mod tokens;
mod unversioned;
