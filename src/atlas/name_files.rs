//! What the machine's files say of names: `/etc/hosts` and `/etc/resolv.conf`, read as hosts(5) and
//! resolv.conf(5) have it.
//!
//! Left out: the domain of the host's own name where neither `search` nor `domain` is set, all options but
//! `ndots` and `timeout`, and name servers with a zone (`fe80::1%eth0`), which are told where a lookup fails.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

/// So many name servers are asked, those that come first.
const MOST_SERVERS: usize = 3;
const MOST_DOTS: usize = 15;
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The addresses that a file such as `/etc/hosts` gives a name, in its order.
pub(super) fn in_hosts(file: &Path, name: &str) -> Vec<IpAddr> {
    in_text(&text(file), name)
}

/// The same of what such a file says.
fn in_text(hosts: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let lines = hosts.lines().map(without_comment);
    let addresses = lines.filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|known| known.trim_end_matches('.').eq_ignore_ascii_case(name))
            .then_some(address)
    });
    addresses.collect()
}

/// Whom to ask for names, and which names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ResolvConf {
    /// In the order in which they are asked.
    pub(super) servers: Vec<IpAddr>,
    /// Named, and not an address that can be asked.
    unusable: Vec<String>,
    /// No server is named that can be asked: this machine's is meant.
    is_default: bool,
    /// Appended to names.
    search: Vec<String>,
    /// A name with so many dots is asked for as it is before anything is appended.
    dots: usize,
    /// How long an answer of one server is waited for.
    pub(super) timeout: Duration,
}

impl ResolvConf {
    /// A file that is not there or says nothing means the name server of this machine.
    pub(super) fn read(file: &Path) -> Self {
        Self::of_text(&text(file))
    }

    fn of_text(text: &str) -> Self {
        let mut read = Self {
            servers: Vec::new(),
            unusable: Vec::new(),
            is_default: false,
            search: Vec::new(),
            dots: 1,
            timeout: TIMEOUT,
        };
        for line in text.lines() {
            read.take(without_comment(line));
        }
        read.is_default = read.servers.is_empty();
        if read.is_default {
            read.servers.push(Ipv4Addr::LOCALHOST.into());
        }
        read
    }

    fn take(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => words.take(1).for_each(|server| self.take_server(server)),
            // The last of these two lines holds.
            Some("search") => self.search = words.map(str::to_owned).collect(),
            Some("domain") => self.search = words.take(1).map(str::to_owned).collect(),
            Some("options") => words.for_each(|option| self.take_option(option)),
            _ => {}
        }
    }

    fn take_server(&mut self, server: &str) {
        match server.parse() {
            Ok(server) if self.servers.len() < MOST_SERVERS => self.servers.push(server),
            Err(_) if self.unusable.len() < MOST_SERVERS => self.unusable.push(server.to_owned()),
            _ => {}
        }
    }

    /// The servers as an operator finds them in the file.
    pub(super) fn told(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(IpAddr::to_string).collect();
        let mut told = servers.join(", ");
        if self.is_default {
            told = format!("none that can be asked, so this machine: {told}");
        }
        if !self.unusable.is_empty() {
            told = format!("{told}; cannot be asked: {}", self.unusable.join(", "));
        }
        told
    }

    fn take_option(&mut self, option: &str) {
        let Some((name, value)) = option.split_once(':') else {
            return;
        };
        match (name, value.parse::<u32>()) {
            ("ndots", Ok(dots)) => self.dots = (dots as usize).min(MOST_DOTS),
            ("timeout", Ok(seconds)) => {
                let asked = Duration::from_secs(seconds.max(1).into());
                self.timeout = asked.min(LONGEST_TIMEOUT);
            }
            _ => {}
        }
    }

    /// The names to ask for, one after the other, until one has an address.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let searched = self.search.iter().map(|domain| match domain.as_str() {
            "." => name.to_owned(),
            domain => format!("{name}.{domain}"),
        });
        let mut names: Vec<String> = searched.collect();
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let place = if dots >= self.dots { 0 } else { names.len() };
        names.insert(place, name.to_owned());
        names
    }
}

fn text(file: &Path) -> String {
    let read = std::fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&read).into_owned()
}

fn without_comment(line: &str) -> &str {
    line.split(['#', ';']).next().unwrap_or_default()
}

