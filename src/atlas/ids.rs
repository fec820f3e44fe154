//! Identifiers of Atlas's resources, checked when they are made, and Atlas's unit of lifetimes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why a text is no identifier. The text itself is not repeated: it may be a misplaced secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct IdError {
    expected: &'static str,
}

impl IdError {
    pub(super) const fn new(expected: &'static str) -> Self {
        Self { expected }
    }
}

/// Lets a type made of a text be read, checked, from what a user or Atlas writes, and be written again.
macro_rules! checked_text {
    ($name:ident, $expected:literal, $check:path) => {
        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                if $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(IdError::new($expected))
                }
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use checked_text;

/// Declares a checked identifier: what it is, how it must look, and the check.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as Atlas writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        checked_text!($name, $expected, $check);
    };
}

identifier!(
    /// An organization.
    OrgId,
    "an organization id is 24 lower-case hexadecimal digits",
    is_object_id
);
identifier!(
    /// A project, which the API calls a group.
    ProjectId,
    "a project id is 24 lower-case hexadecimal digits",
    is_object_id
);
identifier!(
    /// A programmatic API key; not its public key.
    ApiKeyId,
    "an API key id is 24 lower-case hexadecimal digits",
    is_object_id
);
identifier!(
    /// An AI model API key. Atlas gives no form; its example has 24 lower-case letters and digits.
    ModelKeyId,
    "the id of an AI model API key is 1 to 64 letters, digits, underscores or hyphens",
    is_plain_id
);
identifier!(
    /// A database user who signs in with a password; unique among those of its project.
    DatabaseUsername,
    "the name of a database user has 1 to 1024 bytes and no control characters, and is not made of dots",
    is_username
);
identifier!(
    /// A cluster, by its name in its project.
    ClusterName,
    "the name of a cluster has letters, digits and hyphens, and does not begin with a hyphen",
    is_cluster_name
);
identifier!(
    /// One secret of a service account; not the secret's value.
    SecretId,
    "a secret id is 24 lower-case hexadecimal digits",
    is_object_id
);
identifier!(
    /// The registration of another cloud's principal, with which a project's features sign in there.
    RoleId,
    "a role id is 24 lower-case hexadecimal digits",
    is_object_id
);
identifier!(
    /// A service account.
    ClientId,
    "a client id is mdb_sa_id_ followed by 24 hexadecimal digits",
    is_client_id
);

fn is_object_id(text: &str) -> bool {
    text.len() == 24
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_plain_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// Source: Atlas API, `CloudDatabaseUser`. A path of dots alone does not arrive as it was sent.
fn is_username(text: &str) -> bool {
    (1..=1024).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.chars().any(|c| c != '.')
}

/// Source: Atlas API, `getClusterStatus`, `UserScope`.
fn is_cluster_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-')
}

fn is_client_id(text: &str) -> bool {
    text.strip_prefix("mdb_sa_id_")
        .is_some_and(|digits| digits.len() == 24 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl ApiKeyId {
    /// When the key was made, in whole seconds. Atlas does not tell otherwise.
    ///
    /// An object id begins with the time of its making. Source: BSON specification, type `ObjectId`.
    /// That Atlas's ids are object ids is not promised, so nothing may rest on this alone.
    #[must_use]
    pub fn made_at(&self) -> Option<DateTime<Utc>> {
        let seconds = i64::from_str_radix(self.0.get(..8)?, 16).ok()?;
        DateTime::from_timestamp(seconds, 0)
    }
}

impl ClientId {
    /// When the account was made, as for [`ApiKeyId::made_at`].
    #[must_use]
    pub fn made_at(&self) -> Option<DateTime<Utc>> {
        let digits = self.0.strip_prefix("mdb_sa_id_")?.get(..8)?;
        DateTime::from_timestamp(i64::from_str_radix(digits, 16).ok()?, 0)
    }
}

/// Where a key or service account is made and managed: in an organization or in one project.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// In the organization.
    Org(OrgId),
    /// In the project; what is made there belongs to the project's organization all the same.
    Project(ProjectId),
}

impl Level {
    /// The resource's path below `/api/atlas/v2`.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Org(id) => format!("/orgs/{id}"),
            Self::Project(id) => format!("/groups/{id}"),
        }
    }
}

