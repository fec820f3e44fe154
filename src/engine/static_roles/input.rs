//! What a write to a static role asks for, checked as far as that goes without Atlas.

use chrono::{DateTime, Utc};
use std::str::FromStr;
use std::time::Duration;

use super::entry::{Options, StaticRoleEntry};
use crate::atlas::{ClientId, Hours, Level};
use crate::base::Sensitive;
use crate::engine::rotation_state::{RotationMode, Timing};
use crate::framework::{Faults, Field, Fields};

/// Atlas ends a replaced secret after seven days.
const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);

/// A write whose fields are in order.
pub(super) struct Input {
    pub(super) client_id: ClientId,
    /// Where the account is managed; [`None`]: as before.
    pub(super) level: Option<Level>,
    pub(super) options: Options,
    pub(super) timing: Timing,
    /// The account's present secret, if it is given.
    pub(super) client_secret: Option<Sensitive>,
    pub(super) skip_initial_rotation: bool,
}

/// The fields of a static role.
pub(super) fn fields() -> Vec<Field> {
    let mut fields = vec![
        Field::lowercase("name")
            .refuse_upper_case()
            .about("Name of the static role, in lower case.")
            .required(),
        Field::text("client_id")
            .about("Client id of an existing service account. It cannot be changed later.")
            .required(),
        Field::text("organization_id")
            .about("Organization in which the account is managed; or give project_id."),
        Field::text("project_id")
            .about("Project in which the account is managed, instead of its organization."),
        Field::text("client_secret")
            .about(
                "The account's current secret. Needed for rotation_mode=self and with \
                 skip_initial_rotation. It must be able to obtain an access token.",
            )
            .sensitive(),
        Field::text("rotation_mode")
            .about(
                "Who creates and deletes secrets: admin, the credential in this mount's \
                 configuration; or self, the account itself, which then needs the Atlas role of \
                 an owner.",
            )
            .one_of(RotationMode::NAMES)
            .default(RotationMode::NAMES[0]),
        Field::seconds("secret_ttl").refuse_empty_text().about(
            "Lifetime of a new secret, 8 hours to 365 days, in whole hours: longer \
             than the time between rotations plus overlap. 0: chosen by the engine.",
        ),
        Field::seconds("overlap")
            .refuse_empty_text()
            .about(
                "How long a replaced secret stays valid for those who still use it, at most 7 \
                 days; 0 deletes it immediately. One that is still in use is kept for twice as \
                 long.",
            )
            .default(super::entry::DEFAULT_OVERLAP.as_secs()),
        Field::boolean("skip_initial_rotation")
            .refuse_empty_text()
            .about("On create: keep the given client_secret until the first rotation is due.")
            .default(false),
    ];
    fields.extend(Timing::fields());
    fields
}

impl Input {
    /// Reads a write to a role that is (or is not yet) there; what is wrong goes to `faults`.
    pub(super) fn read(
        fields: &Fields,
        stored: Option<&StaticRoleEntry>,
        now: DateTime<Utc>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let client_id = client_id(fields, stored, faults);
        let level = level(fields, stored, faults);
        let mut options = stored.map_or_else(Options::default, |role| role.options.clone());
        apply(&mut options, fields, faults);
        let mut timing = stored.map_or_else(Timing::default, |role| role.rotation.timing.clone());
        timing.apply(fields, faults);
        check(&options, &timing, now, faults);
        let client_secret = fields
            .filled("client_secret", faults)
            .map(|text| Sensitive::new(text.to_owned()));
        let has_one = client_secret.is_some() || stored.is_some_and(|role| role.current.is_some());
        if options.rotation_mode == RotationMode::Own && !has_one {
            faults.add("client_secret", "is needed for rotation_mode=self");
        }
        let skip_initial_rotation = fields.boolean("skip_initial_rotation").unwrap_or(false);
        if skip_initial_rotation && !has_one {
            faults.add(
                "client_secret",
                "is needed with skip_initial_rotation: readers would have none",
            );
        }
        Some(Self {
            client_id: client_id?,
            level,
            options,
            timing,
            client_secret,
            skip_initial_rotation,
        })
    }
}

