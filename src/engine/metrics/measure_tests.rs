//! What a scrape costs.

use serde_json::json;

use super::tests::data;
use crate::engine::testing::TestMount;

/// What a scrape takes with many entries; told, never held against anything:
/// `cargo test --lib ten_thousand_entries -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "it is what it is for")]
async fn a_scrape_with_ten_thousand_entries() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap_or("?").trim().to_owned()
    };
    let mut mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    let key = mount.journal_keys().pop().expect("an entry");
    let entry = mount.storage.value(&key);
    for number in 0..10_000 {
        mount.storage.plant(&format!("issued/{number:020}"), &entry);
    }
    mount.restart().await;
    println!("resident before the entries are in memory: {}", resident());
    for what in ["the first scrape, which reads storage", "the second"] {
        let begun = std::time::Instant::now();
        data(&mount).await;
        println!("{what}: {:?}; resident {}", begun.elapsed(), resident());
    }
}
