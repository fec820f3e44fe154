use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure, Replication};

pub(super) async fn data(mount: &TestMount) -> Data {
    TestMount::data(mount.read("metrics").await)
}

fn series<'a>(data: &'a Data, section: &str, name: &str, labels: &Value) -> Option<&'a Value> {
    let all = data[section].as_array().expect("a section");
    all.iter().find(|series| {
        series["Name"] == format!("mongodbatlas_{name}") && series["Labels"] == *labels
    })
}

#[tokio::test]
async fn what_is_done_for_leases_is_counted_by_type_and_outcome() {
    let mount = TestMount::with_role(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    let of = |operation: &str, outcome: &str| json!({"operation": operation, "credential_type": "programmatic_api_key", "outcome": outcome});
    let refusal = json!({
        "operation": "deleteOrgApiKey", "count": 1,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    mount.revoke(&lease).await.expect_err("refused");
    let state = json!({"credential_type": "programmatic_api_key", "state": "active"});
    let before = data(&mount).await;
    let alive = series(&before, "Gauges", "credentials", &state);
    assert_eq!(alive.expect("told")["Value"], 1.0);
    let unrevoked = |data: &Data| {
        let told = series(data, "Gauges", "revocations_failing", &json!({}));
        told.expect("told")["Value"].clone()
    };
    assert_eq!(unrevoked(&before), 1.0, "until it succeeds");
    mount.revoke(&lease).await.expect("revoked");
    let after = data(&mount).await;
    let alive = series(&after, "Gauges", "credentials", &state);
    assert_eq!(alive.expect("told")["Value"], 0.0);
    assert_eq!(unrevoked(&after), 0.0);
    for (operation, outcome, count) in [
        ("issue", "success", 1.0),
        ("issue", "failure", 0.0),
        ("revoke", "success", 1.0),
        ("revoke", "failure", 1.0),
        ("renew", "success", 0.0),
    ] {
        let labels = of(operation, outcome);
        let told = series(&after, "Counters", "lease_operations_total", &labels);
        assert_eq!(told.expect("told")["Count"], count, "{operation} {outcome}");
    }
    let labels = json!({"operation": "revoke"});
    let took = series(
        &after,
        "Samples",
        "lease_operation_duration_seconds",
        &labels,
    );
    assert_eq!(took.expect("told")["Count"], 2);
    for (outcome, count) in [("success", 1.0), ("refused", 1.0)] {
        let labels = json!({"operation": "deleteOrgApiKey", "outcome": outcome});
        let told = series(&after, "Counters", "atlas_requests_total", &labels);
        assert_eq!(told.expect("told")["Count"], count, "{outcome}");
    }
}

#[tokio::test]
async fn the_metrics_are_there_before_the_configuration() {
    let mount = TestMount::new().await;
    let told = data(&mount).await;
    let complete = series(&told, "Gauges", "scrape_complete", &json!({}));
    assert_eq!(complete.expect("told")["Value"], 1.0);
}

#[tokio::test]
async fn prometheus_is_answered_with_text_and_anything_else_is_refused() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    let answer = mount.read_with("metrics", json!({"format": "prometheus"}));
    let raw = TestMount::data(answer.await);
    assert_eq!(raw["http_status_code"], 200);
    let content_type = raw["http_content_type"].as_str().expect("a type");
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    let text = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        raw["http_raw_body"].as_str().expect("text"),
    );
    let text = String::from_utf8(text.expect("Base64")).expect("text");
    let line = "mongodbatlas_lease_operations_total{operation=\"issue\",\
                credential_type=\"programmatic_api_key\",outcome=\"success\"} 1\n";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("reader"), "no role is named: {text}");
    let refused = mount.read_with("metrics", json!({"format": "xml"})).await;
    assert!(matches!(refused, Err(Failure::BadRequest(_))));
}

#[tokio::test]
async fn a_standby_leaves_the_metrics_to_the_active_node() {
    let mount = TestMount::configured().await;
    mount.system.set_replication(Replication(24_576));
    let refused = mount.read("metrics").await;
    assert_eq!(refused.expect_err("forwarded"), Failure::read_only());
}

#[tokio::test]
async fn two_mounts_never_mix() {
    let (one, other) = (
        TestMount::with_role(json!({})).await,
        TestMount::with_role(json!({})).await,
    );
    one.issue("reader").await;
    let labels = json!({
        "operation": "issue", "credential_type": "programmatic_api_key", "outcome": "success",
    });
    let told = data(&other).await;
    let issued = series(&told, "Counters", "lease_operations_total", &labels);
    assert_eq!(issued.expect("told")["Count"], 0.0);
}

