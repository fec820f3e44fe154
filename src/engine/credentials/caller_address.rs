//! The address from which a credential is asked for, which `bind_to_caller` puts onto its access list.
//!
//! It is the one that the server saw, and the server's listener decides what that is behind a proxy.

use std::net::{IpAddr, Ipv4Addr};

use crate::engine::entries::{CredentialType, RoleEntry};
use crate::framework::Faults;

/// Addresses behind the NAT of a provider. Source: RFC 6598.
const CARRIER_GRADE: [u8; 2] = [100, 64];

/// Reads the address of a request: bare as the host gives it, or with a port or zone. [`None`]: there is
/// none, as of a request over a Unix socket.
pub(super) fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        // Of a second colon it is an IPv6 address alone.
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    let address = host.split('%').next()?.parse::<IpAddr>().ok()?;
    // Callers over IPv4 are seen as such by Atlas, whatever socket the server listens on.
    let address = address.to_canonical();
    // On an access list that one would stand for all.
    (!address.is_unspecified()).then_some(address)
}

/// Why Atlas will see another address than this.
pub(super) fn warning(address: IpAddr) -> Option<String> {
    let kind = local_kind(address)?;
    Some(format!(
        "the credential is bound to {address}, {kind} address: Atlas sees the one from which its caller goes \
         out, and refuses it unless ip_addresses or cidr_blocks of the role admit that"
    ))
}

/// What kind of address it is, if it is none of the internet.
fn local_kind(address: IpAddr) -> Option<&'static str> {
    let (is_private, is_link_local) = match address {
        IpAddr::V4(four) => (four.is_private(), four.is_link_local()),
        IpAddr::V6(six) => (six.is_unique_local(), six.is_unicast_link_local()),
    };
    if address.is_loopback() {
        Some("a loopback")
    } else if is_link_local {
        Some("a link-local")
    } else if is_private || matches!(address, IpAddr::V4(four) if is_carrier_grade(four)) {
        Some("a private")
    } else {
        None
    }
}

fn is_carrier_grade(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    [first, second & 0b1100_0000] == CARRIER_GRADE
}

/// Refuses `bind_to_caller` where no access list is made for each lease.
pub(super) fn check(role: &RoleEntry, faults: &mut Faults) {
    if role.bind_to_caller
        && let Some(reason) = obstacle(role)
    {
        faults.add("bind_to_caller", reason);
    }
}

/// Whether each credential of the role has an access list of its own.
pub(crate) fn has_own_access_list(role: &RoleEntry) -> bool {
    obstacle(role).is_none()
}

/// Why no access list is made for each lease.
fn obstacle(role: &RoleEntry) -> Option<&'static str> {
    match role.credential_type {
        CredentialType::ProgrammaticApiKey => None,
        CredentialType::ServiceAccount if role.client_id.is_empty() => None,
        CredentialType::ServiceAccount => {
            Some("not with client_id: that account is not changed from here")
        }
        CredentialType::AccessToken => Some(
            "not with credential_type access_token: all callers have tokens of the same account",
        ),
        CredentialType::AiModelKey => {
            Some("not with credential_type ai_model_key: such a key has no access list")
        }
        CredentialType::DatabaseUser => Some(
            "not with credential_type database_user: the project's access list is all that its clusters have",
        ),
    }
}

#[cfg(test)]
#[path = "caller_address_tests.rs"]
mod tests;
