//! A bounded queue of log lines and the thread that writes them.
//!
//! A host that is slow to read makes writes to stderr block: only this thread waits for it.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing::Level;

use super::line::{Fields, render};
use crate::base::{Clock as _, SystemClock};

/// Lines waiting to be written; at the longest line that is some 32 MiB, at a usual one 200 KiB.
const QUEUE_LINES: usize = 1024;
/// How long the end of the process waits for the last lines, twice.
const FLUSH_LIMIT: Duration = Duration::from_millis(100);

/// The way from any thread to stderr.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    orders: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

enum Order {
    Write(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Queue {
    /// Starts the thread that writes to `output`.
    pub(crate) fn start(output: Box<dyn Write + Send>) -> Self {
        let (orders, inbox) = sync_channel(QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        // Without the thread, lines are dropped; the process itself can do without.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || write_all(&inbox, output, &counter));
        Self { orders, dropped }
    }

    /// Hands over a line, or drops and counts it when the queue is full. Never waits.
    pub(crate) fn push(&self, line: Vec<u8>) {
        if self.orders.try_send(Order::Write(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was pushed before is written, or for as long as the end may take.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mut order = Order::Flush(done);
        let steps = 10;
        for _ in 0..steps {
            match self.orders.try_send(order) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => order = back,
            }
            thread::sleep(FLUSH_LIMIT / steps);
        }
        // Too late, or the thread is gone: the process ends all the same.
        let _ = written.recv_timeout(FLUSH_LIMIT);
    }
}

/// Writes each line in one piece, until the last sender is gone.
fn write_all(inbox: &Receiver<Order>, mut output: Box<dyn Write + Send>, dropped: &AtomicU64) {
    for order in inbox {
        // A host that closed its end does not want the lines; there is nobody else to tell.
        match order {
            Order::Write(line) => drop(output.write_all(&line)),
            Order::Flush(done) => drop(done.try_send(())),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let mut fields = Fields::message("log lines were dropped: the host reads too slowly");
            fields.set("dropped", lost.into());
            let line = render(SystemClock.now(), Level::WARN, "log", fields);
            drop(output.write_all(&line));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{io, sync::Mutex, time::Instant};

    use serde_json::Value;

    use super::*;

    /// What was written, and a gate that a write waits at.
    #[derive(Clone, Default)]
    pub(crate) struct Output {
        written: Arc<Mutex<Vec<u8>>>,
        gate: Arc<Mutex<()>>,
    }

    impl Write for Output {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            self.written.lock().unwrap().write(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output {
        /// The lines so far.
        pub(crate) fn lines(&self) -> Vec<Value> {
            let written = self.written.lock().unwrap();
            let lines = serde_json::Deserializer::from_slice(&written).into_iter();
            lines.map(Result::unwrap).collect()
        }
    }

    #[test]
    fn lines_that_a_slow_host_does_not_read_are_dropped_and_counted() {
        let output = Output::default();
        let queue = Queue::start(Box::new(output.clone()));
        let closed = output.gate.lock().unwrap();
        let pushed = QUEUE_LINES + 100;
        for _ in 0..pushed {
            queue.push(b"{}\n".to_vec());
        }
        let start = Instant::now();
        queue.flush();
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "the end is not held up"
        );
        drop(closed);
        queue.flush();
        let dropped: Vec<u64> = output
            .lines()
            .iter()
            .filter_map(|line| line["dropped"].as_u64())
            .collect();
        // One line was being written while the queue was full.
        assert!(matches!(dropped[..], [99 | 100]), "{dropped:?}");
    }
}
