//! The row of a project in a migration's entry: what stands in its way, how far it is, and what became
//! of it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::note::is_apart;
use crate::atlas::{ProjectId, TenantId};

/// So many bytes of an error are kept with a project.
const LONGEST_ERROR: usize = 430;

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, stored by its name"
)]
pub(super) struct Row {
    /// Which.
    pub(super) project: ProjectId,
    /// How it stood when it was last asked for; [`None`]: it is to be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<Verdict>,
    /// How far it is.
    pub(super) step: Step,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<DateTime<Utc>>,
    /// Why it is no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Whether it requires private networking, so that Atlas validates only after the change.
    #[serde(default)]
    pub(super) private: bool,
    /// Whether the order that began its change accepted that Atlas tries it unseen. One that no plan had
    /// shown to be private then is not meant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) consented: bool,
    /// Whether a static secret is in keeping.
    #[serde(default)]
    pub(super) way_back: bool,
    /// Whether Atlas took the change, or may have: a failed row of which that is so can be changed back.
    #[serde(default)]
    pub(super) taken: bool,
    /// Since when Atlas was seen not to sign in by the role, where no change of ours tells why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) off_role_since: Option<DateTime<Utc>>,
    /// How often in a row `valid` was seen since the change.
    #[serde(default)]
    pub(super) looks: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What stands in the way of a project, if anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ready,
    /// Private, and this other project works with the same vault, key and principal.
    ProvedBy(ProjectId),
    /// Private, and nothing proves that it will work.
    NeedsConsent,
    AlreadyOnRole,
    NotEnabled,
    /// The region of the endpoint.
    EndpointNotActive(String),
    /// Private, without an endpoint: Atlas reaches no vault.
    NoEndpoint,
    InvalidNow,
    NoPermission,
    /// Its own credentials are of this directory, and the principal is of another.
    OtherDirectory(TenantId),
    /// A secret of it is being replaced, or it is being changed back.
    UnderWay,
    /// The project has an entry with another principal.
    OtherPrincipal,
    /// Atlas told nothing; the row's error says why.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::ProvedBy(project) => write!(f, "same vault proved by {project}"),
            Self::NeedsConsent => f.write_str("needs accept_unvalidated"),
            Self::AlreadyOnRole => f.write_str("already on a role"),
            Self::NotEnabled => f.write_str("not enabled"),
            Self::EndpointNotActive(region) => write!(f, "endpoint not ACTIVE: {region}"),
            Self::NoEndpoint => f.write_str("no private endpoint"),
            Self::OtherDirectory(tenant) => write!(f, "in another directory: {tenant}"),
            Self::UnderWay => f.write_str("under way: rotate or rollback"),
            Self::InvalidNow => f.write_str("invalid now"),
            Self::NoPermission => f.write_str("no permission"),
            Self::OtherPrincipal => f.write_str("registered with another principal"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Verdict {
    /// Whether the project is to be changed. A private one may be proved by one that is changed before.
    fn is_candidate(&self) -> bool {
        matches!(self, Self::Ready | Self::ProvedBy(_) | Self::NeedsConsent)
    }
}

/// How far a project is in its migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Nothing was done yet.
    Planned,
    /// Its verdict keeps it out.
    Skipped,
    /// Its principal is registered.
    Registered,
    /// The change may have been sent.
    Changing,
    /// It was taken, and is watched.
    Watching,
    /// It is on its role.
    Changed,
    /// It could not be changed, or the change did not prove itself.
    Failed,
    /// It is to be changed back.
    Leaving,
    /// It is as it was.
    RolledBack,
    /// It could not be changed back.
    Kept,
}

impl Step {
    /// As it is shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Registered => "registered",
            Self::Changing => "changing",
            Self::Watching => "watching",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Leaving => "leaving",
            Self::RolledBack => "rolled_back",
            Self::Kept => "kept",
        }
    }

    /// Whether it is the project's turn.
    pub(super) fn is_at_work(self) -> bool {
        matches!(self, Self::Changing | Self::Watching)
    }
}

impl Row {
    /// A project of which nothing is known yet.
    pub(super) fn new(project: ProjectId) -> Self {
        Self {
            project,
            verdict: None,
            step: Step::Planned,
            since: None,
            error: None,
            private: false,
            consented: false,
            way_back: false,
            taken: false,
            off_role_since: None,
            looks: 0,
        }
    }

    /// Whether the project is to be changed.
    pub(super) fn is_candidate(&self) -> bool {
        self.verdict.as_ref().is_some_and(Verdict::is_candidate)
    }

    /// Whether the project is still to be changed, or is being changed.
    pub(super) fn is_open(&self) -> bool {
        let waits = matches!(self.step, Step::Planned | Step::Registered);
        self.step.is_at_work() || (waits && self.is_candidate())
    }

    /// Whether the migration may have changed the project, so that a new plan leaves it as it is.
    pub(super) fn may_be_changed(&self) -> bool {
        let by_step = matches!(
            self.step,
            Step::Changing | Step::Watching | Step::Changed | Step::Leaving | Step::Kept
        );
        by_step || self.is_in_doubt()
    }

    /// Whether it failed, and Atlas took the change, or may have.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.step == Step::Failed && self.taken
    }

    /// Whether somebody who saw the plan can have meant it with a consent.
    pub(super) fn may_be_consented(&self) -> bool {
        self.private && self.is_candidate()
    }

    /// Atlas does not sign in by the role; whether that was seen before, long enough ago to be believed.
    pub(super) fn is_off_role_twice(&mut self, now: DateTime<Utc>) -> bool {
        let first = self.off_role_since.map_or(now, |first| first.min(now));
        self.off_role_since = Some(first);
        is_apart(first, now)
    }

    /// It is at this step now.
    pub(super) fn reach(&mut self, step: Step, now: DateTime<Utc>) {
        self.step = step;
        self.since = Some(now);
        self.off_role_since = None;
        self.error = None;
    }

    /// It ends at this step for this reason.
    pub(super) fn end(&mut self, step: Step, error: &str, now: DateTime<Utc>) {
        self.reach(step, now);
        self.error = Some(shortened(error));
    }
}

/// Errors of Atlas may be long, and a thousand of them are stored together.
pub(super) fn shortened(error: &str) -> String {
    if error.len() <= LONGEST_ERROR {
        return error.to_owned();
    }
    format!("{}…", &error[..error.floor_char_boundary(LONGEST_ERROR)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_cut_at_a_character() {
        assert_eq!(shortened("short"), "short");
        let long = format!("a{}", "\u{e4}".repeat(LONGEST_ERROR));
        let shown = shortened(&long);
        assert!(shown.len() <= LONGEST_ERROR + '…'.len_utf8(), "{shown}");
        assert!(shown.ends_with("\u{e4}…"));
    }
}
