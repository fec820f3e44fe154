//! Access lists: the addresses and networks a key or service account may call Atlas from.
//!
//! An empty list admits every address, unless the organization requires lists. The database access
//! list of a project is another thing and not here.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, RequestBudget};
use super::client::Atlas;
use super::endpoints::{EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError};
use super::ids::{ApiKeyId, ClientId, Level, OrgId};
use super::paging::{ITEMS_PER_PAGE, Page};
use super::success::Success;

/// Why a text is no entry of an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessEntryError {
    /// Not one IP address.
    #[error("not an IP address; give one such as 203.0.113.10 or 2001:db8::1")]
    Address,
    /// Not a network with its prefix length.
    #[error("not a network in CIDR notation; give one such as 203.0.113.0/24 or 2001:db8::/32")]
    Network,
    /// The address part is not the network's own.
    #[error("has bits set beyond its prefix length; the network is {network}")]
    HostBits {
        /// What to give instead.
        network: IpNet,
    },
}

/// One address or network, in canonical form: a network of one address is that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AccessEntry(IpNet);

impl AccessEntry {
    /// Reads a single IPv4 or IPv6 address.
    pub(crate) fn address(text: &str) -> Result<Self, AccessEntryError> {
        let address: IpAddr = text.trim().parse().map_err(|_| AccessEntryError::Address)?;
        Ok(address.into())
    }

    /// Reads a network in CIDR notation.
    pub(crate) fn network(text: &str) -> Result<Self, AccessEntryError> {
        let network: IpNet = text.trim().parse().map_err(|_| AccessEntryError::Network)?;
        if network.trunc() == network {
            Ok(Self(network))
        } else {
            Err(AccessEntryError::HostBits {
                network: network.trunc(),
            })
        }
    }

    /// Whether it is one address and not a network.
    #[must_use]
    pub(crate) fn is_address(&self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// The form Atlas takes. IPv6 is written out, as Atlas's patterns have no room for `::`
    /// between groups. Source: Atlas API, `UserAccessListRequest`.
    fn content(&self) -> Value {
        let address = match self.0.addr() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => written_out(address),
        };
        if self.is_address() {
            json!({ "ipAddress": address })
        } else {
            json!({ "cidrBlock": format!("{address}/{}", self.0.prefix_len()) })
        }
    }
}

impl From<IpAddr> for AccessEntry {
    /// An IPv4 address written as IPv6 would never match: callers over IPv4 are seen as such.
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }
}

fn written_out(address: Ipv6Addr) -> String {
    address
        .segments()
        .map(|segment| format!("{segment:x}"))
        .join(":")
}

impl fmt::Display for AccessEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_address() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// All IPv4 addresses, written as IPv6.
const MAPPED_IPV4: IpNet = IpNet::V6(Ipv6Net::new_assert(
    Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
    96,
));

/// Entries without duplicates, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AccessList(Vec<AccessEntry>);

impl AccessList {
    /// The entries.
    #[must_use]
    pub(crate) fn entries(&self) -> &[AccessEntry] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the entries together admit every IPv4 or every IPv6 address. An entry for the
    /// unspecified address, `0.0.0.0` or `::`, is meant to.
    #[must_use]
    pub(crate) fn admits_everybody(&self) -> bool {
        let networks: Vec<IpNet> = self.0.iter().map(|entry| entry.0).collect();
        let names_nobody = |network: &IpNet| {
            network.prefix_len() == network.max_prefix_len() && network.addr().is_unspecified()
        };
        networks.iter().any(names_nobody)
            || IpNet::aggregate(&networks)
                .iter()
                .any(|network| network.prefix_len() == 0 || *network == MAPPED_IPV4)
    }

    /// The list with one more entry, if it does not have that.
    #[must_use]
    pub(crate) fn with(&self, entry: AccessEntry) -> Self {
        self.0.iter().copied().chain([entry]).collect()
    }

    fn without(&self, present: &Self) -> Self {
        let present: HashSet<_> = present.0.iter().collect();
        let missing = self.0.iter().filter(|entry| !present.contains(entry));
        missing.copied().collect()
    }

    fn content(&self) -> Value {
        self.0.iter().map(AccessEntry::content).collect()
    }
}

impl FromIterator<AccessEntry> for AccessList {
    fn from_iter<I: IntoIterator<Item = AccessEntry>>(entries: I) -> Self {
        let mut seen = HashSet::new();
        let entries = entries.into_iter().filter(|entry| seen.insert(*entry));
        Self(entries.collect())
    }
}

/// An entry as Atlas shows it: an address is also shown as a network.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryReply {
    #[serde(default)]
    ip_address: Option<String>,
    #[serde(default)]
    cidr_block: Option<String>,
}

impl EntryReply {
    fn entry(self) -> Option<AccessEntry> {
        let address = self
            .ip_address
            .and_then(|text| AccessEntry::address(&text).ok());
        // Compared in the form in which it was sent: without host bits, an IPv4 address as such.
        let network = || {
            let network: IpNet = self.cidr_block?.trim().parse().ok()?;
            match (network.addr().to_canonical(), network.prefix_len()) {
                (IpAddr::V4(address), length) if network.max_prefix_len() == 128 => {
                    let length = length.checked_sub(96)?;
                    let network = IpNet::new(IpAddr::V4(address), length).ok()?;
                    Some(AccessEntry(network.trunc()))
                }
                _ => Some(AccessEntry(network.trunc())),
            }
        };
        address.or_else(network)
    }
}

