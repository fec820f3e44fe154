//! The entries of the fuzz targets in `tests/fuzz`: each takes the bytes of one input and panics where
//! something is wrong. Built for tests and with `--cfg fuzzing` alone, never into the plugin.

use std::time::Duration;

use crate::base::fuzzing::{planted, shows_secret};
use crate::base::shown::Short;
use crate::base::time::{from_go_nanos, go_nanos, parse_duration};
use crate::{atlas, engine, framework, goplugin};

/// Takes the bytes of one input.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("handshake", goplugin::fuzzing::handshake),
    ("log_lines", goplugin::fuzzing::log_line),
    ("messages", engine::fuzzing::messages),
    ("requests", engine::fuzzing::requests),
    ("stored", engine::fuzzing::stored),
    ("cron", engine::fuzzing::cron),
    ("challenges", atlas::fuzzing::challenge),
    ("answers", atlas::fuzzing::answer),
    ("name_files", name_files),
    ("values", values),
];

/// Runs a target on an input. A name that is none is the caller's mistake.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    assert!(target.is_some(), "there is no target {name}");
    if let Some((_, run)) = target {
        run(data);
    }
}

/// A name in the first line, then what the machine's files of names say: hosts, name servers and groups.
fn name_files(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    atlas::fuzzing::name_files(&text);
    goplugin::fuzzing::group(&text);
}

/// A text as a duration, a path, an id, an address, and, where it is JSON, as every kind of field.
fn values(data: &[u8]) {
    let Some(text) = planted(data) else { return };
    match parse_duration(&text) {
        Ok(duration) => {
            let shown = Short(duration).to_string();
            assert_eq!(parse_duration(&shown), Ok(duration), "{text} {shown}");
            assert_eq!(from_go_nanos(go_nanos(duration)), duration);
            assert_eq!(duration, Duration::from_secs(duration.as_secs()));
        }
        Err(error) => assert!(!shows_secret(&format!("{error} {error:?}"))),
    }
    framework::fuzzing::path(&text);
    atlas::fuzzing::checked_text(&text);
    engine::fuzzing::name(&text);
    let value = serde_json::from_str(&text).unwrap_or_else(|_| text.clone().into());
    framework::fuzzing::field_values(&value);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
    }

    /// What fuzzing begins with, and all that it has ever found.
    #[test]
    fn every_seed_passes() {
        for (name, run) in TARGETS {
            let seeds = std::fs::read_dir(folder().join("seeds").join(name)).expect("seeds");
            let mut count = 0;
            for seed in seeds {
                let path = seed.expect("a seed").path();
                let bytes = std::fs::read(&path).expect("its bytes");
                let passed = std::panic::catch_unwind(|| run(&bytes));
                assert!(passed.is_ok(), "{}", path.display());
                count += 1;
            }
            assert!(count > 0, "{name} has no seeds");
        }
    }

    #[test]
    fn every_target_has_its_program() {
        let named = std::fs::read_dir(folder().join("targets")).expect("the targets");
        let mut named: Vec<String> = named
            .map(|file| file.expect("a file").path())
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        named.sort_unstable();
        let mut known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(named, known);
    }
}