/// A lifetime in whole hours, the unit Atlas takes for secrets of service accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hours(u32);

impl Hours {
    /// The shortest lifetime Atlas takes for a secret.
    pub(crate) const SHORTEST_SECRET: Self = Self(8);
    /// The longest lifetime Atlas takes for a secret, where the organization sets none shorter.
    pub(crate) const LONGEST_SECRET: Self = Self(8760);

    /// That many hours.
    #[must_use]
    pub(crate) const fn new(hours: u32) -> Self {
        Self(hours)
    }

    /// The fewest whole hours that are no shorter than `duration`.
    #[must_use]
    pub(crate) fn covering(duration: Duration) -> Self {
        let seconds = duration
            .as_secs()
            .saturating_add(u64::from(duration.subsec_nanos() > 0));
        Self(u32::try_from(seconds.div_ceil(3_600)).unwrap_or(u32::MAX))
    }

    /// The lifetime of a secret that is to cover `duration`, within what Atlas takes.
    #[must_use]
    pub(crate) fn of_secret(duration: Duration) -> Self {
        Self::covering(duration).clamp(Self::SHORTEST_SECRET, Self::LONGEST_SECRET)
    }

    /// The bare number.
    #[must_use]
    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * 3_600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "32b6e34b3d91647abb20e7b8";

    #[test]
    fn object_ids_are_24_lower_case_hexadecimal_digits() {
        assert_eq!(HEX.parse::<OrgId>().map(String::from), Ok(HEX.to_owned()));
        for wrong in [
            "",
            "32b6",
            "32B6E34B3D91647ABB20E7B8",
            "32b6e34b3d91647abb20e7b8 ",
        ] {
            let error = wrong.parse::<ApiKeyId>().expect_err("no id");
            assert_eq!(
                error.to_string(),
                "an API key id is 24 lower-case hexadecimal digits"
            );
        }
    }

    #[test]
    fn client_ids_carry_their_prefix() {
        assert!(format!("mdb_sa_id_{HEX}").parse::<ClientId>().is_ok());
        assert!(HEX.parse::<ClientId>().is_err());
        assert!("mdb_sa_id_xyz".parse::<ClientId>().is_err());
    }

    #[test]
    fn ids_of_model_keys_are_fit_for_a_path() {
        assert!("a86r5kwrfsk5r5ku5tgvhmpj".parse::<ModelKeyId>().is_ok());
        for wrong in ["", "..", "a/b", "a?b", "a%2Fb", &"a".repeat(65)] {
            assert!(wrong.parse::<ModelKeyId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_tell_when_they_were_made() {
        let at = Some("1996-12-17T18:15:39Z".parse().expect("a time"));
        let key: ApiKeyId = HEX.parse().expect("an id");
        assert_eq!(key.made_at(), at);
        let account: ClientId = format!("mdb_sa_id_{HEX}").parse().expect("an id");
        assert_eq!(account.made_at(), at);
    }

    #[test]
    fn stored_ids_are_checked_when_read() {
        let json = format!("\"{HEX}\"");
        let id: ProjectId = serde_json::from_str(&json).expect("an id");
        assert_eq!(serde_json::to_string(&id).expect("json"), json);
        assert!(serde_json::from_str::<ProjectId>("\"../orgs\"").is_err());
    }

    #[test]
    fn hours_cover_the_whole_duration() {
        assert_eq!(Hours::covering(Duration::from_hours(1)), Hours::new(1));
        assert_eq!(Hours::covering(Duration::from_secs(3_601)), Hours::new(2));
        assert_eq!(Hours::covering(Duration::from_millis(1)), Hours::new(1));
        assert_eq!(Hours::covering(Duration::MAX), Hours::new(u32::MAX));
        assert_eq!(Hours::new(2).duration(), Duration::from_hours(2));
    }
}
