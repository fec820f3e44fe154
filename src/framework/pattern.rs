//! The pattern of a path: a template of segments, matched here, printed as RE2 for help.
//!
//! A template such as `roles/{name}` is split at `/`. A segment is literal text or a capture:
//! `{name}` takes a generic name, `{name:at}` one that may hold `@`, `{name:any}` everything that
//! is left (at least one character) and `{name:all}` everything, even nothing; the last two only
//! at the end. `{name?}` at the end takes a generic name that may be missing with its slash, and
//! `{name:any?}` the same for any rest. A final `/?` lets a slash follow, as lists have it.
//! Anything else is literal.
//! Source: `GenericNameRegex` and its siblings of Vault's SDK framework.

use std::fmt::Write as _;

/// The characters a capture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// ASCII letters, digits and `_`; inside also `-` and `.`.
    Name,
    /// As [`Class::Name`], inside also `@`.
    NameWithAt,
    /// At least one character, slashes included, line ends excluded.
    Any,
    /// As [`Class::Any`], or nothing.
    All,
}

impl Class {
    /// Whether the class takes the whole text.
    #[must_use]
    pub(crate) fn matches(self, text: &str) -> bool {
        match self {
            Self::Name => is_name(text, b"-."),
            Self::NameWithAt => is_name(text, b"-.@"),
            Self::Any => !text.is_empty() && !text.contains('\n'),
            Self::All => !text.contains('\n'),
        }
    }

    fn expression(self) -> &'static str {
        match self {
            Self::Name => r"\w(([\w-.]+)?\w)?",
            Self::NameWithAt => r"\w(([\w-.@]+)?\w)?",
            Self::Any => ".+",
            Self::All => ".*",
        }
    }

    fn takes_slashes(self) -> bool {
        matches!(self, Self::Any | Self::All)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_name(text: &str, inside: &[u8]) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => is_word(*only),
        [first, middle @ .., last] => {
            let fits = |byte: &u8| is_word(*byte) || inside.contains(byte);
            is_word(*first) && middle.iter().all(fits) && is_word(*last)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Capture(&'static str, Class),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Here,
    OptionalSlash,
    OptionalCapture(&'static str, Class),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
    end: End,
}

/// What a path gave for a pattern's captures, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    /// Name and text of each capture; an optional one that is missing is empty.
    pub captures: Vec<(&'static str, String)>,
    slash_follows: bool,
}

impl Pattern {
    /// Parses a template. There is no wrong one: what is no capture is literal.
    #[must_use]
    pub(crate) fn new(template: &'static str) -> Self {
        let (body, mut end) = match template.strip_suffix("/?") {
            Some(body) => (body, End::OptionalSlash),
            None => (template, End::Here),
        };
        let mut parts: Vec<&'static str> = body.split('/').collect();
        if end == End::Here
            && parts.len() > 1
            && let Some((name, class, true)) = parts.last().and_then(|part| capture(part))
        {
            parts.pop();
            end = End::OptionalCapture(name, class);
        }
        let last = parts.len() - 1;
        let segments = parts.into_iter().enumerate();
        let segments = segments.map(|(index, part)| match capture(part) {
            Some((name, class, false))
                if !class.takes_slashes() || (index == last && end == End::Here) =>
            {
                Segment::Capture(name, class)
            }
            _ => Segment::Literal(part),
        });
        Self {
            segments: segments.collect(),
            end,
        }
    }

    /// Names of the captures, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let required = self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name, _) => Some(*name),
            Segment::Literal(_) => None,
        });
        let optional = match self.end {
            End::OptionalCapture(name, _) => Some(name),
            End::Here | End::OptionalSlash => None,
        };
        required.chain(optional)
    }

    /// What the path gives for the captures; [`None`] if it does not match as a whole.
    #[must_use]
    pub(crate) fn matches(&self, path: &str) -> Option<Match> {
        let mut captures = Vec::new();
        let mut rest = Some(path);
        for segment in &self.segments {
            let (head, tail) = segment.split(rest?);
            match segment {
                Segment::Literal(literal) if *literal == head => {}
                Segment::Capture(name, class) if class.matches(head) => {
                    captures.push((*name, head.to_owned()));
                }
                _ => return None,
            }
            rest = tail;
        }
        let fits = match self.end {
            End::Here => rest.is_none(),
            End::OptionalSlash => rest.is_none_or(str::is_empty),
            End::OptionalCapture(name, class) => {
                captures.push((name, rest.unwrap_or_default().to_owned()));
                rest.is_none_or(|text| class.matches(text))
            }
        };
        fits.then_some(Match {
            captures,
            slash_follows: self.end == End::OptionalSlash && rest.is_some(),
        })
    }

    /// The end of a path that would match, were it not for this last part: no name can be such.
    pub(super) fn unfit_name<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (last, before) = self.segments.split_last()?;
        let Segment::Capture(_, class) = last else {
            return None;
        };
        let mut rest = path;
        for segment in before {
            let Segment::Literal(literal) = segment else {
                return None;
            };
            rest = rest.strip_prefix(literal)?.strip_prefix('/')?;
        }
        let whole = self.end == End::Here && !before.is_empty();
        (whole && !rest.is_empty() && !class.matches(rest)).then_some(rest)
    }

    /// The path that a match stands for, after its captures were changed.
    pub(super) fn path_of(&self, found: &Match) -> String {
        let mut values = found.captures.iter().map(|(_, value)| value.as_str());
        let mut parts: Vec<&str> = Vec::new();
        for segment in &self.segments {
            parts.push(match segment {
                Segment::Literal(literal) => literal,
                Segment::Capture(..) => values.next().unwrap_or_default(),
            });
        }
        parts.extend(values.filter(|value| !value.is_empty()));
        let slash = if found.slash_follows { "/" } else { "" };
        parts.join("/") + slash
    }

    /// The anchored RE2 expression.
    #[must_use]
    pub(crate) fn expression(&self) -> String {
        let parts: Vec<String> = self.segments.iter().map(Segment::expression).collect();
        let mut expression = format!("^{}", parts.join("/"));
        match self.end {
            End::Here => {}
            End::OptionalSlash => expression.push_str("/?"),
            End::OptionalCapture(name, class) => {
                // Writing to text cannot fail.
                let _ = write!(expression, "(/(?P<{name}>{}))?", class.expression());
            }
        }
        expression.push('$');
        expression
    }

    /// The paths of an `OpenAPI` document, each with a leading `/`: without the optional capture,
    /// then with it.
    pub(super) fn variants(&self) -> Vec<String> {
        let plain: String = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(literal) => format!("/{literal}"),
                Segment::Capture(name, _) => format!("/{{{name}}}"),
            })
            .collect();
        match self.end {
            End::Here | End::OptionalSlash => vec![plain],
            End::OptionalCapture(name, _) => vec![plain.clone(), format!("{plain}/{{{name}}}")],
        }
    }
}

