//! The mounts that commit eda73bf left behind, put into a server of today with the Atlas that they
//! were recorded with. `tests/stored/README.md` tells how they were recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::support::bao::Extras;
use crate::support::cloud::Cloud;
use crate::support::{Atlas, Bao, Client, Mount};

/// Every stored key of a mount, by the mount's path.
const MOUNTS: [(&str, &str); 4] = [
    (
        "atlas",
        include_str!("../../stored/eda73bf/mounts/atlas.json"),
    ),
    (
        "atlas-pending",
        include_str!("../../stored/eda73bf/mounts/atlas-pending.json"),
    ),
    (
        "atlas-retiring",
        include_str!("../../stored/eda73bf/mounts/atlas-retiring.json"),
    ),
    (
        "atlas-held",
        include_str!("../../stored/eda73bf/mounts/atlas-held.json"),
    ),
];

const LEASES: &str = include_str!("../../stored/eda73bf/leases.json");

const ATLAS: &str = include_str!("../../stored/eda73bf/atlas.json");

/// One mount, and what was stored in it.
pub(super) struct Old {
    pub(super) mount: Mount,
    pub(super) stored: Map<String, Value>,
}

impl Old {
    /// The values below this folder, by the rest of their key.
    pub(super) fn folder<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let rest = move |(key, value): (&'a String, &'a Value)| {
            key.strip_prefix(folder).map(|rest| (rest, value))
        };
        self.stored.iter().filter_map(rest)
    }

    /// The journal entries of a role at this stage, by id.
    pub(super) fn entries(&self, role: &str, stage: &str) -> Vec<(&str, &Value)> {
        let entries = self.folder("issued/");
        let of_role =
            |(_, entry): &(&str, &Value)| entry["role"] == role && entry["stage"] == stage;
        entries.filter(of_role).collect()
    }
}

/// A server with the recorded mounts and leases.
pub(super) struct Recorded {
    pub(super) bao: Bao,
    pub(super) atlas: Arc<Atlas>,
    pub(super) mounts: BTreeMap<&'static str, Old>,
    /// Their ids, and what the server keeps of them.
    pub(super) leases: Map<String, Value>,
    /// What Atlas held.
    world: Value,
    _cloud: Cloud,
}

impl Recorded {
    /// Writes everything into storage behind the plugin's back. Only a start of the server reads it.
    pub(super) async fn put() -> Self {
        let atlas = Arc::new(Atlas::start().await);
        let cloud = Cloud::of(&atlas).await;
        let bao = Bao::on_disk_with(Extras {
            turnable: true,
            config: "raw_storage_endpoint = true".to_owned(),
            variables: cloud.variables(),
            ..Extras::default()
        })
        .await;
        let registered = bao.register(&["--unversioned"]).await;
        assert!(registered.ok(), "{registered:?}");
        let recorded = parsed(ATLAS);
        let now = moment(&atlas.state().await["now"]).expect("Atlas's time");
        let by = now - moment(&recorded["recorded_at"]).expect("when it was recorded");
        let mut world = recorded["world"].clone();
        shift(&mut world, by);
        atlas.control("PUT", "/world", world.clone()).await;
        // Tests mint to see which secrets work; the pace that Atlas sets for that is not meant here.
        let settings = json!({ "token_requests_per_minute": 0 });
        atlas.settings(settings).await;
        let mut mounts = BTreeMap::new();
        for (path, text) in MOUNTS {
            let mount = Mount::named(&bao.client(), path, &atlas).await;
            let mut stored = parsed(text);
            shift(&mut stored, by);
            let Value::Object(stored) = stored else {
                panic!("{path} is no object");
            };
            mounts.insert(path, Old { mount, stored });
        }
        let mut leases = parsed(&LEASES.replace("CLIENT_TOKEN", &bao.root_token));
        shift(&mut leases, by);
        let leases = leases.as_object().expect("leases").clone();
        let recorded = Self {
            bao,
            atlas,
            mounts,
            leases,
            world,
            _cloud: cloud,
        };
        recorded.write().await;
        recorded
    }

