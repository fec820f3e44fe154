//! What a soak does, drawn from its seed alone: the same seed gives the same rounds, whatever
//! becomes of them.

use serde_json::{Value, json};

use super::stage::{ROLES, SECRET, TOKEN};

/// Steele, Lea and Flood's `SplitMix64`: few lines, and the same numbers for ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let length = u64::try_from(all.len()).expect("a length");
        let number = usize::try_from(self.below(length)).expect("a small number");
        all[number].clone()
    }
}

/// One request to the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Issue(&'static str),
    /// Of the leases so far, the one of this number, counted round and round.
    Renew(u64),
    Revoke(u64),
    /// The other type of credential for the engine itself.
    Configure {
        account: bool,
    },
    ChangeRole {
        role: &'static str,
        ttl: u64,
    },
    /// The secret of the static role.
    Rotate,
    /// The key of the mount that rotates its own.
    RotateRoot,
    Reload,
}

/// Whose process is killed, so many milliseconds after the round began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kill {
    Plugin { after: u64 },
    Server { after: u64 },
}

/// Requests at the same time, and what befalls them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Round {
    pub(crate) acts: Vec<Act>,
    pub(crate) fault: Option<Value>,
    /// The same for the Atlas of the mount that rotates its own key.
    pub(crate) root_fault: Option<Value>,
    pub(crate) kill: Option<Kill>,
}

impl Round {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let count = 4 + random.below(9);
        Self {
            acts: (0..count).map(|_| Act::draw(random)).collect(),
            fault: (!random.one_in(3)).then(|| fault(random)),
            root_fault: random.one_in(3).then(|| fault(random)),
            kill: Kill::draw(random),
        }
    }
}

impl Kill {
    fn draw(random: &mut Random) -> Option<Self> {
        let after = random.below(400);
        match random.below(24) {
            0..=2 => Some(Self::Plugin { after }),
            3 => Some(Self::Server { after }),
            _ => None,
        }
    }
}

impl Act {
    fn draw(random: &mut Random) -> Self {
        match random.below(40) {
            0 => Self::Configure {
                account: random.one_in(2),
            },
            1 => Self::ChangeRole {
                role: random.of(&["key", "project", "narrow"]),
                ttl: 1_800 + random.below(1_800),
            },
            2 if random.one_in(3) => Self::Reload,
            3 => Self::RotateRoot,
            4 => Self::Rotate,
            // Atlas mints few tokens a minute.
            5 if random.one_in(3) => Self::Issue(TOKEN),
            6 => Self::Issue(SECRET),
            7..=10 => Self::Renew(random.next()),
            11..=23 => Self::Revoke(random.next()),
            _ => Self::Issue(random.of(&ROLES)),
        }
    }
}

/// Something that goes wrong with one of the next requests to Atlas, or some of them.
fn fault(random: &mut Random) -> Value {
    let action = random.of(&[
        json!({ "kind": "answer", "status": 500, "code": "UNEXPECTED_ERROR" }),
        json!({ "kind": "answer", "status": 503, "text": "<html>down</html>" }),
        json!({
            "kind": "answer", "status": 429, "code": "RATE_LIMITED_TOKEN_BUCKET",
            "headers": { "Retry-After": "1" },
        }),
        json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" }),
        json!({ "kind": "close" }),
        json!({ "kind": "lose_answer" }),
        json!({ "kind": "malformed_json" }),
        json!({ "kind": "cut_json" }),
        json!({ "kind": "not_json" }),
        json!({ "kind": "delay", "seconds": 0.4, "after_effect": false }),
        json!({ "kind": "delay", "seconds": 0.4, "after_effect": true }),
    ]);
    let mut fault = json!({
        "skip": random.below(4), "count": 1 + random.below(6), "action": action,
    });
    let method = random.of(&["POST", "POST", "DELETE", "GET", ""]);
    if !method.is_empty() {
        fault["method"] = json!(method);
    }
    fault
}

/// Two runs of one seed are one.
pub(crate) fn are_repeatable(seed: u64) -> bool {
    let rounds = || {
        let mut random = Random::new(seed);
        (0..100)
            .map(|_| Round::draw(&mut random))
            .collect::<Vec<_>>()
    };
    rounds() == rounds()
}
