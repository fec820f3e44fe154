//! Data flows one way: each layer of `src/` uses only the layers it may, as told in `src/lib.rs`.
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

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

#[test]
fn no_layer_names_one_that_it_may_not_use() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut arrows = Vec::new();
    for (layer, allowed) in LAYERS {
        let files = rust_files(&source.join(layer));
        assert!(!files.is_empty(), "layer {layer} has no files");
        for file in files {
            let text = fs::read_to_string(&file).expect("a source file");
            for (other, _) in LAYERS {
                let names = text.contains(&format!("crate::{other}::"))
                    || text.contains(&format!("crate::{other};"));
                if names && other != layer && !allowed.contains(other) {
                    arrows.push(format!("{} names crate::{other}", file.display()));
                }
            }
        }
    }
    assert!(arrows.is_empty(), "{}", arrows.join("\n"));
}

#[test]
fn every_folder_of_the_source_is_a_known_layer() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).expect("the sources") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let known = LAYERS.iter().any(|(layer, _)| *layer == name);
        assert!(
            !path.is_dir() || known,
            "{name} is no layer of tests/layers.rs"
        );
    }
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
