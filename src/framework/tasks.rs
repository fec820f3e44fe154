//! Work that must run to its end, whether or not somebody still waits for it.

use tokio_util::task::TaskTracker;

use crate::vault::Failure;

/// Runs `work` as a task of the mount and waits for it. When the caller is dropped meanwhile, the
/// task runs on; a panic in it is a [`Failure::Internal`].
pub async fn to_the_end<T: Send + 'static>(
    tasks: &TaskTracker,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Failure> {
    tasks.spawn(work).await.map_err(|_| {
        Failure::Internal(
            "the work was broken off by a fault in the engine; the server's log tells where"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn dropped_work_runs_on() {
        let tasks = TaskTracker::new();
        let (go_on, wait) = oneshot::channel::<()>();
        let (finish, finished) = oneshot::channel();
        let work = to_the_end(&tasks, async move {
            let _ = wait.await;
            let _ = finish.send(7);
        });
        // Polled once, then dropped, as when a caller gives up.
        assert_eq!(work.now_or_never(), None);
        go_on.send(()).expect("the work still waits");
        assert_eq!(finished.await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let answer = to_the_end(&TaskTracker::new(), async { panic!("on purpose") }).await;
        assert!(matches!(answer, Err(Failure::Internal(_))));
    }
}
