//! How long a credential may live.

use std::time::Duration;

use crate::base::Short;
use crate::engine::entries::RoleEntry;
use crate::engine::error::EngineError;
use crate::vault::SystemView;

/// The shortest life that the host knows.
const SHORTEST: Duration = Duration::from_secs(1);

/// The lease times of a mount, as it is tuned now. Asked of the host once for each request and never
/// kept longer, as a tune tells nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MountTimes {
    /// The length of a lease for which nothing else is said.
    pub(crate) default_ttl: Duration,
    /// The longest that a lease may live.
    pub(crate) max_ttl: Duration,
}

impl MountTimes {
    /// Both in one round trip.
    pub(crate) async fn of(system: &dyn SystemView) -> Result<Self, EngineError> {
        let (default_ttl, max_ttl) =
            tokio::try_join!(system.default_lease_ttl(), system.max_lease_ttl())?;
        Ok(Self {
            default_ttl,
            max_ttl,
        })
    }
}

/// Lease times of a role on its mount, as the host will apply them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseTtl {
    /// The lease's length; zero means the mount's default.
    pub(crate) ttl: Duration,
    /// The most that renewals may add up to, from the first issue; never zero.
    pub(crate) max_ttl: Duration,
    /// The mount's default.
    default_ttl: Duration,
    /// The role's own `ttl`, where the mount does not allow it, and what it does allow.
    cut: Option<(Duration, Duration)>,
}

impl LeaseTtl {
    /// The role's times, bounded by the mount's.
    pub(crate) fn of(role: &RoleEntry, mount: MountTimes) -> Self {
        let max_ttl = if role.max_ttl.is_zero() {
            mount.max_ttl
        } else {
            role.max_ttl.min(mount.max_ttl)
        };
        Self {
            ttl: role.ttl.min(max_ttl),
            max_ttl,
            default_ttl: mount.default_ttl,
            cut: (role.ttl > max_ttl).then_some((role.ttl, max_ttl)),
        }
    }

    /// How long the host lets the lease run, unless it is asked for another length.
    pub(super) fn length(self) -> Duration {
        if self.ttl.is_zero() {
            return self.default_ttl.min(self.max_ttl);
        }
        self.ttl
    }

    /// The same of a credential that ends by itself so long after each renewal, if it is renewed `elapsed` after
    /// its issue. Its length is always said: nothing the host knows bounds that.
    pub(super) fn until_next_renewal(self, longest: Duration, elapsed: Duration) -> Self {
        // Without a length of the role's own it is the mount's default that is cut.
        let asked = self.cut.map_or(self.length(), |(asked, _)| asked);
        let is_cut = self.length() > longest;
        Self {
            ttl: self.length().min(longest),
            max_ttl: self.max_ttl.min(elapsed.saturating_add(longest)),
            cut: is_cut.then_some((asked, longest)).or(self.cut),
            ..self
        }
    }

    /// What to tell of a lease that is shorter than its role says. The host does not: it is asked
    /// for no more than it allows, so that what the journal holds is what it gives.
    pub(crate) fn warning(self) -> Option<String> {
        self.cut.map(|(asked, most)| cut_warning(asked, most))
    }

    /// The same, ending no later than `limit` from the first issue. [`None`]: there is no life left.
    ///
    /// Never a life of zero: the host reads that as the mount's maximum, and cuts off what is less
    /// than a second.
    pub(super) fn within(self, limit: Duration) -> Option<Self> {
        let max_ttl = self.max_ttl.min(limit);
        (max_ttl >= SHORTEST).then(|| Self {
            ttl: self.ttl.min(max_ttl),
            max_ttl,
            ..self
        })
    }
}

