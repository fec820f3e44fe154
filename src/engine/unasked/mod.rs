//! What the engine does in Atlas without being asked: who may hold it, and the proof that it may.
//!
//! A revocation, what a person orders (a drain too), and the undo of what the same request has made are
//! asked for. But an order to rotate is none to delete or to forget by its age what somebody may use:
//! that asks the clocks too, unless it is forced ([`Engine::may_believe_clock`]).
//! All other deletions follow from what is stored and from what the clocks show, and both may be
//! untrue: after a restore from a snapshot, or while a clock is wrong. [`Engine::may_delete_unasked`]
//! is the one place that decides, and what deletes wants the [`Permit`] that it gives.
//!
//! [`Engine::may_believe_clock`]: super::Engine::may_believe_clock
//! [`Engine::may_delete_unasked`]: super::Engine::may_delete_unasked

mod clock_watch;
mod hold;
#[cfg(test)]
mod ordered_tests;
mod permit;
#[cfg(test)]
mod tests;

pub(crate) use clock_watch::ClockWatch;
pub(crate) use hold::held;
pub(crate) use permit::{Held, Mandate, Permit, status, watch};
