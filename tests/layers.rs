//! Knowledge goes one way: each layer of `src/` names only those under it, as drawn in `src/lib.rs`,
//! one module puts them together, and the command knows nothing but that module. Inside the engine there
//! is an order among its rooms (`layers/rooms.rs`).
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

#[path = "layers/rooms.rs"]
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

/// A layer, and the layers of ours that it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("goplugin", &["base"]),
    ("vault", &["goplugin", "base"]),
    ("framework", &["vault", "base"]),
    ("atlas", &["base"]),
    ("engine", &["framework", "vault", "atlas", "base"]),
];

/// The one module that puts the layers together, and those that it names.
const ASSEMBLY: (&str, &[&str]) = ("plugin", &["engine", "vault", "goplugin", "base"]);

/// The files of `src/` that belong to no layer.
const LOOSE: &[&str] = &[
    "fuzzing.rs",
    "lib.rs",
    "main.rs",
    "plugin.rs",
    "self_test.rs",
];

#[test]
fn no_layer_names_one_that_it_may_not_use() {
    let mut arrows = Vec::new();
    for (layer, allowed) in LAYERS {
        let files = rust_files(&source().join(layer));
        assert!(!files.is_empty(), "layer {layer} has no files");
        for file in files {
            let text = code(&file);
            let may = |other: &str| other == *layer || allowed.contains(&other);
            let named = modules().filter(|other| !may(other) && names(&text, other));
            arrows.extend(named.map(|other| format!("{} names crate::{other}", file.display())));
        }
    }
    assert!(arrows.is_empty(), "{}", arrows.join("\n"));
}

#[test]
fn one_module_puts_the_layers_together() {
    let (name, allowed) = ASSEMBLY;
    let text = code(&source().join(format!("{name}.rs")));
    let named: Vec<&str> = modules().filter(|other| names(&text, other)).collect();
    let mut want = allowed.to_vec();
    want.sort_unstable();
    assert_eq!(sorted(named), want);
}

/// Else the compiler could not say what of a layer is unused.
#[test]
fn the_crate_shows_the_assembly_and_the_messages_alone() {
    let text = code(&source().join("lib.rs"));
    let shown: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("pub "))
        .collect();
    let want = [
        "pub mod fuzzing;",
        "pub mod protocol {",
        "pub use plugin::{Served, prepare_process, serve_host};",
        "pub use self_test::{SelfTest, self_test};",
    ];
    assert_eq!(sorted(shown), want);
    let command = code(&source().join("main.rs"));
    let taken: Vec<&str> = command
        .lines()
        .filter(|line| line.contains("mongodbatlas::") || line.trim_start().starts_with("mod "))
        .collect();
    assert_eq!(
        taken,
        ["use mongodbatlas::{Served, prepare_process, self_test, serve_host};"]
    );
}

/// The tests above look for `crate::layer`; another way to write it would pass them.
#[test]
fn layers_are_named_by_their_path() {
    let mut odd = Vec::new();
    for (layer, _) in LAYERS {
        let folder = source().join(layer);
        for file in rust_files(&folder) {
            let inside = file.strip_prefix(&folder).expect("a file of the layer");
            let text = code(&file);
            let grouped = text.contains("crate::{") || text.contains("use crate as");
            // As many steps up as lead out of the layer.
            let climbs = text.contains(&"super::".repeat(inside.components().count() + 1));
            let beside = modules().any(|other| text.contains(&format!("super::{other}::")));
            if grouped || climbs || beside {
                odd.push(file.display().to_string());
            }
        }
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn all_of_the_source_has_its_place() {
    for entry in fs::read_dir(source()).expect("the sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let known = if path.is_dir() {
            LAYERS.iter().any(|(layer, _)| *layer == name)
        } else {
            LOOSE.contains(&name.as_ref())
        };
        assert!(known, "{name} has no place in tests/layers.rs");
    }
}

/// At the foot of their file, or in a file beside it.
#[test]
fn unit_tests_stand_where_they_are_looked_for() {
    let helpers = ["fake", "log_lines", "testing", "toy"];
    let mut odd = Vec::new();
    for file in rust_files(&source()) {
        let name = file.display();
        if file.iter().any(|part| part == "tests") {
            odd.push(format!("{name} is in a folder of tests"));
        }
        let text = code(&file);
        let mut lines = text.lines().map(str::trim);
        while lines.any(|line| line == "#[cfg(test)]") {
            let item = lines
                .find(|line| !line.starts_with('#'))
                .unwrap_or_default();
            let Some(module) = item.strip_prefix("mod ") else {
                continue;
            };
            let module = module.trim_end_matches([' ', ';', '{']);
            if !module.ends_with("tests") && !helpers.contains(&module) {
                odd.push(format!("{name} has tests in {module}"));
            }
        }
        if let Some((_, after)) = text.split_once("\nmod tests {\n") {
            let inside = after.split_once("\n}").map_or("", |(_, after)| after);
            if !inside.trim().is_empty() {
                odd.push(format!("{name} goes on after its tests"));
            }
        }
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layers, the assembly, and what is shown of the crate.
fn modules() -> impl Iterator<Item = &'static str> {
    let layers = LAYERS.iter().map(|(layer, _)| *layer);
    layers.chain([ASSEMBLY.0, "protocol", "fuzzing"])
}

/// Whether the code names a module of the crate's root.
fn names(text: &str, module: &str) -> bool {
    let path = format!("crate::{module}");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    text.split(&path).skip(1).any(ends)
}

/// The text of a file without lines of comment: a link in one is no knowledge.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a source file");
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn sorted(mut texts: Vec<&str>) -> Vec<&str> {
    texts.sort_unstable();
    texts
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a layer's folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