fn client_id(
    fields: &Fields,
    stored: Option<&StaticRoleEntry>,
    faults: &mut Faults,
) -> Option<ClientId> {
    if fields.text("client_id").is_some() && fields.filled("client_id", faults).is_none() {
        return None;
    }
    let given = id("client_id", fields, faults);
    match (given, stored) {
        (Given::Is(given), Some(role)) if given != role.client_id => {
            let reason = "cannot be changed: delete the static role and write another";
            faults.add("client_id", reason);
            None
        }
        (_, Some(role)) => Some(role.client_id.clone()),
        (Given::Is(given), None) => Some(given),
        (Given::Not, None) => {
            faults.add("client_id", "is missing: give the account's client id");
            None
        }
        (Given::Wrong, None) => None,
    }
}

fn level(fields: &Fields, stored: Option<&StaticRoleEntry>, faults: &mut Faults) -> Option<Level> {
    match (
        id("organization_id", fields, faults),
        id("project_id", fields, faults),
    ) {
        (Given::Is(_), Given::Is(_)) => {
            let reason = "give organization_id or project_id, not both";
            faults.add("project_id", reason);
            None
        }
        (Given::Is(org), _) => Some(Level::Org(org)),
        (_, Given::Is(project)) => Some(Level::Project(project)),
        (Given::Not, Given::Not) if stored.is_none() => {
            let reason = "is missing: give organization_id or project_id";
            faults.add("organization_id", reason);
            None
        }
        _ => None,
    }
}

enum Given<T> {
    Not,
    Wrong,
    Is(T),
}

fn id<T: FromStr>(name: &'static str, fields: &Fields, faults: &mut Faults) -> Given<T>
where
    T::Err: std::fmt::Display,
{
    match fields.text(name).map(str::trim) {
        None | Some("") => Given::Not,
        Some(text) => match text.parse() {
            Ok(id) => Given::Is(id),
            Err(error) => {
                faults.add(name, error.to_string());
                Given::Wrong
            }
        },
    }
}

fn apply(options: &mut Options, fields: &Fields, faults: &mut Faults) {
    for (name, target) in [
        ("secret_ttl", &mut options.secret_ttl),
        ("overlap", &mut options.overlap),
    ] {
        if let Some(duration) = fields.duration(name) {
            *target = duration;
        }
    }
    match fields.text("rotation_mode").map(RotationMode::named) {
        Some(Some(mode)) => options.rotation_mode = mode,
        Some(None) => faults.add("rotation_mode", "give admin or self"),
        None => {}
    }
}

fn check(options: &Options, timing: &Timing, now: DateTime<Utc>, faults: &mut Faults) {
    let plan = timing.check(now, faults);
    let Options {
        secret_ttl,
        overlap,
        ..
    } = options;
    if *overlap > LONGEST_OVERLAP {
        let reason = "must be at most 7 days: Atlas ends a replaced secret after that";
        faults.add("overlap", reason);
    }
    let intervals = plan.intervals(now);
    if intervals.is_some_and(|intervals| *overlap >= intervals.shortest) {
        let reason = "must be shorter than the time between two rotations: an account holds two \
                      secrets at most";
        faults.add("overlap", reason);
    }
    let covered = intervals
        .map_or(Duration::ZERO, |intervals| intervals.longest)
        .saturating_add(*overlap);
    if covered > Hours::LONGEST_SECRET.duration() {
        let reason = "the time between two rotations plus overlap must not be longer than 365 \
                      days, the longest lifetime of a secret";
        let field = if timing.schedule.is_empty() {
            "rotation_period"
        } else {
            "rotation_schedule"
        };
        faults.add(field, reason);
    }
    if secret_ttl.is_zero() {
        return;
    }
    if *secret_ttl < Hours::SHORTEST_SECRET.duration()
        || *secret_ttl > Hours::LONGEST_SECRET.duration()
    {
        faults.add("secret_ttl", "must be 8 hours to 365 days, as Atlas allows");
    } else if *secret_ttl <= covered {
        let reason = format!(
            "must be longer than the time between two rotations plus overlap, {} s",
            covered.as_secs()
        );
        faults.add("secret_ttl", reason);
    }
}
