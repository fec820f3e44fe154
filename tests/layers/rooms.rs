//! The order among the rooms of `src/engine/`: its top-level files and folders. Each names only rooms
//! before it in the list, so that none knows itself by way of others.
//!
//! A room names another by a path, by a method that the other gives to `Engine`, or by a field of
//! `Engine` whose type is the other's. `Engine` itself, in `mod.rs`, puts the rooms together and names
//! them all.
//!
//! A method that a higher room gives to a type of a lower one is not looked for: its name alone does not tell
//! whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

use super::{code, rust_files, source};

/// From the lowest to the highest, as in `docs/architecture.md`.
const ROOMS: &[&str] = &[
    "names",
    "keys",
    "error",
    "stored",
    "process",
    "backoff",
    "keyed_mutex",
    "waiters",
    "rate_waits",
    "role_uses",
    "origin",
    "lost_secret",
    "rotation_state",
    "entries",
    "measures",
    "draining",
    "connection",
    "unasked",
    "resource",
    "rotation",
    "journal",
    "account_use",
    "credentials",
    "roles",
    "config",
    "static_roles",
    "encryption_at_rest",
    "check",
    "drain",
    "conversion",
    "status",
    "metrics",
    "background",
];

/// What `mod.rs` defines and every room may name. What it takes from a room is named by that room.
const OF_THE_ENGINE: &[&str] = &["Engine", "OPERATION_PREFIX"];

/// A source file by its path in `src/engine/`.
struct File {
    path: String,
    text: String,
}

#[test]
fn a_room_names_only_rooms_before_it() {
    let wrong = wrong_arrows(ROOMS, &files());
    assert!(
        wrong.is_empty(),
        "move what is needed to a lower room, or the room in the list:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_room_has_its_place_in_the_order() {
    let found: BTreeSet<String> = files().iter().filter_map(room).collect();
    let listed: BTreeSet<String> = ROOMS.iter().map(|room| (*room).to_owned()).collect();
    assert_eq!(found, listed);
    assert_eq!(ROOMS.len(), listed.len(), "each once");
}

#[test]
fn the_page_of_the_architecture_shows_the_rooms_in_their_order() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(page).expect("the page");
    let engine = page
        .split("engine/ ")
        .nth(1)
        .expect("the map of the engine");
    let engine = engine.split("\natlas/").next().expect("the map");
    let shown = engine.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split([' ', '/']).next()?;
        (!name.is_empty() && name != "mod.rs").then(|| name.trim_end_matches(".rs"))
    });
    let mut shown: Vec<&str> = shown.collect();
    shown.reverse();
    assert_eq!(shown, ROOMS);
}

/// All but tests, which may name anything.
fn files() -> Vec<File> {
    let engine = source().join("engine");
    let files = rust_files(&engine).into_iter().map(|path| File {
        text: without_tests(&code(&path)).to_owned(),
        path: {
            let inside = path.strip_prefix(&engine).expect("a file of the engine");
            let parts = inside.components().map(Component::as_os_str);
            let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
            parts.join("/")
        },
    });
    files.filter(|file| !is_test(&file.path)).collect()
}

fn is_test(path: &str) -> bool {
    let helps = ["tests", "testing", "log_lines", "fuzzing"];
    let mut parts = path.trim_end_matches(".rs").split('/');
    path.ends_with("_tests.rs") || parts.any(|part| helps.contains(&part))
}

/// Tests at the foot of a file are no part of it.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

/// The room of a file; [`None`]: it is `mod.rs`, which is in no room.
fn room(file: &File) -> Option<String> {
    let first = file.path.split('/').next()?.trim_end_matches(".rs");
    (first != "mod").then(|| first.to_owned())
}

