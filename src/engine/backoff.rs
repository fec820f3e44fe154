//! How long work that failed rests until it is tried again: a minute after the first failure, doubled by
//! each further one in a row, an hour at most.

use std::time::Duration;

use crate::base::{Entropy, doubled, with_random_part};

const FIRST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(1);

/// The pause after so many failures in a row, less a random part of up to a half: what failed together
/// does not come back together.
pub(crate) fn pause(failures: u32, entropy: &dyn Entropy) -> Duration {
    with_random_part(whole_pause(failures), entropy)
}

/// The same as a whole, for what its round takes a few at a time of in any case.
pub(crate) fn whole_pause(failures: u32) -> Duration {
    doubled(failures, FIRST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SystemEntropy;

    #[test]
    fn delays_double_up_to_an_hour_and_vary() {
        let mut seen = std::collections::BTreeSet::new();
        for failures in 1..100 {
            let delay = pause(failures, &SystemEntropy);
            let whole = Duration::from_mins(1 << (failures - 1).min(10)).min(LONGEST);
            assert_eq!(whole_pause(failures), whole);
            assert!(
                delay >= whole / 2 && delay <= whole,
                "{failures}: {delay:?}"
            );
            seen.insert(delay);
        }
        assert!(seen.len() > 10);
    }
}
