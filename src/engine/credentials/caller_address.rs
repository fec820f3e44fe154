//! The address from which a credential is asked for, which `bind_to_caller` puts onto its access list.
//!
//! It is the one that the server saw, and the server's listener decides what that is behind a proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    // Callers over IPv4 are seen as such by Atlas, whatever socket the server listens on, or what translates
    // for it.
    let address = match address.to_canonical() {
        IpAddr::V6(six) => translated(six).map_or(IpAddr::V6(six), IpAddr::V4),
        four @ IpAddr::V4(_) => four,
    };
    // On an access list the first would stand for all, and nobody calls from the others.
    let is_nobodys = address.is_unspecified()
        || address.is_multicast()
        || address == IpAddr::V4(Ipv4Addr::BROADCAST);
    (!is_nobodys).then_some(address)
}

/// The caller over IPv4 for whom a gateway translates. Source: RFC 6052, `64:ff9b::/96`.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = address.segments();
    let is_translated = address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    is_translated.then(|| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
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
        IpAddr::V4(four) => (is_private(four), four.is_link_local()),
        IpAddr::V6(six) => (is_private_six(six), six.is_unicast_link_local()),
    };
    if address.is_loopback() {
        Some("a loopback")
    } else if is_link_local {
        Some("a link-local")
    } else if is_private {
        Some("a private")
    } else {
        None
    }
}

/// Whether nobody has it on the internet. Source: IANA IPv4 Special-Purpose Address Registry.
fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_reserved = first >= 240;
    let is_for_benchmarks = first == 198 && second & !1 == 18;
    let is_of_protocols = [first, second, third] == [192, 0, 0];
    address.is_private()
        || [first, second & 0b1100_0000] == CARRIER_GRADE
        || is_reserved
        || is_for_benchmarks
        || is_of_protocols
}

/// The same. Source: IANA IPv6 Special-Purpose Address Registry; RFC 3879 of the former site-local ones.
fn is_private_six(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let is_site_local = first & 0xffc0 == 0xfec0;
    let is_translated_locally = [first, second, third] == [0x64, 0xff9b, 1];
    address.is_unique_local() || is_site_local || is_translated_locally
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