/// Every name of a room that is not before the one that names it.
fn wrong_arrows(rooms: &[&str], files: &[File]) -> Vec<String> {
    let place = |name: &str| rooms.iter().position(|room| *room == name);
    let methods = methods(files);
    let fields = fields(rooms, files);
    let mut wrong = BTreeSet::new();
    for file in files {
        let Some(own) = room(file) else { continue };
        let mut point = |to: &str, by: &str| {
            let is_before = place(to).is_some_and(|to| Some(to) < place(&own));
            if to != own && !is_before {
                wrong.insert(format!("{}: {own} names {to} ({by})", file.path));
            }
        };
        for path in engine_paths(file) {
            let name = path.first().map_or("", String::as_str);
            if place(name).is_some() {
                point(name, &path.join("::"));
            } else if !OF_THE_ENGINE.contains(&name) {
                point(name, "engine/mod.rs has it from a room: name that");
            }
        }
        for name in used_of_engine(&file.text) {
            let field_or_method = fields.get(&name).or_else(|| methods.get(&name));
            if let Some(to) = field_or_method {
                point(to, &format!("engine.{name}"));
            }
        }
    }
    wrong.into_iter().collect()
}

/// The paths below `crate::engine` that a file names, from there on.
fn engine_paths(file: &File) -> Vec<Vec<String>> {
    let mut here: Vec<&str> = file.path.trim_end_matches(".rs").split('/').collect();
    if here.last() == Some(&"mod") {
        here.pop();
    }
    here.insert(0, "engine");
    let mut paths = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in file.text.match_indices(start) {
            let before = file.text[..at].chars().next_back();
            // In the middle of a path that was found already, or of a word.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut found = Vec::new();
            tree(&file.text[at..], Vec::new(), &mut found);
            for path in found {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let (mut whole, rest) = match path[0].as_str() {
                    "crate" => (Vec::new(), &path[1..]),
                    "self" => (here.clone(), &path[1..]),
                    _ => {
                        let left = here.len().saturating_sub(ups);
                        (here[..left].to_vec(), &path[ups..])
                    }
                };
                whole.extend(rest.iter().map(String::as_str));
                if whole.first() == Some(&"engine") && whole.len() > 1 {
                    paths.push(whole[1..].iter().map(|part| (*part).to_owned()).collect());
                }
            }
        }
    }
    paths
}

/// Reads a path, or all paths of a group in braces, and answers what is left of the text.
fn tree<'a>(text: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(rest) = rest.strip_prefix('}') {
                return rest;
            }
            let left = tree(rest, path.clone(), found).trim_start();
            let left = left.strip_prefix(',').unwrap_or(left);
            if left.len() == rest.len() {
                return left;
            }
            rest = left;
        }
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let (part, mut rest) = text.split_at(end);
    path.push(part.to_owned());
    let deeper = rest.strip_prefix("::");
    if let Some(deeper) = deeper.filter(|rest| rest.starts_with(|c| is_part(c) || c == '{')) {
        return tree(deeper, path, found);
    }
    if let Some(name) = rest.strip_prefix(" as ") {
        rest = name.trim_start_matches(is_part);
    }
    found.push(path);
    rest
}

/// The methods that rooms give to `Engine`, each with its room.
fn methods(files: &[File]) -> BTreeMap<String, String> {
    let mut methods = BTreeMap::new();
    for file in files {
        let Some(room) = room(file) else { continue };
        for block in blocks_of_engine(&file.text) {
            for (before, after) in block.split("fn ").zip(block.split("fn ").skip(1)) {
                let is_shown = before
                    .rsplit('\n')
                    .next()
                    .unwrap_or_default()
                    .contains("pub");
                let name = after.split(['(', '<']).next().unwrap_or_default();
                if is_shown {
                    methods.insert(name.to_owned(), room.clone());
                }
            }
        }
    }
    methods
}

/// The fields of `Engine` whose types are of a room, each with its room.
fn fields(rooms: &[&str], files: &[File]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let Some(engine) = files.iter().find(|file| file.path == "mod.rs") else {
        return fields;
    };
    let paths = engine_paths(engine);
    let room_of = |word: &str| {
        let is_it = |path: &&Vec<String>| path.last().is_some_and(|last| last == word);
        let taken = paths.iter().find(is_it).and_then(|path| path.first());
        let room = taken.map_or(word, String::as_str);
        rooms.contains(&room).then(|| room.to_owned())
    };
    let fields_of = engine
        .text
        .split("struct Engine {")
        .nth(1)
        .unwrap_or_default();
    for line in fields_of.split("\n}").next().unwrap_or_default().lines() {
        let Some((name, of_type)) = line.split_once(": ") else {
            continue;
        };
        let mut words = of_type.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(room) = words.find_map(room_of) {
            fields.insert(name.trim().to_owned(), room);
        }
    }
    fields
}

