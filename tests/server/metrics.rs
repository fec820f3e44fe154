//! The metrics as a monitoring system gets them: a real Prometheus scrapes the real server, with a token that
//! may do nothing else.

use std::fs;
use std::path::{Path, PathBuf};
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

/// The policy of a scraper, for this mount: its name.
async fn scraper_policy(mount: &Mount) -> String {
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
    name
}

/// A token as docs/metrics.md makes it.
async fn token_with(mount: &Mount, policies: &[String]) -> String {
    let token = json!({"policies": policies, "no_default_policy": true, "period": "72h"});
    let token = mount.client.write("auth/token/create-orphan", token).await;
    let token = token.body["auth"]["client_token"].as_str();
    token.expect("a token").to_owned()
}

/// A token with the policy of a scraper, for this mount.
async fn scraper(mount: &Mount) -> String {
    let policy = scraper_policy(mount).await;
    token_with(mount, &[policy]).await
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
fn each_alert_rule_fires_when_it_should_and_not_otherwise() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics");
    let (rules, cases) = (
        format!("{folder}/alerts.yml"),
        format!("{folder}/alerts_tests.yml"),
    );
    for arguments in [["check", "rules", &rules], ["test", "rules", &cases]] {
        let told = promtool(&arguments, "");
        assert!(told.status.success(), "{arguments:?}: {told:?}");
    }
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
    let renewed = mount.client.with_token(&token);
    let renewed = renewed.write("auth/token/renew-self", json!({})).await;
    let length = &renewed.body["auth"]["lease_duration"];
    assert_eq!(length, 72 * 3600, "{renewed:?}");
    let data = mount.client.read(&format!("{}/metrics", mount.path)).await;
    assert!(data.data()["Gauges"].is_array(), "{data:?}");
}

/// The configuration that docs/metrics.md prints, with this server, these mounts and this token.
fn configuration(mounts: [&Mount; 2], token: &str) -> String {
    let page = include_str!("../../docs/metrics.md");
    let printed = page.split("```yaml\n").nth(1);
    let printed = printed.and_then(|rest| rest.split("```").next());
    let mut config = printed.expect("the configuration").to_owned();
    let target = mounts[0].client.address.trim_start_matches("http://");
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics/alerts.yml");
    for (printed, here) in [
        ("alerts.yml", rules),
        ("scheme: https", "scheme: http"),
        ("/v1/mongodbatlas/", &format!("/v1/{}/", mounts[0].path)),
        (
            "/v1/mongodbatlas-emea/",
            &format!("/v1/{}/", mounts[1].path),
        ),
        ("/etc/prometheus/openbao-token", token),
        ("openbao.example.com:8200", target),
    ] {
        assert!(config.contains(printed), "the page prints {printed}");
        config = config.replace(printed, here);
    }
    format!("global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{config}")
}

/// Prometheus with a configuration, and its address.
fn prometheus(config: &str, folder: &Path) -> (Running, String) {
    let config_file = folder.join("prometheus.yml");
    fs::write(&config_file, config).expect("written");
    let address = format!("127.0.0.1:{}", free_port());
    let data = folder.join("data");
    let running = program("prometheus")
        .arg(format!("--config.file={}", config_file.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let running = running.expect("prometheus: scripts/tools has need_prometheus");
    (Running(running), address)
}

/// What Prometheus knows of the credentials that a mount has issued, once it knows anything.
async fn issued(address: &str, job: &str) -> String {
    let mut url = reqwest::Url::parse(&format!("http://{address}/api/v1/query")).expect("a URL");
    let query = format!(
        "mongodbatlas_lease_operations_total{{job=\"{job}\",operation=\"issue\",\
         credential_type=\"programmatic_api_key\",outcome=\"success\"}}"
    );
    url.query_pairs_mut().append_pair("query", &query);
    for _ in 0..120 {
        if let Ok(answer) = reqwest::get(url.clone()).await {
            let text = answer.text().await.expect("text");
            let told: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(value) = told["data"]["result"][0]["value"][1].as_str() {
                return value.to_owned();
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("Prometheus never saw {job}");
}

#[tokio::test]
async fn prometheus_scrapes_two_mounts_as_the_page_says() {
    let mount = mount().await;
    let other = Mount::on(&mount.client).await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    let policies = [scraper_policy(&mount).await, scraper_policy(&other).await];
    fs::write(&token, token_with(&mount, &policies).await).expect("written");
    let config = configuration([&mount, &other], &token.display().to_string());
    let (_running, address) = prometheus(&config, folder.path());
    assert_eq!(issued(&address, "mongodbatlas").await, "1");
    assert_eq!(issued(&address, "mongodbatlas-emea").await, "0");
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
