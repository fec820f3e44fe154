//! How keys, accounts, secrets and entries look in answers.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::clock::{after, text};
use crate::ids::SECRET_PREFIX;
use crate::operations::BASE;
use crate::page::self_link;
use crate::roles::{assignments, turned};
use crate::settings::Settings;
use crate::state::{AccessEntry, Account, ApiKey, Secret};

/// Whether secrets are shown in clear, as only the answer to a create does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Clear,
    Masked,
}

/// A key. Source of the mask: recorded answers of `listOrgApiKeys`.
pub(crate) fn key(key: &ApiKey, shown: Shown, turn: usize) -> Value {
    let tail = key.private_key.len().saturating_sub(12);
    let private_key = match shown {
        Shown::Clear => key.private_key.clone(),
        Shown::Masked => format!("********-****-****-{}", &key.private_key[tail..]),
    };
    let path = format!("{BASE}/orgs/{}/apiKeys/{}", key.holder.org_id, key.id);
    json!({
        "id": key.id, "desc": key.description, "publicKey": key.public_key,
        "privateKey": private_key, "roles": assignments(&key.holder, turn),
        "links": [self_link(&path)],
    })
}

/// An account at organization level, or in `project`.
pub(crate) fn account(
    account: &Account,
    project: Option<&str>,
    fresh_secret: Option<&str>,
    now: DateTime<Utc>,
    settings: &Settings,
    turn: usize,
) -> Value {
    let roles = match project {
        None => account.holder.org_roles.clone(),
        Some(id) => account
            .holder
            .project_roles
            .get(id)
            .cloned()
            .unwrap_or_default(),
    };
    let lag = settings.read_lag_after_create_seconds;
    let readable = |secret: &&Secret| {
        fresh_secret == Some(secret.id.as_str()) || now >= after(secret.created_at, lag)
    };
    let secrets = account.secrets.iter().filter(readable).map(|secret| {
        let clear = fresh_secret == Some(secret.id.as_str());
        self::secret(
            secret,
            if clear { Shown::Clear } else { Shown::Masked },
            now,
            settings,
        )
    });
    json!({
        "clientId": account.client_id, "name": account.name,
        "description": account.description, "createdAt": text(account.holder.created_at),
        "roles": turned(roles, turn), "secrets": secrets.collect::<Vec<Value>>(),
    })
}

/// A secret.
pub(crate) fn secret(
    secret: &Secret,
    shown: Shown,
    now: DateTime<Utc>,
    settings: &Settings,
) -> Value {
    let mut body = json!({
        "id": secret.id, "createdAt": text(secret.created_at), "expiresAt": text(secret.expires_at),
    });
    if shown == Shown::Clear {
        body["secret"] = json!(secret.value);
        return body;
    }
    let tail = secret.value.len().saturating_sub(4);
    body["maskedSecretValue"] = json!(format!("{SECRET_PREFIX}...{}", &secret.value[tail..]));
    let used = secret
        .last_used
        .seen(now, settings.secret_last_used_lag_seconds);
    put_time(&mut body, "lastUsedAt", used, settings);
    body
}

fn put_time(body: &mut Value, name: &str, moment: Option<DateTime<Utc>>, settings: &Settings) {
    match moment {
        Some(moment) => body[name] = json!(text(moment)),
        None if settings.null_optionals => body[name] = Value::Null,
        None => {}
    }
}

/// An address as access lists write it: IPv6 in full, lower case.
pub(crate) fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => {
            let groups = six.segments().map(|group| format!("{group:x}"));
            groups.join(":")
        }
    }
}

/// A block with its prefix length, a single address included.
pub(crate) fn block(net: IpNet) -> String {
    format!("{}/{}", address(net.addr()), net.prefix_len())
}

/// The name of an entry in a path: the bare address, or the block.
pub(crate) fn entry_name(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        address(net.addr())
    } else {
        block(net)
    }
}

/// An entry of an API key's access list, or of an account's.
pub(crate) fn entry(
    entry: &AccessEntry,
    key_path: Option<&str>,
    now: DateTime<Utc>,
    settings: &Settings,
) -> Value {
    let mut body = Map::new();
    body.insert("cidrBlock".to_owned(), json!(block(entry.net)));
    if entry.net.prefix_len() == entry.net.max_prefix_len() {
        body.insert("ipAddress".to_owned(), json!(address(entry.net.addr())));
    }
    let names = if key_path.is_some() {
        ["created", "count", "lastUsed"]
    } else {
        ["createdAt", "requestCount", "lastUsedAt"]
    };
    body.insert(names[0].to_owned(), json!(text(entry.created_at)));
    body.insert(names[1].to_owned(), json!(entry.count));
    let lag = settings.access_entry_last_used_lag_seconds;
    let used = entry.last_used.seen(now, lag);
    if let (Some(_), Some(last)) = (used, entry.last_address) {
        body.insert("lastUsedAddress".to_owned(), json!(address(last)));
    }
    if let Some(path) = key_path {
        let name = entry_name(entry.net).replace('/', "%2F");
        body.insert(
            "links".to_owned(),
            json!([self_link(&format!("{path}/{name}"))]),
        );
    }
    let mut body = Value::Object(body);
    put_time(&mut body, names[2], used, settings);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_in_full() {
        assert_eq!(
            address("2001:db8::1".parse().unwrap()),
            "2001:db8:0:0:0:0:0:1"
        );
        assert_eq!(
            block("2001:db8::/32".parse().unwrap()),
            "2001:db8:0:0:0:0:0:0/32"
        );
        assert_eq!(entry_name("192.0.2.1/32".parse().unwrap()), "192.0.2.1");
        assert_eq!(entry_name("192.0.2.0/24".parse().unwrap()), "192.0.2.0/24");
    }
}
