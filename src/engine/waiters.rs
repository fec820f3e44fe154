//! How many requests may wait for Atlas at the same time: behind others, for its limits, or for its
//! answer.
//!
//! A slow Atlas turns a busy application into a crowd of requests, each of which holds memory, a
//! connection and a place in some queue. One more than fits is refused at once, with what is ahead.
//! Revocations, renewals and ticks are never counted, nor is a path that asks nothing of Atlas: none
//! of them waits behind this crowd. What an operator orders (a write of the configuration or of a
//! static role, a rotation) is counted apart from what applications read, as it may be the remedy.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::EngineError;
use crate::atlas::ClientId;
use crate::engine::names::RoleName;

/// Requests for one service account are done one after the other, so that few of them are answered
/// before their callers give up.
const MAX_OF_ACCOUNT: usize = 64;
const MAX_OF_ROLE: usize = 128;
const MAX_OF_MOUNT: usize = 1_024;
const MAX_OF_PROCESS: usize = 8_192;

/// What requests wait for together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    /// An existing service account.
    Account(ClientId),
    /// A role whose credentials are read.
    Role(RoleName),
    /// A static role, which may not be there yet.
    StaticRole(String),
    /// The configuration.
    Configuration,
}

impl Awaited {
    fn limit(&self) -> usize {
        match self {
            Self::Account(_) | Self::Configuration => MAX_OF_ACCOUNT,
            Self::Role(_) | Self::StaticRole(_) => MAX_OF_ROLE,
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "service account {id}"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::StaticRole(name) => write!(f, "static role {name:?}"),
            Self::Configuration => f.write_str("this mount's configuration"),
        }
    }
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// Applications that read credentials, and whoever looks at Atlas through this mount.
    Readers,
    /// Operators who order a change.
    Operators,
}

/// The requests of all mounts of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessWaiters(Arc<[AtomicUsize; 2]>);

impl ProcessWaiters {
    fn of(&self, crowd: Crowd) -> &AtomicUsize {
        &self.0[crowd as usize]
    }
}

#[derive(Debug, Default)]
struct Counts {
    total: [usize; 2],
    awaited: HashMap<Awaited, usize>,
}

/// The requests of one mount.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    process: ProcessWaiters,
    mount: Arc<Mutex<Counts>>,
    /// How many were refused since the process began.
    refused: AtomicU64,
}

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    process: ProcessWaiters,
    mount: Arc<Mutex<Counts>>,
    crowd: Crowd,
    awaited: Vec<Awaited>,
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiters {
    /// Counts the requests of a mount among those of its process.
    pub(crate) fn new(process: ProcessWaiters) -> Self {
        Self {
            process,
            ..Self::default()
        }
    }

    /// Counts one more request, or refuses it where as many wait as may.
    pub(crate) fn enter<const N: usize>(
        &self,
        crowd: Crowd,
        awaited: [Awaited; N],
    ) -> Result<Waiter, EngineError> {
        let entered = self.find_place(crowd, awaited);
        if entered.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        entered
    }

    fn find_place<const N: usize>(
        &self,
        crowd: Crowd,
        awaited: [Awaited; N],
    ) -> Result<Waiter, EngineError> {
        let mut counts = locked(&self.mount);
        for each in &awaited {
            let waiting = counts.awaited.get(each).copied().unwrap_or_default();
            refuse_beyond(each.limit(), waiting, || each.to_string())?;
        }
        let on_mount = counts.total[crowd as usize];
        refuse_beyond(MAX_OF_MOUNT, on_mount, || "Atlas on this mount".to_owned())?;
        let in_process = self.process.of(crowd);
        let in_process = in_process.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < MAX_OF_PROCESS).then_some(count + 1)
        });
        in_process.map_err(|waiting| EngineError::TooManyWaiting {
            waiting,
            awaited: "Atlas on all mounts of this plugin".to_owned(),
        })?;
        counts.total[crowd as usize] += 1;
        for each in &awaited {
            *counts.awaited.entry(each.clone()).or_default() += 1;
        }
        drop(counts);
        Ok(Waiter {
            process: self.process.clone(),
            mount: Arc::clone(&self.mount),
            crowd,
            awaited: awaited.into(),
        })
    }

    /// How many requests of this mount were refused, as too many waited.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many requests of this mount, and of the whole process, wait for Atlas now.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let of = |crowd| self.process.of(crowd).load(Ordering::Relaxed);
        let process = of(Crowd::Readers) + of(Crowd::Operators);
        (locked(&self.mount).total.iter().sum(), process)
    }
}

