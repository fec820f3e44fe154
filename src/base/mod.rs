//! What every layer needs: sensitive values, time, chance. Knows no other layer.

pub mod counted;
pub mod random;
pub mod sensitive;
pub mod shown;
pub mod time;

pub use counted::Counted;
pub use random::{Entropy, SystemEntropy, backoff, base62};
pub use sensitive::Sensitive;
pub use shown::{Rfc3339, Short};
pub use time::{Clock, SystemClock};
