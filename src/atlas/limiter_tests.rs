//! Tests of how the budget of requests is shared out.

use super::*;
use crate::atlas::bucket::MAX_WAITING;
use crate::atlas::endpoints::{EndpointSet, Rate, Scope};
use crate::atlas::fake::org_id;

fn key() -> BucketKey {
    BucketKey {
        set: EndpointSet::ApiKeys,
        scope: Scope::Org(org_id()),
    }
}

fn start() -> Duration {
    Duration::from_hours(1)
}

/// Takes tokens until none is left for this priority, and says how many there were.
fn drain(limiter: &Limiter, priority: Priority, now: Duration) -> usize {
    let mut taken = 0;
    loop {
        let mut ticket = limiter.request(key(), priority);
        if ticket.admit(now) != Admission::Go {
            return taken;
        }
        ticket.release(RateLimitFeedback::default(), now);
        taken += 1;
    }
}

/// Sends requests that are all under way at once.
fn send<const N: usize>(limiter: &Limiter, now: Duration) -> [Ticket<'_>; N] {
    std::array::from_fn(|_| {
        let mut ticket = limiter.request(key(), Priority::Revoke);
        assert_eq!(ticket.admit(now), Admission::Go);
        ticket
    })
}

fn left(limit: u32, remaining: u32) -> RateLimitFeedback {
    RateLimitFeedback {
        limit: Some(limit),
        remaining: Some(remaining),
        ..RateLimitFeedback::default()
    }
}

fn wait(admission: Admission) -> f64 {
    match admission {
        Admission::Wait(wait) => wait.as_secs_f64(),
        other => panic!("no wait: {other:?}"),
    }
}

#[test]
fn the_last_tokens_are_kept_for_revocations() {
    let (limiter, now) = (Limiter::default(), start());
    assert_eq!(drain(&limiter, Priority::Background, now), 450);
    assert_eq!(drain(&limiter, Priority::Issue, now), 45);
    assert_eq!(drain(&limiter, Priority::Revoke, now), 5);
}

#[test]
fn tokens_flow_back_with_time_up_to_the_capacity() {
    let (limiter, now) = (Limiter::default(), start());
    assert_eq!(drain(&limiter, Priority::Revoke, now), 500);
    assert_eq!(
        drain(&limiter, Priority::Revoke, now + Duration::from_mins(1)),
        250
    );
    assert_eq!(
        drain(&limiter, Priority::Revoke, now + Duration::from_hours(9)),
        500
    );
}

#[test]
fn counters_are_shown_until_they_are_at_rest() {
    let (limiter, now) = (Limiter::default(), start());
    assert_eq!(limiter.queues(now), []);
    let [ticket] = send(&limiter, now);
    let [queue] = limiter.queues(now).try_into().expect("one");
    assert_eq!((queue.calls, queue.in_flight), ("API keys", 1));
    assert_eq!((queue.capacity, queue.scope), (500, org_id().to_string()));
    ticket.release(RateLimitFeedback::default(), now);
    assert_eq!(limiter.queues(now + Duration::from_mins(1)), []);
}

#[test]
fn revocations_overtake_those_who_wait_longer() {
    let (limiter, now) = (Limiter::default(), start());
    drain(&limiter, Priority::Revoke, now);
    let mut issue = limiter.request(key(), Priority::Issue);
    let mut second = limiter.request(key(), Priority::Issue);
    let first_wait = wait(issue.admit(now));
    assert!(wait(second.admit(now)) > first_wait);
    let mut revoke = limiter.request(key(), Priority::Revoke);
    assert!(wait(revoke.admit(now)) < first_wait);
    // With the reserve filled up, one token is free: it goes by the order.
    let later = now + Duration::from_millis(1_450);
    assert!(matches!(issue.admit(later), Admission::Wait(_)));
    assert_eq!(revoke.admit(later), Admission::Go);
    let later = now + Duration::from_millis(1_700);
    assert!(matches!(second.admit(later), Admission::Wait(_)));
    assert_eq!(issue.admit(later), Admission::Go);
}

#[test]
fn a_cancelled_request_leaves_the_queue() {
    let (limiter, now) = (Limiter::default(), start());
    drain(&limiter, Priority::Revoke, now);
    let mut first = limiter.request(key(), Priority::Revoke);
    let alone = wait(first.admit(now));
    drop(first);
    let mut second = limiter.request(key(), Priority::Revoke);
    assert!((wait(second.admit(now)) - alone).abs() < 0.001);
}

