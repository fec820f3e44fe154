//! How far Atlas may lag behind itself, and what follows from that: each wait with its reason.
//!
//! Atlas shows within two minutes what it has made. That is one fact; how long somebody waits depends
//! on what else is uncertain then, and on what is at stake.

use std::time::Duration;

use chrono::TimeDelta;

/// Within this Atlas shows, and takes, what it has made; before, "not there" says nothing.
pub(crate) const SHOWN_WITHIN: Duration = Duration::from_mins(2);

/// Lists lag behind, and are no snapshot: an item may be missed while others go. So there are two
/// looks, this far apart.
pub(crate) const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What a rotation asked for and Atlas does not list this long after was never made: the request is
/// given up within 85 s, and Atlas shows it within [`SHOWN_WITHIN`]. The rest is for clocks that differ.
/// No longer, as a mount that leaves four unfinished rotations rotates no more until one is settled.
pub(crate) const ROTATION_SHOWN_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// The same of a credential for a lease. Its entry may be another process's, whose clock stands
/// differently, or the Go engine's, which says no earlier than this that it is old. Nothing waits for it.
pub(crate) const ISSUED_SHOWN_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// A new secret that mints no token for so long never will. Longer than [`SHOWN_WITHIN`], as giving it
/// up costs the account a place, and readers have the secret of before meanwhile.
pub(crate) const NEW_SECRET_WORKS_WITHIN: TimeDelta = TimeDelta::minutes(10);
