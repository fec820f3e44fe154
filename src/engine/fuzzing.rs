//! What fuzzing feeds of this layer: requests to a mount, stored entries, and cron lines.
//!
//! Everything that reaches Atlas is held, and there is no network in the runtime: a connection would
//! fail the run.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credentials::ManagedAccountsEntry;
use super::encryption_at_rest::{AzureEntry, MigrationEntry};
use super::entries::{ConfigEntry, RoleEntry};
use super::journal::{JournalEntry, MarkEntry};
use super::names::{JournalId, RoleName};
use super::origin::Origins;
use super::rotation_state::{ClientSecret, Plan};
use super::static_roles::StaticRoleEntry;
use super::{EngineFactory, ProcessSettings, ServerHold, keys};
use crate::base::fuzzing::{SECRET, planted, shows_secret};
use crate::base::time::TestClock;
use crate::base::{Entropy, Sensitive};
use crate::vault::fuzzing::{Served, logged};
use crate::vault::memory::MemoryStorage;

const ID: &str = "32b6e34b3d91647abb20e7b8";
/// Requests of one input; more of them only repeat.
const MOST_REQUESTS: usize = 16;

/// Chance that counts, so that a run can be repeated.
struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(41, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_786_330_977, 0).unwrap_or_default()
}

fn factory() -> Arc<EngineFactory> {
    let clock = Arc::new(TestClock::at(now()));
    let entropy = Arc::new(Counting(std::sync::atomic::AtomicU8::new(1)));
    let factory = EngineFactory::new("v0.0.0".to_owned(), clock, entropy);
    let settings = ProcessSettings {
        verify_connection: false,
        hold: ServerHold::All,
    };
    Arc::new(factory.without_delays().with_settings(settings))
}

/// What a mount has, with the secret wherever a secret is stored.
fn storage() -> Arc<MemoryStorage> {
    let storage = MemoryStorage::default();
    let secret = serde_json::to_string(SECRET).unwrap_or_default();
    let config = format!(
        r#"{{"public_key":"abcdefgh","private_key":{secret},"organization_id":"{ID}","origin":"https://cloud.mongodb.com"}}"#
    );
    let role = format!(
        r#"{{"organization_id":"{ID}","roles":["ORG_MEMBER"],"credential_type":"access_token"}}"#
    );
    let vault = format!(
        r#"{{"state":"applied","mode":"static_credentials","secret":{{"value":{secret}}},"client_secret":{secret}}}"#
    );
    for (key, value) in [
        ("storage-version", r#"{"version":1}"#),
        ("config", &config),
        ("roles/reader", &role),
        (&format!("encryption-at-rest/azure/{ID}"), &vault),
    ] {
        storage.plant(key, value.as_bytes());
    }
    Arc::new(storage)
}

/// Runs some work of a mount, and looks at its log lines.
fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else { return };
    logged(|| runtime.block_on(work));
}

#[track_caller]
fn assert_hidden(answer: &str) {
    assert!(!shows_secret(answer), "{answer}");
}

/// A request a line: operation, path and data with blanks between them. Before a write the host asks
/// whether the object is there; nothing that is answered shows what is stored as a secret.
pub(crate) fn requests(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if shows_secret(&text) {
        return;
    }
    run(async {
        let mount = Served::new(factory(), storage()).await;
        for line in text.lines().take(MOST_REQUESTS) {
            let mut words = line.splitn(3, ' ');
            let mut next = || words.next().unwrap_or_default();
            let (operation, path, data) = (next(), next(), next());
            assert_hidden(&mount.ask(operation, path, data).await);
        }
        assert_hidden(&mount.ask("read", "status", "").await);
        mount.close().await;
    });
}

/// Messages of the protocol: each with its length in two bytes before it, and its kind in the first of
/// its own.
pub(crate) fn messages(data: &[u8]) {
    if shows_secret(&String::from_utf8_lossy(data)) {
        return;
    }
    run(async {
        let mount = Served::new(factory(), storage()).await;
        let mut rest = data;
        for _ in 0..MOST_REQUESTS {
            let Some((length, after)) = rest.split_first_chunk::<2>() else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
            let (message, after) = after.split_at(length);
            assert_hidden(&mount.message(message).await);
            rest = after;
        }
        mount.close().await;
    });
}

