//! A page of the documentation, read for its commands and its policies.
//!
//! What a reader does not see stands in comments of Markdown, each directly before its block:
//!
//! - `<!-- run as NAME -->`: the `console` block is run with the policy NAME of `docs/policies.md`, or one
//!   that was loaded before; `NAME@NAMESPACE` is somebody in a namespace, and `root` the server's own
//!   administrator;
//! - `<!-- not run: REASON -->`: the block cannot be run here;
//! - `<!-- policy NAME -->`: the `hcl` block is that policy;
//! - `<!-- setup`, lines of shell, `-->`: what happened before, run as `root`.
//!
//! A `console` block with neither of the first two is an error, so that none is passed over.

use std::path::Path;

/// A piece of a page, in the page's order.
#[derive(Debug)]
pub(super) enum Block {
    /// Commands, and whose policy they are run with.
    Run { who: String, commands: Vec<Command> },
    /// What the page takes for granted, done as `root`.
    Setup(Vec<Command>),
    /// Commands that cannot be run here.
    NotRun,
}

/// One command and what the page prints below it.
#[derive(Debug)]
pub(super) struct Command {
    /// Where it stands, as `page:line`.
    pub(super) place: String,
    pub(super) text: String,
    pub(super) printed: Vec<String>,
}

/// What a page holds for the tests.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
    /// Names and texts of the policies.
    pub(super) policies: Vec<(String, String)>,
}

impl Page {
    /// Reads a page of the repository.
    pub(super) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::parse(name, &text)
    }

    fn parse(name: &str, text: &str) -> Self {
        let mut page = Self::default();
        let mut mark = None;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let place = |number: usize| format!("{name}:{}", number + 1);
            let bare = line.trim();
            if bare == "<!-- setup" {
                let inner = lines.by_ref().take_while(|(_, line)| line.trim() != "-->");
                let commands = inner.map(|(number, line)| Command {
                    place: place(number),
                    text: line.trim().to_owned(),
                    printed: Vec::new(),
                });
                page.blocks.push(Block::Setup(commands.collect()));
            } else if let Some(comment) = comment(bare) {
                mark = Some(comment);
            } else if let Some(language) = bare.strip_prefix("```") {
                let indent = line.len() - bare.len();
                let inner = lines.by_ref().take_while(|(_, line)| line.trim() != "```");
                let inner: Vec<_> = inner
                    .map(|(number, line)| (place(number), unindented(line, indent)))
                    .collect();
                page.take(language, mark.take(), &place(number), &inner);
            } else if !bare.is_empty() {
                mark = None;
            }
        }
        page
    }

    fn take(
        &mut self,
        language: &str,
        mark: Option<&str>,
        place: &str,
        lines: &[(String, String)],
    ) {
        match (language, mark) {
            ("console", Some(mark)) => {
                if let Some(who) = mark.strip_prefix("run as ") {
                    let (who, commands) = (who.to_owned(), commands(lines));
                    assert!(!commands.is_empty(), "{place}: nothing to run");
                    self.blocks.push(Block::Run { who, commands });
                } else {
                    let reason = mark.strip_prefix("not run: ");
                    assert!(
                        reason.is_some_and(|reason| !reason.is_empty()),
                        "{place}: {mark:?} says neither who runs this nor why it is not run"
                    );
                    self.blocks.push(Block::NotRun);
                }
            }
            ("console", None) => panic!("{place}: say who runs this, or why it is not run"),
            ("hcl", Some(mark)) => {
                if let Some(name) = mark.strip_prefix("policy ") {
                    let text: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
                    self.policies.push((name.to_owned(), text.join("\n")));
                }
            }
            _ => {}
        }
    }

    /// How many blocks are not run.
    pub(super) fn not_run(&self) -> usize {
        let not_run = |block: &&Block| matches!(block, Block::NotRun);
        self.blocks.iter().filter(not_run).count()
    }
}

/// The text of a comment that is a line of its own.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

/// The line without the indentation of the list that its block stands in.
fn unindented(line: &str, indent: usize) -> String {
    let spaces = line.len() - line.trim_start_matches(' ').len();
    line[spaces.min(indent)..].to_owned()
}

/// The commands of a block: from `$ ` to the end of the last continued line, loop or here-document. Lines
/// below are what it prints; a line that begins with `# ` is said to the reader.
fn commands(lines: &[(String, String)]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = lines.iter();
    while let Some((place, line)) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else {
            if let Some(last) = commands.last_mut()
                && !line.starts_with("# ")
            {
                last.printed.push(line.clone());
            }
            continue;
        };
        let mut text = first.to_owned();
        let mut last = first;
        let is_loop = first.ends_with("; do");
        let is_done = |line: &str| line.split_whitespace().next() == Some("done");
        while last.ends_with('\\') || (is_loop && !is_done(last)) {
            let (_, next) = lines.next().expect("the line goes on");
            text = format!("{text}\n{next}");
            last = next;
        }
        if let Some((_, word)) = first.split_once("<<") {
            let word = word.split_whitespace().next().unwrap_or_default();
            let word = word.trim_matches(['-', '\'', '"']);
            loop {
                let (_, next) = lines.next().expect("the here-document ends");
                text = format!("{text}\n{next}");
                if next == word {
                    break;
                }
            }
        }
        commands.push(Command {
            place: place.clone(),
            text,
            printed: Vec::new(),
        });
    }
    commands
}

#[test]
fn commands_end_where_a_shell_would_end_them() {
    let text = "Words.\n\n  <!-- run as reader -->\n\n  ```console\n  # the first\n  $ one \\\n      \
                two\n  Key    Value\n  $ three <<END\n  $ not a command\n  END\n  ```\n\
                <!-- setup\nfour\n-->\n<!-- not run: no cluster -->\n```console\n$ five\n```\n";
    let page = Page::parse("page", text);
    let [
        Block::Run { who, commands },
        Block::Setup(before),
        Block::NotRun,
    ] = &page.blocks[..]
    else {
        panic!("{page:?}");
    };
    assert_eq!(who, "reader");
    assert_eq!(commands[0].text, "one \\\n    two");
    assert_eq!(commands[0].printed, ["Key    Value"]);
    assert_eq!(commands[1].text, "three <<END\n$ not a command\nEND");
    assert_eq!(commands[1].place, "page:10");
    assert_eq!(before[0].text, "four");
    assert_eq!(page.not_run(), 1);
}

#[test]
#[should_panic(expected = "page:1: say who runs this")]
fn a_block_that_says_nothing_is_no_block_that_is_not_run() {
    Page::parse("page", "```console\n$ bao status\n```\n");
}
