//! The documentation against the sources: every line that the plugin logs at WARN or ERROR is
//! explained in `docs/runbook.md`, and every link between the pages leads somewhere.
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

const RUNBOOK: &str = include_str!("../docs/runbook.md");

#[test]
fn the_runbook_explains_every_warning_and_error() {
    let mut found = 0;
    let mut unexplained = Vec::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for line in ["warn!(", "error!("]
            .iter()
            .flat_map(|name| logged(code, name))
        {
            found += 1;
            if !RUNBOOK.contains(&format!("`{line}`")) {
                unexplained.push(format!("{}: {line}", file.display()));
            }
        }
    }
    assert!(
        found > 30,
        "only {found} lines were found: is the search still right?"
    );
    assert!(
        unexplained.is_empty(),
        "add to docs/runbook.md, \"Log lines\", what these mean and what to do:\n{}",
        unexplained.join("\n")
    );
}

/// The messages that this macro logs, a placeholder in them as `…`.
fn logged(code: &str, name: &str) -> Vec<String> {
    let calls = code.match_indices(name).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|sign| sign.is_alphanumeric() || sign == '_')
    });
    calls
        .map(|(at, name)| message(&code[at + name.len()..]))
        .collect()
}

/// The last text among the arguments of a call: tracing's fields come before its message.
fn message(arguments: &str) -> String {
    let mut depth = 1;
    let mut last = String::new();
    let mut signs = arguments.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' => last = literal(&mut signs),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    last
}

/// The rest of a text literal whose opening quote was read.
fn literal(signs: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(sign) = signs.next() {
        match sign {
            '"' => break,
            '\\' => match signs.next() {
                // The text goes on in the next line, without its indentation.
                Some('\n') => {
                    let rest = signs.as_str();
                    let spaces = rest.len() - rest.trim_start().len();
                    signs.by_ref().take(spaces).for_each(drop);
                }
                other => text.extend(other),
            },
            '{' => {
                signs
                    .by_ref()
                    .take_while(|sign| *sign != '}')
                    .for_each(drop);
                text.push('…');
            }
            _ => text.push(sign),
        }
    }
    text
}

/// The sources without those of tests alone.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "tests" {
                files.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !name.ends_with("tests.rs")
            && name != "testing.rs"
        {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_link_between_pages_leads_to_a_heading() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![top.join("README.md"), top.join("CHANGELOG.md")];
    for entry in fs::read_dir(top.join("docs")).expect("the pages") {
        pages.push(entry.expect("a page").path());
    }
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).expect("a page");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.with_file_name(file)
            };
            let known = fs::read_to_string(&target).is_ok_and(|text| {
                heading.is_empty() || headings(&text).iter().any(|known| known == heading)
            });
            if !known {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The headings of a page as links name them.
fn headings(text: &str) -> Vec<String> {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    });
    let slug = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let words = words.replace("&lt;", "").replace("&gt;", "");
        let kept = words
            .chars()
            .filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
        kept.collect::<String>().replace(' ', "-")
    };
    lines.map(slug).collect()
}

#[test]
fn a_message_is_found_whatever_stands_before_it() {
    let code = "
        warn!(%error, made = text(\"x\"), \"one (or two) of {count} \\
               are left\");
        tracing::error!(\"plain\");
        my_warn!(\"not this\");";
    assert_eq!(logged(code, "warn!("), ["one (or two) of … are left"]);
    assert_eq!(logged(code, "error!("), ["plain"]);
}

/// An operator reads `service account mdb_sa_id_…`, not `ServiceAccount(OrgId("…"), …)`.
#[test]
fn no_log_line_shows_a_value_in_rusts_debug_form() {
    let mut shown = Vec::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for macro_name in ["trace!(", "debug!(", "info!(", "warn!(", "error!("] {
            for (at, name) in text.match_indices(macro_name) {
                let call = text[at + name.len()..].split(");").next();
                let arguments = call.unwrap_or_default();
                let values = arguments.split(',').map(str::trim);
                let debug = values
                    .map(|value| value.rsplit("= ").next().unwrap_or_default())
                    .find(|value| value.starts_with('?'));
                shown.extend(debug.map(|value| format!("{}: {value}", file.display())));
            }
        }
    }
    assert!(
        shown.is_empty(),
        "use % or a plain value:\n{}",
        shown.join("\n")
    );
}

/// Times in the log are whole seconds, as in every answer: `2026-11-22T04:53:15Z`.
#[test]
fn no_log_line_shows_a_bare_time() {
    let mut shown = Vec::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).expect("a source file");
        let bare = bare_times(&text);
        shown.extend(bare.map(|value| format!("{}: {value}", file.display())));
    }
    assert!(
        shown.is_empty(),
        "show them as Rfc3339(..):\n{}",
        shown.join("\n")
    );
}

/// Values of log lines that are times by their names, and not shown as `Rfc3339`.
fn bare_times(code: &str) -> impl Iterator<Item = String> {
    let macros = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];
    let calls = macros.into_iter().flat_map(|name| {
        let found = code.match_indices(name);
        found.map(|(at, name)| (&code[..at], &code[at + name.len()..]))
    });
    calls.flat_map(|(before, rest)| {
        let arguments = rest.split(");").next().unwrap_or_default();
        let values = arguments.split(',').map(str::trim).filter_map(|value| {
            let value = value.rsplit("= ").next().unwrap_or_default();
            value.strip_prefix('%')
        });
        let bare = values.filter(|value| {
            let name = value.rsplit('.').next().unwrap_or_default();
            is_a_times_name(name) && !is_shown_in_seconds(value, before)
        });
        bare.map(ToOwned::to_owned).collect::<Vec<String>>()
    })
}

/// Whether a variable of this name was made for showing.
fn is_shown_in_seconds(name: &str, before: &str) -> bool {
    let made = |line: &str| line.starts_with("let ") && line.contains("= Rfc3339(");
    let made_among_others = |line: &str| line.starts_with("let (") && line.contains("(Rfc3339(");
    let mut lines = before.lines().map(str::trim);
    lines.any(|line| line.contains(name) && (made(line) || made_among_others(line)))
}

fn is_a_times_name(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "next_try", "since", "until", "now", "first", "last", "due", "end", "bound", "time",
    ];
    let ends = [
        "_at",
        "_by",
        "_since",
        "_until",
        "_end",
        "_time",
        "_rotation",
    ];
    NAMES.contains(&name) || ends.iter().any(|end| name.ends_with(end))
}

#[test]
fn a_bare_time_is_found_and_one_in_seconds_is_not() {
    let code = "
        let since = Rfc3339(pending.since);
        warn!(error = trouble.error, next_retry_time = %trouble.next_try, \"one\");
        info!(%since, until = %Rfc3339(last), expires_at = %last, \"two\");";
    let mut found: Vec<String> = bare_times(code).collect();
    found.sort();
    assert_eq!(found, ["last", "trouble.next_try"]);
}
