//! Encryption at rest on a real server: how Atlas signs in to a customer's key vault. Behind the simulated
//! Atlas is a simulated Azure; whether a key can be used is computed from what is granted there.

pub(crate) mod customer;
mod drift;
mod held;
mod killed;
mod migration;
mod migration_cut_short;
mod mishaps;
mod private;
mod secrecy;
mod secrets;
mod seen;
mod steps;
mod time;
mod traffic;
mod waiting;