fn refuse_beyond(
    limit: usize,
    waiting: usize,
    awaited: impl FnOnce() -> String,
) -> Result<(), EngineError> {
    if waiting < limit {
        return Ok(());
    }
    Err(EngineError::TooManyWaiting {
        waiting,
        awaited: awaited(),
    })
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut counts = locked(&self.mount);
        let total = &mut counts.total[self.crowd as usize];
        *total = total.saturating_sub(1);
        for each in &self.awaited {
            if let Some(count) = counts.awaited.get_mut(each) {
                *count -= 1;
                if *count == 0 {
                    counts.awaited.remove(each);
                }
            }
        }
        self.process.of(self.crowd).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(number: usize) -> Awaited {
        Awaited::Role(RoleName::new(&format!("r{number}")))
    }

    fn account() -> Awaited {
        Awaited::Account("mdb_sa_id_6b02741eb9c9ed02f900000f".parse().expect("an id"))
    }

    /// Enters until one is refused: those who got in, and what the one after them was told.
    fn fill<const N: usize>(waiters: &Waiters, awaited: &[Awaited; N]) -> (Vec<Waiter>, String) {
        let mut inside = Vec::new();
        loop {
            match waiters.enter(Crowd::Readers, awaited.clone()) {
                Ok(waiter) => inside.push(waiter),
                Err(error) => return (inside, error.to_string()),
            }
        }
    }

    #[test]
    fn an_account_a_role_a_mount_and_the_process_have_each_their_limit() {
        let process = ProcessWaiters::default();
        let waiters = Waiters::new(process.clone());
        let (of_account, refusal) = fill(&waiters, &[role(0), account()]);
        assert_eq!(of_account.len(), 64);
        assert!(
            refusal.starts_with("64 requests already wait for service account mdb_sa_id_"),
            "{refusal}"
        );
        let (of_role, refusal) = fill(&waiters, &[role(0)]);
        assert_eq!(of_role.len() + of_account.len(), 128);
        assert!(
            refusal.starts_with("128 requests already wait for role r0:"),
            "{refusal}"
        );
        let mut others: Vec<_> = (1..8)
            .map(|number| fill(&waiters, &[role(number)]))
            .collect();
        assert_eq!(waiters.counts(), (1_024, 1_024));
        let (none, refusal) = fill(&waiters, &[role(9)]);
        assert!(none.is_empty());
        assert!(
            refusal.contains("1024 requests already wait for Atlas on this mount"),
            "{refusal}"
        );
        let mounts: Vec<_> = (0..8).map(|_| Waiters::new(process.clone())).collect();
        others.extend(mounts.iter().map(|mount| fill::<0>(mount, &[])));
        assert_eq!(waiters.counts(), (1_024, 8_192));
        let (_, refusal) = others.pop().expect("the last");
        assert!(
            refusal.contains("8192 requests already wait for Atlas on all"),
            "{refusal}"
        );
    }

    #[test]
    fn operators_are_let_in_however_many_readers_wait() {
        let waiters = Waiters::default();
        let (_readers, _) = fill::<0>(&waiters, &[]);
        let ordered = waiters.enter(Crowd::Operators, [Awaited::Configuration]);
        ordered.expect("a place");
    }

    #[test]
    fn who_is_answered_is_not_counted_any_more() {
        let waiters = Waiters::default();
        let (inside, _) = fill(&waiters, &[account()]);
        drop(inside);
        assert_eq!(waiters.counts(), (0, 0));
        assert!(locked(&waiters.mount).awaited.is_empty());
        assert_eq!(fill(&waiters, &[account()]).0.len(), 64);
    }
}
