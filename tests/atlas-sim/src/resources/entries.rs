//! What the access lists of keys and of accounts have in common.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;
use regex::Regex;
use serde_json::Value;

use crate::body::Fields;
use crate::core::{Call, Principal};
use crate::errors::ApiError;
use crate::settings::{HostBits, PartialDuplicates, Settings};
use crate::state::{AccessEntry, LastUsed};
use crate::view::entry_name;

// Source of the patterns: Atlas API, `UserAccessListRequest`.
static BLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^((([0-9]{1,3}\.){3}[0-9]{1,3})|(:{0,2}([0-9a-f]{1,4}:){0,7}[0-9a-f]{1,4}[:]{0,2}))((%2[fF]|/)[0-9]{1,3})+$").ok()
});
static FULL_IPV6: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$").ok());

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Reads the body of a POST: an array of `{ipAddress}` or `{cidrBlock}`.
pub(super) fn parse(body: &Value, settings: &Settings) -> Result<Vec<IpNet>, ApiError> {
    let elements = body
        .as_array()
        .ok_or_else(|| ApiError::new(400, "INVALID_JSON", "Received JSON is not an array."))?;
    let mut nets = Vec::new();
    for element in elements {
        let net = element_net(element, settings)?;
        if nets.contains(&net) {
            let detail = format!("The address {net} was given twice.");
            return Err(
                ApiError::new(400, "DUPLICATE_ADDRESSES_IN_INPUT", detail).with(net.to_string())
            );
        }
        nets.push(net);
    }
    Ok(nets)
}

fn element_net(element: &Value, settings: &Settings) -> Result<IpNet, ApiError> {
    let fields = Fields::new(element, &["ipAddress", "cidrBlock"])?;
    match (fields.text("ipAddress")?, fields.text("cidrBlock")?) {
        (Some(address), None) => bare_address(address)
            .map(IpNet::from)
            .ok_or_else(|| bad_notation(address)),
        (None, Some(block)) => cidr_block(block, settings),
        (Some(_), Some(_)) => Err(ApiError::bad_field(
            "ipAddress",
            "cannot be given together with cidrBlock",
        )),
        (None, None) => Err(ApiError::missing_field("ipAddress")),
    }
}

/// A bare address: IPv4, or IPv6 written out in full, lower case.
fn bare_address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    (address.is_ipv4() || matches(&FULL_IPV6, text)).then_some(address)
}

fn cidr_block(text: &str, settings: &Settings) -> Result<IpNet, ApiError> {
    let net: Option<IpNet> = text.parse().ok().filter(|_| matches(&BLOCK, text));
    let net = net.ok_or_else(|| bad_notation(text))?;
    if net.trunc() == net || settings.host_bits == HostBits::Mask {
        return Ok(net.trunc());
    }
    let detail = format!("The CIDR block {text} is not a network address.");
    Err(ApiError::new(400, "INVALID_CIDR_BLOCK", detail).with(text))
}