/// Whose list: the calls differ in path, name and bucket only.
struct Owner {
    path: String,
    list: &'static str,
    add: &'static str,
    set: EndpointSet,
    scope: Scope,
}

impl Owner {
    fn api_key(org: &OrgId, key: &ApiKeyId) -> Self {
        Self {
            path: format!("/orgs/{org}/apiKeys/{key}/accessList"),
            list: "listOrgAccessEntries",
            add: "createOrgAccessEntry",
            set: EndpointSet::ApiKeys,
            scope: Scope::Org(org.clone()),
        }
    }

    fn service_account(level: &Level, account: &ClientId) -> Self {
        let (list, add) = match level {
            Level::Org(_) => ("listOrgAccessList", "createOrgAccessList"),
            Level::Project(_) => ("listAccessList", "createAccessList"),
        };
        Self {
            path: format!("{}/serviceAccounts/{account}/accessList", level.path()),
            list,
            add,
            set: EndpointSet::ServiceAccounts,
            scope: Scope::from(level),
        }
    }
}

impl Owner {
    /// Source: Atlas API, `itemsPerPage` of `createOrgAccessEntry`, `createOrgAccessList` and
    /// `createAccessList`.
    fn addition(&self, entries: &AccessList) -> Call {
        let path = format!("{}?itemsPerPage={ITEMS_PER_PAGE}", self.path);
        let scope = self.scope.clone();
        Call::create(self.add, &path, self.set, scope, &entries.content())
            .answered(Success::OK)
            .repeatable()
    }

    /// Fails with the first of the wanted entries that is not there.
    fn contains(&self, wanted: &AccessList, present: &AccessList) -> Result<(), AtlasError> {
        match wanted.without(present).0.first() {
            None => Ok(()),
            Some(entry) => Err(AtlasError::MalformedAnswer {
                operation: self.add,
                source: AnswerFault::EntryMissing { entry: *entry },
            }),
        }
    }
}

/// How often entries are added anew after Atlas found some of them there already.
const MAX_ADDITIONS: u32 = 3;

impl Atlas {
    /// Adds entries to an API key's list; those already there do no harm. One request, none for an
    /// empty list. Source: Atlas API `createOrgAccessEntry`.
    pub(crate) async fn add_api_key_access_list(
        &self,
        org: &OrgId,
        key: &ApiKeyId,
        wanted: &AccessList,
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        self.add_entries(&Owner::api_key(org, key), wanted, budget)
            .await
    }

    /// An API key's list. Source: Atlas API `listOrgAccessEntries`.
    pub(crate) async fn api_key_access_list(
        &self,
        org: &OrgId,
        key: &ApiKeyId,
        budget: RequestBudget,
    ) -> Result<AccessList, AtlasError> {
        self.list_entries(&Owner::api_key(org, key), budget).await
    }

    /// Adds entries to a service account's list; those already there do no harm. One request, none
    /// for an empty list. Source: Atlas API `createOrgAccessList`, `createAccessList`.
    pub(crate) async fn add_service_account_access_list(
        &self,
        level: &Level,
        account: &ClientId,
        wanted: &AccessList,
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        self.add_entries(&Owner::service_account(level, account), wanted, budget)
            .await
    }

    /// A service account's list. Source: Atlas API `listOrgAccessList`, `listAccessList`.
    pub(crate) async fn service_account_access_list(
        &self,
        level: &Level,
        account: &ClientId,
        budget: RequestBudget,
    ) -> Result<AccessList, AtlasError> {
        self.list_entries(&Owner::service_account(level, account), budget)
            .await
    }

    /// Whether a refused addition changed part of the list is not documented: after a conflict the
    /// list is read and only what is missing is sent.
    ///
    /// An addition is answered with the whole list, and the entries count as added only if they are in
    /// it. The largest page is asked for, so that one request tells of all.
    async fn add_entries(
        &self,
        owner: &Owner,
        wanted: &AccessList,
        budget: RequestBudget,
    ) -> Result<(), AtlasError> {
        let mut missing = wanted.clone();
        let mut additions = 0;
        while !missing.is_empty() {
            additions += 1;
            let call = owner.addition(&missing);
            let page: Page<EntryReply> = match self.fetch(&call, budget).await {
                Err(AtlasError::Refused { status: 409, .. }) if additions < MAX_ADDITIONS => {
                    missing = wanted.without(&self.list_entries(owner, budget).await?);
                    continue;
                }
                outcome => outcome?,
            };
            let goes_on = page.may_go_on();
            let shown = page.results.into_iter().filter_map(EntryReply::entry);
            let mut present: AccessList = shown.collect();
            if goes_on {
                present = self.list_entries(owner, budget).await?;
            }
            return owner.contains(wanted, &present);
        }
        Ok(())
    }

    async fn list_entries(
        &self,
        owner: &Owner,
        budget: RequestBudget,
    ) -> Result<AccessList, AtlasError> {
        let call = Call::get(owner.list, &owner.path, owner.set, owner.scope.clone());
        let entries = self.walk(call, budget, EntryReply::entry).await?;
        Ok(entries.into_iter().collect())
    }
}

#[cfg(test)]
#[path = "access_list_tests.rs"]
mod tests;
