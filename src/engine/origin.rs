//! Which address a stored secret or lease belongs to, and where it may go.
//!
//! A secret goes to the origin that it was given for or made at, or nowhere. So everything stored that
//! is a secret, or names something at Atlas, holds a [`BoundTo`], and its client is asked for with
//! [`Connection::linked_to`](super::connection::Connection::linked_to), which compares. Whoever may
//! write the configuration could otherwise have every stored secret sent to an address of his own, or
//! have a lease taken for revoked because a stranger's server does not know it.
//!
//! Entries of before, and those of the Go engine, name no origin: they belong to the one that the
//! stored configuration had when this was first looked at, which is recorded for good.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::EngineError;
use crate::atlas::{Fingerprint, OrgId, Origin};
use crate::framework::LeaseCall;
use crate::vault::Data;

/// The key of the origin in a lease's internal data.
const LEASE_KEY: &str = "origin";

/// Where the Go engine sends everything, and this one unless told otherwise.
pub(crate) const DEFAULT_ORIGIN: &str = "https://cloud.mongodb.com";

/// At so many addresses is kept who was trusted there.
const MOST_TRUSTING: usize = 16;
/// So many certificates are kept of each: more than a system's whole bundle.
const MOST_TRUSTED: usize = 256;

/// The origin that something stored belongs to. The default is that of all entries of before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BoundTo(Option<Origin>);

impl BoundTo {
    /// A secret that is given for this origin.
    pub(crate) fn origin(origin: Origin) -> Self {
        Self(Some(origin))
    }

    /// Whether it is of before, so that no origin is stored with it.
    pub(crate) fn is_legacy(&self) -> bool {
        self.0.is_none()
    }

    /// What a lease belongs to.
    pub(crate) fn of_lease(call: &LeaseCall) -> Result<Self, EngineError> {
        let Some(text) = call.internal_text(LEASE_KEY) else {
            return Ok(Self::default());
        };
        text.parse()
            .map(Self::origin)
            .map_err(|_| EngineError::BrokenLease {
                field: LEASE_KEY,
                reason: "it is no origin".to_owned(),
            })
    }

    /// Notes it in a lease's internal data.
    pub(crate) fn put_into(&self, internal: &mut Data) {
        if let Some(origin) = &self.0 {
            internal.insert(LEASE_KEY.to_owned(), json!(origin));
        }
    }
}

/// What is stored at `origins`: once recorded, only `config/move` changes what belongs where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origins {
    /// Where entries and leases belong that name no origin.
    legacy_origin: Origin,
    /// The organization of the configuration under which they were made, if it was ever known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) legacy_organization_id: Option<OrgId>,
    /// What belonged to the first belongs to the second since. No second is ever also a first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    moves: BTreeMap<Origin, Origin>,
    /// The certificates that the configuration trusted beside the system's when it left an address at
    /// which something stays. Counts only while it is elsewhere: there it says so itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trusted: BTreeMap<Origin, Vec<Fingerprint>>,
}

impl Origins {
    /// What the stored configuration tells, if there is one. What cannot be read names no address of
    /// its own, so that it counts as the Go engine's.
    pub(super) fn of_stored(config: Option<&[u8]>) -> Result<Self, EngineError> {
        let stored = config.and_then(|value| serde_json::from_slice::<Value>(value).ok());
        let text = |key: &str| {
            let value = stored.as_ref()?.get(key)?.as_str();
            value.filter(|text| !text.is_empty())
        };
        let origin = text("base_url").and_then(|text| text.parse().ok());
        Ok(Self {
            legacy_origin: origin.map_or_else(|| DEFAULT_ORIGIN.parse(), Ok)?,
            legacy_organization_id: text("organization_id").and_then(|text| text.parse().ok()),
            moves: BTreeMap::new(),
            trusted: BTreeMap::new(),
        })
    }

    /// Where something belongs by now.
    pub(crate) fn home<'a>(&'a self, bound: &'a BoundTo) -> &'a Origin {
        let own = self.own(bound);
        self.moves.get(own).unwrap_or(own)
    }