/// Rotations and revocations always have a place: what is full is full of others.
#[test]
fn the_queue_has_an_end_that_keeps_out_no_revocation_and_no_rotation() {
    let (limiter, now) = (Limiter::default(), start());
    drain(&limiter, Priority::Revoke, now);
    let asked = |priority| {
        let mut ticket = limiter.request(key(), priority);
        let admission = ticket.admit(now);
        (ticket, admission)
    };
    let waiting = (0..MAX_WAITING).map(|_| asked(Priority::Issue));
    let waiting: Vec<_> = waiting.collect();
    assert!(
        waiting
            .iter()
            .all(|(_, admission)| matches!(admission, Admission::Wait(_)))
    );
    for priority in [Priority::Issue, Priority::Background] {
        let (_ticket, admission) = asked(priority);
        assert!(
            matches!(admission, Admission::Full(_)),
            "{priority:?}: {admission:?}"
        );
    }
    for priority in [Priority::Revoke, Priority::Rotate] {
        let many: Vec<_> = (0..=MAX_WAITING).map(|_| asked(priority)).collect();
        assert!(
            many.iter()
                .all(|(_, admission)| matches!(admission, Admission::Wait(_)))
        );
    }
}

#[test]
fn rotations_go_after_revocations_and_before_new_credentials() {
    let (limiter, now) = (Limiter::default(), start());
    drain(&limiter, Priority::Revoke, now);
    let mut issues: Vec<_> = (0..400)
        .map(|_| limiter.request(key(), Priority::Issue))
        .collect();
    for issue in &mut issues {
        assert!(matches!(issue.admit(now), Admission::Wait(_)));
    }
    let mut rotate = limiter.request(key(), Priority::Rotate);
    assert!(wait(rotate.admit(now)) < 1.5, "400 wait longer than it");
    let mut revoke = limiter.request(key(), Priority::Revoke);
    assert!(wait(revoke.admit(now)) < 0.3);
    // With the reserve filled up, two tokens are free.
    let later = now + Duration::from_millis(1_700);
    assert!(matches!(issues[0].admit(later), Admission::Wait(_)));
    assert_eq!(revoke.admit(later), Admission::Go);
    assert_eq!(rotate.admit(later), Admission::Go);
    assert!(matches!(issues[0].admit(later), Admission::Wait(_)));
}

/// Atlas raises limits on request. How fast the bucket then fills is not told by the headers.
#[test]
fn a_raised_capacity_makes_no_wait_longer_than_atlas_asks() {
    for priority in [Priority::Revoke, Priority::Issue, Priority::Background] {
        let (limiter, now) = (Limiter::default(), start());
        let [first] = send(&limiter, now);
        first.release(left(20_000, 19_000), now);
        let [refused] = send(&limiter, now);
        let refusal = RateLimitFeedback {
            wait: Some(Duration::from_secs(1)),
            ..RateLimitFeedback::default()
        };
        refused.release(refusal, now);
        let mut next = limiter.request(key(), priority);
        let left = wait(next.admit(now));
        assert!((1.0..1.01).contains(&left), "{priority:?}: {left}");
        let later = now + Duration::from_millis(1_001);
        assert_eq!(next.admit(later), Admission::Go, "{priority:?}");
        // Until Atlas answers, the guess holds, and what is kept back is a few seconds' worth.
        let mut third = limiter.request(key(), priority);
        let left = wait(third.admit(later));
        assert!(left < 21.0, "{priority:?}: {left}");
    }
}

#[test]
fn the_first_answer_after_a_refusal_shows_how_many_may_follow() {
    let (limiter, now) = (Limiter::default(), start());
    let [refused] = send(&limiter, now);
    let refusal = RateLimitFeedback {
        wait: Some(Duration::from_secs(1)),
        ..left(20_000, 0)
    };
    refused.release(refusal, now);
    let later = now + Duration::from_secs(2);
    let mut first = limiter.request(key(), Priority::Issue);
    assert_eq!(first.admit(later), Admission::Go);
    first.release(left(20_000, 17_000), later);
    let mut more: Vec<_> = (0..1_000)
        .map(|_| limiter.request(key(), Priority::Issue))
        .collect();
    assert!(
        more.iter_mut()
            .all(|each| each.admit(later) == Admission::Go)
    );
}

