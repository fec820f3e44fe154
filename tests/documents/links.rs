//! Where the pages, and whoever names a page, lead to: every link to a file and a heading that is there,
//! every page that a source or a script names, and every file of the repository that a page names.

use std::fs;
use std::path::{Path, PathBuf};

use super::pages;

/// What pages show with names of their own, and files that are made and not kept.
const EXAMPLES: [&str; 4] = [
    "src/engine/limits/",
    "src/atlas/sample_keys.rs",
    "target/",
    "dist/",
];

/// Folders whose files pages name.
const FOLDERS: [&str; 7] = [
    "src/", "tests/", "scripts/", "docs/", "proto/", ".github/", ".ci/",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages: those for users, and those beside what they describe.
fn all_pages() -> Vec<PathBuf> {
    let mut found = pages();
    let beside = files(&top().join("tests"), &["md"]);
    found.extend(beside);
    found.extend(files(&top().join("docs").join("metrics"), &["md"]));
    found
}

/// All files below a folder whose names end so. Without an ending, those without any.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                found.extend(files(&path, endings));
            }
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        if endings.contains(&ending.as_ref()) {
            found.push(path);
        }
    }
    found
}

/// The links of a page that stay in the repository, as they are written: `](target)`. What a console
/// prints holds none.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

/// Why a link leads nowhere.
fn fault(page: &Path, link: &str) -> Option<&'static str> {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        page.with_file_name(file)
    };
    if !target.exists() {
        return Some("there is no such file");
    }
    if heading.is_empty() {
        return None;
    }
    let text = fs::read_to_string(&target).unwrap_or_default();
    let is_there = headings(&text).iter().any(|known| known == heading);
    (!is_there).then_some("there is no such heading")
}

#[test]
fn every_link_between_pages_leads_to_a_heading() {
    let mut broken = Vec::new();
    for page in all_pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            let found = fault(&page, link);
            broken.extend(found.map(|why| format!("{}: {link}: {why}", page.display())));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A list of contents names each section of its page, in the page's order.
#[test]
fn every_list_of_contents_is_complete() {
    let mut wrong = Vec::new();
    for page in all_pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let listed: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("- ["))
            .filter_map(|line| line.split_once("](#")?.1.split(')').next())
            .collect();
        let sections = sections(&text);
        if !listed.is_empty() && listed != sections {
            let page = page.display();
            wrong.push(format!("{page}: lists {listed:?}\n  and has {sections:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `docs/page.md`, `page.md#heading`: in comments, help, log lines, scripts and workflows as well.
#[test]
fn every_page_that_a_source_or_a_script_names_is_there() {
    let mut sources = files(&top().join("src"), &["rs"]);
    sources.extend(files(&top().join("tests"), &["rs", "py"]));
    sources.extend(files(&top().join("scripts"), &["", "py", "md"]));
    sources.extend(files(&top().join(".github"), &["yml"]));
    for name in [
        "Cargo.toml",
        "clippy.toml",
        "deny.toml",
        "rust-toolchain.toml",
    ] {
        sources.push(top().join(name));
    }
    let (mut named, mut wrong) = (0, Vec::new());
    for source in sources {
        if source.parent() == Some(&top().join("tests/documents")) {
            continue;
        }
        let text = fs::read_to_string(&source).unwrap_or_default();
        for link in names(&text, &["docs/"]).filter(|name| name.contains(".md")) {
            named += 1;
            let found = fault(&top().join("README.md"), link);
            wrong.extend(found.map(|why| format!("{}: {link}: {why}", source.display())));
        }
    }
    assert!(named > 20, "only {named} were found: is the search right?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In code: `scripts/test`, `tests/server/pages/`. Sources may be named by their ends: see `sources.rs`.
#[test]
fn every_file_of_the_repository_that_a_page_names_is_there() {
    let (mut named, mut wrong) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let code = text.split('`').skip(1).step_by(2);
        let code = code.flat_map(|code| names(code, &FOLDERS));
        for name in code.filter(|name| !EXAMPLES.iter().any(|known| name.starts_with(known))) {
            named += 1;
            let is_pattern = name.contains(['*', '…', '<']);
            if !is_pattern && !top().join(name).exists() {
                wrong.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(named > 50, "only {named} were found: is the search right?");
    assert!(wrong.is_empty(), "not there:\n{}", wrong.join("\n"));
}

/// The words of a text that begin with one of these, without the sentence's sign at their end.
fn names<'a>(text: &'a str, begin: &[&str]) -> impl Iterator<Item = &'a str> {
    let is_of_name =
        |sign: char| sign.is_ascii_alphanumeric() || "_-/.#*…<>".contains(sign) || sign == '$';
    let words = text.split(move |sign| !is_of_name(sign));
    let words = words.map(|word| word.trim_end_matches(['.', '#', '>']));
    words.filter(move |word| begin.iter().any(|begin| word.starts_with(begin)))
}

/// The headings of a page as links name them; a second one of the same words has a number.
fn headings(text: &str) -> Vec<String> {
    let slugs: Vec<_> = heading_lines(text).into_iter().map(slug).collect();
    let numbered = slugs.iter().enumerate().map(|(at, slug)| {
        match slugs[..at].iter().filter(|known| *known == slug).count() {
            0 => slug.clone(),
            earlier => format!("{slug}-{earlier}"),
        }
    });
    numbered.collect()
}

/// Those of the second level.
fn sections(text: &str) -> Vec<String> {
    let lines = heading_lines(text).into_iter();
    lines
        .filter(|line| line.starts_with("## "))
        .map(slug)
        .collect()
}

fn heading_lines(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    });
    lines.collect()
}

fn slug(line: &str) -> String {
    let words = line.trim_start_matches('#').trim().to_lowercase();
    let words = words.replace("&lt;", "").replace("&gt;", "");
    let kept = words
        .chars()
        .filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn links_and_headings_are_found_as_github_makes_them() {
    let page =
        "# One\n```\n# not one\n```\n## `config/move` in 2.5\n## One\n[a](b.md#c) <https://x.y/z>";
    assert_eq!(headings(page), ["one", "configmove-in-25", "one-1"]);
    assert_eq!(sections(page), ["configmove-in-25", "one"]);
    assert_eq!(links(page), ["b.md#c"]);
    let named = "see docs/a.md#b, `docs/c.md`. Not mydocs/d.md.";
    let named: Vec<_> = names(named, &["docs/"]).collect();
    assert_eq!(named, ["docs/a.md#b", "docs/c.md"]);
}
