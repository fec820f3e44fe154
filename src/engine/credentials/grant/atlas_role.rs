//! Names of Atlas roles: which level they belong to, and which ones Atlas is known to have.
//!
//! Atlas adds names over time, so an unknown one is never refused: it gets a warning that names the
//! nearest known ones.

/// Roles of an organization. Source: Atlas API, `roles` of organization API keys and service accounts.
const ORGANIZATION: &[&str] = &[
    "ORG_OWNER",
    "ORG_MEMBER",
    "ORG_GROUP_CREATOR",
    "ORG_BILLING_ADMIN",
    "ORG_BILLING_READ_ONLY",
    "ORG_STREAM_PROCESSING_ADMIN",
    "ORG_READ_ONLY",
];

/// Roles of a project. Source: Atlas documentation, "Atlas User Roles"; the last ones are in older
/// editions of it.
const PROJECT: &[&str] = &[
    "GROUP_OWNER",
    "GROUP_READ_ONLY",
    "GROUP_CLUSTER_MANAGER",
    "GROUP_DATA_ACCESS_ADMIN",
    "GROUP_DATA_ACCESS_READ_WRITE",
    "GROUP_DATA_ACCESS_READ_ONLY",
    "GROUP_DATABASE_ACCESS_ADMIN",
    "GROUP_BACKUP_MANAGER",
    "GROUP_OBSERVABILITY_VIEWER",
    "GROUP_SEARCH_INDEX_EDITOR",
    "GROUP_STREAM_PROCESSING_OWNER",
    "GROUP_REPLICA_SET_MANAGER",
    "GROUP_MODEL_OWNER",
    "GROUP_USER_ADMIN",
    "GROUP_AUTOMATION_ADMIN",
    "GROUP_CHARTS_ADMIN",
];

/// Atlas's own names are much shorter; a longer text is not repeated in an answer.
const LONGEST_NAME: usize = 64;
/// A known name that differs in more than this part of its letters is no help.
const SIMILAR: f64 = 0.75;
/// The most known names that a warning offers.
const MOST_OFFERED: usize = 3;

/// The level at which an Atlas role may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoleLevel {
    Organization,
    Project,
}

impl RoleLevel {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Organization => "ORG_",
            Self::Project => "GROUP_",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
        }
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Organization => ORGANIZATION,
            Self::Project => PROJECT,
        }
    }

    /// Whether the name has the form of a role of this level.
    pub(super) fn takes(self, name: &str) -> bool {
        name.len() > self.prefix().len() && name.starts_with(self.prefix()) && is_name(name)
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Organization, Self::Project]
            .into_iter()
            .find(|level| level.takes(name))
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The name in quotes, for an error. What does not look like the name of an Atlas role may be a
/// misplaced secret and is told by its place in the list.
pub(super) fn quoted(index: usize, text: &str) -> String {
    let letters = |b: u8| b.is_ascii_alphabetic() || b.is_ascii_digit() || b"_ -".contains(&b);
    let upper = text.to_ascii_uppercase();
    let looks_like_one = || {
        let begins = |prefix: &&str| upper.starts_with(*prefix);
        ["ORG", "GROUP", "PROJECT"].iter().any(begins) || is_close_to_known(&upper)
    };
    if text.len() <= LONGEST_NAME && text.bytes().all(letters) && looks_like_one() {
        format!("{text:?}")
    } else {
        format!("entry {}", index + 1)
    }
}

/// Whether it is a known name without its level, or nearly: `READ_ONLY`, `OWNERS`.
fn is_close_to_known(upper: &str) -> bool {
    let bare = upper.replace([' ', '-'], "_");
    let is_close = |level: RoleLevel| {
        let mut known = level.known().iter();
        known.any(|known| score(level, known, &bare) >= SIMILAR)
    };
    is_close(RoleLevel::Organization) || is_close(RoleLevel::Project)
}

/// How like two names are, their level left out: 1 is the same.
fn score(level: RoleLevel, known: &str, name: &str) -> f64 {
    let own = |name: &str| name.replacen(level.prefix(), "", 1);
    strsim::normalized_damerau_levenshtein(&own(known), &own(name))
}

/// A warning for each name that Atlas's description does not list.
pub(crate) fn warnings<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut warnings = Vec::new();
    for name in names {
        let Some(level) = RoleLevel::of(name) else {
            continue;
        };
        if level.known().contains(&name.as_str()) || seen.contains(&name.as_str()) {
            continue;
        }
        seen.push(name);
        warnings.push(warning(name, level));
    }
    warnings
}

fn warning(name: &str, level: RoleLevel) -> String {
    let nearest = nearest(name, level);
    let offer = match nearest.as_slice() {
        [] => format!(
            "the {} roles it lists are {}",
            level.name(),
            listed(level.known(), "and")
        ),
        nearest => format!("did you mean {}?", listed(nearest, "or")),
    };
    format!(
        "{name:?} is not among the {} roles that Atlas's documentation lists; if Atlas does not know \
         it either, no credential can be issued: {offer}",
        level.name()
    )
}

fn listed(names: &[&str], last: &str) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// Known names that are close to this one, the closest first.
fn nearest(name: &str, level: RoleLevel) -> Vec<&'static str> {
    let known = level.known().iter();
    let scored = known.map(|known| (score(level, known, name), *known));
    let mut close: Vec<_> = scored.filter(|(score, _)| *score >= SIMILAR).collect();
    close.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let close = close.into_iter().map(|(_, known)| known);
    close.take(MOST_OFFERED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(name: &str) -> String {
        warnings([&name.to_owned()]).join("\n")
    }

    #[test]
    fn an_unknown_role_is_quoted_with_the_nearest_ones() {
        let told = warned("ORG_READONLY");
        assert!(told.contains("\"ORG_READONLY\""), "{told}");
        assert!(told.ends_with("did you mean ORG_READ_ONLY?"), "{told}");
        let told = warned("GROUP_DATA_ACCES_READ_WRITE");
        assert!(told.contains("GROUP_DATA_ACCESS_READ_WRITE"), "{told}");
        let told = warned("ORG_SOMETHING_NEW");
        assert!(told.contains("ORG_OWNER, ORG_MEMBER"), "{told}");
    }

    #[test]
    fn known_roles_and_what_is_no_role_are_no_reason_to_warn() {
        for name in ORGANIZATION.iter().chain(PROJECT) {
            assert_eq!(warned(name), "");
        }
        assert_eq!(warned("hunter2"), "");
        let twice = ["ORG_X", "ORG_X"].map(ToOwned::to_owned);
        assert_eq!(warnings(&twice).len(), 1);
    }

    #[test]
    fn only_what_looks_like_a_role_is_repeated() {
        assert_eq!(quoted(0, "GROUP_OWNER"), "\"GROUP_OWNER\"");
        assert_eq!(quoted(0, "org_owner"), "\"org_owner\"");
        assert_eq!(quoted(0, "Project Owner"), "\"Project Owner\"");
        assert_eq!(quoted(0, "READ_ONLY"), "\"READ_ONLY\"");
        assert_eq!(
            quoted(0, "data access read-write"),
            "\"data access read-write\""
        );
        assert_eq!(quoted(1, "9f2c-secret"), "entry 2");
        assert_eq!(quoted(1, "hunter2"), "entry 2");
        assert_eq!(quoted(1, "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), "entry 2");
        assert_eq!(quoted(1, &format!("ORG_{}", "X".repeat(100))), "entry 2");
    }
}
