//! A short soak; `scripts/soak` runs long ones.

#[path = "../soak/decisions.rs"]
mod decisions;
#[path = "../soak/mend.rs"]
mod mend;
#[path = "../soak/order.rs"]
mod order;
#[path = "../soak/run.rs"]
mod run;
#[path = "../soak/stage.rs"]
mod stage;

use std::time::Duration;

#[tokio::test]
async fn whatever_goes_wrong_atlas_holds_what_has_a_lease_and_nothing_else() {
    let seed = u64::from(std::process::id());
    assert!(decisions::are_repeatable(seed), "a seed tells all");
    let soak = run::Soak::set_up().await;
    let outcomes = soak.run(seed, Duration::from_secs(40)).await;
    let outcomes = outcomes.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    assert!(outcomes.done > 20, "seed {seed}: {outcomes:?}");
}
