//! The documentation against the sources: every line that the plugin logs at WARN or ERROR is
//! explained in `docs/runbook.md`, every INFO line in `docs/operations.md`, and each line that these
//! pages list is logged, at that level and with those fields. Every link leads somewhere
//! (`documents/links.rs`), every source that they name is there (`documents/sources.rs`), a release is checked
//! whole (`documents/checks.rs`), versions agree (`documents/versions.rs`), and no line of prose is too long to compare versions by.
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

#[path = "documents/checks.rs"]
mod checks;
#[path = "documents/links.rs"]
mod links;
#[path = "documents/sources.rs"]
mod sources;
#[path = "documents/versions.rs"]
mod versions;
#[path = "documents/workflows.rs"]
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};

const RUNBOOK: &str = include_str!("../docs/runbook.md");
const OPERATIONS: &str = include_str!("../docs/operations.md");

/// The longest line of prose, in characters. Rows of tables and what a console prints may be longer.
const LONGEST_LINE: usize = 160;

/// In place of the level of a line that is written without tracing.
const OWN_LEVEL: &str = "own";

/// A call of one of the macros that log.
struct LogCall {
    file: PathBuf,
    level: &'static str,
    message: String,
    arguments: String,
}

/// Every such call in the sources, without the tests.
fn log_calls() -> Vec<LogCall> {
    const CALLS: [(&str, &str); 5] = [
        ("error", "error!("),
        // What is written without tracing, at the level that stands beside it.
        (OWN_LEVEL, "Fields::message("),
        ("warn", "warn!("),
        ("info", "info!("),
        ("debug", "debug!("),
    ];
    let mut calls = Vec::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = without_tests(&text);
        for (level, name) in CALLS {
            let found = logged(code, name).into_iter();
            calls.extend(found.map(|(message, arguments)| LogCall {
                file: file.clone(),
                level,
                message,
                arguments,
            }));
        }
    }
    assert!(
        calls.len() > 80,
        "only {} lines were found: is the search still right?",
        calls.len()
    );
    calls
}

/// A source up to the tests at its foot.
fn without_tests(text: &str) -> &str {
    let mut ends = text.match_indices("#[cfg(test)]\nmod ").map(|(at, _)| at);
    let is_inline = |at: &usize| {
        let module = text[*at..].lines().nth(1);
        module.is_some_and(|line| line.ends_with('{'))
    };
    ends.find(is_inline).map_or(text, |end| &text[..end])
}

#[test]
fn the_pages_explain_every_line_from_info_to_error() {
    let mut unexplained = Vec::new();
    for call in log_calls() {
        let page = match call.level {
            "error" | "warn" | OWN_LEVEL => RUNBOOK,
            "info" => OPERATIONS,
            _ => continue,
        };
        if !call.message.is_empty() && !page.contains(&format!("`{}`", call.message)) {
            unexplained.push(format!("{}: {}", call.file.display(), call.message));
        }
    }
    assert!(
        unexplained.is_empty(),
        "add to \"Log lines\" of docs/runbook.md (error, warn) or of docs/operations.md (info) what \
         these mean and what to do:\n{}",
        unexplained.join("\n")
    );
}

/// A row of a table of log lines.
struct Row<'a> {
    level: &'a str,
    lines: Vec<&'a str>,
    fields: Vec<&'a str>,
}

fn rows(page: &str) -> impl Iterator<Item = Row<'_>> {
    page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (level, text) = (cells.next()?, cells.next()?);
        let is_level = ["error", "warn", "info", "debug"].contains(&level);
        // What follows is a line of the server's own.
        let text = text.split(", and the server's").next()?;
        let (lines, fields) = text.split_once(" with ").unwrap_or((text, ""));
        // In parentheses stand values of a field.
        let fields = fields.split('(').next()?;
        is_level.then(|| Row {
            level,
            lines: in_code(lines),
            fields: in_code(fields),
        })
    })
}

