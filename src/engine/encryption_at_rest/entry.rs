//! What is stored of a project whose way into its key vault is looked after here.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::expiry::Warned;
pub(crate) use super::secret::{Accepted, HeldSecret, PendingSecret};
use crate::atlas::{
    ApplicationId, AzureKeyVault, AzurePrincipal, RoleId, ServicePrincipalId, TenantId, VaultKey,
};
use crate::base::time::serde_go_nanos;
use crate::engine::error::EncryptionError;
use crate::engine::origin::BoundTo;

/// Default of `observe`: one of Atlas's checks, which come every quarter of an hour, and a margin.
pub(super) const DEFAULT_OBSERVE: Duration = Duration::from_mins(20);
/// So long a `valid: false` may mean nothing at most.
pub(super) const LONGEST_SETTLE: Duration = Duration::from_hours(1);
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, stored by its name"
)]
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
    /// A new static secret that may have been sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<PendingSecret>,
    /// The one before that, of which nobody knows it either. It stays until Atlas took another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending_before: Option<PendingSecret>,
    /// Whether the static secret is kept after the role has proved itself.
    #[serde(default)]
    pub(crate) keep_static: bool,
    /// Which key the project had when Atlas was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<VaultKey>,
    /// How the project signed in before the change to the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Before>,
    /// The key in a change whose outcome is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sending: Option<VaultKey>,
    /// What Atlas last took from here: with this what it shows is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<Sent>,
    /// The migration that ordered the last change to the role, where no person did since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) migration: Option<String>,
    /// What Atlas last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Seen>,
    /// In what Atlas differs from what was sent, in words. It can come to any state, and is never
    /// mended unasked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) drift: Vec<String>,
    /// When Atlas took the last change from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changed_at: Option<DateTime<Utc>>,
    /// Until when that change is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observe_until: Option<DateTime<Utc>>,
    /// When the role had proved itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) applied_at: Option<DateTime<Utc>>,
    /// Since when Atlas says that the key can be used, as far as it was asked since the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_since: Option<DateTime<Utc>>,
    /// How often it was seen to say so since then, a minute apart.
    #[serde(default)]
    pub(crate) valid_looks: u32,
    /// When that was counted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_counted_at: Option<DateTime<Utc>>,
    /// Whether what Atlas signs in with was sent from here, and was not seen to work since.
    #[serde(default)]
    pub(crate) never_worked: bool,
    /// Whether the last change to the role was sent unseen by both words. Whether another project proves it
    /// was not asked, so that, as long as it never worked, nobody counts on what it left behind.
    #[serde(default)]
    pub(crate) unproved: bool,
    /// Since when Atlas says that the key cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invalid_since: Option<DateTime<Utc>>,
    /// When the change to the role was ordered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ordered_at: Option<DateTime<Utc>>,
    /// When sending a static secret was ordered last: a rotation or a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) static_ordered_at: Option<DateTime<Utc>>,
    /// Until when a change that lacks a grant is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_until: Option<DateTime<Utc>>,
    /// When what is not finished is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_retry_time: Option<DateTime<Utc>>,
    /// How often in a row it was tried in vain.
    #[serde(default)]
    pub(crate) failures: u32,
    /// Why the last change came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
    /// Why Atlas does not let the project go back, once it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) way_back_refused: Option<String>,
    /// Why Atlas could not be asked, since it last could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) look_failure: Option<LookFailure>,
    /// How near the end of the static secret is of which the log has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warned: Option<Warned>,
    /// How long a change is watched.
    #[serde(default = "observe", with = "serde_go_nanos")]
    pub(crate) observe: Duration,
    /// How long a first `valid: false` after a change may only mean "not tried yet".
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

/// How a project stood before its change. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// [`Mode::None`]: encryption was off, and the key is the one that it is switched on with.
    pub(crate) mode: Mode,
    pub(crate) key: VaultKey,
    /// The directory of the static credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant_id: Option<TenantId>,
    /// Their application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ApplicationId>,
    /// Whether the key could be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid: Option<bool>,
}

/// What Atlas took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) mode: Mode,
    pub(crate) key: VaultKey,
}

/// Looks that failed in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LookFailure {
    pub(crate) error: String,
    pub(crate) since: DateTime<Utc>,
    pub(crate) failures: u32,
    pub(crate) next_retry_time: DateTime<Utc>,
}

