//! A moment in a layout of Go's `time` package.

use chrono::{DateTime, Utc};

/// Parts of a layout, those first that begin with another one, and what chrono calls them; or the text itself
/// where that is always the same, as in UTC.
const PARTS: [(&str, &str); 26] = [
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "UTC"),
    ("2006", "%Y"),
    ("Z07:00", "Z"),
    ("Z0700", "Z"),
    ("-07:00", "+00:00"),
    ("-0700", "+0000"),
    (".000000", "%.6f"),
    (".000", "%.3f"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("PM", "%p"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
];

/// The moment in UTC, in which servers of Vault mostly run; there it is the machine's own time zone.
pub(super) fn format(layout: &str, at: DateTime<Utc>) -> String {
    let mut text = String::new();
    let mut rest = layout;
    while let Some(next) = rest.chars().next() {
        if let Some((part, form)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            if form.starts_with('%') {
                text.push_str(&at.format(form).to_string());
            } else {
                text.push_str(form);
            }
            rest = &rest[part.len()..];
        } else {
            text.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go 1.24 prints this moment.
    #[test]
    fn a_layout_gives_what_go_gives() {
        let at: DateTime<Utc> = "2026-08-09T15:04:07.089Z".parse().expect("a moment");
        for (layout, text) in [
            ("2006-01-02T15:04:05Z07:00", "2026-08-09T15:04:07Z"),
            ("20060102150405", "20260809150407"),
            (
                "Mon, 02 Jan 2006 15:04:05 MST",
                "Sun, 09 Aug 2026 15:04:07 UTC",
            ),
            (
                "Monday January 2 3:04PM -0700",
                "Sunday August 9 3:04PM +0000",
            ),
            ("06-1-2 03:4:5", "26-8-9 03:4:7"),
            ("15:04:05.000", "15:04:07.089"),
            ("002", "221"),
            ("v-%Y", "v-%Y"),
            ("", ""),
        ] {
            assert_eq!(format(layout, at), text, "{layout}");
        }
    }
}