    fn own<'a>(&'a self, bound: &'a BoundTo) -> &'a Origin {
        bound.0.as_ref().unwrap_or(&self.legacy_origin)
    }

    /// Whether something may be sent to, and looked for at, this origin: its own, or the one alone that
    /// it was carried to. An address may have been left because nobody trusts it any more.
    pub(crate) fn admits(&self, bound: &BoundTo, origin: &Origin) -> bool {
        self.home(bound) == origin
    }

    /// Where everything that belonged to an origin was carried to, if it was.
    pub(crate) fn carried_to(&self, origin: &Origin) -> Option<&Origin> {
        self.moves.get(origin)
    }

    /// What may go where for a configuration of this origin that leads there. Nothing but `config/move`
    /// brings one to an address that things were carried away from: so a move is about to go back
    /// there, or one away from there stored its table and not the configuration, and moved nothing yet.
    pub(crate) fn seen_from(&self, bound: &BoundTo, present: &Origin) -> Option<Self> {
        if self.own(bound) != present || !self.moves.contains_key(present) {
            return None;
        }
        let mut seen = self.clone();
        seen.moves.remove(present);
        Some(seen)
    }

    /// Why something may not be sent there.
    pub(crate) fn admit(&self, bound: &BoundTo, origin: &Origin) -> Result<(), EngineError> {
        if self.admits(bound, origin) {
            return Ok(());
        }
        Err(EngineError::OtherOrigin {
            bound: self.home(bound).clone(),
            present: origin.clone(),
        })
    }

    /// Carries everything that belongs to `from` over to `to`, whatever was carried where before. Where
    /// both are the same, what belonged there first belongs there again.
    pub(crate) fn carry(&mut self, from: &Origin, to: &Origin) {
        self.moves.remove(to);
        for target in self.moves.values_mut().filter(|target| *target == from) {
            target.clone_from(to);
        }
        if from != to {
            self.moves.insert(from.clone(), to.clone());
            // Nothing belongs there any more, and what comes back was not there under anybody.
            self.trusted.remove(from);
        }
    }

    /// Whom the configuration trusted beside the system's certificates when it left this address.
    pub(crate) fn trusted_at(&self, origin: &Origin) -> &[Fingerprint] {
        self.trusted.get(origin).map_or(&[], Vec::as_slice)
    }

    /// Keeps whom the configuration trusted at an address that it leaves, in place of those of before,
    /// if something needs that there. Where as many addresses are kept as may be, it is not: then the
    /// way back takes `config/move`.
    pub(crate) fn trust(
        &mut self,
        left: &Origin,
        certificates: impl IntoIterator<Item = Fingerprint>,
        is_needed: impl Fn(&Origin) -> bool,
    ) {
        self.trusted.remove(left);
        self.trusted.retain(|origin, _| is_needed(origin));
        let certificates: Vec<_> = certificates.into_iter().take(MOST_TRUSTED).collect();
        let has_room = self.trusted.len() < MOST_TRUSTING;
        if has_room && !certificates.is_empty() && is_needed(left) {
            self.trusted.insert(left.clone(), certificates);
        }
    }

    /// Keeps nobody of those who were trusted at addresses that the configuration left.
    pub(crate) fn trust_nobody(&mut self) {
        self.trusted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str) -> Origin {
        format!("https://{name}.example")
            .parse()
            .expect("an origin")
    }

    fn bound(name: &str) -> BoundTo {
        BoundTo::origin(origin(name))
    }

    fn legacy_at(name: &str) -> Origins {
        let config = json!({ "base_url": format!("https://{name}.example") });
        Origins::of_stored(Some(config.to_string().as_bytes())).expect("origins")
    }

