//! A clock of the plugin's process that a test can turn, by the library `libfaketime`.
//!
//! The server is written in Go and asks the kernel itself, so that only the plugin, which it starts
//! with its own variables, sees another time. Either time passes for the plugin, and its monotonic
//! clock goes with the one on the wall; or somebody sets its clock, and no time passes.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// What turning a clock means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turning {
    /// Time passes: the monotonic clock turns too.
    Passes,
    /// The wall clock is set; the monotonic one runs as ever.
    IsSet,
}

/// Shifts the plugin's clocks.
pub(crate) struct PluginClock {
    turning: Turning,
    file: PathBuf,
    /// Seconds ahead of the machine's clock, or behind it.
    offset: Mutex<i64>,
}

/// Where Debian and its relatives put the library; `FAKETIME_LIBRARY` names another place.
fn library() -> PathBuf {
    if let Some(named) = std::env::var_os("FAKETIME_LIBRARY") {
        return PathBuf::from(named);
    }
    let usual = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    let mut places = usual
        .iter()
        .map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists()).expect(
        "libfaketime is missing: install the package faketime, or name the library in \
         FAKETIME_LIBRARY",
    )
}

impl PluginClock {
    pub(crate) fn new(folder: &Path, turning: Turning) -> Self {
        let clock = Self {
            turning,
            file: folder.join("clock"),
            offset: Mutex::default(),
        };
        clock.shift(0);
        clock
    }

    /// What the server must be started with.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
        [
            ("LD_PRELOAD", text(&library())),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            (
                "FAKETIME_DONT_FAKE_MONOTONIC",
                match self.turning {
                    Turning::Passes => "0",
                    Turning::IsSet => "1",
                }
                .to_owned(),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Turns the clock forward.
    pub(crate) fn turn(&self, by: Duration) {
        self.shift(seconds(by));
    }

    /// Sets the clock back.
    pub(crate) fn turn_back(&self, by: Duration) {
        self.shift(-seconds(by));
    }

    fn shift(&self, by: i64) {
        let mut offset = self
            .offset
            .lock()
            .expect("no test panics while it turns the clock");
        *offset += by;
        self.write(*offset);
    }

    /// Lets a plugin start by the clock on the wall, then turns its clock as it was before.
    ///
    /// The certificate that a plugin makes when it starts would not be valid yet for the server.
    pub(crate) async fn start_anew(&self, start: impl Future<Output = ()>) {
        let offset = *self
            .offset
            .lock()
            .expect("no test panics while it turns the clock");
        self.write(0);
        start.await;
        self.write(offset);
    }

    fn write(&self, offset: i64) {
        // Written beside and moved, so that nobody reads half of it.
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, format!("{offset:+}\n")).expect("the clock's file");
        std::fs::rename(&beside, &self.file).expect("the clock's file");
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).expect("some hours")
}