/// The names of fields and methods that a file uses of an `Engine`: one that is called `engine`, or
/// `self` in a method of it.
fn used_of_engine(text: &str) -> BTreeSet<String> {
    let mut used = names_after(text, "engine");
    for block in blocks_of_engine(text) {
        used.extend(names_after(block, "self"));
    }
    used
}

/// The names after `receiver.`, be the dot on the next line.
fn names_after(text: &str, receiver: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(receiver) {
        let before = text[..at].chars().next_back();
        let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let after = text[at + receiver.len()..].trim_start();
        let Some(name) = after.strip_prefix('.').filter(|_| !is_word) else {
            continue;
        };
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
        names.insert(name[..end.unwrap_or(name.len())].to_owned());
    }
    names
}

/// What a file adds to `Engine`.
fn blocks_of_engine(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("impl Engine {\n").skip(1);
    blocks.filter_map(|block| block.split("\n}").next())
}

/// A made-up engine of two rooms.
fn made_up(low: &str) -> Vec<String> {
    let engine =
        "use self::high::Held;\npub struct Engine {\n    held: Held,\n    text: String,\n}";
    let high = "use super::low::f;\nimpl Engine {\n    pub(crate) async fn holds(&self) {}\n    \
                fn own(&self) {}\n}";
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = [
        file("mod.rs", engine),
        file("low/deep.rs", low),
        file("high.rs", high),
    ];
    wrong_arrows(&["low", "high"], &files)
}

#[test]
fn a_wrong_arrow_is_seen_however_it_is_written() {
    for wrong in [
        "use crate::engine::high::Held;",
        "use crate::engine::high;",
        "use crate::engine::{\n    Engine,\n    high::{Held, Other},\n};",
        "use super::super::high::Held as Other;",
        "use super::super::{Engine, high};",
        "pub(crate) use super::super::high::*;",
        "fn f() {\n    crate::engine::high::g();\n}",
        "fn f(held: super::super::high::Held) {}",
        "use crate::engine::Held;",
        "async fn f(engine: &Engine) {\n    engine.holds().await;\n}",
        "async fn f(it: &It) {\n    it.engine\n        .holds()\n        .await;\n}",
        "fn f(engine: &Engine) {\n    engine.held.g();\n}",
        "impl Engine {\n    fn f(&self) {\n        self.held.g();\n    }\n}",
    ] {
        assert_ne!(made_up(wrong), Vec::<String>::new(), "{wrong}");
    }
}

#[test]
fn a_right_arrow_is_let_pass() {
    for right in [
        "use crate::engine::Engine;\nuse crate::engine::low::other::It;\nuse super::other::{self, It};",
        "use crate::atlas::high;\nuse std::high::Held;",
        "fn f(engine: &Engine, it: &It) {\n    engine.text.len();\n    engine.own();\n    it.holds();\n}",
        "impl It {\n    fn f(&self) {\n        self.held.g();\n    }\n}",
    ] {
        assert_eq!(made_up(right), Vec::<String>::new(), "{right}");
    }
}

#[test]
fn tests_may_name_anything() {
    for path in [
        "origin_tests.rs",
        "low/tests.rs",
        "low/tests/held.rs",
        "testing.rs",
        "testing/atlas.rs",
    ] {
        assert!(is_test(path), "{path}");
    }
    for path in [
        "low.rs",
        "low/attests.rs",
        "contests/mod.rs",
        "testing_ground.rs",
    ] {
        assert!(!is_test(path), "{path}");
    }
    let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::engine::high;\n}";
    assert_eq!(without_tests(text), "fn f() {}\n");
}
