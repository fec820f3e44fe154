//! A mix of requests, faults and kills, drawn from a seed, for as long as one likes; run by
//! `scripts/soak MINUTES [SEED]`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a soak fails loudly, and prints its seed"
)]

#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests, which use all of it"
)]
#[path = "../server/support/mod.rs"]
mod support;

mod decisions;
mod mend;
mod order;
mod run;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

#[tokio::main]
async fn main() -> ExitCode {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    let minutes = number("SOAK_MINUTES").unwrap_or(5);
    let seed = number("SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}, {minutes} minutes");
    assert!(decisions::are_repeatable(seed), "a seed tells all");
    let soak = run::Soak::set_up().await;
    match soak.run(seed, Duration::from_mins(minutes)).await {
        Ok(outcomes) => {
            println!("seed {seed}: Atlas holds what has a lease, and nothing else; {outcomes:?}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("seed {seed}: {wrong}");
            ExitCode::FAILURE
        }
    }
}
