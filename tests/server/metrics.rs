//! The metrics as a monitoring system gets them: a real Prometheus scrapes the real server, with a token that
//! may do nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bao::free_port;
use crate::support::{Cluster, Mount};

/// A program of Prometheus: on PATH, or where `need_prometheus` in `scripts/tools` puts it.
fn program(name: &str) -> Command {
    let fetched = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(".local/prometheus/usr/bin")
        .join(name);
    Command::new(if fetched.exists() {
        fetched
    } else {
        name.into()
    })
}

/// A process that ends with this.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A token with the policy of a scraper, for this mount.
async fn scraper(mount: &Mount) -> String {
    let policy = include_str!("../../docs/policies.md")
        .split("## Scraper")
        .nth(1)
        .and_then(|section| section.split("```hcl\n").nth(1))
        .and_then(|section| section.split("```").next())
        .expect("the policy")
        .replace("mongodbatlas/", &format!("{}/", mount.path));
    let name = format!("scraper-{}", mount.path);
    let path = format!("sys/policies/acl/{name}");
    let written = mount.client.write(&path, json!({"policy": policy})).await;
    assert!(written.ok(), "{written:?}");
    let token = json!({"policies": [name], "no_default_policy": true});
    let token = mount.client.write("auth/token/create", token).await;
    let token = token.body["auth"]["client_token"].as_str();
    token.expect("a token").to_owned()
}

/// The text that a scraper gets.
async fn scrape(address: &str, mount: &Mount, token: &str) -> (u16, String, String) {
    let url = format!("{address}/v1/{}/metrics?format=prometheus", mount.path);
    let request = reqwest::Client::new().get(url).bearer_auth(token);
    let answer = request.send().await.expect("an answer");
    let content_type = answer.headers().get("content-type");
    let content_type = content_type.map_or("", |value| value.to_str().unwrap());
    let (status, content_type) = (answer.status().as_u16(), content_type.to_owned());
    (status, content_type, answer.text().await.expect("text"))
}

/// What Prometheus's own tool says of a text or a file.
fn promtool(arguments: &[&str], input: &str) -> Output {
    let input_file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(input_file.path(), input).expect("written");
    let mut tool = program("promtool");
    tool.args(arguments)
        .stdin(input_file.reopen().expect("a file"));
    tool.output()
        .expect("promtool: scripts/tools has need_prometheus")
}

#[test]
fn promtool_accepts_the_alert_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics/alerts.yml");
    let told = promtool(&["check", "rules", rules], "");
    assert!(told.status.success(), "{told:?}");
}

async fn mount() -> Mount {
    let mount = Mount::configured().await;
    let role = json!({"organization_id": mount.atlas.org(), "roles": "ORG_READ_ONLY"});
    let path = format!("{}/roles/reader", mount.path);
    assert!(mount.client.write(&path, role).await.ok());
    let path = format!("{}/creds/reader", mount.path);
    let issued = mount.client.read(&path).await;
    assert!(issued.ok(), "{issued:?}");
    mount
}

#[tokio::test]
async fn a_scraper_gets_text_that_promtool_accepts_and_may_do_nothing_else() {
    let mount = mount().await;
    let token = scraper(&mount).await;
    let (status, content_type, text) = scrape(&mount.client.address, &mount, &token).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    let told = promtool(&["check", "metrics"], &text);
    assert!(told.status.success(), "{told:?}\n{text}");
    let refused = mount.client.with_token(&token);
    let refused = refused.read(&format!("{}/status", mount.path)).await;
    assert_eq!(refused.status, 403);
    let data = mount.client.read(&format!("{}/metrics", mount.path)).await;
    assert!(data.data()["Gauges"].is_array(), "{data:?}");
}

#[tokio::test]
async fn prometheus_scrapes_a_mount() {
    let mount = mount().await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, scraper(&mount).await).expect("written");
    let target = mount.client.address.trim_start_matches("http://");
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics/alerts.yml");
    let config = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "scrape_configs": [{
            "job_name": "mongodbatlas",
            "metrics_path": format!("/v1/{}/metrics", mount.path),
            "params": {"format": ["prometheus"]},
            "authorization": {"credentials_file": token},
            "static_configs": [{"targets": [target]}],
        }],
    });
    // JSON is YAML.
    let config_file = folder.path().join("prometheus.yml");
    fs::write(&config_file, config.to_string()).expect("written");
    let address = format!("127.0.0.1:{}", free_port());
    let mut prometheus = program("prometheus");
    prometheus
        .arg(format!("--config.file={}", config_file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let prometheus = prometheus.spawn();
    let _running = Running(prometheus.expect("prometheus: scripts/tools has need_prometheus"));
    let query = "mongodbatlas_lease_operations_total%7Boperation%3D%22issue%22%2C\
                 credential_type%3D%22programmatic_api_key%22%2Coutcome%3D%22success%22%7D";
    let url = format!("http://{address}/api/v1/query?query={query}");
    for _ in 0..120 {
        if let Ok(answer) = reqwest::get(&url).await {
            let text = answer.text().await.expect("text");
            let told: Value = serde_json::from_str(&text).unwrap_or_default();
            let value = &told["data"]["result"][0]["value"][1];
            if value == "1" {
                return;
            }
            assert!(value.is_null(), "{told}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("Prometheus never saw the credential");
}

#[tokio::test]
async fn a_standby_forwards_the_scrape() {
    let cluster = Cluster::start(2).await;
    let leader = cluster.leader().await;
    let mount = Mount::on(&cluster.client(leader)).await;
    let token = scraper(&mount).await;
    let standby = cluster.client(1 - leader);
    // What the leader mounted arrives a moment later.
    let path = format!("{}/status", mount.path);
    let give_up = Instant::now() + Duration::from_secs(30);
    while !standby.read(&path).await.ok() {
        assert!(Instant::now() < give_up, "the standby knows the mount");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, _, text) = scrape(&standby.address, &mount, &token).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("mongodbatlas_scrape_complete 1\n"), "{text}");
}