const PAGE: &str = include_str!("../../../docs/metrics.md");
const ALERTS: &str = include_str!("../../../docs/metrics/alerts.yml");
const CASES: &str = include_str!("../../../docs/metrics/alerts_tests.yml");
const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const DASHBOARD: &str = include_str!("../../../docs/metrics/dashboard.json");
const SOURCE: &str = concat!(include_str!("gather.rs"), include_str!("stored.rs"));

/// The metrics that a text names, a histogram's series by the name of the family.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let names = words.filter_map(|word| word.strip_prefix("mongodbatlas_"));
    names
        .map(|name| name.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// The metrics that are gathered, by the source.
fn gathered() -> BTreeSet<String> {
    let calls = ["gauge", "measure", "counter", "sum", "durations"];
    let of_calls = calls.iter().flat_map(|call| {
        let call = format!("all.{call}(");
        let rest = SOURCE.split(&call).skip(1);
        rest.filter_map(|rest| rest.trim_start().strip_prefix('"'))
            .collect::<Vec<_>>()
    });
    let of_loops = SOURCE.split("(\n            \"journal_").skip(1);
    let of_calls = of_calls.map(|rest| rest.split('"').next().unwrap_or_default().to_owned());
    let of_loops = of_loops.map(|rest| {
        let rest = rest.split('"').next().unwrap_or_default();
        format!("journal_{rest}")
    });
    of_calls.chain(of_loops).collect()
}

#[test]
fn pages_alerts_and_dashboard_name_the_metrics_that_there_are() {
    let gathered = gathered();
    assert!(gathered.len() > 20, "{gathered:?}");
    let rows: String = PAGE
        .lines()
        .filter(|line| line.starts_with("| `mongodbatlas_"))
        .collect();
    assert_eq!(named(&rows), gathered, "docs/metrics.md has a row of each");
    assert_eq!(named(DASHBOARD), gathered, "the dashboard shows each");
    let alerts = named(ALERTS);
    assert!(alerts.is_subset(&gathered), "{alerts:?}");
}

/// The link to a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' => Some(c),
        _ => None,
    });
    kept.collect()
}

/// Name, severity and heading of each rule.
fn alerts() -> Vec<[&'static str; 3]> {
    let field = |rule: &'static str, name: &str| {
        let rest = rule.split(name).nth(1).unwrap_or_default();
        rest.split(['\n', '}']).next().unwrap_or_default()
    };
    let rules = ALERTS.split("- alert: ").skip(1);
    let rules = rules.map(|rule| {
        let name = rule.lines().next().unwrap_or_default();
        [name, field(rule, "{severity: "), field(rule, "runbook: ")]
    });
    rules.collect()
}

#[test]
fn each_alert_stands_on_both_pages_with_its_severity_and_what_to_do() {
    let anchors: BTreeSet<String> = RUNBOOK
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    for [name, severity, heading] in alerts {
        assert!(anchors.contains(heading), "{name}: {heading}");
        let begins = format!("| `{name}` | {severity} | ");
        for (page, link) in [
            (PAGE, format!("(runbook.md#{heading})")),
            (RUNBOOK, format!("(#{heading})")),
        ] {
            let mut rows = page.lines().filter(|line| line.starts_with(&begins));
            assert!(rows.any(|row| row.contains(&link)), "{begins} {link}");
        }
        let fires = CASES.contains(&format!("alertname: {name}\n        exp_alerts"));
        assert!(fires, "{name}: no case in which it fires");
        let fires_not = CASES.contains(&format!("alertname: {name}}}"));
        assert!(fires_not, "{name}: no case in which it does not fire");
    }
}

/// The metrics that were told are documented, whatever their names in the source look like.
#[tokio::test]
async fn every_metric_that_is_told_has_its_row() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    mount.write("tidy", json!({})).await.expect("tidied");
    let rows: String = PAGE
        .lines()
        .filter(|line| line.starts_with("| `mongodbatlas_"))
        .collect();
    let told = data(&mount).await;
    for section in ["Gauges", "Counters", "Samples"] {
        for series in told[section].as_array().expect("a section") {
            let name = series["Name"].as_str().expect("a name");
            assert!(rows.contains(&format!("`{name}`")), "{name}");
            for label in series["Labels"].as_object().expect("labels").keys() {
                assert!(rows.contains(&format!("`{label}`")), "{label} of {name}");
            }
        }
    }
}
