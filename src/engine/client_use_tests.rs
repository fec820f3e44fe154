//! Who asks for the client of the configuration without saying what it is for.

use std::fs;
use std::path::Path;

/// Files that may use the client of the present configuration whatever is stored, and why.
const NOT_BOUND: &[(&str, &str)] = &[
    ("check/paths.rs", "asks who the configuration itself is"),
    ("config/address.rs", "asks the configuration itself"),
    (
        "config/answer.rs",
        "tells whether Atlas accepts the configuration's credential",
    ),
    (
        "config/draining.rs",
        "asks for the configuration's own organization",
    ),
    (
        "config/rotation/leftovers.rs",
        "what rotations of the configuration itself left",
    ),
    (
        "config/rotation/replacement.rs",
        "the configuration's own credential",
    ),
    (
        "config/rotation/rotate.rs",
        "the configuration's own credential",
    ),
    (
        "config/rotation/tick.rs",
        "the configuration's own credential",
    ),
    ("connection/mod.rs", "where it is made and compared"),
    (
        "credentials/access_token/accounts/ready.rs",
        "compares, and makes what is new",
    ),
    ("credentials/pending.rs", "makes what is new"),
    (
        "encryption_at_rest/check.rs",
        "reads how a project stands of which nothing is stored",
    ),
    (
        "encryption_at_rest/migrations/orders.rs",
        "plans what is new",
    ),
    ("encryption_at_rest/paths.rs", "registers what is new"),
    (
        "encryption_at_rest/rotate_path.rs",
        "takes the secret of a project of which nothing is stored",
    ),
    (
        "journal/tidy.rs",
        "lists what there is; entries of other origins are left out",
    ),
    ("static_roles/adopt.rs", "takes in what is new"),
    ("status.rs", "tells of its queues"),
    ("unasked/permit.rs", "asks Atlas for its time"),
];

/// Whoever works on something stored must say which, so that it is compared.
#[test]
fn only_what_is_new_uses_the_client_without_saying_what_it_is_for() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let mut found = Vec::new();
    let mut folders = vec![engine.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file");
            let name = path.strip_prefix(&engine).expect("below");
            let name = name.to_string_lossy().into_owned();
            if text.contains(".linked()") && !name.ends_with("tests.rs") {
                found.push(name);
            }
        }
    }
    found.sort();
    let allowed: Vec<_> = NOT_BOUND
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(
        found, allowed,
        "use connection.linked_to(&entry.origin), or say here why not: see engine/origin.rs"
    );
}
