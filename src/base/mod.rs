//! What every layer needs: sensitive values, time, chance. Knows no other layer.

pub mod random;
pub mod sensitive;
pub mod time;

pub use random::{Entropy, SystemEntropy, base62};
pub use sensitive::Sensitive;
pub use time::{Clock, SystemClock};
