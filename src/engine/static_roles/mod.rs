//! Static roles: existing service accounts, whose secrets this engine rotates.

mod adopt;
#[cfg(test)]
mod adoption_tests;
mod creds;
mod delete;
mod entry;
#[cfg(test)]
mod expiry_tests;
#[cfg(test)]
mod faults_tests;
#[cfg(test)]
mod held_tests;
mod index;
mod input;
#[cfg(test)]
mod leaving_tests;
#[cfg(test)]
mod left_tests;
#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod logs_tests;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod own_tests;
pub(crate) mod paths;
#[cfg(test)]
mod rate_tests;
mod record;
mod rotate;
#[cfg(test)]
mod schedules_tests;
#[cfg(test)]
mod storage_faults_tests;
#[cfg(test)]
mod stored_tests;
mod summary;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod throng_tests;
mod tick;
#[cfg(test)]
mod two_hundred_tests;
mod work;
mod write;

pub(crate) use delete::note_left;
pub(crate) use entry::StaticRoleEntry;
pub(crate) use index::StaticRoles;
pub(crate) use summary::{expiries, summary};
pub(crate) use tick::run_due;
