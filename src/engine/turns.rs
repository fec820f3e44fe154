//! One at a time for one thing: a lock for each service account or role, held for that one alone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

/// The right to work on one thing, until it is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// Who works on what, in this process.
pub(crate) struct Turns<K> {
    queues: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            queues: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits until nobody else works on `key`; [`None`] if that is not before `deadline`.
    pub(crate) async fn wait(&self, key: &K, deadline: Instant) -> Option<Turn> {
        let queue = self.queue(key);
        timeout_at(deadline, queue.lock_owned()).await.ok()
    }

    /// The turn, if nobody works on `key` right now.
    pub(crate) fn at_once(&self, key: &K) -> Option<Turn> {
        self.queue(key).try_lock_owned().ok()
    }

    fn queue(&self, key: &K) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // A turn and everyone who waits for it hold a reference of their own.
        queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        Arc::clone(queues.entry(key.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_for_one_key_alone() {
        let turns = Turns::default();
        let soon = Instant::now() + Duration::from_secs(1);
        let first = turns.wait(&1, soon).await;
        assert!(first.is_some());
        assert!(turns.at_once(&1).is_none());
        assert!(turns.wait(&1, soon).await.is_none());
        assert!(turns.at_once(&2).is_some());
        drop(first);
        assert!(turns.at_once(&1).is_some());
    }

    #[test]
    fn what_nobody_works_on_is_forgotten() {
        let turns = Turns::default();
        let held = turns.at_once(&0);
        for key in 1..100 {
            drop(turns.at_once(&key));
        }
        assert!(turns.queues.lock().unwrap().len() <= 2);
        drop(held);
    }
}