fn bad_notation(text: &str) -> ApiError {
    let detail = format!("The address {text} must be in valid IP address or CIDR notation.");
    ApiError::new(400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION", detail).with(text)
}

/// Adds entries to a list; 409 if one exists.
pub(super) fn add(
    call: &Call<'_>,
    list: &[AccessEntry],
    nets: Vec<IpNet>,
) -> (Vec<AccessEntry>, Result<(), ApiError>) {
    let settings = call.settings;
    let (known, fresh): (Vec<IpNet>, Vec<IpNet>) = nets
        .into_iter()
        .partition(|net| list.iter().any(|entry| entry.net == *net));
    if list.len() + fresh.len() > settings.max_access_list_entries {
        let limit = settings.max_access_list_entries;
        let detail = format!("An access list cannot have more than {limit} entries.");
        return (
            Vec::new(),
            Err(ApiError::set(&settings.access_list_full, detail).with(limit)),
        );
    }
    let entries = fresh.into_iter().map(|net| AccessEntry {
        net,
        created_at: call.now,
        effective_at: call.entry_effective_at(),
        count: 0,
        last_used: LastUsed::default(),
        last_address: None,
    });
    match known.first() {
        None => (entries.collect(), Ok(())),
        Some(net) => {
            let rest = settings.partial_duplicates == PartialDuplicates::AddRest;
            let added = if rest { entries.collect() } else { Vec::new() };
            (added, Err(exists(*net, settings)))
        }
    }
}

fn exists(net: IpNet, settings: &Settings) -> ApiError {
    let code = if settings.whitelist_codes {
        "ADDRESS_ALREADY_IN_WHITELIST"
    } else {
        "ADDRESS_ALREADY_IN_ACCESS_LIST"
    };
    let name = entry_name(net);
    ApiError::new(
        409,
        code,
        format!("The address {name} is in the access list already."),
    )
    .with(name)
}

/// Finds the entry a path names: a bare address, or a block that is not a single address.
pub(super) fn find(list: &[AccessEntry], name: &str) -> Option<usize> {
    list.iter().position(|entry| entry_name(entry.net) == name)
}

/// Refuses to remove the entry that admits the caller. `own` tells whether the list is the caller's.
pub(super) fn check_removal(
    call: &Call<'_>,
    entry: &AccessEntry,
    own: bool,
) -> Result<(), ApiError> {
    if !own || !entry.net.contains(&call.address) {
        return Ok(());
    }
    let detail = "The requesting IP address cannot be removed from the access list.";
    Err(ApiError::new(
        400,
        "CANNOT_REMOVE_CALLER_FROM_ACCESS_LIST",
        detail,
    ))
}

/// Whether the caller is this key or account.
pub(super) fn is_caller(call: &Call<'_>, id: &str) -> bool {
    match call.principal {
        Principal::Key(own) => own == id,
        Principal::Account { client_id, .. } => client_id == id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &Value) -> Result<usize, String> {
        parse(body, &Settings::default())
            .map(|nets| nets.len())
            .map_err(|error| error.code.clone())
    }

    #[test]
    fn every_valid_form_is_read() {
        let body = json!([
            {"ipAddress": "192.0.2.1"}, {"cidrBlock": "198.51.100.0/24"},
            {"ipAddress": "2001:db8:0:0:0:0:0:1"}, {"cidrBlock": "2001:db8::/32"},
        ]);
        assert_eq!(parsed(&body), Ok(4));
    }

    #[test]
    fn bad_entries_are_refused_by_what_is_wrong() {
        let code = |element: Value| parsed(&json!([element])).unwrap_err();
        assert_eq!(
            code(json!({"ipAddress": "192.0.2.256"})),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"
        );
        assert_eq!(
            code(json!({"ipAddress": "2001:db8::1"})),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"
        );
        assert_eq!(
            code(json!({"ipAddress": "192.0.2.0/24"})),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"
        );
        assert_eq!(
            code(json!({"cidrBlock": "192.0.2.1"})),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"
        );
        assert_eq!(
            code(json!({"cidrBlock": "192.0.2.1/24"})),
            "INVALID_CIDR_BLOCK"
        );
        assert_eq!(code(json!({})), "MISSING_ATTRIBUTE");
        assert_eq!(
            code(json!({"ipAddress": "192.0.2.1", "comment": "x"})),
            "INVALID_ATTRIBUTE"
        );
        assert_eq!(
            code(json!({"ipAddress": "192.0.2.1", "cidrBlock": "192.0.2.0/24"})),
            "BAD_REQUEST"
        );
    }

    #[test]
    fn the_same_address_twice_is_refused() {
        let body = json!([{"ipAddress": "192.0.2.1"}, {"cidrBlock": "192.0.2.1/32"}]);
        assert_eq!(
            parsed(&body),
            Err("DUPLICATE_ADDRESSES_IN_INPUT".to_owned())
        );
    }
}
