//! Numbers that stand in more than one place say the same, and a new version keeps what it stores.

use std::fs;
use std::path::Path;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands in the quotes of the line that begins so.
fn value(file: &str, name: &str) -> String {
    let text = fs::read_to_string(top().join(file)).expect("a file");
    let start = format!("{name} = \"");
    let value = text.lines().find_map(|line| line.strip_prefix(&start));
    let value = value.and_then(|rest| rest.split('"').next());
    value.expect(&start).to_owned()
}

/// What passes here holds for the least version that may build it only if it is tested with that one.
#[test]
fn the_least_rust_is_the_one_of_development() {
    let least = value("Cargo.toml", "rust-version");
    assert_eq!(least, env!("CARGO_PKG_RUST_VERSION"));
    let channel = value("rust-toolchain.toml", "channel");
    let is_of_least = channel.strip_prefix(&least).is_some_and(|rest| {
        rest.strip_prefix('.')
            .is_some_and(|patch| patch.parse::<u32>().is_ok())
    });
    assert!(
        is_of_least,
        "Cargo.toml asks for Rust {least}, rust-toolchain.toml takes {channel}: change both together"
    );
    assert_eq!(value("tests/atlas-sim/Cargo.toml", "rust-version"), least);
    for (page, said) in [
        ("README.md", format!("Rust {least} or later")),
        ("docs/releases.md", format!("in `Cargo.toml`, {least} for")),
    ] {
        let text = fs::read_to_string(top().join(page)).expect("a page");
        assert!(text.contains(&said), "{page} does not say {said:?}");
    }
}

/// The message is what whoever raises the version reads first.
#[test]
fn what_this_version_stores_is_kept() {
    let version = env!("CARGO_PKG_VERSION");
    let folder = top().join(format!("tests/stored/v{version}"));
    assert!(
        folder.is_dir(),
        "Cargo.toml says version {version}, and tests/stored/v{version} is missing. Copy the folder of the \
         version before it to that name; where a stored shape changed since, change its files there, and leave \
         the older folder as it is: tests/stored/README.md"
    );
}
