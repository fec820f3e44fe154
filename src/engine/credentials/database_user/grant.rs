//! What a role of database users grants: in which project, which rights there, and on which clusters.

use std::time::Duration;

use serde::Deserialize;

use super::template::{Context, Template};
use crate::atlas::{ClusterName, DatabaseRole, DatabaseScope, DatabaseUsername};
use crate::base::SystemEntropy;
use crate::engine::credentials::grant::{Grant, id, refuse_reach};
use crate::engine::entries::RoleEntry;
use crate::framework::Faults;

/// How long a new user is held back until it can sign in, unless the role says otherwise.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// With so many characters drawn, no name comes again.
const DRAWN: usize = 8;

/// What a scope is if nothing else is said.
const CLUSTER: &str = "CLUSTER";

/// A database user's rights, and how it is made.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseGrant {
    /// What it may do; at least one.
    pub(super) roles: Vec<DatabaseRole>,
    /// Where it may sign in; empty for everywhere in its project.
    pub(super) scopes: Vec<DatabaseScope>,
    /// The form of its name, if the role has one.
    pub(super) template: Option<Template>,
    /// The server's policy for its password; empty for none.
    pub(super) password_policy: String,
    /// How long it is held back until it can sign in.
    pub(super) wait: Duration,
}

/// What it may do and where decides; not its name, nor how long is waited.
impl PartialEq for DatabaseGrant {
    fn eq(&self, other: &Self) -> bool {
        self.roles == other.roles && self.scopes == other.scopes
    }
}

impl Eq for DatabaseGrant {}

impl DatabaseGrant {
    /// The clusters that it may sign in to alone; empty: all of its project, or none.
    pub(super) fn clusters(&self) -> impl Iterator<Item = ClusterName> {
        let clusters = self.scopes.iter().filter(|scope| scope.kind == CLUSTER);
        clusters.filter_map(|scope| scope.name.parse().ok())
    }
}

/// Checks a role; every fault is told with the field it is in.
pub(super) fn grant(role: &RoleEntry, faults: &mut Faults) -> Option<Grant> {
    if role.project_id.is_empty() {
        faults.add("project_id", "give the project in which the users are made");
    }
    refuse_reach(
        role,
        "must be empty with credential_type database_user: such a user belongs to project_id, and \
         has database_roles instead of Atlas roles, and no access list",
        faults,
    );
    if role.database_roles.is_empty() {
        faults.add(
            "database_roles",
            "give at least one, as role@database or role@database.collection",
        );
    }
    let database = DatabaseGrant {
        roles: each(
            &role.database_roles,
            "database_roles",
            database_role,
            faults,
        ),
        scopes: each(&role.scopes, "scopes", scope, faults),
        template: template(role, faults),
        password_policy: role.password_policy.clone(),
        wait: role.wait.map_or(DEFAULT_WAIT, Duration::from_secs),
    };
    let project = id(&role.project_id, "project_id", faults)?;
    faults.is_empty().then(|| Grant {
        database: Some(database),
        ..Grant::in_project(project)
    })
}

/// Whether a user's name may be another's soon after it is gone: too little of it is drawn.
pub(crate) fn names_come_again(role: &RoleEntry) -> bool {
    let template = (!role.username_template.is_empty()).then_some(&role.username_template);
    let parsed = template.and_then(|template| Template::parse(template).ok());
    parsed.is_some_and(|template| template.drawn() < DRAWN)
}

/// Everything of a list, each once, as Atlas has it; or what is wrong.
fn each<T: PartialEq>(
    texts: &[String],
    field: &'static str,
    read: impl Fn(&str) -> Result<T, &'static str>,
    faults: &mut Faults,
) -> Vec<T> {
    let mut list = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match read(text) {
            Ok(one) if list.contains(&one) => {}
            Ok(one) => list.push(one),
            Err(reason) => faults.add(field, format!("entry {}: {reason}", index + 1)),
        }
    }
    list
}

/// As Atlas's command line writes it, or as its API and Vault's database plugin do.
fn database_role(text: &str) -> Result<DatabaseRole, &'static str> {
    const FORM: &str = "give role@database, role@database.collection, or an object of roleName, \
                        databaseName and, if it is for one, collectionName";
    if text.starts_with('{') {
        /// A word that Atlas does not know is a slip, and not nothing.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            #[serde(rename = "roleName")]
            role: String,
            #[serde(rename = "databaseName")]
            database: String,
            #[serde(rename = "collectionName", default)]
            collection: Option<String>,
        }
        let given: Given = serde_json::from_str(text).map_err(|_| FORM)?;
        let role = DatabaseRole {
            role: given.role,
            database: given.database,
            collection: given.collection.filter(|name| !name.is_empty()),
        };
        return Some(role).filter(is_whole).ok_or(FORM);
    }
    let (named, place) = text.split_once('@').ok_or(FORM)?;
    // A database's name has no dot; a collection's may have some.
    let (database, collection) = match place.split_once('.') {
        Some((database, collection)) => (database, Some(collection.to_owned())),
        None => (place, None),
    };
    let role = DatabaseRole {
        role: named.to_owned(),
        database: database.to_owned(),
        collection,
    };
    Some(role).filter(is_whole).ok_or(FORM)
}

