//! Roles: what a credential may do, and how long it lives.

mod advice;
pub(crate) mod paths;

pub(crate) use advice::warnings;
