//! The texts of `vault path-help`: of the mount, and of each path.
//! Source: the layout of the help templates of Vault's SDK framework.

use super::field::Field;
use super::path::Path;

const PATHS: &str = "\
This engine serves the paths below, each shown as the pattern that its requests match. There is
help for every one of them: ask for it with any path that fits the pattern. What a token may do
here is up to its policies.";

/// Help of the mount: what it is for, and its paths sorted by pattern.
pub(super) fn of_mount<E>(about: &str, paths: &[&Path<E>]) -> String {
    let mut listed: Vec<(String, &str)> = paths
        .iter()
        .map(|path| (path.pattern.expression(), path.synopsis))
        .collect();
    listed.sort();
    let listed: Vec<String> = listed
        .into_iter()
        .map(|(pattern, synopsis)| format!("    {pattern}\n{}", indented(synopsis)))
        .collect();
    let listed = listed.join("\n\n");
    let about = about.trim();
    let text = format!("## DESCRIPTION\n\n{about}\n\n## PATHS\n\n{PATHS}\n\n{listed}");
    text.trim().to_owned()
}

/// Help of one path, asked for as `request`.
pub(super) fn of_path<E>(path: &Path<E>, request: &str) -> String {
    let pattern = path.pattern.expression();
    let synopsis = or_else(path.synopsis, "<no synopsis>");
    let description = or_else(path.description, "<no description>");
    let parameters = parameters(path);
    format!(
        "Request:        {request}\nMatching Route: {pattern}\n\n{synopsis}\n\n{parameters}\
         ## DESCRIPTION\n\n{description}"
    )
}

fn parameters<E>(path: &Path<E>) -> String {
    if path.fields.is_empty() {
        return String::new();
    }
    let mut fields: Vec<_> = path.fields.iter().collect();
    fields.sort_by_key(|field| field.name);
    let fields: Vec<String> = fields.into_iter().map(parameter).collect();
    format!("## PARAMETERS\n\n{}\n\n", fields.join("\n\n"))
}

fn parameter(field: &Field) -> String {
    let deprecated = if field.deprecated {
        "(DEPRECATED) "
    } else {
        ""
    };
    let about = or_else(field.description, "<no description>");
    let about = indented(&format!("{deprecated}{about}"));
    let (name, kind) = (field.name, field.kind.help_name());
    format!("    {name} ({kind})\n\n{about}")
}

fn or_else<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("        {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::toy::Toy;

    fn roles() -> Path<Toy> {
        Path::new("roles/{name}")
            .help("Manage roles.\nOf the toy.", "A role says what is issued.")
            .field(Field::seconds("ttl").about("Lease time.\nZero: the mount's."))
            .field(Field::lowercase("name").about("Name of the role."))
            .field(
                Field::comma_texts("old")
                    .about("No longer heard.")
                    .deprecated(),
            )
            .field(Field::boolean("bare"))
    }

    #[test]
    fn the_mounts_help_lists_paths_by_pattern() {
        let (roles, list) = (roles(), Path::<Toy>::new("roles/?").synopsis("List roles."));
        let config = Path::<Toy>::new("config").synopsis("Configure.");
        let text = of_mount("\nA toy.\n", &[&roles, &list, &config]);
        let want = format!(
            "## DESCRIPTION\n\nA toy.\n\n## PATHS\n\n{PATHS}\n\n{}",
            r"    ^config$
        Configure.

    ^roles/(?P<name>\w(([\w-.]+)?\w)?)$
        Manage roles.
        Of the toy.

    ^roles/?$
        List roles."
        );
        assert_eq!(text, want);
    }

    #[test]
    fn a_paths_help_shows_its_fields_by_name() {
        let want = r"Request:        roles/a
Matching Route: ^roles/(?P<name>\w(([\w-.]+)?\w)?)$

Manage roles.
Of the toy.

## PARAMETERS

    bare (bool)

        <no description>

    name (lowercase string)

        Name of the role.

    old (slice)

        (DEPRECATED) No longer heard.

    ttl (duration (sec))

        Lease time.
        Zero: the mount's.

## DESCRIPTION

A role says what is issued.";
        assert_eq!(of_path(&roles(), "roles/a"), want);
    }

    #[test]
    fn what_is_not_known_is_reported_as_unknown() {
        assert_eq!(
            of_path(&Path::<Toy>::new("bare"), "bare"),
            "Request:        bare\nMatching Route: ^bare$\n\n<no synopsis>\n\n\
             ## DESCRIPTION\n\n<no description>"
        );
    }
}