    #[test]
    fn what_names_no_origin_belongs_to_the_earlier_one() {
        let origins = legacy_at("a");
        assert!(origins.admits(&BoundTo::default(), &origin("a")));
        assert!(!origins.admits(&BoundTo::default(), &origin("b")));
        for nothing in [
            None,
            Some(&b"{}"[..]),
            Some(&br#"{"base_url": ""}"#[..]),
            Some(&b"{"[..]),
            Some(&br#"{"base_url": "ftp://x"}"#[..]),
        ] {
            let origins = Origins::of_stored(nothing).expect("origins");
            let home = origins.home(&BoundTo::default()).to_string();
            assert_eq!(home, DEFAULT_ORIGIN, "{nothing:?}");
        }
    }

    #[test]
    fn moves_are_chained_and_go_back_and_never_round() {
        let mut origins = legacy_at("a");
        origins.carry(&origin("a"), &origin("b"));
        origins.carry(&origin("b"), &origin("c"));
        for name in ["a", "b", "c"] {
            assert_eq!(origins.home(&bound(name)), &origin("c"), "{name}");
        }
        assert!(!origins.admits(&bound("a"), &origin("b")), "not on the way");
        origins.carry(&origin("c"), &origin("a"));
        for name in ["a", "b", "c"] {
            assert_eq!(origins.home(&bound(name)), &origin("a"), "{name}");
        }
        origins.carry(&origin("a"), &origin("a"));
        assert_eq!(origins.home(&bound("a")), &origin("a"));
        for (from, to) in [("a", "b"), ("b", "a"), ("c", "b"), ("b", "c"), ("a", "c")] {
            origins.carry(&origin(from), &origin(to));
            assert_eq!(origins.home(&bound(from)), &origin(to));
            let targets: Vec<_> = origins.moves.values().cloned().collect();
            let circular = targets.iter().any(|each| origins.moves.contains_key(each));
            assert!(!circular, "{from} {to}: {origins:?}");
        }
    }

    #[test]
    fn what_belongs_elsewhere_is_not_carried_along() {
        let mut origins = legacy_at("a");
        origins.carry(&origin("a"), &origin("b"));
        assert!(!origins.admits(&bound("x"), &origin("b")));
        assert!(origins.admits(&bound("b"), &origin("b")));
        assert!(!origins.admits(&bound("b"), &origin("a")));
        assert!(!origins.admits(&bound("a"), &origin("a")), "left for good");
        origins.carry(&origin("a"), &origin("a"));
        assert!(!origins.admits(&bound("a"), &origin("b")));
        assert!(origins.admits(&bound("a"), &origin("a")));
    }

    #[test]
    fn who_was_trusted_is_kept_where_it_is_needed_and_in_bounds() {
        let signed = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("one");
        let pem: crate::atlas::Pem = signed.cert.pem().parse().expect("a certificate");
        let certificates: Vec<_> = pem.fingerprints().collect();
        let mut origins = legacy_at("a");
        origins.trust(&origin("a"), certificates.clone(), |_| false);
        assert_eq!(origins.trusted_at(&origin("a")), []);
        for number in 0..=MOST_TRUSTING {
            let left = origin(&format!("o{number}"));
            origins.trust(&left, certificates.clone(), |_| true);
            assert_eq!(
                origins.trusted_at(&left).is_empty(),
                number == MOST_TRUSTING
            );
        }
        let many = certificates.iter().cycle().take(10_000).cloned();
        origins.trust(&origin("o1"), many, |left| *left == origin("o1"));
        assert_eq!(origins.trusted_at(&origin("o1")).len(), MOST_TRUSTED);
        assert_eq!(origins.trusted.len(), 1);
        origins.carry(&origin("o1"), &origin("b"));
        assert_eq!(origins.trusted.len(), 0);
    }

    #[test]
    fn what_is_stored_can_be_read() {
        let mut origins = legacy_at("a");
        let stored = json!(origins).to_string();
        assert_eq!(stored, r#"{"legacy_origin":"https://a.example"}"#);
        origins.carry(&origin("a"), &origin("b"));
        let stored = json!(origins).to_string();
        let read: Origins = serde_json::from_str(&stored).expect("read");
        assert_eq!(read, origins);
    }
}