impl Segment {
    /// What the segment has to take of a path, and what is left behind the slash, if there is one.
    fn split<'p>(&self, path: &'p str) -> (&'p str, Option<&'p str>) {
        match (self, path.split_once('/')) {
            (Self::Capture(_, class), _) if class.takes_slashes() => (path, None),
            (_, Some((head, tail))) => (head, Some(tail)),
            (_, None) => (path, None),
        }
    }

    fn expression(&self) -> String {
        match self {
            Self::Literal(literal) => escaped(literal),
            Self::Capture(name, class) => format!("(?P<{name}>{})", class.expression()),
        }
    }
}

fn escaped(literal: &str) -> String {
    let mut text = String::new();
    for character in literal.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Name, class, and whether the capture may be missing.
fn capture(part: &'static str) -> Option<(&'static str, Class, bool)> {
    let inside = part.strip_prefix('{')?.strip_suffix('}')?;
    let (inside, optional) = match inside.strip_suffix('?') {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let (name, class) = match inside.split_once(':') {
        None => (inside, Class::Name),
        Some((name, "at")) => (name, Class::NameWithAt),
        Some((name, "any")) => (name, Class::Any),
        Some((name, "all")) => (name, Class::All),
        Some(_) => return None,
    };
    let well_formed = !name.is_empty() && name.bytes().all(is_word);
    well_formed.then_some((name, class, optional))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
        Pattern::new(template)
            .matches(path)
            .map(|found| found.captures)
    }

    fn pair(name: &'static str, value: &str) -> (&'static str, String) {
        (name, value.to_owned())
    }

    #[test]
    fn literal_templates_match_themselves_alone() {
        assert_eq!(
            captured("config/rotate-root", "config/rotate-root"),
            Some(vec![])
        );
        for path in [
            "config",
            "config/",
            "config/rotate-root/",
            "config/rotate",
            "",
        ] {
            assert_eq!(captured("config/rotate-root", path), None, "{path}");
        }
    }

    #[test]
    fn names_are_the_generic_ones() {
        for name in ["a", "_", "a.b", "my-role_1.x", "9"] {
            let want = Some(vec![pair("name", name)]);
            assert_eq!(captured("roles/{name}", &format!("roles/{name}")), want);
        }
        for name in ["", "-a", "a-", ".a", "a b", "a/b", "a@b", "é", "a\n"] {
            assert_eq!(
                captured("roles/{name}", &format!("roles/{name}")),
                None,
                "{name}"
            );
        }
        assert!(captured("roles/{name:at}", "roles/a@b").is_some());
    }

    #[test]
    fn list_paths_match_with_and_without_slash() {
        assert_eq!(captured("roles/?", "roles"), Some(vec![]));
        assert_eq!(captured("roles/?", "roles/"), Some(vec![]));
        assert_eq!(captured("roles/?", "roles/a"), None);
        assert_eq!(captured("roles/?", "roles//"), None);
    }

    #[test]
    fn a_tail_takes_slashes() {
        assert_eq!(
            captured("x/{id:any}", "x/a/b"),
            Some(vec![pair("id", "a/b")])
        );
        assert_eq!(captured("x/{id:any}", "x/"), None);
        assert_eq!(captured("x/{id:all}", "x/"), Some(vec![pair("id", "")]));
        assert_eq!(
            captured("x/{id:any}/y", "x/a/y"),
            None,
            "a tail must be last"
        );
    }

    #[test]
    fn an_optional_capture_may_be_missing() {
        assert_eq!(
            captured("check/{name?}", "check"),
            Some(vec![pair("name", "")])
        );
        assert_eq!(
            captured("check/{name?}", "check/a"),
            Some(vec![pair("name", "a")])
        );
        assert_eq!(captured("check/{name?}", "check/"), None);
    }

    #[test]
    fn expressions_are_the_sdks() {
        for (template, want) in [
            ("config", "^config$"),
            ("roles/?", "^roles/?$"),
            ("roles/{name}", r"^roles/(?P<name>\w(([\w-.]+)?\w)?)$"),
            ("r/{a:at}/b", r"^r/(?P<a>\w(([\w-.@]+)?\w)?)/b$"),
            ("check/{name?}", r"^check(/(?P<name>\w(([\w-.]+)?\w)?))?$"),
            ("x/{id:any?}", "^x(/(?P<id>.+))?$"),
            ("x/{id:all}", "^x/(?P<id>.*)$"),
            ("a.b/{", r"^a\.b/\{$"),
        ] {
            assert_eq!(Pattern::new(template).expression(), want);
        }
    }

    #[test]
    fn variants_fork_at_the_optional_capture() {
        assert_eq!(Pattern::new("roles/?").variants(), ["/roles"]);
        assert_eq!(Pattern::new("creds/{name}").variants(), ["/creds/{name}"]);
        assert_eq!(
            Pattern::new("check/{name?}").variants(),
            ["/check", "/check/{name}"]
        );
    }

    proptest! {
        #[test]
        fn a_matched_path_is_rebuilt(path in "(roles|check|x)(/[a-zA-Z0-9._@/-]{0,12})?") {
            for template in ["roles/?", "roles/{name}", "check/{name?}", "x/{id:any}", "x/{id:all}"] {
                let pattern = Pattern::new(template);
                if let Some(found) = pattern.matches(&path) {
                    prop_assert_eq!(pattern.path_of(&found), path.clone());
                }
            }
        }

        #[test]
        fn any_path_is_answered(path in "\\PC{0,40}") {
            for template in ["", "roles/?", "{a}/{b}/{c?}", "{all:all}", "x/{id:any}"] {
                let _ = Pattern::new(template).matches(&path);
            }
        }
    }
}