fn in_code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_log_line_that_the_pages_list_is_logged_so() {
    let calls = log_calls();
    let (mut listed, mut wrong) = (0, Vec::new());
    for row in rows(RUNBOOK).chain(rows(OPERATIONS)) {
        for line in &row.lines {
            listed += 1;
            let is_it = |call: &&LogCall| {
                [row.level, OWN_LEVEL].contains(&call.level) && call.message == *line
            };
            let same: Vec<_> = calls.iter().filter(is_it).collect();
            if same.is_empty() {
                wrong.push(format!("{}: {line}", row.level));
            }
            // Of several lines in one row, each has some of the fields.
            let fields = row.fields.iter().filter(|_| row.lines.len() == 1);
            for field in fields {
                if !same.iter().any(|call| names(&call.arguments, field)) {
                    wrong.push(format!("{}: {line}: without {field}", row.level));
                }
            }
        }
    }
    assert!(
        listed > 70,
        "only {listed} lines were found: is the search still right?"
    );
    assert!(
        wrong.is_empty(),
        "docs/runbook.md and docs/operations.md list these, and nothing logs them so:\n{}",
        wrong.join("\n")
    );
}

/// Whether a field of this name is among the arguments.
fn names(arguments: &str, field: &str) -> bool {
    arguments.split(',').map(str::trim).any(|argument| {
        let name = argument.split(" =").next().unwrap_or_default();
        name.trim_start_matches('%') == field
    })
}

/// The messages that this macro logs, a placeholder in them as `…`, each with all its arguments.
fn logged(code: &str, name: &str) -> Vec<(String, String)> {
    let calls = code.match_indices(name).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|sign| sign.is_alphanumeric() || sign == '_')
    });
    calls
        .map(|(at, name)| message(&code[at + name.len()..]))
        .collect()
}

/// The last text among the arguments of a call: tracing's fields come before its message. And all of
/// the arguments.
fn message(rest: &str) -> (String, String) {
    let mut depth = 1;
    let mut last = String::new();
    let mut signs = rest.chars();
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
    let length = rest.len() - signs.as_str().len();
    (last, rest[..length].to_owned())
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

/// The pages of the documentation.
fn pages() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_top = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let mut pages: Vec<_> = of_top.iter().map(|name| top.join(name)).collect();
    for entry in fs::read_dir(top.join("docs")).expect("the pages") {
        let path = entry.expect("a page").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages
}

#[test]
fn no_line_of_prose_is_too_long() {
    let mut long = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let (mut is_code, mut is_comment) = (false, false);
        for (number, line) in text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            // Such as the commands that set up what a page takes for granted.
            is_comment |= line.contains("<!--");
            let is_prose = !is_code && !is_comment && !line.starts_with('|');
            is_comment &= !line.contains("-->");
            if is_prose && line.chars().count() > LONGEST_LINE {
                long.push(format!("{}:{}", page.display(), number + 1));
            }
        }
    }
    assert!(
        long.is_empty(),
        "longer than {LONGEST_LINE} characters:\n{}",
        long.join("\n")
    );
}

/// A row that was wrapped like prose is no row any more.
#[test]
fn every_row_of_a_table_has_the_columns_of_its_head() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let (mut is_code, mut head) = (false, None);
        for (number, line) in text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            if is_code || !line.starts_with('|') {
                head = None;
                continue;
            }
            let columns = columns(line);
            if !line.ends_with('|') || columns != *head.get_or_insert(columns) {
                wrong.push(format!("{}:{}", page.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "broken rows:\n{}", wrong.join("\n"));
}

/// How many there are, without those signs that are code or escaped.
fn columns(row: &str) -> usize {
    let row = row.replace("\\|", "");
    let text = row.split('`').step_by(2);
    text.map(|text| text.matches('|').count()).sum()
}

#[test]
fn a_message_is_found_whatever_stands_before_it() {
    let code = "
        warn!(%error, made = text(\"x\"), \"one (or two) of {count} \\
               are left\");
        tracing::error!(\"plain\");
        my_warn!(\"not this\");";
    let messages = |name| -> Vec<String> {
        let found = logged(code, name).into_iter();
        found.map(|(message, _)| message).collect()
    };
    assert_eq!(messages("warn!("), ["one (or two) of … are left"]);
    assert_eq!(messages("error!("), ["plain"]);
    let (_, arguments) = &logged(code, "warn!(")[0];
    for (field, is_there) in [("error", true), ("made", true), ("count", false)] {
        assert_eq!(names(arguments, field), is_there, "{field}");
    }
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
