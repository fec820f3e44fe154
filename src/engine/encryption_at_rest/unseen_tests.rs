//! What is sent, over all that may be in force, known of the secret and accepted.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::customer_tests::OWN_APP;
use super::entry::{
    Accepted, AzureEntry, Before, HeldSecret, Mode, PendingSecret, Seen, Sent, State,
};
use super::unseen::{Ordered, Verdict, is_not_taken, rotation, way_back};
use crate::atlas::AzureKeyVault;
use crate::base::Sensitive;
use crate::engine::origin::BoundTo;

const ROLE: &str = "6b0273dfb9c9ed02f9000000";
const OTHER_ROLE: &str = "6b0273dfb9c9ed02f9000001";
const OTHER_APP: &str = "44444444-4444-4444-8444-444444444444";
const TENANT: &str = "55555555-5555-4555-8555-555555555555";
const OTHER_TENANT: &str = "66666666-6666-4666-8666-666666666666";

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1000)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum InForce {
    Role,
    RoleBesideStatic,
    OtherRole,
    Same,
    OtherApp,
    OtherTenant,
}

const ALL: [InForce; 6] = [
    InForce::Role,
    InForce::RoleBesideStatic,
    InForce::OtherRole,
    InForce::Same,
    InForce::OtherApp,
    InForce::OtherTenant,
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Secret {
    Proved,
    Unproved,
    Expired,
}

const SECRETS: [Secret; 3] = [Secret::Proved, Secret::Unproved, Secret::Expired];
/// Whether it was seen to be invalid before, and to be valid since the change, and whether both words sent
/// that.
const BEFORE: [(bool, bool, bool); 6] = [
    (false, false, false),
    (false, true, false),
    (true, false, false),
    (true, true, false),
    (true, false, true),
    (true, true, true),
];
const ORDERED: [Ordered; 4] = [
    Ordered::Now,
    Ordered::ByMigration,
    Ordered::ByItself,
    Ordered::Before,
];
const VALID: [Option<bool>; 3] = [None, Some(false), Some(true)];
const WORDS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

fn vault(in_force: InForce, valid: Option<bool>, private: bool) -> AzureKeyVault {
    let mut block = json!({
        "azureEnvironment": "AZURE", "subscriptionID": "s", "resourceGroupName": "g",
        "keyVaultName": "v", "keyIdentifier": "k", "requirePrivateNetworking": private,
    });
    let signs_in = match in_force {
        InForce::Role => json!({"roleId": ROLE}),
        InForce::RoleBesideStatic => {
            json!({"roleId": ROLE, "clientID": OWN_APP, "tenantID": TENANT})
        }
        InForce::OtherRole => json!({"roleId": OTHER_ROLE}),
        InForce::Same => json!({"clientID": OWN_APP, "tenantID": TENANT}),
        InForce::OtherApp => json!({"clientID": OTHER_APP, "tenantID": TENANT}),
        InForce::OtherTenant => json!({"clientID": OWN_APP, "tenantID": OTHER_TENANT}),
    };
    for (name, value) in signs_in.as_object().into_iter().flatten() {
        block[name] = value.clone();
    }
    if let Some(valid) = valid {
        block["valid"] = json!(valid);
    }
    serde_json::from_value(block).expect("a vault")
}

fn held(secret: Secret) -> HeldSecret {
    HeldSecret {
        client_id: OWN_APP.parse().expect("an id"),
        client_secret: Sensitive::new("a secret".to_owned()),
        tenant_id: Some(TENANT.parse().expect("an id")),
        expires_at: (secret == Secret::Expired).then(|| now() - TimeDelta::minutes(1)),
        proved: secret != Secret::Unproved,
        in_force: false,
        since: None,
    }
}

/// By our role, in a project that was seen to be invalid before, or was not.
fn entry(
    ordered_minutes_ago: i64,
    (was_invalid, worked, unproved): (bool, bool, bool),
    sent: Mode,
) -> AzureEntry {
    let mut entry = AzureEntry::new(BoundTo::default());
    entry.state = State::RollingBack;
    entry.role_id = Some(ROLE.parse().expect("an id"));
    entry.static_ordered_at = Some(now() - TimeDelta::minutes(ordered_minutes_ago));
    entry.never_worked = !worked;
    entry.unproved = unproved;
    entry.invalid_since = was_invalid.then(|| now() - TimeDelta::minutes(2));
    let key = vault(InForce::Role, None, true).key;
    entry.before = Some(Before {
        mode: Mode::Static,
        key: key.clone(),
        tenant_id: None,
        client_id: Some(OWN_APP.parse().expect("an id")),
        valid: Some(true),
    });
    entry.sent = Some(Sent { mode: sent, key });
    entry
}

fn words((unvalidated, no_way_back): (bool, bool)) -> Accepted {
    Accepted {
        unvalidated,
        no_way_back,
    }
}

/// All cases, each with what is decided.
fn ways_back(mut check: impl FnMut(Value, Case, &Verdict)) {
    for in_force in ALL {
        for valid in VALID {
            for (was_invalid, worked, unproved) in BEFORE {
                for secret in SECRETS {
                    for ordered in ORDERED {
                        for age in [0, 70] {
                            for accepted in WORDS {
                                for private in [false, true] {
                                    let before = (was_invalid, worked, unproved);
                                    let entry = entry(age, before, Mode::Role);
                                    let vault = vault(in_force, valid, private);
                                    let held = held(secret);
                                    let accepted = words(accepted);
                                    let verdict =
                                        way_back(&entry, &held, &vault, ordered, accepted, now());
                                    let at = json!([
                                        format!("{in_force:?} {valid:?} {secret:?} {ordered:?}"),
                                        was_invalid,
                                        worked,
                                        unproved,
                                        age,
                                        private,
                                        accepted.unvalidated,
                                        accepted.no_way_back
                                    ]);
                                    let case = Case {
                                        in_force,
                                        lost: valid == Some(false) && was_invalid,
                                        useless: unproved && !worked,
                                        secret,
                                        ordered,
                                        age,
                                        accepted,
                                        private,
                                    };
                                    check(at, case, &verdict);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Case {
    in_force: InForce,
    lost: bool,
    /// What is in force never worked, and both words sent it.
    useless: bool,
    secret: Secret,
    ordered: Ordered,
    age: i64,
    accepted: Accepted,
    private: bool,
}

impl Case {
    fn is_own_role(self) -> bool {
        matches!(self.in_force, InForce::Role | InForce::RoleBesideStatic)
    }

    /// Words count for who gives them with his order, and for nobody later.
    fn is_ordered_with_both(self) -> bool {
        let is_ordered = matches!(self.ordered, Ordered::Now | Ordered::ByMigration);
        is_ordered && self.accepted.is_both()
    }
}

#[test]
fn a_way_back_loses_nothing_that_may_work_unless_it_is_ordered_with_both_words() {
    let mut sent = 0;
    ways_back(|at, case, verdict| {
        if !matches!(verdict, Verdict::Send) {
            return;
        }
        sent += 1;
        assert_ne!(case.in_force, InForce::OtherRole, "{at}");
        let is_others = matches!(case.in_force, InForce::OtherApp | InForce::OtherTenant);
        let is_resumed = case.ordered == Ordered::Before;
        let is_persons = case.ordered == Ordered::Now;
        assert!(
            !is_others || is_persons,
            "not without a person's order: {at}"
        );
        assert!(!is_resumed || case.age < 65, "too late: {at}");
        if !case.private {
            return;
        }
        assert_ne!(case.secret, Secret::Expired, "{at}");
        if case.is_ordered_with_both() {
            return;
        }
        assert!(case.lost, "{at}");
        let may_work = !case.useless || !case.is_own_role();
        assert!(!may_work || case.secret == Secret::Proved, "{at}");
    });
    assert!(sent > 0);
}

#[test]
fn a_way_back_goes_on_where_nothing_is_left_or_both_words_are_given() {
    ways_back(|at, case, verdict| {
        let is_fresh = case.age == 0;
        if !case.is_own_role() || !is_fresh || (case.private && case.secret == Secret::Expired) {
            return;
        }
        let is_lost = case.lost && (case.useless || case.secret == Secret::Proved);
        if !case.private || case.is_ordered_with_both() || is_lost {
            assert!(matches!(verdict, Verdict::Send), "{at}: {verdict:?}");
        }
        if case.private && case.ordered == Ordered::Before && !is_lost {
            assert!(matches!(verdict, Verdict::Wait(_)), "{at}: {verdict:?}");
        }
    });
}

/// After a rotation the one before is sent only where the new one is known not to work.
#[test]
fn a_secret_of_the_same_application_that_may_work_is_not_written_over() {
    for valid in VALID {
        let entry = entry(0, (true, true, false), Mode::Static);
        let (vault, held) = (vault(InForce::Same, valid, true), held(Secret::Proved));
        let none = Accepted::default();
        let verdict = way_back(&entry, &held, &vault, Ordered::Before, none, now());
        let is_right = match valid {
            None => matches!(verdict, Verdict::Wait(_)),
            Some(false) => matches!(verdict, Verdict::Send),
            Some(true) => matches!(verdict, Verdict::Arrived),
        };
        assert!(is_right, "{valid:?}: {verdict:?}");
    }
}

#[test]
fn a_new_secret_goes_to_its_own_application_with_its_own_words_in_time() {
    let pending = PendingSecret {
        client_secret: Sensitive::new("a new one".to_owned()),
        expires_at: None,
        since: now(),
        client_id: Some(OWN_APP.parse().expect("an id")),
        tenant_id: Some(TENANT.parse().expect("an id")),
        taken_at: None,
    };
    for in_force in [InForce::Same, InForce::OtherApp, InForce::OtherTenant] {
        for valid in VALID {
            for (was_invalid, worked, unproved) in BEFORE {
                for secret in SECRETS {
                    for age in [0, 70] {
                        for given in WORDS {
                            for private in [false, true] {
                                let before = (was_invalid, worked, unproved);
                                let mut entry = entry(age, before, Mode::Static);
                                entry.held = Some(held(secret));
                                let vault = vault(in_force, valid, private);
                                let accepted = words(given);
                                let verdict =
                                    rotation(&entry, &pending, &vault, Some(accepted), now());
                                let is_safe = secret == Secret::Proved
                                    || (valid == Some(false) && was_invalid && !worked);
                                let has_words =
                                    accepted.unvalidated && (is_safe || accepted.no_way_back);
                                let is_meant = if private { has_words } else { age == 0 };
                                let want = in_force == InForce::Same && is_meant;
                                let unasked = rotation(&entry, &pending, &vault, None, now());
                                let is_again = matches!(unasked, Verdict::Send);
                                assert_eq!(is_again, want && !private);
                                let is_sent = matches!(verdict, Verdict::Send);
                                assert_eq!(
                                    is_sent, want,
                                    "{in_force:?} {valid:?} {was_invalid} {secret:?} {age} {given:?} {private}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_not_shown_at_two_looks_some_time_after_its_order_was_not_taken() {
    let ordered_at = Some(now());
    let look = |minutes, mode| {
        Some(Seen {
            mode,
            valid: None,
            static_left: false,
            other_application: false,
            at: now() + TimeDelta::minutes(minutes),
        })
    };
    let is_over = |last: Option<Seen>, minutes| {
        let at = now() + TimeDelta::minutes(minutes);
        is_not_taken(last.as_ref(), ordered_at, Mode::Static, at)
    };
    assert!(!is_over(None, 60), "one look may be an old answer");
    assert!(
        !is_over(look(4, Mode::Static), 60),
        "the first was too early"
    );
    assert!(!is_over(look(5, Mode::Static), 5), "the same look");
    assert!(!is_over(look(5, Mode::Role), 6), "they differ");
    assert!(is_over(look(5, Mode::Static), 6));
}
