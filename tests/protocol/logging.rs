//! What goes to stderr, and what the process asks of the system.

use std::fs;

use serde_json::{Map, Value};

use crate::{host::channel, identity::anonymous, launch::Launch};

/// Reads log lines as strictly as the host must have them.
pub(crate) fn lines(stderr: &str) -> Vec<Map<String, Value>> {
    assert!(stderr.ends_with('\n'), "every line is ended: {stderr:?}");
    stderr.lines().map(line).collect()
}

fn line(text: &str) -> Map<String, Value> {
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    let line: Map<String, Value> = serde_json::from_str(text).expect("a JSON object");
    for key in ["@level", "@message", "@module", "@timestamp"] {
        assert!(line[key].is_string(), "{key} in {text}");
    }
    let timestamp = line["@timestamp"].as_str().expect("a string");
    let fraction = timestamp.split_once('.').expect("a fraction").1;
    assert_eq!(fraction.len(), "000000Z".len(), "{timestamp}");
    assert!(
        chrono::DateTime::parse_from_rfc3339(timestamp).is_ok(),
        "{timestamp}"
    );
    line
}

#[tokio::test]
async fn log_lines_are_json_that_a_host_can_read() {
    let plugin = Launch::new().start().await;
    let stranger = channel(plugin.line.socket(), anonymous(&plugin.line.certificate()));
    let mut stranger = tonic_health::pb::health_client::HealthClient::new(stranger);
    stranger
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .expect_err("refused");
    let exit = plugin.shutdown().await;
    let lines = lines(&exit.stderr);
    let of_level = |level: &str| lines.iter().filter(|line| line["@level"] == level).count();
    assert!(
        of_level("warn") >= 1,
        "the refused client is logged: {lines:?}"
    );
    assert!(of_level("debug") >= 1, "the end is logged: {lines:?}");
}

#[tokio::test]
async fn a_failed_start_is_logged() {
    let exit = Launch::new()
        .variable("PLUGIN_CLIENT_CERT", "\u{1}")
        .spawn()
        .exit()
        .await;
    let lines = lines(&exit.stderr);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["@level"], "error");
}

#[tokio::test]
async fn the_level_can_be_raised() {
    let launch = Launch::new().variable("MONGODBATLAS_LOG_LEVEL", "error");
    let exit = launch.start().await.shutdown().await;
    assert_eq!(exit.stderr, "");
}

/// Kilobytes that the system keeps in memory for the process.
fn locked_kilobytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:"))
        .expect("the field");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

#[tokio::test]
async fn memory_is_locked_on_request_or_the_reason_is_reported() {
    let mut process = Launch::new()
        .variable("VAULT_PLUGIN_MLOCK_ENABLED", "true")
        .spawn();
    if process.line().await.is_empty() {
        let exit = process.exit().await;
        assert_eq!(exit.status.code(), Some(1));
        assert!(
            exit.stderr.contains("PLUGIN_MLOCK_ENABLED"),
            "{}",
            exit.stderr
        );
    } else {
        assert!(locked_kilobytes(process.id()) > 0);
    }
}

#[tokio::test]
async fn memory_is_not_locked_without_request() {
    let mut process = Launch::new()
        .variable("BAO_PLUGIN_MLOCK_ENABLED", "false")
        .variable("VAULT_PLUGIN_MLOCK_ENABLED", "true")
        .spawn();
    assert_ne!(process.line().await, "", "it starts");
    assert_eq!(locked_kilobytes(process.id()), 0);
}
