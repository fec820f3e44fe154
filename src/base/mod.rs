//! What every layer needs: sensitive values, time, chance. Knows no other layer.

pub(crate) mod counted;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod random;
pub(crate) mod sensitive;
pub(crate) mod shown;
pub(crate) mod time;

pub(crate) use counted::Counted;
pub(crate) use random::{Entropy, SystemEntropy, backoff, base62, doubled, with_random_part};
pub(crate) use sensitive::Sensitive;
pub(crate) use shown::{Rfc3339, Short, chain};
pub(crate) use time::{Clock, SystemClock};