/// What Atlas said of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid: Option<bool>,
    /// Static credentials are shown beside the role: Atlas has not proved it yet.
    #[serde(default)]
    pub(crate) static_left: bool,
    /// Static credentials are in force that are not those of the secret in keeping.
    #[serde(default)]
    pub(crate) other_application: bool,
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
            pending: None,
            pending_before: None,
            keep_static: false,
            key: None,
            before: None,
            sending: None,
            sent: None,
            migration: None,
            seen: None,
            drift: Vec::new(),
            changed_at: None,
            observe_until: None,
            applied_at: None,
            valid_since: None,
            valid_looks: 0,
            valid_counted_at: None,
            never_worked: false,
            unproved: false,
            invalid_since: None,
            ordered_at: None,
            static_ordered_at: None,
            retry_until: None,
            next_retry_time: None,
            failures: 0,
            last_error: None,
            way_back_refused: None,
            look_failure: None,
            warned: None,
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
            Some(_) if self.way_back_refused.is_some() => "refused by Atlas",
            Some(held) if held.proved => "available",
            Some(_) => "unproved",
        }
    }

    /// A change with this key is about to be sent. To be stored before it is.
    pub(super) fn begin(&mut self, state: State, key: &VaultKey) {
        // The tries of what was under way before are none of the way back's.
        let goes_on = matches!(self.state, State::RollingBack | State::Observing);
        if state == State::RollingBack && !goes_on {
            self.forget_failures();
        }
        self.forget_taken();
        self.state = state;
        self.sending = Some(key.clone());
    }

    /// Atlas took the change that was begun, so that it signs in like this. It is watched from now on.
    pub(super) fn arrive(&mut self, mode: Mode, now: DateTime<Utc>) {
        if let Some(key) = self.sending.take() {
            self.sent = Some(Sent { mode, key });
        }
        self.changed_at = Some(now);
        self.observe_until = later(now, self.observe);
        self.applied_at = None;
        self.valid_since = None;
        self.valid_looks = 0;
        self.valid_counted_at = None;
        self.never_worked = true;
        if mode == Mode::Static {
            (self.unproved, self.ordered_at) = (false, None);
            self.way_back_refused = None;
        }
        self.invalid_since = None;
        self.retry_until = None;
        self.forget_trouble();
    }

    /// The change that was begun changed nothing.
    pub(super) fn give_up(&mut self, state: State) {
        self.state = state;
        self.sending = None;
    }

    /// The change that was begun failed for this reason, and is not tried again.
    pub(super) fn fail(&mut self, reason: String) {
        self.give_up(State::Failed);
        self.forget_taken();
        self.last_error = Some(reason);
        self.forget_failures();
    }

    /// A new static secret is about to be sent.
    pub(super) fn try_secret(&mut self, secret: PendingSecret) {
        let before = self.pending.replace(secret);
        self.pending_before = before.or(self.pending_before.take());
    }

    /// The new static secret is none, for certain. One before it may be.
    pub(super) fn refuse_secret(&mut self) {
        let before = self.pending_before.take();
        self.pending = before.or(self.pending.take());
    }

    /// Another secret is in force, or none is needed.
    pub(super) fn forget_pending(&mut self) {
        (self.pending, self.pending_before) = (None, None);
    }

    /// That Atlas took the pending secret counts until something else is sent, or the rotation ends.
    fn forget_taken(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.taken_at = None;
        }
    }

    /// A new secret that Atlas may hold is what leads back from the role, where no other is in keeping.
    pub(super) fn keep_pending(&mut self, vault: &AzureKeyVault) {
        let pending = self.pending.as_ref().filter(|new| new.is_of(vault));
        let Some(pending) = pending.filter(|_| self.held.is_none()) else {
            return;
        };
        let client_id = pending.client_id.clone();
        let Some(client_id) = client_id.or_else(|| vault.client_id.clone()) else {
            return;
        };
        self.held = Some(HeldSecret {
            client_id,
            client_secret: pending.client_secret.clone(),
            tenant_id: pending.tenant_id.clone(),
            expires_at: pending.expires_at,
            proved: false,
            in_force: false,
            since: Some(pending.since),
        });
    }

    /// Whether the last try failed by the same.
    pub(super) fn failed_by(&self, error: &str) -> bool {
        self.failures > 0 && self.last_error.as_deref() == Some(error)
    }

    /// Refuses what would forget or cross what goes on.
    pub(super) fn under_way(&self) -> EncryptionError {
        let state = self.state.name();
        EncryptionError::UnderWay { state }
    }

    /// What went wrong before counts no more: it is over, or was an old answer.
    pub(super) fn forget_trouble(&mut self) {
        self.last_error = None;
        self.forget_failures();
    }

    /// What was tried in vain is done, or nobody wants it any more.
    pub(super) fn forget_failures(&mut self) {
        self.failures = 0;
        self.next_retry_time = None;
    }

    /// How long a change counts as untried at least. With private networking the data nodes try it
    /// some time after Atlas took it, however soon the watch is to end.
    pub(super) fn watched_for(&self, is_private: bool) -> Duration {
        if is_private {
            self.observe
                .max(DEFAULT_OBSERVE)
                .max(self.settle.min(LONGEST_SETTLE))
        } else {
            self.observe
        }
    }

    /// Whether the project's key is used over private endpoints alone, as far as it is known.
    pub(super) fn is_private(&self) -> bool {
        let key = self.key.as_ref();
        key.is_some_and(|key| key.require_private_networking == Some(true))
    }

    /// Whether Atlas signs in by this entry's registration.
    pub(super) fn is_by_role(&self, vault: &AzureKeyVault) -> bool {
        self.role_id.is_some() && vault.role_id == self.role_id
    }
}

/// So much later; [`None`] beyond the calendar.
pub(super) fn later(now: DateTime<Utc>, by: Duration) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::from_std(by).ok()?)
}
