//! What is stored of a project whose way into its key vault is looked after here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::atlas::{ApplicationId, AzurePrincipal, RoleId, ServicePrincipalId, TenantId, VaultKey};
use crate::base::Sensitive;
use crate::base::time::serde_go_nanos;
use crate::engine::origin::BoundTo;
use crate::engine::stored::plain_text;

/// Default of `observe`: one of Atlas's checks, which come every quarter of an hour, and a margin.
pub(super) const DEFAULT_OBSERVE: Duration = Duration::from_mins(20);
/// Default of `settle`.
pub(super) const DEFAULT_SETTLE: Duration = Duration::from_mins(5);

/// How far a project is. `drift` is no state of its own: it can come to any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The principal is being registered; whether Atlas did it may be unknown.
    Registering,
    /// It is registered, and Atlas signs in as before.
    Registered,
    /// The change to the role may have been sent.
    Applying,
    /// Atlas refused it for want of a grant; it is tried again.
    Waiting,
    /// It was taken, and is watched.
    Observing,
    /// Atlas signs in by the role, and that has proved itself.
    Applied,
    /// A new static secret may have been sent.
    Rotating,
    /// The way back may have been sent.
    RollingBack,
    /// A static secret is looked after; no principal is registered.
    Static,
    /// Atlas refused the last change, which changed nothing.
    Failed,
}

impl State {
    /// As it is shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Applying => "applying",
            Self::Waiting => "waiting",
            Self::Observing => "observing",
            Self::Applied => "applied",
            Self::Rotating => "rotating",
            Self::RollingBack => "rolling_back",
            Self::Static => "static",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing is under way that somebody has to finish.
    pub(super) fn can_be_forgotten(self) -> bool {
        matches!(
            self,
            Self::Registered | Self::Applied | Self::Static | Self::Failed
        )
    }
}

/// A project's entry. Its key is the project's id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AzureEntry {
    /// How far it is.
    pub(crate) state: State,
    /// The principal of Atlas's application, once it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<Principal>,
    /// Its registration in the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role_id: Option<RoleId>,
    /// Whether this engine made the registration for certain. Only such a one is ever removed.
    #[serde(default)]
    pub(crate) made_by_us: bool,
    /// The static secret in keeping.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<HeldSecret>,
    /// The directory of its application, as Atlas showed it while it signed in so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) static_tenant_id: Option<TenantId>,
    /// Whether it is kept after the role has proved itself.
    #[serde(default)]
    pub(crate) keep_static: bool,
    /// Which key the project had when Atlas was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<VaultKey>,
    /// What Atlas last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Seen>,
    /// In what Atlas differs from what was sent, in words. It can come to any state, and is never
    /// mended unasked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) drift: Vec<String>,
    /// Until when the last change is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observe_until: Option<DateTime<Utc>>,
    /// How long a change is watched.
    #[serde(default = "observe", with = "serde_go_nanos")]
    pub(crate) observe: Duration,
    /// How long a first `valid: false` of a private project may only mean "not tried yet".
    #[serde(default = "settle", with = "serde_go_nanos")]
    pub(crate) settle: Duration,
    /// Where it belongs.
    #[serde(default)]
    pub(crate) origin: BoundTo,
}

fn observe() -> Duration {
    DEFAULT_OBSERVE
}

fn settle() -> Duration {
    DEFAULT_SETTLE
}

/// The principal of Atlas's application in the customer's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Principal {
    #[serde(rename = "tenant_id")]
    pub(crate) tenant: TenantId,
    #[serde(rename = "service_principal_id")]
    pub(crate) object: ServicePrincipalId,
    #[serde(rename = "atlas_azure_app_id")]
    pub(crate) application: ApplicationId,
}

impl Principal {
    /// As Atlas is told.
    pub(super) fn registration(&self) -> AzurePrincipal {
        AzurePrincipal {
            tenant: self.tenant.clone(),
            object: self.object.clone(),
            application: self.application.clone(),
        }
    }
}

/// A static secret as it was handed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeldSecret {
    pub(crate) client_id: ApplicationId,
    #[serde(serialize_with = "plain_text")]
    pub(crate) client_secret: Sensitive,
    /// Atlas does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Whether Atlas ever took it from here.
    #[serde(default)]
    pub(crate) proved: bool,
}

/// What Atlas said of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid: Option<bool>,
    pub(crate) at: DateTime<Utc>,
}

/// How Atlas signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// By a registration.
    Role,
    /// With a secret of an application.
    Static,
    /// Not at all: no key of Azure's is set.
    None,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Static => "static",
            Self::None => "none",
        }
    }
}

impl AzureEntry {
    /// A new one, in which nothing was given yet.
    pub(super) fn new(origin: BoundTo) -> Self {
        Self {
            state: State::Static,
            principal: None,
            role_id: None,
            made_by_us: false,
            held: None,
            static_tenant_id: None,
            keep_static: false,
            key: None,
            seen: None,
            drift: Vec::new(),
            observe_until: None,
            observe: DEFAULT_OBSERVE,
            settle: DEFAULT_SETTLE,
            origin,
        }
    }

    /// Whether the project can go back to a static secret. That Atlas refuses it is assumed until it
    /// did not.
    pub(super) fn way_back(&self) -> &'static str {
        match &self.held {
            None => "no secret in keeping",
            Some(held) if held.proved => "available",
            Some(_) => "unproved",
        }
    }
}
