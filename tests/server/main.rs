//! What a user does, step by step, on a real server with the real plugin; Atlas is the simulator.
//!
//! `BAO` names the server's command (`scripts/test` sets it); else PATH is searched.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod support;

mod agent;
mod bad_input;
mod caller_address;
mod clocks;
mod cluster;
mod crashes;
mod crowd;
mod database_users;
mod drain;
mod encryption;
mod ended;
mod go_engine;
mod journal;
mod leases;
mod lifecycle;
mod metrics;
mod mishaps;
mod model_keys;
mod origin;
mod outages;
mod pages;
mod project_types;
mod proof;
mod requests;
mod restore;
mod rights;
mod rotation;
mod secrecy;
mod sharing;
mod slips;
mod soak;
mod storm;
mod takeover;
mod terraform;
mod tour;
