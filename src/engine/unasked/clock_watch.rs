//! Whether the clocks can be believed: the wall clock against monotonic time, and against Atlas's.
//!
//! A wall clock that is four hours ahead for a minute makes every lease look long over. Two things
//! tell: that it went another way than monotonic time since the last periodic run, and that Atlas's
//! answers bear another date. What a slow drift or a step while the process was not running does to
//! the first, the second sees.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::atlas::AtlasTime;

/// Two clocks of one machine that drift apart by more between two looks: one of them was set.
const MAX_STEP: TimeDelta = TimeDelta::minutes(1);
/// After a step the clock has to go steadily for so long before it is believed again.
const STEADY_FOR: Duration = Duration::from_mins(15);
/// How far Atlas's clock may be from ours.
const MAX_APART: TimeDelta = TimeDelta::minutes(5);
/// How long Atlas's time is believed after it was told.
const TOLD_FOR: Duration = Duration::from_mins(15);
/// The least time between two questions that are sent for Atlas's time alone.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// Both clocks of this machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) wall: DateTime<Utc>,
    pub(super) monotonic: Duration,
}

/// Why the clocks are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The wall clock was set by so much.
    Stepped(TimeDelta),
    /// The wall clock is ahead of Atlas's by so much, or behind it.
    Apart(TimeDelta),
    /// Atlas has not told its time lately.
    AtlasUnknown,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stepped(by) => write!(
                f,
                "the clock of this server was set {} by {} s",
                if *by < TimeDelta::zero() {
                    "back"
                } else {
                    "forward"
                },
                by.abs().num_seconds()
            ),
            Self::Apart(by) => write!(
                f,
                "the clock of this server is {} s {} Atlas's",
                by.abs().num_seconds(),
                if *by < TimeDelta::zero() {
                    "behind"
                } else {
                    "ahead of"
                }
            ),
            Self::AtlasUnknown => f.write_str(
                "Atlas has not sent its time in the last 15 minutes, so the clock of this server \
                 cannot be compared with it",
            ),
        }
    }
}

/// A hold that began with a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockHold {
    /// By the wall clock, be it wrong.
    pub(crate) since: DateTime<Utc>,
    /// The present reason.
    pub(crate) doubt: Doubt,
    /// When it ends, where that is known: by the wall clock, if that goes steadily.
    pub(crate) until: Option<DateTime<Utc>>,
}

/// Watches the clocks of one mount's process.
#[derive(Default)]
pub(crate) struct ClockWatch {
    state: Mutex<State>,
    /// Held while Atlas is asked for its time, so that many who need it ask once.
    pub(super) asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// At the last periodic run.
    last: Option<Reading>,
    step: Option<Step>,
    hold: Option<ClockHold>,
    asked_at: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Step {
    by: TimeDelta,
    /// Monotonic.
    held_until: Duration,
}

/// What became of the hold by a look at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Begun(ClockHold),
    Ended,
    None,
}

impl ClockWatch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present hold, as the last look left it.
    pub(crate) fn hold(&self) -> Option<ClockHold> {
        self.state().hold
    }

    /// A periodic run: what the next looks are compared with.
    pub(super) fn tick(&self, now: Reading) {
        let mut state = self.state();
        state.look(now);
        state.last = Some(now);
    }

    /// Whether Atlas may be asked for its time; if so, that is noted.
    pub(super) fn may_ask(&self, monotonic: Duration) -> bool {
        let mut state = self.state();
        let is_time = |at: Duration| monotonic.saturating_sub(at) >= ASK_EVERY;
        let may = state.asked_at.is_none_or(is_time);
        if may {
            state.asked_at = Some(monotonic);
        }
        may
    }

    /// Whether the clock went steadily lately; judges nothing else.
    pub(super) fn is_steady(&self, now: Reading) -> bool {
        let mut state = self.state();
        state.look(now);
        state.step.is_none()
    }

    /// Judges by both clocks of the machine and by Atlas's.
    pub(super) fn judge(
        &self,
        now: Reading,
        atlas: Option<AtlasTime>,
    ) -> (Result<(), Doubt>, Change) {
        let mut state = self.state();
        state.look(now);
        let (doubt, until) = match state.step {
            Some(step) => {
                let left = step.held_until.saturating_sub(now.monotonic);
                (
                    Some(Doubt::Stepped(step.by)),
                    now.wall.checked_add_signed(delta(left)),
                )
            }
            None => (compare(now, atlas).err(), None),
        };
        let before = state.hold;
        state.hold = doubt.map(|doubt| ClockHold {
            since: before.map_or(now.wall, |hold| hold.since),
            doubt,
            until,
        });
        let change = match (before, state.hold) {
            (None, Some(hold)) => Change::Begun(hold),
            (Some(_), None) => Change::Ended,
            _ => Change::None,
        };
        (doubt.map_or(Ok(()), Err), change)
    }
}

impl State {
    /// Notes a step since the last periodic run, or the end of the time after one. The periodic
    /// run's own reading stays what is compared with, so that a clock may drift slowly; only a step
    /// replaces it.
    fn look(&mut self, now: Reading) {
        if let Some(last) = self.last {
            let went = delta(now.monotonic.saturating_sub(last.monotonic));
            let by = (now.wall - last.wall) - went;
            if by.abs() > MAX_STEP {
                let held_until = now.monotonic.saturating_add(STEADY_FOR);
                self.step = Some(Step { by, held_until });
                self.last = Some(now);
            }
        }
        if self
            .step
            .is_some_and(|step| now.monotonic >= step.held_until)
        {
            self.step = None;
        }
    }
}

/// Whether our clock is as near to Atlas's, told lately, as it has to be.
pub(super) fn compare(now: Reading, atlas: Option<AtlasTime>) -> Result<(), Doubt> {
    let told = atlas.filter(|time| time.age(now.monotonic) <= TOLD_FOR);
    let told = told.ok_or(Doubt::AtlasUnknown)?;
    let ahead = now.wall - told.at(now.monotonic);
    if ahead.abs() > MAX_APART {
        return Err(Doubt::Apart(ahead));
    }
    Ok(())
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
