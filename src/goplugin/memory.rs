//! What a burst of requests needed goes back to the operating system.
//!
//! The allocator of glibc keeps what was freed for what may come, and gives back only what lies at the
//! end of its heap. One small thing that lives on there, and a server keeps for good what a thousand
//! requests at once once took.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::util::MapRequestLayer;

/// A burst is over when nobody asked for anything this long. Memory is never looked through while nobody
/// asks.
const REST: Duration = Duration::from_secs(10);
/// What never rests is looked through as often as this.
const LONGEST_BURST: Duration = Duration::from_mins(1);

/// Notices requests, and gives back what they left.
pub(super) struct Bursts {
    requests: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Bursts {
    /// Starts to watch; dropping it ends that.
    pub(super) fn watch() -> Self {
        let requests = Arc::<Notify>::default();
        let mut task = JoinSet::new();
        task.spawn(give_back_after(Arc::clone(&requests)));
        Self {
            requests,
            _task: task,
        }
    }

    /// To be laid over the services whose requests count.
    pub(super) fn layer<B>(
        &self,
    ) -> MapRequestLayer<impl Fn(Request<B>) -> Request<B> + Clone + use<B>> {
        let requests = Arc::clone(&self.requests);
        MapRequestLayer::new(move |request| {
            requests.notify_one();
            request
        })
    }
}

async fn give_back_after(requests: Arc<Notify>) {
    loop {
        requests.notified().await;
        let rest = async { while timeout(REST, requests.notified()).await.is_ok() {} };
        let _ = timeout(LONGEST_BURST, rest).await;
        // Whoever allocates waits while it goes through the heap, for some milliseconds at most, the
        // runtime included: on another thread so that what allocates nothing goes on.
        let _ = tokio::task::spawn_blocking(give_back).await;
    }
}

/// Gives whole free pages back to the system, wherever in the heap they lie.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    #[expect(
        unsafe_code,
        reason = "glibc's own call, for which there is no safe name"
    )]
    // SAFETY: it takes a number, touches only what is free, and takes the allocator's locks itself.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// Other allocators do so by themselves, or not at all.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    const BLOCK: usize = 1_024;
    const BLOCKS: usize = 65_536;
    /// In KiB, of all blocks.
    const HALF: usize = BLOCK * BLOCKS / 1_024 / 2;

    /// Memory of the process's own, in KiB.
    fn anonymous() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").expect("this process");
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_burst_left_is_given_back_after_a_rest() {
        let bursts = Bursts::watch();
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK]).collect();
        // What stays keeps the heap from shrinking at its end.
        let mut number = 0;
        blocks.retain(|_| {
            number += 1;
            number % 64 == 0
        });
        let before = anonymous();
        bursts.requests.notify_one();
        tokio::time::sleep(REST / 2).await;
        let soon = anonymous();
        assert!(soon + HALF > before, "{soon} KiB of {before}");
        tokio::time::sleep(REST).await;
        let after = anonymous();
        assert!(after + HALF < before, "{after} KiB of {before}");
        assert_eq!(blocks.len(), BLOCKS / 64);
    }
}