/// In the words of the core's own engines. Source: `framework.CalculateTTL` of Vault's SDK.
pub(crate) fn cut_warning(asked: Duration, most: Duration) -> String {
    format!(
        "TTL of \"{}\" exceeded the effective max_ttl of \"{}\"; TTL value is capped accordingly",
        Short(asked),
        Short(most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Sensitive;
    use crate::vault::memory::FixedSystemView;
    use crate::vault::{Replication, SystemViewError};

    async fn life(ttl: u64, max_ttl: u64) -> LeaseTtl {
        let role = RoleEntry {
            ttl: Duration::from_secs(ttl),
            max_ttl: Duration::from_secs(max_ttl),
            ..RoleEntry::default()
        };
        let mount = FixedSystemView::default();
        mount.set_ttls(Duration::from_secs(100), Duration::from_secs(1_000));
        LeaseTtl::of(&role, MountTimes::of(&mount).await.unwrap())
    }

    fn seconds(life: LeaseTtl) -> (u64, u64) {
        (life.ttl.as_secs(), life.max_ttl.as_secs())
    }

    #[tokio::test]
    async fn the_mount_bounds_the_role() {
        assert_eq!(seconds(life(0, 0).await), (0, 1_000));
        assert_eq!(seconds(life(60, 600).await), (60, 600));
        assert_eq!(seconds(life(2_000, 5_000).await), (1_000, 1_000));
    }

    #[tokio::test]
    async fn what_the_mount_cuts_is_reported_in_the_cores_words() {
        assert_eq!(
            life(3_600, 7_200).await.warning().as_deref(),
            Some(
                "TTL of \"1h\" exceeded the effective max_ttl of \"16m40s\"; TTL value is capped \
                 accordingly"
            )
        );
        assert_eq!(life(60, 600).await.warning(), None);
        assert_eq!(life(0, 5_000).await.warning(), None);
        let bounded = life(60, 600).await.within(Duration::from_secs(30));
        assert_eq!(
            bounded.and_then(LeaseTtl::warning),
            None,
            "not by the mount"
        );
    }

    #[tokio::test]
    async fn a_renewal_may_reach_so_far_from_now() {
        let longest = Duration::from_mins(5);
        for (ttl, elapsed, ends) in [
            (60, 0, (60, 300)),
            (600, 0, (300, 300)),
            (600, 500, (300, 800)),
            (600, 900, (300, 1_000)),
            (0, 0, (100, 300)),
        ] {
            let life = life(ttl, 0).await;
            let life = life.until_next_renewal(longest, Duration::from_secs(elapsed));
            assert_eq!(seconds(life), ends, "{ttl} {elapsed}");
        }
        let default = life(0, 0).await;
        let shorter = Duration::from_secs(50);
        let cut = default
            .until_next_renewal(shorter, Duration::ZERO)
            .warning();
        let told = "TTL of \"1m40s\" exceeded the effective max_ttl of \"50s\"";
        assert!(cut.is_some_and(|text| text.starts_with(told)));
        let whole = default.until_next_renewal(longest, Duration::ZERO);
        assert_eq!(whole.warning(), None);
        let cut = life(2_000, 0).await;
        let cut = cut.until_next_renewal(longest, Duration::ZERO).warning();
        let told = "TTL of \"33m20s\" exceeded the effective max_ttl of \"5m\"";
        assert!(cut.is_some_and(|text| text.starts_with(told)));
    }

    #[tokio::test]
    async fn a_limit_shortens_both() {
        let short = life(60, 600).await.within(Duration::from_secs(30));
        assert_eq!(short.map(seconds), Some((30, 30)));
    }

    #[tokio::test]
    async fn no_life_is_left_where_the_host_would_read_the_mounts_maximum() {
        for limit in [Duration::ZERO, Duration::from_millis(999)] {
            assert_eq!(life(60, 600).await.within(limit), None);
        }
    }

    /// Answers the one question only once the other was asked.
    #[derive(Default)]
    struct Curious {
        asked: tokio::sync::Notify,
        mount: FixedSystemView,
    }

    #[async_trait::async_trait]
    impl SystemView for Curious {
        async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
            self.asked.notified().await;
            self.mount.default_lease_ttl().await
        }

        async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
            self.asked.notify_one();
            self.mount.max_lease_ttl().await
        }

        async fn tainted(&self) -> Result<bool, SystemViewError> {
            self.mount.tainted().await
        }

        async fn replication(&self) -> Result<Replication, SystemViewError> {
            self.mount.replication().await
        }

        async fn local_mount(&self) -> Result<bool, SystemViewError> {
            self.mount.local_mount().await
        }

        async fn server_version(&self) -> Result<String, SystemViewError> {
            self.mount.server_version().await
        }

        async fn password_of(&self, policy: &str) -> Result<Sensitive, SystemViewError> {
            self.mount.password_of(policy).await
        }
    }

    #[tokio::test]
    async fn the_mounts_times_are_asked_side_by_side() {
        let mount = Curious::default();
        let times = MountTimes::of(&mount);
        let times = tokio::time::timeout(Duration::from_secs(5), times).await;
        assert!(times.is_ok_and(|times| times.is_ok()));
    }
}
