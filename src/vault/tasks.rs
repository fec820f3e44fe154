//! The tasks of one mount: they have an owner, are waited for, and end with the mount.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::failure::Failure;

/// Owner of a mount's tasks. Clones own the same tasks.
///
/// gRPC drops a handler's future when its caller gives up. What changes the outside world runs in a
/// task of its own here, so that it comes to an end that storage knows of.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    /// Asks tasks to end: loops stop, nothing new begins.
    cancel: CancellationToken,
    /// Ends tasks that did not listen.
    abort: CancellationToken,
}

/// How the tasks of a mount ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Each came to its end.
    AllDone,
    /// Something still ran, and was ended.
    CutShort,
}

impl Tasks {
    /// Tasks that are asked to end when `process` is cancelled.
    #[must_use]
    pub(crate) fn new(process: &CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            cancel: process.child_token(),
            abort: CancellationToken::new(),
        }
    }

    /// Cancelled once the mount or the process is about to end.
    #[must_use]
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Runs `work` beside its caller.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        let span = tracing::Span::current();
        self.tracker.spawn(
            async move {
                abort.run_until_cancelled(work).await;
            }
            .instrument(span),
        );
    }

    /// Waits for `work`, which runs on when the caller is dropped. A panic in it, or the end of the
    /// mount, is a failure of this one call.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let abort = self.abort.clone();
        let task = async move { abort.run_until_cancelled(work).await };
        let span = tracing::Span::current();
        match self.tracker.spawn(task.instrument(span)).await {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => Err(Failure::Internal(
                "the mount was closed while the request was in progress; try again".to_owned(),
            )),
            Err(_) => Err(Failure::Internal(
                "the plugin failed inside while handling the request; its log line in the \
                 server's log says where"
                    .to_owned(),
            )),
        }
    }

    /// Asks every task to end, waits for at most `grace`, then ends what still runs.
    ///
    /// A caller who does not wait so long ends what still runs then.
    pub(crate) async fn close(&self, grace: Duration) -> Closed {
        let _abort = self.abort.clone().drop_guard();
        self.cancel.cancel();
        self.tracker.close();
        match timeout(grace, self.tracker.wait()).await {
            Ok(()) => Closed::AllDone,
            Err(_) => Closed::CutShort,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn started_work_ends_although_its_caller_went_away() {
        let tasks = Tasks::new(&CancellationToken::new());
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let work = tasks.to_the_end(async move {
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
        });
        let mut work = Box::pin(work);
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(tasks.close(Duration::from_secs(5)).await, Closed::AllDone);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_of_one_call() {
        let tasks = Tasks::new(&CancellationToken::new());
        let outcome = tasks.to_the_end(async { assert_eq!(1, 2) }).await;
        assert!(matches!(outcome, Err(Failure::Internal(_))));
        assert_eq!(tasks.to_the_end(async { 7 }).await, Ok(7));
    }

    /// The host gives Cleanup up: what does not listen must not run on for ever.
    #[tokio::test(start_paused = true)]
    async fn closing_that_is_given_up_ends_what_does_not_listen() {
        let tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn(std::future::pending());
        let given_up = timeout(Duration::from_secs(1), tasks.close(Duration::from_secs(5)));
        assert!(given_up.await.is_err());
        let ended = timeout(Duration::from_secs(10), tasks.tracker.wait());
        assert!(ended.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_what_does_not_listen() {
        let tasks = Tasks::new(&CancellationToken::new());
        let listener = tasks.cancelled().clone();
        tasks.spawn(async move { listener.cancelled().await });
        tasks.spawn(std::future::pending());
        assert_eq!(tasks.close(Duration::from_secs(3)).await, Closed::CutShort);
        tasks.tracker.wait().await;
    }
}
