//! Tests of the journal's index.

use std::time::Duration;

use super::*;
use crate::base::time::TestClock;
use crate::base::{Clock as _, SystemEntropy, base62};
use crate::engine::entries::CredentialType;
use crate::engine::origin::BoundTo;

fn entry(state: State, role: &str, issued_at: DateTime<Utc>) -> (JournalId, JournalEntry) {
    let id = JournalId::parse(&base62(&SystemEntropy, 20)).unwrap();
    let entry = JournalEntry {
        state,
        owner: Owner::Lease,
        role: role.to_owned(),
        credential_type: CredentialType::ProgrammaticApiKey,
        description: format!("vault-{role}-{id}"),
        organization_id: None,
        project_id: None,
        further_project_ids: Vec::new(),
        programmatic_api_key_id: None,
        public_key: Some(format!("public of {id}")),
        client_id: None,
        ai_model_key_id: None,
        bound_address: None,
        database_username: None,
        part: None,
        config_organization_id: None,
        origin: BoundTo::default(),
        pending_deletion_since: None,
        ended: None,
        display_name: String::new(),
        entity_id: String::new(),
        issued_at,
        max_expire_time: issued_at + TimeDelta::hours(2),
        ttl: 0,
    };
    (id, entry)
}

#[test]
fn roles_are_counted_through_every_change() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let (first, mut changed) = entry(State::Pending, "reader", now);
    let (second, other) = entry(State::Pending, "reader", now);
    index.put(&first, &changed, RequestState::InFlight);
    index.put(&second, &other, RequestState::InFlight);
    changed.state = State::Active;
    index.put(&first, &changed, RequestState::Unknown);
    assert_eq!((index.alive("reader"), index.live()), (2, 1));
    index.remove(&first);
    index.remove(&first);
    index.remove(&second);
    assert_eq!((index.alive("reader"), index.of_role.len()), (0, 0));
}

#[test]
fn what_a_request_works_on_is_nobody_elses() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let (id, making) = entry(State::Pending, "reader", now - TimeDelta::hours(9));
    index.put(&id, &making, RequestState::InFlight);
    assert!(index.half_made(now, Duration::ZERO, true).is_empty());
    assert!(index.newly_overdue(now, TimeDelta::hours(1)).is_empty());
    index.forget(now);
    assert!(index.contains(&id));
    index.leave(&id);
    assert_eq!(index.half_made(now, Duration::ZERO, false), [id]);
}

#[test]
fn failures_make_an_entry_rest_longer_and_stand_behind() {
    let (mut index, clock) = (Index::default(), TestClock::new());
    let old = clock.now() - TimeDelta::hours(9);
    let (stuck, making) = entry(State::Pending, "reader", old);
    index.put(&stuck, &making, RequestState::Unknown);
    for _ in 0..20 {
        index.failed(&stuck, clock.monotonic());
    }
    assert!(
        index
            .half_made(clock.now(), clock.monotonic(), false)
            .is_empty()
    );
    assert_eq!(
        index.half_made(clock.now(), clock.monotonic(), true),
        vec![stuck.clone()]
    );
    clock.advance(Duration::from_hours(1));
    let (fresh, making) = entry(
        State::Pending,
        "reader",
        clock.now() - TimeDelta::minutes(4),
    );
    index.put(&fresh, &making, RequestState::Unknown);
    assert_eq!(
        index.half_made(clock.now(), clock.monotonic(), false),
        [fresh, stuck]
    );
    let counts = index.counts(clock.now());
    assert_eq!((counts.failing, counts.max_failures), (1, 20));
}

#[test]
fn an_account_managed_for_a_role_is_none_of_its_credentials() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let (id, mut account) = entry(State::Pending, "reader", now);
    index.put(&id, &account, RequestState::InFlight);
    assert_eq!(index.alive("reader"), 1);
    account.state = State::Managed;
    index.put(&id, &account, RequestState::Unknown);
    assert_eq!(
        (index.alive("reader"), index.kept(), index.live()),
        (0, 1, 0)
    );
    index.remove(&id);
    assert_eq!((index.alive("reader"), index.kept()), (0, 0));
}

#[test]
fn a_token_that_nobody_got_is_looked_at_once_it_is_dead() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let (id, mut token) = entry(State::Pending, "reader", now);
    token.part = Some(Part::Token {
        client_id: "mdb_sa_id_5cf5a45a9ccf6400e60981b7".parse().unwrap(),
        secret_id: "5cf5a45a9ccf6400e60981b7".parse().unwrap(),
    });
    index.put(&id, &token, RequestState::Abandoned);
    assert!(
        index
            .half_made(token.max_expire_time, Duration::ZERO, true)
            .is_empty()
    );
    let dead = token.max_expire_time + TimeDelta::minutes(4);
    assert!(index.newly_overdue(dead, TimeDelta::hours(1)).is_empty());
    assert_eq!(index.counts(dead).oldest_pending, None);
    assert_eq!(index.half_made(dead, Duration::ZERO, false), [id]);
}

#[test]
fn great_age_is_logged_once() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let (id, making) = entry(State::Pending, "reader", now - TimeDelta::hours(2));
    index.put(&id, &making, RequestState::Unknown);
    assert_eq!(index.newly_overdue(now, TimeDelta::hours(1)).len(), 1);
    index.put(&id, &making, RequestState::Unknown);
    assert!(index.newly_overdue(now, TimeDelta::hours(1)).is_empty());
}

#[test]
fn a_live_entry_is_outlived_an_hour_after_its_end() {
    let (mut index, now) = (Index::default(), TestClock::new().now());
    let (id, live) = entry(State::Active, "reader", now);
    index.put(&id, &live, RequestState::Unknown);
    assert!(
        index
            .outlived(now + TimeDelta::hours(3), Duration::ZERO)
            .is_empty()
    );
    let after = now + TimeDelta::hours(3) + TimeDelta::seconds(1);
    assert_eq!(index.outlived(after, Duration::ZERO), vec![id.clone()]);
    assert!(index.half_made(after, Duration::ZERO, true).is_empty());
    let named = index.with_public_part(&format!("public of {id}"));
    assert_eq!(named, [(id, State::Active)]);
}
