//! Fields: their kinds, the input each kind takes, typed reads, and all faults at once.

mod collections;
mod decode;
mod faults;
mod fields;
mod integer;
mod kind;
mod value;

pub use faults::Faults;
pub use fields::Fields;
pub use kind::{Field, Kind};
pub(crate) use kind::{Place, Spelling};
