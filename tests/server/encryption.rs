//! Encryption at rest on a real server: how Atlas signs in to a customer's key vault. Behind the simulated
//! Atlas is a simulated Azure; whether a key can be used is computed from what is granted there.

mod customer;
mod seen;
mod steps;
mod traffic;
