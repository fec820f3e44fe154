//! Requests that issue from a role, so that the deletion of the role ends them and a change of it is
//! seen by them.
//!
//! Kept in memory: only the active node issues, writes and deletes, and all pass here. A request that
//! began before the deletion stops waiting at once, sends nothing more, and hands nothing out. One that
//! began before a write compares the role again; without a write it need not ask storage.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::names::RoleName;

/// Who issues from which role of a mount right now.
#[derive(Default)]
pub(crate) struct RoleUses {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The number of the last use.
    last: u64,
    of_role: HashMap<RoleName, OfRole>,
    /// Deleted roles whose managed account was in a request's hands: it must not serve a role that
    /// is written under the same name later.
    to_retire: HashSet<RoleName>,
}

#[derive(Default)]
struct OfRole {
    uses: HashMap<u64, Ends>,
    /// Deletions at work; meanwhile nothing is issued.
    deletions: usize,
}

/// What ends a use.
#[derive(Clone)]
struct Ends {
    /// Cancelled when the caller goes away or the role is deleted.
    ended: CancellationToken,
    /// Cancelled when the role is deleted.
    deleted: CancellationToken,
    /// Set when the role is written.
    written: Arc<AtomicBool>,
}

impl State {
    /// Forgets a role that nobody uses or deletes.
    fn forget_idle(&mut self, name: &RoleName) {
        if let Some(role) = self.of_role.get(name)
            && role.uses.is_empty()
            && role.deletions == 0
        {
            self.of_role.remove(name);
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RoleUses {
    /// Begins to issue from a role for a caller who goes away when `gone` is cancelled. [`None`]: the
    /// role is being deleted.
    pub(crate) fn begin(&self, name: &RoleName, gone: &CancellationToken) -> Option<RoleUse> {
        let mut state = locked(&self.state);
        state.last += 1;
        let number = state.last;
        let role = state.of_role.entry(name.clone()).or_default();
        if role.deletions > 0 {
            return None;
        }
        let ends = Ends {
            ended: gone.child_token(),
            deleted: CancellationToken::new(),
            written: Arc::default(),
        };
        role.uses.insert(number, ends.clone());
        Some(RoleUse {
            state: Arc::clone(&self.state),
            name: name.clone(),
            number,
            ends,
        })
    }

    /// Marks a role as deleted: whoever issues from it ends, and nobody begins until the mark is
    /// dropped, when storage has it no more.
    pub(crate) fn delete(&self, name: &RoleName) -> RoleDeletion {
        let mut state = locked(&self.state);
        let role = state.of_role.entry(name.clone()).or_default();
        role.deletions += 1;
        for ends in role.uses.values() {
            ends.deleted.cancel();
            ends.ended.cancel();
        }
        RoleDeletion {
            state: Arc::clone(&self.state),
            name: name.clone(),
        }
    }

    /// Notes that the role was, or may have been, written: whoever issues from it compares. Called after
    /// storage was asked, and before the writer is answered.
    pub(crate) fn written(&self, name: &RoleName) {
        let state = locked(&self.state);
        let uses = state.of_role.get(name).into_iter();
        for ends in uses.flat_map(|role| role.uses.values()) {
            ends.written.store(true, Ordering::SeqCst);
        }
    }

    /// Leaves it to the next who works on the managed account to take it out of use.
    pub(crate) fn retire_account_later(&self, name: &RoleName) {
        locked(&self.state).to_retire.insert(name.clone());
    }

    /// Whether the account is still to be taken out of use; asked by one who does so.
    pub(crate) fn is_account_to_retire(&self, name: &RoleName) -> bool {
        locked(&self.state).to_retire.contains(name)
    }

    /// Notes that the account was taken out of use.
    pub(crate) fn account_is_retired(&self, name: &RoleName) {
        locked(&self.state).to_retire.remove(name);
    }
}

/// One request that issues from a role.
pub(crate) struct RoleUse {
    state: Arc<Mutex<State>>,
    name: RoleName,
    number: u64,
    ends: Ends,
}

impl RoleUse {
    /// Cancelled when the caller goes away or the role is deleted.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ends.ended
    }

    /// Whether the role was deleted since.
    pub(crate) fn role_was_deleted(&self) -> bool {
        self.ends.deleted.is_cancelled()
    }

    /// Whether the role may have been written since, so that it must be compared.
    pub(crate) fn role_was_written(&self) -> bool {
        self.ends.written.load(Ordering::SeqCst)
    }
}

impl Drop for RoleUse {
    fn drop(&mut self) {
        let mut state = locked(&self.state);
        if let Some(role) = state.of_role.get_mut(&self.name) {
            role.uses.remove(&self.number);
        }
        state.forget_idle(&self.name);
    }
}

/// A role that is being deleted.
pub(crate) struct RoleDeletion {
    state: Arc<Mutex<State>>,
    name: RoleName,
}

impl Drop for RoleDeletion {
    fn drop(&mut self) {
        let mut state = locked(&self.state);
        if let Some(role) = state.of_role.get_mut(&self.name) {
            role.deletions -= 1;
        }
        state.forget_idle(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prod() -> RoleName {
        RoleName::new("prod")
    }

    #[test]
    fn a_deletion_ends_those_who_began_before_and_keeps_others_from_beginning() {
        let uses = RoleUses::default();
        let gone = CancellationToken::new();
        let before = uses.begin(&prod(), &gone).expect("begun");
        let other = uses.begin(&RoleName::new("test"), &gone).expect("begun");
        let deletion = uses.delete(&prod());
        assert!(before.ended().is_cancelled() && before.role_was_deleted());
        assert!(!other.ended().is_cancelled());
        assert!(uses.begin(&prod(), &gone).is_none());
        drop(deletion);
        let after = uses.begin(&prod(), &gone).expect("begun");
        assert!(!after.ended().is_cancelled());
        drop((before, other, after));
        assert!(locked(&uses.state).of_role.is_empty(), "nothing is kept");
    }

    #[test]
    fn a_write_is_seen_by_those_who_began_before_and_by_no_others() {
        let uses = RoleUses::default();
        let gone = CancellationToken::new();
        let before = uses.begin(&prod(), &gone).expect("begun");
        let other = uses.begin(&RoleName::new("test"), &gone).expect("begun");
        assert!(!before.role_was_written());
        uses.written(&prod());
        let after = uses.begin(&prod(), &gone).expect("begun");
        assert!(before.role_was_written() && !before.ended().is_cancelled());
        assert!(!other.role_was_written() && !after.role_was_written());
    }

    #[test]
    fn a_caller_who_goes_away_is_no_deletion() {
        let uses = RoleUses::default();
        let gone = CancellationToken::new();
        let role_use = uses.begin(&prod(), &gone).expect("begun");
        gone.cancel();
        assert!(role_use.ended().is_cancelled());
        assert!(!role_use.role_was_deleted());
    }
}
