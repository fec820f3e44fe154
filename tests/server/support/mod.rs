//! Servers, mounts and Atlas for the tests.

pub(crate) mod atlas;
pub(crate) mod bao;
pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod cluster;
pub(crate) mod log;
pub(crate) mod mount;
pub(crate) mod on_disk;
pub(crate) mod process;

pub(crate) use atlas::Atlas;
pub(crate) use bao::{Answer, Bao, Client, agent};
pub(crate) use cluster::Cluster;
pub(crate) use mount::Mount;
