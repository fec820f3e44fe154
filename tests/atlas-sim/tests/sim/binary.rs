//! The binary: one line, then it serves until it is told to end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

#[tokio::test]
async fn the_binary_prints_one_line_serves_and_ends_on_a_signal() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_atlas-sim"))
        .args([
            "--seed-org-key",
            "abcdefgh:11111111-2222-4333-8444-555555555555",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["api_key"]["public_key"], "abcdefgh");
    assert_eq!(line["project_ids"].as_array().unwrap().len(), 3);
    assert!(line["service_account"]["client_secret"].is_string());
    let control = line["control"].as_str().unwrap();
    let seed = reqwest::get(format!("{control}/seed")).await.unwrap();
    assert_eq!(seed.status(), 200);
    let api = line["api"].as_str().unwrap();
    assert_eq!(
        reqwest::get(format!("{api}/api/atlas/v2"))
            .await
            .unwrap()
            .status(),
        401
    );
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn wrong_flags_are_reported() {
    let output = Command::new(env!("CARGO_BIN_EXE_atlas-sim"))
        .args(["--colour", "red"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: atlas-sim"));
}
