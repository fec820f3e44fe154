//! Whether the host is still there: counts its connections, and tells when it must have died.
//!
//! A host that is killed tells its plugins nothing; all that they see is that its connection ends.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// A host waits one minute for the handshake and connects right after it.
const FIRST_CONNECTION_WITHIN: Duration = Duration::from_mins(2);
/// A live host that lost its connection makes a new one as soon as it has a request.
const RECONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The number of authenticated connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionTracker {
    connections: watch::Sender<usize>,
}

/// One connection; it counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(watch::Sender<usize>);

impl ConnectionTracker {
    /// Counts one more connection.
    pub(crate) fn track(&self) -> ConnectionGuard {
        self.connections.send_modify(|count| *count += 1);
        ConnectionGuard(self.connections.clone())
    }

    /// Tells each time that a connection begins or ends.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.connections.subscribe()
    }

    /// Returns when the host is gone: there has been no connection for some seconds, or for two
    /// minutes if there never was one.
    pub(crate) async fn ended(&self) {
        let mut connections = self.connections.subscribe();
        let mut limit = FIRST_CONNECTION_WITHIN;
        loop {
            // `self` holds a sender, so that waiting does not fail.
            let _ = connections.wait_for(|count| *count == 0).await;
            match timeout(limit, connections.wait_for(|count| *count > 0)).await {
                Ok(_) => limit = RECONNECT_WITHIN,
                Err(_) => return,
            }
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_never_connects_is_given_up() {
        let start = Instant::now();
        ConnectionTracker::default().ended().await;
        assert_eq!(start.elapsed(), FIRST_CONNECTION_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_comes_back_in_time_is_served_on() {
        let tracker = ConnectionTracker::default();
        let start = Instant::now();
        let connections = async {
            for _ in 0..3 {
                let attendance = tracker.track();
                sleep(Duration::from_secs(1000)).await;
                drop(attendance);
                sleep(Duration::from_secs(4)).await;
            }
        };
        tokio::join!(tracker.ended(), connections);
        assert_eq!(start.elapsed(), Duration::from_secs(3 * 1004 + 1));
    }
}