fn is_whole(role: &DatabaseRole) -> bool {
    let collection = role.collection.as_deref();
    let parts = [&*role.role, &*role.database, collection.unwrap_or("x")];
    parts
        .iter()
        .all(|part| !part.is_empty() && part.trim() == *part && !part.chars().any(char::is_control))
}

fn scope(text: &str) -> Result<DatabaseScope, &'static str> {
    const FORM: &str =
        "give a cluster's name, name:DATA_LAKE, name:STREAM, or an object of name and type";
    let scope = if text.starts_with('{') {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            name: String,
            #[serde(rename = "type", default)]
            kind: Option<String>,
        }
        let given: Given = serde_json::from_str(text).map_err(|_| FORM)?;
        DatabaseScope {
            name: given.name,
            kind: given.kind.unwrap_or_else(|| CLUSTER.to_owned()),
        }
    } else {
        let (name, kind) = text.split_once(':').unwrap_or((text, CLUSTER));
        DatabaseScope {
            name: name.to_owned(),
            kind: kind.to_owned(),
        }
    };
    // Atlas adds kinds over time, and judges them itself.
    let is_kind = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    let kind = &scope.kind;
    let fits = !kind.is_empty() && kind.len() <= 64 && kind.bytes().all(is_kind);
    if fits && scope.name.parse::<ClusterName>().is_ok() {
        Ok(scope)
    } else {
        Err(FORM)
    }
}

/// The template, once it has given a name.
fn template(role: &RoleEntry, faults: &mut Faults) -> Option<Template> {
    if role.username_template.is_empty() {
        return None;
    }
    let context = Context {
        display_name: "token",
        role_name: "role",
        now: chrono::DateTime::UNIX_EPOCH,
        entropy: &SystemEntropy,
    };
    let parsed = Template::parse(&role.username_template);
    let rendered = parsed.as_ref().map_err(ToString::to_string);
    let rendered =
        rendered.and_then(|parsed| parsed.render(&context).map_err(|error| error.to_string()));
    let name = rendered.and_then(|name| {
        let name = name.parse::<DatabaseUsername>();
        name.map_err(|error| error.to_string())
    });
    match name {
        Ok(_) => parsed.ok(),
        Err(reason) => {
            faults.add("username_template", reason);
            None
        }
    }
}

/// The list as it is stored and shown: in the short form where that says all.
pub(crate) fn short_database_roles(texts: Vec<String>) -> Vec<String> {
    let short = |text: String| match database_role(&text) {
        Ok(role) if text.starts_with('{') => {
            let short = match &role.collection {
                Some(collection) => {
                    format!("{}@{}.{collection}", role.role, role.database)
                }
                None => format!("{}@{}", role.role, role.database),
            };
            // Such as a role with an @ in its name.
            if database_role(&short).as_ref() == Ok(&role) {
                short
            } else {
                text
            }
        }
        _ => text,
    };
    texts.into_iter().map(short).collect()
}

/// The same of scopes.
pub(crate) fn short_scopes(texts: Vec<String>) -> Vec<String> {
    let short = |text: String| match scope(&text) {
        Ok(scope) if text.starts_with('{') && scope.kind == CLUSTER => scope.name,
        Ok(scope) if text.starts_with('{') => format!("{}:{}", scope.name, scope.kind),
        _ => text,
    };
    texts.into_iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn rights_are_read_in_both_forms_and_shown_in_the_short_one() {
        for (given, short) in [
            ("read@app", "read@app"),
            ("read@app.orders.2026", "read@app.orders.2026"),
            (r#"{"roleName":"read","databaseName":"app"}"#, "read@app"),
            (
                r#"{"databaseName":"app","roleName":"read","collectionName":"orders"}"#,
                "read@app.orders",
            ),
            (
                r#"{"roleName":"read","databaseName":"app","collectionName":""}"#,
                "read@app",
            ),
        ] {
            assert_eq!(short_database_roles(texts(&[given])), [short], "{given}");
            assert_eq!(database_role(given), database_role(short), "{given}");
            assert!(database_role(given).is_ok(), "{given}");
        }
        let odd = r#"{"databaseName":"app","roleName":"a@b"}"#;
        assert_eq!(short_database_roles(texts(&[odd])), [odd]);
        for wrong in [
            "",
            "read",
            "@app",
            "read@",
            "read@app.",
            "read@.x",
            " read@app",
            "{}",
            r#"{"roleName":"read"}"#,
            r#"{"roleName":"read","databaseName":"app","collection":"x"}"#,
            r#"{"roleName":"","databaseName":"app"}"#,
        ] {
            assert!(database_role(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scopes_are_read_in_both_forms_and_shown_in_the_short_one() {
        for (given, short) in [
            ("Cluster0", "Cluster0"),
            ("Cluster0:CLUSTER", "Cluster0:CLUSTER"),
            (r#"{"name":"Cluster0","type":"CLUSTER"}"#, "Cluster0"),
            (r#"{"name":"Cluster0"}"#, "Cluster0"),
            (r#"{"name":"lake","type":"DATA_LAKE"}"#, "lake:DATA_LAKE"),
        ] {
            assert_eq!(short_scopes(texts(&[given])), [short], "{given}");
            assert_eq!(scope(given), scope(short), "{given}");
            assert!(scope(given).is_ok(), "{given}");
        }
        for wrong in ["", "a b", "-x", "x:", "x:lake", "x:A:B", ":CLUSTER", "{}"] {
            assert!(scope(wrong).is_err(), "{wrong}");
        }
    }
}
