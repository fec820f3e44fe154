//! One at a time for one thing: a lock for each service account or role, held for that one alone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

/// The right to work on one thing, until it is dropped.
pub(crate) struct Turn {
    _lock: OwnedMutexGuard<()>,
    /// Kept in the table as long as somebody works.
    _queue: Arc<Queue>,
}

/// Those who wait for one thing. Only one of the crowd waits for the lock itself, the others for that
/// place: so who must not wait behind them has one of them before it at most.
#[derive(Default)]
struct Queue {
    crowd: tokio::sync::Mutex<()>,
    lock: Arc<tokio::sync::Mutex<()>>,
}

/// Who works on what, in this process.
pub(crate) struct Turns<K> {
    queues: Mutex<HashMap<K, Arc<Queue>>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            queues: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits until nobody else works on `key`, in the order of coming; [`None`] if that is not before
    /// `deadline`.
    pub(crate) async fn wait(&self, key: &K, deadline: Instant) -> Option<Turn> {
        let queue = self.queue(key);
        let next = timeout_at(deadline, queue.crowd.lock()).await.ok()?;
        let turn = Self::lock(Arc::clone(&queue), deadline).await;
        drop(next);
        turn
    }

    /// The same, before all but one of those who [`wait`](Self::wait): for revocations, for ticks, and
    /// for what asks nothing of Atlas.
    pub(crate) async fn wait_first(&self, key: &K, deadline: Instant) -> Option<Turn> {
        Self::lock(self.queue(key), deadline).await
    }

    async fn lock(queue: Arc<Queue>, deadline: Instant) -> Option<Turn> {
        let lock = Arc::clone(&queue.lock).lock_owned();
        let lock = timeout_at(deadline, lock).await.ok()?;
        Some(Turn {
            _lock: lock,
            _queue: queue,
        })
    }

    /// The turn, if nobody works on `key` right now.
    pub(crate) fn at_once(&self, key: &K) -> Option<Turn> {
        let queue = self.queue(key);
        let lock = Arc::clone(&queue.lock).try_lock_owned().ok()?;
        Some(Turn {
            _lock: lock,
            _queue: queue,
        })
    }

    fn queue(&self, key: &K) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // A turn and everyone who waits for it hold a reference of their own.
        queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        Arc::clone(queues.entry(key.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

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

    #[tokio::test]
    async fn who_goes_first_has_one_of_the_crowd_before_it_at_most() {
        let turns = Turns::default();
        let late = Instant::now() + Duration::from_secs(5);
        let held = turns.wait(&1, late).await.expect("the first");
        let mut crowd: Vec<_> = (0..10).map(|_| Box::pin(turns.wait(&1, late))).collect();
        for each in &mut crowd {
            assert!(each.now_or_never().is_none(), "somebody works on it");
        }
        let mut first = Box::pin(turns.wait_first(&1, late));
        assert!((&mut first).now_or_never().is_none());
        drop(held);
        let turn = (&mut crowd[0]).now_or_never().flatten();
        let turn = turn.expect("it came to the lock before");
        assert!((&mut crowd[1]).now_or_never().is_none());
        assert!((&mut first).now_or_never().is_none());
        drop(turn);
        assert!((&mut crowd[1]).now_or_never().is_none());
        let turn = first.now_or_never().flatten();
        let turn = turn.expect("before nine of them");
        drop(turn);
        assert!((&mut crowd[1]).now_or_never().flatten().is_some());
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