/// A storage key in the first line, what is stored there below it; `~` before the key for what is of
/// before the first version of the storage. What is read is written as it was read, and no error, answer
/// or log line shows a secret in it.
pub(crate) fn stored(data: &[u8]) {
    let Some(text) = planted(data) else { return };
    let (key, value) = text.split_once('\n').unwrap_or((&text, ""));
    if shows_secret(key) {
        return;
    }
    let (is_earlier, key) = match key.strip_prefix('~') {
        Some(key) => (true, key),
        None => (false, key),
    };
    match key.split_inclusive('/').next().unwrap_or_default() {
        keys::CONFIG => kept::<ConfigEntry>(value),
        keys::STATIC_ROLES => kept::<StaticRoleEntry>(value),
        keys::ROLES => kept::<RoleEntry>(value),
        keys::ISSUED => kept::<JournalEntry>(value),
        keys::ORIGINS => kept::<Origins>(value),
        keys::MANAGED_ACCOUNTS => kept::<ManagedAccountsEntry>(value),
        keys::PRESENT_SECRETS => kept::<ClientSecret>(value),
        keys::OWNERSHIP_TAG => kept::<MarkEntry>(value),
        keys::AZURE_MIGRATIONS => kept::<MigrationEntry>(value),
        _ if key.starts_with(keys::AZURE_KEY_VAULTS) => kept::<AzureEntry>(value),
        _ => {}
    }
    // What is no JSON is shown nowhere either.
    let is_kept_secret = serde_json::from_str(value).map_or(true, |value| is_secret_in(&value));
    run(async {
        let storage = storage();
        storage.plant(key, value.as_bytes());
        if is_earlier {
            storage.unplant("storage-version");
        }
        let mount = Served::new(factory(), Arc::clone(&storage)).await;
        let mut answers = String::new();
        // The one folder whose path is not its key.
        let migration = key.strip_prefix(keys::AZURE_MIGRATIONS);
        let migration = migration.map(|name| format!("encryption-at-rest/migrations/{name}"));
        for (operation, path) in [
            ("read", migration.as_deref().unwrap_or(key)),
            ("list", "issued/"),
            ("read", "config"),
            ("read", "status"),
            ("rollback", ""),
        ] {
            answers += &mount.ask(operation, path, "").await;
        }
        if is_kept_secret {
            assert_hidden(&answers);
        }
        mount.close().await;
    });
}

/// Whether the secret stands only where secrets are stored: other fields may be shown.
fn is_secret_in(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            let is_secret = ["private_key", "client_secret"].contains(&name.as_str());
            !shows_secret(name) && (is_secret && value.is_string() || is_secret_in(value))
        }),
        Value::Array(items) => items.iter().all(is_secret_in),
        other => !shows_secret(&other.to_string()),
    }
}

/// What can be read is kept whole; of what cannot, only the place is told.
fn kept<T: Serialize + DeserializeOwned + Debug>(text: &str) {
    let read = match serde_json::from_str::<T>(text) {
        Ok(read) => read,
        Err(error) => {
            let told = super::error::EngineError::unreadable("key", &error);
            return assert_hidden(&format!("{told} {told:?}"));
        }
    };
    let written = serde_json::to_string(&read).unwrap_or_default();
    let again = serde_json::from_str::<T>(&written).ok();
    assert!(again.is_some(), "written but not read: {written}");
    let again = again.and_then(|again| serde_json::to_string(&again).ok());
    assert_eq!(again.as_deref(), Some(written.as_str()));
}

/// Seconds since 1970, the window in seconds and the line, with blanks between them.
pub(crate) fn cron(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut words = text.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (start, window, line) = (next(), next(), next());
    let start = start
        .parse()
        .ok()
        .and_then(|at| DateTime::from_timestamp(at, 0));
    let start = start.unwrap_or_else(now);
    let window = Duration::from_secs(window.parse::<u32>().unwrap_or_default().into());
    let Some(plan) = Plan::at(line, window) else {
        return;
    };
    let Some(next) = plan.next(start, "a-role") else {
        return;
    };
    assert!(next > start, "{next} is not after {start}");
    assert_eq!(plan.next(start, "a-role"), Some(next), "always the same");
    let closes = plan.closes(next, "a-role");
    assert!(closes.is_none_or(|closes| closes > next || window.is_zero()));
    // What is stored has a time of today.
    let today = now() + TimeDelta::seconds(start.timestamp().rem_euclid(315_360_000));
    if let Some(intervals) = plan.intervals(today) {
        assert!(intervals.shortest <= intervals.longest);
        assert!(
            intervals.shortest >= Duration::from_mins(1),
            "{intervals:?}"
        );
    }
    let _ = plan.secret_lifetime(today, window, Duration::from_hours(1));
}

/// A text as a name of this engine.
pub(crate) fn name(text: &str) {
    if let Some(id) = JournalId::parse(text) {
        assert_eq!(id.to_string(), text);
        let described = JournalId::of_description(&format!("vault-a-{id}"));
        assert_eq!(described.as_ref(), Some(&id));
        let (drawn, mark) = id.parts();
        assert_eq!(format!("{drawn}{mark}"), text);
    }
    let _ = JournalId::of_description(text);
    let fitted = RoleName::new(text).fitted(30, |c| c.is_ascii_alphanumeric());
    assert!(fitted.len() <= 30 && fitted.is_ascii());
    let sensitive = Sensitive::new(text.to_owned());
    assert_eq!(format!("{sensitive:?}"), "Sensitive(..)");
}
