//! How long this process has known the secrets of managed accounts, by the clock that nobody sets.
//!
//! Atlas may not show yet what was made a moment ago, so that "not there" says nothing. How old a
//! secret is by the wall clock says little: that may have been turned since. A process that has just
//! started knows no more than that the secret is as old as itself, so it begins anew with each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::atlas::{SHOWN_WITHIN, SecretId};

/// Beyond this all begin anew.
const MOST_KNOWN: usize = 10_000;

/// When each secret was first met.
#[derive(Default)]
pub(crate) struct SeenSecrets(Mutex<HashMap<SecretId, Duration>>);

impl SeenSecrets {
    /// Meets these secrets at this monotonic time.
    pub(super) fn meet<'a>(&self, secrets: impl IntoIterator<Item = &'a SecretId>, now: Duration) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in secrets {
            if seen.contains_key(id) {
                continue;
            }
            if seen.len() >= MOST_KNOWN {
                seen.clear();
            }
            seen.insert(id.clone(), now);
        }
    }

    /// Whether Atlas would show it by now, if it were there.
    pub(super) fn would_show(&self, id: &SecretId, now: Duration) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(id)
            .is_some_and(|met| now.saturating_sub(*met) >= SHOWN_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_as_old_as_it_is_known_here() {
        let seen = SeenSecrets::default();
        let id = |number: usize| format!("{number:024x}").parse::<SecretId>().expect("an id");
        let at = Duration::from_secs;
        seen.meet([&id(1)], at(100));
        seen.meet([&id(1), &id(2)], at(150));
        assert!(!seen.would_show(&id(1), at(219)));
        assert!(seen.would_show(&id(1), at(220)));
        assert!(!seen.would_show(&id(2), at(220)));
        assert!(!seen.would_show(&id(3), at(1_000)), "never met");
        let many: Vec<_> = (10..10 + MOST_KNOWN).map(id).collect();
        seen.meet(&many, at(300));
        assert!(!seen.would_show(&id(1), at(400)), "begun anew");
        assert!(seen.0.lock().expect("it").len() <= MOST_KNOWN);
    }
}
