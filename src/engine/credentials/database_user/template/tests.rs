//! What templates give, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::base::SystemEntropy;

/// Draws zeros.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn context(entropy: &dyn Entropy) -> Context<'_> {
    Context {
        display_name: "token-Ann@example.com",
        role_name: "reader",
        now: "2026-08-09T15:04:07.089Z".parse().expect("a moment"),
        entropy,
    }
}

fn rendered(template: &str) -> Result<String, TemplateError> {
    Template::parse(template)?.render(&context(&Zeros))
}

#[test]
fn what_vault_documents_gives_what_vault_gives() {
    // `printf "%x" sha256(...)` and the others by hand.
    for (template, name) in [
        ("plain", "plain"),
        (
            "{{.DisplayName}}-{{ .RoleName }}",
            "token-Ann@example.com-reader",
        ),
        ("{{.RoleName | uppercase}}", "READER"),
        ("{{ lowercase .DisplayName }}", "token-ann@example.com"),
        ("{{random 5}}", "00000"),
        ("{{.DisplayName | truncate 8}}", "token-An"),
        ("{{truncate 100 .RoleName}}", "reader"),
        (
            "{{.DisplayName | replace \"@\" \"_at_\"}}",
            "token-Ann_at_example.com",
        ),
        ("{{ .RoleName | truncate_sha256 6 }}x", ""),
        ("{{ \"abcdefghijkl\" | truncate_sha256 10 }}", "ab3615b840"),
        (
            "{{ sha256 \"a\" }}",
            "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        ),
        ("{{ base64 \"a?\" }}", "YT8="),
        ("{{unix_time}}", "1786287847"),
        ("{{unix_time_millis}}", "1786287847089"),
        ("{{timestamp \"2006-01-02\"}}", "2026-08-09"),
        ("{{uuid}}", "00000000-0000-4000-8000-000000000000"),
        ("a {{- /* no name */ -}} b", "ab"),
        ("a {{- `\\` }} b", "a\\ b"),
        ("{{ \"\\\"}}\\n\" | replace \"\\n\" \"\" }}", "\"}}"),
        (
            "{{ printf \"v_%s_%s_%s_%s\" (.DisplayName | truncate 15) (.RoleName | truncate 15) \
             (random 20) (unix_time) | truncate 40 | replace \"-\" \"_\" | lowercase }}",
            "v_token_ann@examp_reader_000000000000000",
        ),
        (
            "{{ printf \"%d%% %v %v\" 5 7 unix_time }}",
            "5% 7 1786287847",
        ),
    ] {
        match (rendered(template), name) {
            (Err(error), "") => assert!(error.to_string().contains("from 9 to"), "{error}"),
            (outcome, name) => assert_eq!(outcome.as_deref(), Ok(name), "{template}"),
        }
    }
}

#[test]
fn what_is_no_name_is_refused_with_its_place() {
    for (template, reason) in [
        ("{{", "at byte 3: {{ has no }}"),
        ("ab{{ }}", "at byte 3: a value or a function is missing"),
        ("{{.DisplayName", "has no }}"),
        ("{{.Token}}", "at byte 3: give .DisplayName or .RoleName"),
        ("{{.}}", "give .DisplayName"),
        ("{{if true}}x{{end}}", "no such function"),
        ("{{$x := 1}}", "at byte 3: only functions"),
        ("{{len .RoleName}}", "no such function"),
        ("{{random}}", "random takes 1 arguments"),
        ("{{random 1 2}}", "and is given 2"),
        ("{{random \"5\"}}", "random wants a number from 1 to"),
        ("{{random 0}}", "random wants a number from 1 to"),
        ("{{random 2000}}", "random wants a number from 1 to"),
        ("{{uppercase 5}}", "uppercase wants text"),
        ("{{.RoleName .RoleName}}", "only a function takes values"),
        ("{{random 5 | .RoleName}}", "only a function takes values"),
        ("{{.RoleName | }}", "is missing here"),
        ("{{(.RoleName}}", "this ( has no )"),
        ("{{.RoleName)}}", "this ) closes nothing"),
        ("{{\"abc}}", "no closing quote"),
        ("{{`abc}}", "no closing quote"),
        ("{{\"\\x41\"}}", "this escape"),
        ("{{/* a }}", "this comment has no end"),
        ("{{/* a */ .RoleName}}", "a comment stands alone"),
        ("{{5x}}", "no whole number"),
        ("{{printf \"%s\"}}", "more verbs than values"),
        ("{{printf \"\" .RoleName}}", "more values than verbs"),
        ("{{printf \"%x\" .RoleName}}", "printf knows %s"),
        ("{{printf \"%s\" 5}}", "printf knows %s"),
        ("{{.RoleName | replace \"\" \"x\"}}", "a text to look for"),
    ] {
        let refused = rendered(template).expect_err(template).to_string();
        assert!(refused.contains(reason), "{template}: {refused}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(40), ")".repeat(40));
    assert!(Template::parse(&deep).is_err());
    assert!(Template::parse(&"x".repeat(5_000)).is_err());
    let grows = "| replace \"0\" \"0000000000000000\" ".repeat(8);
    assert!(rendered(&format!("{{{{ random 900 {grows}}}}}")).is_err());
}

#[test]
fn what_is_drawn_counts_as_far_as_it_comes_out() {
    for (template, drawn) in [
        ("{{random 5}}", 5),
        ("{{uuid}}", 31),
        ("{{ printf \"%s\" (random 3 | truncate 2) }}", 2),
        ("{{ .RoleName | printf \"%s%s\" uuid }}", 31),
        ("{{.RoleName}}-{{unix_time_millis}}", 0),
        (
            "{{printf \"v-%s-%s\" .DisplayName (random 20) | truncate 10}}",
            0,
        ),
        (
            "{{printf \"%s-%s\" (.DisplayName | truncate 8) (random 20) | truncate 20}}",
            11,
        ),
        ("{{random 9 | lowercase}}", 9),
        ("random", 0),
    ] {
        let parsed = Template::parse(template).expect(template);
        assert_eq!(parsed.drawn(), drawn, "{template}");
    }
    let drawn = Template::parse("{{random 20}}").expect("a template");
    let render = || drawn.render(&context(&SystemEntropy)).expect("a name");
    assert_ne!(render(), render());
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}", inside in "[a-z0-9 .|()\"`{}/*%-]{0,40}") {
        for template in [text, format!("{{{{{inside}}}}}")] {
            if let Ok(template) = Template::parse(&template) {
                let _ = template.render(&context(&SystemEntropy));
            }
        }
    }
}
