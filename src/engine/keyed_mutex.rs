//! One at a time for one thing: a lock for each service account or role, held for that one alone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

/// The right to work on one thing, until it is dropped.
pub(crate) struct KeyedGuard {
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
pub(crate) struct KeyedMutex<K> {
    queues: Mutex<HashMap<K, Arc<Queue>>>,
}

impl<K> Default for KeyedMutex<K> {
    fn default() -> Self {
        Self {
            queues: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash + Clone> KeyedMutex<K> {
    /// Waits until nobody else works on `key`, in the order of coming; [`None`] if that is not before
    /// `deadline`.
    pub(crate) async fn wait(&self, key: &K, deadline: Instant) -> Option<KeyedGuard> {
        let queue = self.queue(key);
        let next = timeout_at(deadline, queue.crowd.lock()).await.ok()?;
        let guard = Self::lock(Arc::clone(&queue), deadline).await;
        drop(next);
        guard
    }

    /// The same, before all but one of those who [`wait`](Self::wait): for revocations, for ticks, and
    /// for what asks nothing of Atlas.
    pub(crate) async fn wait_first(&self, key: &K, deadline: Instant) -> Option<KeyedGuard> {
        Self::lock(self.queue(key), deadline).await
    }

    async fn lock(queue: Arc<Queue>, deadline: Instant) -> Option<KeyedGuard> {
        let lock = Arc::clone(&queue.lock).lock_owned();
        let lock = timeout_at(deadline, lock).await.ok()?;
        Some(KeyedGuard {
            _lock: lock,
            _queue: queue,
        })
    }

    /// The lock, if nobody works on `key` right now.
    pub(crate) fn at_once(&self, key: &K) -> Option<KeyedGuard> {
        let queue = self.queue(key);
        let lock = Arc::clone(&queue.lock).try_lock_owned().ok()?;
        Some(KeyedGuard {
            _lock: lock,
            _queue: queue,
        })
    }

    fn queue(&self, key: &K) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // A guard and everyone who waits for it hold a reference of their own.
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
        let locks = KeyedMutex::default();
        let soon = Instant::now() + Duration::from_secs(1);
        let first = locks.wait(&1, soon).await;
        assert!(first.is_some());
        assert!(locks.at_once(&1).is_none());
        assert!(locks.wait(&1, soon).await.is_none());
        assert!(locks.at_once(&2).is_some());
        drop(first);
        assert!(locks.at_once(&1).is_some());
    }

    #[tokio::test]
    async fn who_goes_first_has_one_of_the_crowd_before_it_at_most() {
        let locks = KeyedMutex::default();
        let late = Instant::now() + Duration::from_secs(5);
        let held = locks.wait(&1, late).await.expect("the first");
        let mut crowd: Vec<_> = (0..10).map(|_| Box::pin(locks.wait(&1, late))).collect();
        for each in &mut crowd {
            assert!(each.now_or_never().is_none(), "somebody works on it");
        }
        let mut first = Box::pin(locks.wait_first(&1, late));
        assert!((&mut first).now_or_never().is_none());
        drop(held);
        let guard = (&mut crowd[0]).now_or_never().flatten();
        let guard = guard.expect("it came to the lock before");
        assert!((&mut crowd[1]).now_or_never().is_none());
        assert!((&mut first).now_or_never().is_none());
        drop(guard);
        assert!((&mut crowd[1]).now_or_never().is_none());
        let guard = first.now_or_never().flatten();
        let guard = guard.expect("before nine of them");
        drop(guard);
        assert!((&mut crowd[1]).now_or_never().flatten().is_some());
    }

    #[test]
    fn what_nobody_works_on_is_forgotten() {
        let locks = KeyedMutex::default();
        let held = locks.at_once(&0);
        for key in 1..100 {
            drop(locks.at_once(&key));
        }
        assert!(locks.queues.lock().unwrap().len() <= 2);
        drop(held);
    }
}
