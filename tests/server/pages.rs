//! Every command of the README and of the operators' pages, run as it is printed, by the person who
//! needs it, on a server of its own.

mod azure;
mod page;
mod policies;
mod printed;
mod stage;

use std::collections::BTreeSet;

use serde_json::json;

use self::page::Page;
use self::stage::Stage;

/// Within this, what is queued is done.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Pages whose commands are run here, and how many of their blocks cannot be.
const RUN: &[(&str, usize)] = &[
    ("README.md", 3),
    ("docs/audit.md", 0),
    ("docs/consumers.md", 1),
    ("docs/encryption-at-rest.md", 5),
    ("docs/install.md", 8),
    ("docs/kubernetes.md", 3),
    ("docs/metrics.md", 0),
    ("docs/namespaces.md", 0),
    ("docs/operations.md", 3),
    ("docs/policies.md", 1),
    ("docs/rotation.md", 1),
    ("docs/runbook.md", 0),
    ("docs/terraform.md", 0),
    ("docs/uninstall.md", 0),
    ("docs/user-guide.md", 1),
];

/// Pages whose commands are not run here, and why.
const OTHERS: &[(&str, &str)] = &[
    (
        "docs/development.md",
        "for developers: scripts/test does what it says",
    ),
    (
        "docs/releases.md",
        "tests of scripts/release and scripts/rehearse do what it says",
    ),
    (
        "docs/migrate-from-go-engine.md",
        "tests/server/takeover.rs and go_engine.rs do what it says",
    ),
];

/// Runs a page on a server with a configured mount.
async fn play(name: &str) -> Stage {
    play_on(Stage::configured().await, name).await
}

async fn play_on(mut stage: Stage, name: &str) -> Stage {
    let page = Page::read(name);
    let listed = RUN.iter().find(|(listed, _)| *listed == name);
    let (_, not_run) = listed.expect("the page is listed above");
    assert_eq!(page.not_run(), *not_run, "{name}: blocks that are not run");
    stage.play(&page).await;
    stage
}

#[test]
fn every_page_with_commands_is_run_or_says_why_not() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = std::fs::read_dir(docs).expect("the pages");
    let names = files.map(|file| file.expect("a page").file_name().into_string());
    let names = names.map(|name| name.expect("text"));
    let mut pages: Vec<_> = names
        .map(|name| format!("docs/{name}"))
        .filter(|page| std::path::Path::new(page).is_file())
        .collect();
    pages.push("README.md".to_owned());
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        let listed = RUN.iter().map(|(name, _)| *name);
        let known = listed
            .chain(OTHERS.iter().map(|(name, _)| *name))
            .any(|name| name == page);
        let commands = text.contains("```console");
        assert_eq!(
            known, commands,
            "{page}: list it in tests/server/pages.rs, or take it out"
        );
    }
    for (page, _) in RUN {
        let played = format!("\"{page}\").await;");
        let tests = include_str!("pages.rs");
        assert!(tests.contains(&played), "{page}: no test plays it");
    }
}

#[tokio::test]
async fn the_readme() {
    play_on(Stage::bare().await, "README.md").await;
}

#[tokio::test]
async fn the_page_on_operations() {
    let stage = play("docs/operations.md").await;
    for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
        let action = json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" });
        let fault = json!({ "operation": operation, "count": 0, "action": action });
        stage.atlas.fault(fault).await;
    }
    let failed = stage.bao.client().read("mongodbatlas/creds/auditor").await;
    assert_eq!(failed.status, 400, "{failed:?}");
    let page = std::fs::read_to_string("docs/operations.md").expect("the page");
    let examples: Vec<_> = page.lines().filter_map(LogLine::of).collect();
    assert_eq!(examples.len(), 3, "{examples:?}");
    for example in examples {
        let what = format!("a line like {example:?} of docs/operations.md");
        let is_logged = |log: &str| {
            let mut lines = log.lines().filter_map(LogLine::of);
            lines.any(|line| line == example)
        };
        stage.bao.log.once(&what, is_logged).await;
    }
}

/// What makes a line of the plugin's in the server's log what it is: all but the values, and the order,
/// which the server leaves to chance.
#[derive(Debug, PartialEq)]
struct LogLine<'a> {
    level: &'a str,
    message: &'a str,
    fields: BTreeSet<&'a str>,
}

impl<'a> LogLine<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (head, rest) = line.split_once(" secrets.mongodbatlas.")?;
        let (logger, rest) = rest.split_once(": ")?;
        let (message, fields) = rest.split_once(": ")?;
        // Of a quoted value only what stands before and after it counts.
        let bare = fields.split('"').step_by(2);
        let words = bare.flat_map(str::split_whitespace);
        let names = words.filter_map(|word| Some(word.split_once('=')?.0));
        let level = head.split_whitespace().nth(1)?;
        (!logger.contains(' ') && level.starts_with('[')).then(|| Self {
            level,
            message,
            fields: names.collect(),
        })
    }
}

#[tokio::test]
async fn the_page_on_readers_of_static_credentials() {
    play("docs/consumers.md").await;
}

/// The person in Azure is played as well: what the page prints is all that is granted there.
#[tokio::test]
async fn the_page_on_encryption_at_rest() {
    let mut stage = Stage::configured().await;
    let customer = azure::customer(&mut stage).await;
    let _stage = play_on(stage, "docs/encryption-at-rest.md").await;
    customer.nothing_else_was_touched().await;
}

#[tokio::test]
async fn the_page_on_metrics() {
    play("docs/metrics.md").await;
}

#[tokio::test]
async fn the_page_on_kubernetes() {
    play("docs/kubernetes.md").await;
}

#[tokio::test]
async fn the_user_guide() {
    play("docs/user-guide.md").await;
}

#[tokio::test]
async fn the_page_on_rotation() {
    play("docs/rotation.md").await;
}

#[tokio::test]
async fn the_page_on_policies() {
    play("docs/policies.md").await;
}

#[tokio::test]
async fn the_page_on_the_audit_log() {
    play("docs/audit.md").await;
}

#[tokio::test]
async fn the_page_on_namespaces() {
    let stage = play("docs/namespaces.md").await;
    stage.atlas.empties(LIMIT).await;
}

#[tokio::test]
async fn the_runbook() {
    play("docs/runbook.md").await;
}

/// What it says of a server without a way to Atlas; the provider itself is not at hand.
#[tokio::test]
async fn the_page_on_terraform() {
    play("docs/terraform.md").await;
}

#[tokio::test]
async fn the_page_on_uninstalling() {
    let stage = play("docs/uninstall.md").await;
    stage.atlas.empties(LIMIT).await;
}

#[tokio::test]
async fn the_page_on_installing() {
    let stage = play_on(Stage::bare().await, "docs/install.md").await;
    stage.atlas.empties(LIMIT).await;
}
