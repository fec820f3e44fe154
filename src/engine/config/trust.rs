//! Who may vouch for Atlas where more than the configuration's own secret goes.
//!
//! A write of `config` that brings a secret of its own gives nothing away of the stored one. But what
//! else belongs to the same address, such as the secrets of static roles, is sent there under the
//! certificates of that write. So it adds none there: that is for `config/move`, a root path.

use super::address::gives_secret;
use super::census::{Census, Counts};
use crate::atlas::{Fingerprint, Origin, Pem};
use crate::engine::Engine;
use crate::engine::entries::ConfigEntry;
use crate::engine::error::EngineError;
use crate::engine::origin::Origins;
use crate::framework::{Faults, Fields};

/// Refuses a certificate that was not trusted at this address while something was bound there.
/// `stored` is the configuration of before.
pub(super) async fn check(
    engine: &Engine,
    stored: Option<&ConfigEntry>,
    entry: &ConfigEntry,
    faults: &mut Faults,
) -> Result<(), EngineError> {
    // What is no address, or no certificate, is a fault already.
    let (Ok(origin), Ok(Some(now))) = (entry.base_url().parse::<Origin>(), entry.trusted()) else {
        return Ok(());
    };
    let origins = engine.connection.origins().await?;
    let before = known(stored, &origins, &origin);
    if now.fingerprints().all(|each| before.contains(&each)) {
        return Ok(());
    }
    let census = Census::take(engine, &origins).await?;
    if let Some(others) = census.at(&origin).beside_the_configuration() {
        faults.add("ca_certificate", refusal(&origin, others));
    }
    Ok(())
}

/// The same once more, when Atlas has answered: something may have been stored since.
pub(super) async fn check_again(
    engine: &Engine,
    stored: Option<&ConfigEntry>,
    entry: &ConfigEntry,
) -> Result<(), EngineError> {
    let mut faults = Faults::new();
    check(engine, stored, entry, &mut faults).await?;
    if faults.is_empty() {
        return Ok(());
    }
    Err(EngineError::BadInput(faults.to_string()))
}

/// What whoever brings a secret of his own is told of the certificates under which it is sent, unless he
/// gave all of them with it or the mount trusted them before: somebody else may have put them there.
pub(super) fn warning(
    stored: Option<&ConfigEntry>,
    entry: &ConfigEntry,
    fields: &Fields,
) -> Option<String> {
    let before = fingerprints(stored?);
    let now = fingerprints(entry);
    let is_kept = fields.text("ca_certificate").is_none() && gives_secret(fields);
    if is_kept && !now.is_empty() {
        return Some(format!(
            "ca_certificate was not given: the secret is sent to who holds the key of a certificate that \
             was stored before (SHA-256 {}), too; give ca_certificate, empty for none, if that is not \
             meant",
            shortened(&now)
        ));
    }
    let added: Vec<_> = now
        .into_iter()
        .filter(|each| !before.contains(each))
        .collect();
    (!added.is_empty()).then(|| {
        format!(
            "certificates are trusted from now on that were not before (SHA-256 {})",
            shortened(&added)
        )
    })
}

fn shortened(fingerprints: &[Fingerprint]) -> String {
    let shown: Vec<_> = fingerprints.iter().map(Fingerprint::short).collect();
    shown.join(", ")
}

fn refusal(origin: &Origin, others: Counts) -> String {
    format!(
        "{others} belong to {origin}, and whoever holds the key of a certificate that was not trusted \
         there before could read what is sent for them, whatever credential this write brings: give \
         ca_certificate to config/move (needs the sudo capability); where no configuration for {origin} \
         is stored, first write one without ca_certificate and with verify_connection=false"
    )
}

/// What was trusted at this address until now. Where the configuration is, it says so itself.
fn known(stored: Option<&ConfigEntry>, origins: &Origins, origin: &Origin) -> Vec<Fingerprint> {
    match stored.filter(|stored| is_at(stored, origin)) {
        Some(stored) => fingerprints(stored),
        None => origins.trusted_at(origin).to_vec(),
    }
}

fn is_at(entry: &ConfigEntry, origin: &Origin) -> bool {
    entry
        .base_url()
        .parse()
        .is_ok_and(|of: Origin| of == *origin)
}

fn fingerprints(entry: &ConfigEntry) -> Vec<Fingerprint> {
    let trusted = entry.trusted().ok().flatten();
    trusted.iter().flat_map(Pem::fingerprints).collect()
}

/// The configuration is about to leave its address, for another or for good: what it trusted there is
/// kept for what stays there. Stored first, so that no crash leaves the address without it; and what is
/// recorded counts only while the configuration is elsewhere, so that none keeps an old one trusted.
pub(super) async fn remember(
    engine: &Engine,
    stored: &ConfigEntry,
    next: Option<&ConfigEntry>,
) -> Result<(), EngineError> {
    let Ok(left) = stored.base_url().parse::<Origin>() else {
        return Ok(());
    };
    if next.is_some_and(|next| is_at(next, &left)) {
        return Ok(());
    }
    let before = engine.connection.origins().await?;
    let mut origins = (*before).clone();
    let trusted = fingerprints(stored);
    if trusted.is_empty() && before.trusted_at(&left).is_empty() {
        return Ok(());
    }
    let census = Census::take(engine, &origins).await?;
    let is_needed = |origin: &Origin| census.at(origin).beside_the_configuration().is_some();
    origins.trust(&left, trusted, is_needed);
    store(engine, origins, &before).await
}

/// A configuration that cannot be read is about to be deleted: nobody knows where it was, and so which
/// record is out of date.
pub(super) async fn forget(engine: &Engine) -> Result<(), EngineError> {
    let before = engine.connection.origins().await?;
    let mut origins = (*before).clone();
    origins.trust_nobody();
    store(engine, origins, &before).await
}

async fn store(engine: &Engine, origins: Origins, before: &Origins) -> Result<(), EngineError> {
    if origins == *before {
        return Ok(());
    }
    engine.connection.store_origins(origins).await
}
