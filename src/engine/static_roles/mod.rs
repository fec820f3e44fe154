//! Static roles: service accounts that exist in Atlas and whose secrets this engine keeps fresh.

mod adopt;
mod creds;
mod delete;
mod entry;
mod index;
mod input;
pub(crate) mod paths;
mod record;
mod rotate;
mod summary;
#[cfg(test)]
mod tests;
mod tick;
mod work;
mod write;

pub(crate) use index::StaticRoles;
pub(crate) use summary::summary;
pub(crate) use tick::run_due;