#[test]
fn no_wait_is_longer_than_an_hour() {
    let (limiter, now) = (Limiter::default(), start());
    let [refused] = send(&limiter, now);
    let odd = RateLimitFeedback {
        wait: Some(Duration::from_secs(2_400_003)),
        rate: Some(Rate {
            capacity: 600,
            refill: 1,
            seconds: 4_000_000,
        }),
        ..RateLimitFeedback::default()
    };
    refused.release(odd, now);
    let mut waiting: Vec<_> = (0..10)
        .map(|_| limiter.request(key(), Priority::Issue))
        .collect();
    for each in &mut waiting {
        assert!(wait(each.admit(now)) <= 3_600.0);
    }
    let [queue] = limiter.queues(now).try_into().expect("one");
    assert!(queue.blocked_for <= Some(Duration::from_hours(1)));
    assert!(queue.tokens >= 0.0);
}

#[test]
fn headers_correct_the_count() {
    let (limiter, now) = (Limiter::default(), start());
    let [first, second] = send(&limiter, now);
    first.release(left(20, 4), now);
    assert_eq!(drain(&limiter, Priority::Revoke, now), 4);
    drop(second);
    assert_eq!(
        drain(&limiter, Priority::Revoke, now + Duration::from_hours(1)),
        20
    );
}

#[test]
fn answers_that_overtake_each_other_do_not_raise_the_count() {
    let (limiter, now) = (Limiter::default(), start());
    let [first, second, third] = send(&limiter, now);
    third.release(left(100, 97), now);
    first.release(left(100, 99), now);
    second.release(left(100, 98), now);
    assert_eq!(drain(&limiter, Priority::Revoke, now), 97);
}

#[test]
fn a_bucket_that_filled_faster_than_thought_is_noticed() {
    let (limiter, now) = (Limiter::default(), start());
    let [first, second] = send(&limiter, now);
    first.release(left(500, 1), now);
    second.release(left(500, 0), now);
    let later = now + Duration::from_secs(1);
    let [third] = send(&limiter, later);
    third.release(left(500, 249), later);
    assert_eq!(drain(&limiter, Priority::Revoke, later), 249);
}

#[test]
fn an_answer_older_than_a_429_does_not_undo_it() {
    let (limiter, now) = (Limiter::default(), start());
    let [first, second] = send(&limiter, now);
    let refusal = RateLimitFeedback {
        wait: Some(Duration::from_secs(7)),
        ..left(500, 0)
    };
    second.release(refusal, now);
    first.release(left(500, 40), now);
    assert_eq!(drain(&limiter, Priority::Revoke, now), 0);
}

#[test]
fn a_429_keeps_everybody_away_as_long_as_it_says() {
    let (limiter, now) = (Limiter::default(), start());
    let mut ticket = limiter.request(key(), Priority::Revoke);
    assert_eq!(ticket.admit(now), Admission::Go);
    let feedback = RateLimitFeedback {
        wait: Some(Duration::from_secs(7)),
        rate: Some(Rate {
            capacity: 10,
            refill: 1,
            seconds: 1,
        }),
        ..RateLimitFeedback::default()
    };
    ticket.release(feedback, now);
    let mut next = limiter.request(key(), Priority::Revoke);
    let left = wait(next.admit(now));
    assert!((7.0..7.01).contains(&left), "{left}");
    assert_eq!(
        next.admit(now + Duration::from_millis(7_001)),
        Admission::Go
    );
}

#[test]
fn buckets_without_requests_are_forgotten_in_the_end() {
    let (limiter, now) = (Limiter::default(), start());
    for number in 0..MAX_BUCKETS * 2 {
        let org = format!("{number:024x}").parse().expect("an id");
        let scope = Scope::Org(org);
        let set = EndpointSet::ApiKeys;
        let mut ticket = limiter.request(BucketKey { set, scope }, Priority::Issue);
        assert_eq!(ticket.admit(now), Admission::Go);
        ticket.release(RateLimitFeedback::default(), now);
    }
    assert!(limiter.locked().buckets.len() <= MAX_BUCKETS);
}