/// What fuzzing feeds here: a name, and what the files say.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(name: &str, text: &str) {
    let read = ResolvConf::of_text(text);
    assert!((1..=MOST_SERVERS).contains(&read.servers.len()), "{read:?}");
    assert!(read.unusable.len() <= MOST_SERVERS && read.dots <= MOST_DOTS);
    assert!((Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&read.timeout));
    let told = read.told();
    assert!(!told.contains('\n'), "{told:?}");
    for server in &read.servers {
        assert!(told.contains(&server.to_string()), "{told}");
        assert!(read.is_default || text.contains("nameserver"), "{read:?}");
    }
    let names = read.names(name);
    assert!(names.iter().any(|asked| asked == name), "{names:?}");
    assert!(names.iter().all(|asked| asked.starts_with(name)));
    assert!(names.len() <= read.search.len() + 1);
    let found = in_text(text, name);
    assert!(found.len() <= text.lines().count());
    let dotted = format!("{}.", name.to_ascii_uppercase());
    assert_eq!(
        found,
        in_text(text, &dotted),
        "in any case, with or without the last dot"
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn resolv_conf(text: &str) -> ResolvConf {
        let (_folder, path) = file(text);
        ResolvConf::read(&path)
    }

    #[test]
    fn hosts_are_found_by_each_of_their_names_in_any_case() {
        let text = "# 192.0.2.9 atlas\n\
                    192.0.2.1\tatlas.corp.example atlas # of the office\n\
                    2001:db8::1 ATLAS\n\
                    192.0.2 atlas\n\
                    192.0.2.3 atlas2 notatlas\n";
        let (_folder, path) = file(text);
        let found = |name| in_hosts(&path, name);
        let both: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(found("Atlas"), both);
        assert_eq!(found("atlas.corp.example."), both[..1]);
        for unknown in ["192.0.2.1", "of", "corp.example", ""] {
            assert!(found(unknown).is_empty(), "{unknown}");
        }
        assert!(in_hosts(Path::new("/nowhere"), "atlas").is_empty());
    }

    #[test]
    fn a_file_that_says_nothing_means_this_machine() {
        let here: [IpAddr; 1] = [Ipv4Addr::LOCALHOST.into()];
        assert_eq!(ResolvConf::read(Path::new("/nowhere")).servers, here);
        for text in ["", "nameserver\nnameserver none\n", "#nameserver 192.0.2.1"] {
            let read = resolv_conf(text);
            assert_eq!(read.servers, here, "{text}");
            assert_eq!(read.timeout, TIMEOUT);
            assert_eq!(read.names("a"), ["a"]);
        }
    }

    #[test]
    fn servers_are_kept_in_their_order() {
        let read = resolv_conf(
            "nameserver 192.0.2.3\n nameserver 2001:db8::53 ; spare\n\
             options timeout:2 rotate ndots:99\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n",
        );
        let want = ["192.0.2.3", "2001:db8::53", "192.0.2.1"];
        assert_eq!(
            read.servers,
            want.map(|server| server.parse::<IpAddr>().unwrap())
        );
        assert_eq!(read.timeout, Duration::from_secs(2));
        assert_eq!(read.dots, MOST_DOTS);
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        for (text, want) in [
            ("", "none that can be asked, so this machine: 127.0.0.1"),
            (
                "nameserver fe80::1%eth0",
                "none that can be asked, so this machine: 127.0.0.1; cannot be asked: fe80::1%eth0",
            ),
            (
                "nameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver 2001:db8::53",
                "192.0.2.1, 2001:db8::53; cannot be asked: fe80::1%eth0",
            ),
        ] {
            assert_eq!(resolv_conf(text).told(), want, "{text}");
        }
    }

    #[test]
    fn names_with_few_dots_are_searched_first() {
        let pod = resolv_conf("search ns.svc.cluster.local svc.cluster.local\noptions ndots:2");
        let want = [
            "proxy.ns.svc.cluster.local",
            "proxy.svc.cluster.local",
            "proxy",
        ];
        assert_eq!(pod.names("proxy"), want);
        assert_eq!(pod.names("cloud.mongodb.com")[0], "cloud.mongodb.com");
        assert_eq!(pod.names("mongodb.com")[2], "mongodb.com");
        assert_eq!(pod.names("proxy."), ["proxy."]);
        let office = resolv_conf("search a.example b.example\ndomain corp.example\n");
        assert_eq!(office.names("proxy"), ["proxy.corp.example", "proxy"]);
        assert_eq!(resolv_conf("search .").names("proxy"), ["proxy", "proxy"]);
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in any::<String>(), name in any::<String>()) {
            let (_folder, path) = file(&text);
            let read = ResolvConf::read(&path);
            prop_assert!((1..=MOST_SERVERS).contains(&read.servers.len()));
            prop_assert!(!read.names(&name).is_empty());
            let _ = in_hosts(&path, &name);
        }
    }
}
