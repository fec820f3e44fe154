//! The version is said in one place, `Cargo.toml`, and all others repeat it.

use std::process::Command;

use crate::{
    launch::{COOKIE, Launch},
    mount::HostSide,
};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));
const CHANGELOG: &str = include_str!("../../CHANGELOG.md");

#[tokio::test]
async fn the_command_says_it() {
    let launch = Launch::new().without(COOKIE.0).argument("--version");
    let exit = launch.spawn().exit().await;
    let want = format!("vault-plugin-secrets-mongodbatlas {VERSION}\n");
    assert_eq!(exit.stdout, want);
}

#[tokio::test]
async fn the_server_is_told_it() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    assert_eq!(mount.version().await, VERSION);
}

/// Its newest heading, or what it says of the release to come.
#[test]
fn the_changelog_is_of_it() {
    let mut sections = CHANGELOG.split("\n## ").skip(1);
    let newest = sections.next().expect("a section");
    let heading = format!("[{}]", env!("CARGO_PKG_VERSION"));
    let is_next = |next: &str| next.starts_with(&heading);
    let names = newest.contains(&format!("`{VERSION}`"));
    let is_to_come =
        newest.starts_with("[Unreleased]") && (names || sections.next().is_some_and(is_next));
    assert!(
        is_to_come || is_next(newest),
        "CHANGELOG.md says nothing of {VERSION}"
    );
}

/// The line by which the script finds it, run as the script does. Image tags and file names come of it.
#[test]
fn the_release_is_named_after_it() {
    let root = env!("CARGO_MANIFEST_DIR");
    let script = std::fs::read_to_string(format!("{root}/scripts/release")).expect("the script");
    let mut lines = script.lines();
    let line = lines.find(|line| line.trim_start().starts_with("VERSION="));
    let line = line.expect("a line that sets VERSION");
    let said = Command::new("bash")
        .args(["-c", &format!("{line}\nprintf %s \"$VERSION\"")])
        .current_dir(root)
        .output()
        .expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&said.stdout), VERSION);
}
