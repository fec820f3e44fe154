//! What runs on GitHub takes the actions of others by their commits: a tag may be moved to other code.

use std::fs;
use std::path::Path;

/// Whether an action is named by a whole commit, with the version that it is.
fn is_pinned(uses: &str) -> bool {
    let Some((action, version)) = uses.split_once(" # v") else {
        return false;
    };
    let commit = action.split_once('@').map_or("", |(_, commit)| commit);
    let is_commit = commit.len() == 40 && commit.bytes().all(|sign| sign.is_ascii_hexdigit());
    is_commit && version.starts_with(|sign: char| sign.is_ascii_digit())
}

#[test]
fn every_action_is_pinned_by_its_commit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let (mut used, mut loose) = (0, Vec::new());
    for file in fs::read_dir(folder).expect("the workflows") {
        let path = file.expect("a workflow").path();
        let text = fs::read_to_string(&path).expect("a workflow");
        assert!(
            text.contains("\npermissions: {}\n"),
            "{}: no job may have a right that it does not name",
            path.display()
        );
        for line in text.lines().map(|line| line.trim_start_matches([' ', '-'])) {
            if let Some(uses) = line.strip_prefix("uses: ") {
                used += 1;
                if !is_pinned(uses) {
                    loose.push(format!("{}: {uses}", path.display()));
                }
            }
        }
    }
    assert!(used > 5, "only {used} were found: is the search right?");
    assert!(loose.is_empty(), "{}", loose.join("\n"));
}

#[test]
fn nothing_is_released_without_a_key_that_the_readme_names() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml");
    let text = fs::read_to_string(file).expect("the workflow");
    let at = |step: &str| text.find(step).expect(step);
    assert!(at("  scripts/release --key\n") < at("- name: Build"));
    assert!(
        !text.contains("PUBLIC_KEY"),
        "a variable of the repository names no key"
    );
}

#[test]
fn a_tag_is_no_commit() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_pinned(&format!("owner/name@{commit} # v7.0.1")));
    assert!(!is_pinned(&format!("owner/name@{commit}")));
    assert!(!is_pinned("owner/name@v7 # v7.0.1"));
    assert!(!is_pinned("owner/name@0123456 # v7.0.1"));
}
