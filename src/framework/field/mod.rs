//! Fields: their kinds, the input each kind takes, typed reads, and all faults at once.

mod collections;
mod decode;
mod faults;
mod fields;
mod integer;
mod kind;
mod value;

pub(crate) use faults::Faults;
pub(crate) use fields::Fields;
pub(crate) use kind::{Field, Kind};
pub(crate) use kind::{Place, Spelling};
