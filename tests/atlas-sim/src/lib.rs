//! A strict simulator of the `MongoDB` Atlas Administration API, for tests and the demo.
//!
//! It serves the resources a secrets engine touches (API keys, service accounts, access lists,
//! AI model keys, database users, organizations, projects, the token endpoints, Azure access and encryption at rest, with a
//! simulated Azure behind them) on one port and is steered through a second one. It refuses what
//! Atlas refuses; where Atlas's behaviour is not known for certain, a named setting holds each
//! possible answer ([`settings::Settings`]).
//! It shares no code with the engine, so that the two can disagree.
//!
//! Of clusters only what database users need is there: which there are, and whether they know a user.
//!
//! Left out: Atlas's own users, billing, and everything else of Atlas. Nothing is stored.

mod access;
mod auth;
mod az;
mod azure;
mod body;
mod clock;
mod control;
mod control_az;
mod control_azure;
mod control_database;
mod control_encryption;
mod control_model_keys;
mod control_objects;
mod core;
mod database;
mod dispatch;
mod encryption;
mod endpoint_sets;
mod errors;
mod faults;
mod finish;
mod gateway;
mod http;
mod ids;
mod limits;
mod log;
mod operations;
mod page;
mod private_endpoints;
mod resources;
mod roles;
mod seed;
mod server;
pub mod settings;
mod state;
mod unversioned;
mod versions;
mod view;
mod wire;
mod world;

pub use seed::{Seed, SeedAccount, SeedKey};
pub use server::{Options, Running, start};