    /// What the new binary stored in its still empty mounts goes: it has never been here.
    async fn write(&self) {
        let client = self.bao.client();
        for (path, old) in &self.mounts {
            let uuid = client.read(&format!("sys/mounts/{path}")).await.data()["uuid"].clone();
            let folder = format!("sys/raw/logical/{}/", uuid.as_str().expect("a uuid"));
            for key in keys_below(&client, &folder).await {
                assert!(client.delete(&key).await.ok(), "{key}");
            }
            for (key, value) in &old.stored {
                write_raw(&client, &format!("{folder}{key}"), value).await;
            }
        }
        for (id, lease) in &self.leases {
            write_raw(&client, &format!("sys/raw/sys/expire/id/{id}"), lease).await;
        }
    }

    pub(super) fn old(&self, path: &str) -> &Old {
        self.mounts.get(path).expect("a recorded mount")
    }

    /// Keys and accounts that Atlas held, by id.
    fn world(&self) -> impl Iterator<Item = (&str, &Value)> {
        let list = |name: &str| self.world[name].as_object().expect("a list");
        let all = list("keys").iter().chain(list("accounts"));
        all.map(|(id, held)| (id.as_str(), held))
    }

    /// Their ids.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.world().map(|(id, _)| id.to_owned()).collect()
    }

    /// The ids of those with one of these descriptions or names.
    pub(super) fn named(&self, names: &[String]) -> BTreeSet<String> {
        let is_one = |held: &Value| {
            let mut texts = ["description", "name"]
                .into_iter()
                .filter_map(|field| held[field].as_str());
            texts.any(|text| names.iter().any(|name| name == text))
        };
        let found = self.world().filter(|(_, held)| is_one(held));
        found.map(|(id, _)| id.to_owned()).collect()
    }

    /// The ids of all keys and accounts that Atlas holds now.
    pub(super) async fn ids_there(&self) -> BTreeSet<String> {
        let there = self.atlas.state().await;
        let ids = |list: &str, id: &str| -> Vec<String> {
            let list = there[list].as_array().expect("a list").iter();
            list.map(|each| each[id].as_str().expect("an id").to_owned())
                .collect()
        };
        let all = [ids("keys", "id"), ids("accounts", "client_id")];
        all.into_iter().flatten().collect()
    }

    /// What the server keeps of the one lease of this role of the mount `atlas`.
    pub(super) fn lease(&self, role: &str) -> &Value {
        let [id] = self.leases_of(role)[..] else {
            panic!("not one lease of {role}");
        };
        &self.leases[id]
    }

    /// The leases of this role of the mount `atlas`.
    pub(super) fn leases_of(&self, role: &str) -> Vec<&str> {
        let below = format!("atlas/creds/{role}/");
        let ids = self.leases.keys().map(String::as_str);
        ids.filter(|id| id.starts_with(&below)).collect()
    }

    /// Time passes for the plugin and for Atlas; the server's own leases do not notice.
    pub(super) async fn turn(&self, by: Duration) {
        self.bao.clock.as_ref().expect("a clock to turn").turn(by);
        self.atlas.turn_clock(by).await;
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn write_raw(client: &Client, path: &str, value: &Value) {
    let body = json!({ "value": value.to_string() });
    let written = client.write(path, body).await;
    assert!(written.ok(), "{path}: {written:?}");
}

/// Paths of all keys below a folder of the server's storage.
async fn keys_below(client: &Client, folder: &str) -> Vec<String> {
    let mut folders = vec![folder.to_owned()];
    let mut keys = Vec::new();
    while let Some(folder) = folders.pop() {
        let listed = client.list(&folder).await;
        let names = listed.body["data"]["keys"].as_array().cloned();
        for name in names.unwrap_or_default() {
            let path = format!("{folder}{}", name.as_str().expect("a name"));
            if path.ends_with('/') {
                folders.push(path);
            } else {
                keys.push(path);
            }
        }
    }
    keys
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    let moment = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(moment.to_utc())
}

/// Moves every moment by so long, so that the recording was made just now. A year of Go's zero time
/// stays what it is.
fn shift(value: &mut Value, by: TimeDelta) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|each| shift(each, by)),
        Value::Object(fields) => fields.values_mut().for_each(|each| shift(each, by)),
        _ => {
            if let Some(moment) = moment(value).filter(|moment| moment.year() > 1) {
                *value = json!((moment + by).to_rfc3339_opts(SecondsFormat::AutoSi, true));
            }
        }
    }
}
