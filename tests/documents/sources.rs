//! The sources that the pages for developers name: each must be there.

use std::fs;
use std::path::{Path, PathBuf};

/// Sources of things that nobody has made, by which `docs/development.md` shows how to add some.
const EXAMPLES: [&str; 6] = [
    "src/engine/limits/entry.rs",
    "src/engine/limits/paths.rs",
    "src/atlas/sample_keys.rs",
    "credentials/sample_key.rs",
    "x.rs",
    "x_tests.rs",
];

#[test]
fn every_source_that_the_pages_for_developers_name_is_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests"] {
        all_rust_files(&top.join(folder), &mut sources);
    }
    let (mut named, mut wrong) = (0, Vec::new());
    for page in ["docs/architecture.md", "docs/development.md"] {
        let text = fs::read_to_string(top.join(page)).expect("a page");
        for name in source_names(&text).filter(|name| !EXAMPLES.contains(name)) {
            named += 1;
            if !sources.iter().any(|source| is_named(source, name)) {
                wrong.push(format!("{page}: {name}"));
            }
        }
    }
    assert!(
        named > 50,
        "only {named} names were found: is the search still right?"
    );
    assert!(
        wrong.is_empty(),
        "there is no such source:\n{}",
        wrong.join("\n")
    );
}

/// The names of Rust sources in a page: in code or in a link.
fn source_names(page: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |sign: char| sign.is_ascii_alphanumeric() || "_-/.*".contains(sign);
    let words = page.split(move |sign| !is_of_name(sign));
    words.filter(|word| Path::new(word).extension().is_some_and(|end| end == "rs"))
}

/// Whether it is the end of a source's path. `*` stands for anything in a file's name.
fn is_named(source: &Path, name: &str) -> bool {
    let Some((before, after)) = name.split_once('*') else {
        return source.ends_with(name);
    };
    let is_beside = |folder: &Path| folder.ends_with(before.trim_end_matches('/'));
    source.parent().is_some_and(is_beside) && source.to_string_lossy().ends_with(after)
}

/// All of them, those of tests as well.
fn all_rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all_rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn a_source_is_found_by_the_end_of_its_path() {
    let page = "(`engine/turns.rs`): [x](../src/main.rs), `roles/*_tests.rs`. Not `docs/x.md`.";
    let names: Vec<_> = source_names(page).collect();
    assert_eq!(
        names,
        ["engine/turns.rs", "../src/main.rs", "roles/*_tests.rs"]
    );
    let source = Path::new("/top/src/engine/roles/path_tests.rs");
    assert!(is_named(source, "roles/path_tests.rs"));
    assert!(is_named(source, "roles/*_tests.rs"));
    assert!(!is_named(source, "h_tests.rs"), "only whole names");
    assert!(!is_named(source, "paths/*_tests.rs"));
}
