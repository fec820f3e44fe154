//! A machine of its own: files in a folder, and name servers at addresses of the loopback net.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

const ATLAS: &str = "cloud.mongodb.com";
const LIMIT: Duration = Duration::from_secs(9);

pub(in crate::atlas) struct Machine {
    folder: TempDir,
    port: u16,
}

impl Machine {
    /// Its name servers listen at that port.
    pub(in crate::atlas) fn with(port: u16, resolv_conf: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder, port };
        machine.write("resolv.conf", resolv_conf);
        machine
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(in crate::atlas) fn names(&self) -> Names {
        Names {
            hosts: self.folder.path().join("hosts"),
            resolv_conf: self.folder.path().join("resolv.conf"),
            port: self.port,
        }
    }

    async fn finds(&self, name: &str) -> Vec<String> {
        let found = self.names().look_up(name, LIMIT).await.unwrap();
        found.iter().map(IpAddr::to_string).collect()
    }

    async fn fails(&self, name: &str, limit: Duration) -> String {
        let failed = self.names().look_up(name, limit).await.unwrap_err();
        let source = std::error::Error::source(&failed);
        let source = source.map(ToString::to_string).unwrap_or_default();
        format!("{failed}: {source}")
    }
}

/// What a name server says to one question.
#[derive(Clone)]
enum Says {
    Address(IpAddr),
    /// There is no such name, or none of that family.
    Nothing,
    /// It is asked again over TCP.
    TooLong,
    ServerFailure,
    Silence,
    /// What it says comes after a while.
    Late(Box<Says>),
}

/// What is said late: too late for half of [`SHORT`], and not for all of it.
const LATE: Duration = Duration::from_millis(1_300);
const SHORT: Duration = Duration::from_secs(2);

fn at(address: &str) -> Says {
    Says::Address(address.parse().unwrap())
}

/// Answers by name, and by whether an address of IPv6 is asked for.
type Answers = dyn Fn(&str, bool) -> Says + Send + Sync;

struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl NameServer {
    async fn start(answers: impl Fn(&str, bool) -> Says + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answers).await
    }

    async fn start_at(
        address: SocketAddr,
        answers: impl Fn(&str, bool) -> Says + Send + Sync + 'static,
    ) -> Self {
        let (udp, tcp) = sockets_at(address).await;
        let address = udp.local_addr().unwrap();
        let (asked, answers) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(answers));
        let mut tasks = JoinSet::new();
        tasks.spawn(over_udp(udp, answers.clone(), Arc::clone(&asked)));
        tasks.spawn(over_tcp(tcp, answers));
        Self {
            asked,
            address,
            _tasks: tasks,
        }
    }

    /// At the next address, with the same port.
    fn beside(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 2], self.address.port()))
    }

    fn machine(&self, resolv_conf: &str) -> Machine {
        Machine::with(self.address.port(), resolv_conf)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Both at one port; where any will do, at one that is free for both.
async fn sockets_at(address: SocketAddr) -> (UdpSocket, TcpListener) {
    for _ in 0..20 {
        let udp = UdpSocket::bind(address).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
        assert_eq!(address.port(), 0, "{address} is taken");
    }
    panic!("no port is free for both");
}

async fn over_udp(socket: UdpSocket, answers: Arc<Answers>, asked: Arc<Mutex<Vec<String>>>) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let question = Question::read(&buffer[..length]);
        if !question.is_ipv6 {
            asked.lock().unwrap().push(question.name.clone());
        }
        let mut says = answers(&question.name, question.is_ipv6);
        if let Says::Late(late) = says {
            tokio::time::sleep(LATE).await;
            says = *late;
        }
        if let Some(answer) = question.answer(&says) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

/// Here nothing is too long.
async fn over_tcp(listener: TcpListener, answers: Arc<Answers>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        while let Ok(length) = stream.read_u16().await {
            let mut buffer = vec![0; length.into()];
            stream.read_exact(&mut buffer).await.unwrap();
            let question = Question::read(&buffer);
            let says = match answers(&question.name, question.is_ipv6) {
                Says::TooLong => at("192.0.2.200"),
                says => says,
            };
            let answer = question.answer(&says).unwrap();
            stream
                .write_u16(answer.len().try_into().unwrap())
                .await
                .unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

/// RFC 1035, section 4: header, the question as it came, and one record that points to its name.
struct Question {
    id: [u8; 2],
    asked: Vec<u8>,
    name: String,
    is_ipv6: bool,
}

impl Question {
    fn read(message: &[u8]) -> Self {
        let (mut labels, mut position) = (Vec::new(), 12);
        while message[position] > 0 {
            let end = position + 1 + usize::from(message[position]);
            labels.push(String::from_utf8(message[position + 1..end].to_vec()).unwrap());
            position = end;
        }
        Self {
            id: [message[0], message[1]],
            asked: message[12..position + 5].to_vec(),
            name: labels.join("."),
            is_ipv6: message[position + 2] == 28,
        }
    }

    fn answer(&self, says: &Says) -> Option<Vec<u8>> {
        let (flags, record) = match says {
            Says::Silence | Says::Late(_) => return None,
            Says::Nothing => ([0x81, 0x83], Vec::new()),
            Says::TooLong => ([0x83, 0x80], Vec::new()),
            Says::ServerFailure => ([0x81, 0x82], Vec::new()),
            Says::Address(IpAddr::V4(ip)) => ([0x81, 0x80], record(1, &ip.octets())),
            Says::Address(IpAddr::V6(ip)) => ([0x81, 0x80], record(28, &ip.octets())),
        };
        let mut answer = self.id.to_vec();
        answer.extend(flags);
        answer.extend([0, 1, 0, u8::from(!record.is_empty()), 0, 0, 0, 0]);
        answer.extend(&self.asked);
        answer.extend(record);
        Some(answer)
    }
}

/// With a day to live.
fn record(kind: u8, address: &[u8]) -> Vec<u8> {
    let length = u8::try_from(address.len()).unwrap();
    let mut record = vec![0xc0, 12, 0, kind, 0, 1, 0, 1, 0x51, 0x80, 0, length];
    record.extend(address);
    record
}

fn only_ipv4(address: &'static str) -> impl Fn(&str, bool) -> Says {
    move |_, is_ipv6| if is_ipv6 { Says::Nothing } else { at(address) }
}

#[tokio::test]
async fn addresses_of_both_families_are_found_those_of_ipv4_first() {
    let server =
        NameServer::start(|_, is_ipv6| at(if is_ipv6 { "2001:db8::7" } else { "192.0.2.7" })).await;
    let machine = server.machine("nameserver 127.0.0.1");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.7", "2001:db8::7"]);
}

#[tokio::test]
async fn a_name_with_one_family_is_found() {
    let four = NameServer::start(only_ipv4("192.0.2.7")).await;
    let machine = four.machine("nameserver 127.0.0.1");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.7"]);
    let only_six = |_: &str, is_ipv6| {
        if is_ipv6 {
            at("2001:db8::7")
        } else {
            Says::Nothing
        }
    };
    let six = NameServer::start(only_six).await;
    let machine = six.machine("nameserver 127.0.0.1");
    assert_eq!(machine.finds(ATLAS).await, ["2001:db8::7"]);
}

#[tokio::test]
async fn a_server_that_is_silent_about_ipv6_costs_a_moment() {
    let server = NameServer::start(|_, is_ipv6| {
        if is_ipv6 {
            Says::Silence
        } else {
            at("192.0.2.7")
        }
    })
    .await;
    let machine = server.machine("nameserver 127.0.0.1");
    let start = Instant::now();
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.7"]);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_holds_as_soon_as_it_is_written() {
    let server = NameServer::start(only_ipv4("192.0.2.7")).await;
    let machine = server.machine("nameserver 127.0.0.1\nsearch corp.example");
    machine.write("hosts", "192.0.2.1 proxy\n2001:db8::1 cloud.mongodb.com\n");
    assert_eq!(machine.finds("proxy").await, ["192.0.2.1"]);
    assert_eq!(machine.finds(ATLAS).await, ["2001:db8::1"]);
    assert!(server.asked().is_empty());
    machine.write("hosts", "");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.7"]);
}

#[tokio::test]
async fn this_machine_needs_no_file() {
    let machine = Machine::with(1, "");
    for name in ["localhost", "LocalHost.", "atlas.localhost"] {
        assert_eq!(machine.finds(name).await, ["127.0.0.1", "::1"], "{name}");
    }
}

#[tokio::test]
async fn domains_are_searched_until_one_knows_the_name() {
    let server = NameServer::start(|name, is_ipv6| match name {
        "proxy.b.example" if !is_ipv6 => at("192.0.2.2"),
        "cloud.mongodb.com" if !is_ipv6 => at("192.0.2.3"),
        _ => Says::Nothing,
    })
    .await;
    let machine = server.machine("nameserver 127.0.0.1\nsearch a.example b.example c.example");
    assert_eq!(machine.finds("proxy").await, ["192.0.2.2"]);
    assert_eq!(server.asked(), ["proxy.a.example", "proxy.b.example"]);
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.3"]);
    assert_eq!(server.asked()[2..], [ATLAS]);
    machine.write(
        "resolv.conf",
        "nameserver 127.0.0.1\nsearch a.example\noptions ndots:5",
    );
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.3"]);
    assert_eq!(server.asked()[3..], ["cloud.mongodb.com.a.example", ATLAS]);
}

#[tokio::test]
async fn nothing_is_remembered_so_that_no_address_outlives_its_time() {
    let address = Arc::new(Mutex::new("192.0.2.7"));
    let answers = Arc::clone(&address);
    let server = NameServer::start(move |_, is_ipv6| {
        if is_ipv6 {
            Says::Nothing
        } else {
            at(*answers.lock().unwrap())
        }
    })
    .await;
    let machine = server.machine("nameserver 127.0.0.1");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.7"]);
    *address.lock().unwrap() = "192.0.2.8";
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.8"]);
}

#[tokio::test]
async fn a_resolv_conf_that_changes_holds_at_the_next_lookup() {
    let old = NameServer::start(only_ipv4("192.0.2.7")).await;
    let new = NameServer::start_at(old.beside(), only_ipv4("192.0.2.8")).await;
    let machine = old.machine("nameserver 127.0.0.1");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.7"]);
    machine.write("resolv.conf", "nameserver 127.0.0.2");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.8"]);
    assert_eq!((old.asked().len(), new.asked().len()), (1, 1));
}

#[tokio::test]
async fn the_first_server_decides_and_the_next_steps_in_where_it_fails() {
    let first = NameServer::start(|name, _| match name {
        "broken.example" => Says::ServerFailure,
        "silent.example" => Says::Silence,
        _ => Says::Nothing,
    })
    .await;
    let second = NameServer::start_at(first.beside(), only_ipv4("192.0.2.8")).await;
    let machine = first.machine("nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1");
    let text = machine.fails("internal.example", LIMIT).await;
    assert!(
        text.starts_with(
            "the name internal.example is not known to the name servers in /etc/resolv.conf \
             (127.0.0.1, 127.0.0.2), nor to /etc/hosts"
        ),
        "{text}"
    );
    assert!(second.asked().is_empty());
    assert_eq!(machine.finds("broken.example").await, ["192.0.2.8"]);
    assert_eq!(machine.finds("silent.example").await, ["192.0.2.8"]);
}

#[tokio::test]
async fn a_silent_server_is_not_asked_first_for_each_domain() {
    let silent = NameServer::start(|_, _| Says::Silence).await;
    let next = NameServer::start_at(silent.beside(), |name, is_ipv6| match name {
        "proxy" if !is_ipv6 => at("192.0.2.8"),
        _ => Says::Nothing,
    })
    .await;
    let conf =
        "nameserver 127.0.0.1\nnameserver 127.0.0.2\nsearch a b c d e f g h i\noptions timeout:1";
    let machine = silent.machine(conf);
    let start = Instant::now();
    assert_eq!(machine.finds("proxy").await, ["192.0.2.8"]);
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(next.asked().len(), 10);
}

#[tokio::test]
async fn what_is_too_long_for_a_datagram_comes_over_tcp() {
    let server = NameServer::start(|_, is_ipv6| {
        if is_ipv6 {
            Says::Nothing
        } else {
            Says::TooLong
        }
    })
    .await;
    let machine = server.machine("nameserver 127.0.0.1");
    assert_eq!(machine.finds(ATLAS).await, ["192.0.2.200"]);
}

#[tokio::test]
async fn no_server_that_answers_is_told_in_time() {
    let server = NameServer::start(|_, _| Says::Silence).await;
    let machine = server.machine("nameserver 127.0.0.1\nsearch a.example");
    let limit = Duration::from_secs(1);
    for name in [ATLAS, "proxy"] {
        let start = Instant::now();
        let text = machine.fails(name, limit).await;
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
        let want = format!("no name server answered for {name} in 1");
        assert!(text.starts_with(&want), "{text}");
        let advice = "s: look whether those in /etc/resolv.conf (127.0.0.1) can be reached from this machine";
        assert!(text.contains(advice), "{text}");
    }
}

#[tokio::test]
async fn a_spare_server_that_is_silent_does_not_end_the_search() {
    let first = NameServer::start(|name, is_ipv6| match name {
        "proxy" if !is_ipv6 => at("192.0.2.7"),
        "proxy" => Says::Nothing,
        _ => Says::ServerFailure,
    })
    .await;
    let _spare = NameServer::start_at(first.beside(), |_, _| Says::Silence).await;
    let machine = first
        .machine("nameserver 127.0.0.1\nnameserver 127.0.0.2\nsearch a.example\noptions timeout:1");
    assert_eq!(machine.finds("proxy").await, ["192.0.2.7"]);
    let text = machine.fails("other", LIMIT).await;
    assert!(text.to_lowercase().contains("server failure"), "{text}");
}

#[tokio::test]
async fn the_only_server_has_all_the_time_there_is() {
    let server = NameServer::start(|_, is_ipv6| {
        if is_ipv6 {
            Says::Nothing
        } else {
            Says::Late(Box::new(at("192.0.2.7")))
        }
    })
    .await;
    let names = server.machine("nameserver 127.0.0.1").names();
    let found = names.look_up(ATLAS, SHORT).await.unwrap();
    assert_eq!(found, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn servers_that_answer_too_slowly_are_not_called_silent() {
    let server = NameServer::start(|_, is_ipv6| {
        if is_ipv6 {
            Says::Nothing
        } else {
            Says::Late(Box::new(Says::Nothing))
        }
    })
    .await;
    let machine = server.machine("nameserver 127.0.0.1\nsearch a.example b.example");
    let text = machine.fails("proxy", SHORT).await;
    let want = "the name servers in /etc/resolv.conf (127.0.0.1) answered too slowly, or not each time: \
                no address of proxy in 2";
    assert!(text.starts_with(want), "{text}");
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_is_named_where_the_lookup_fails() {
    let server = NameServer::start(|_, _| Says::Nothing).await;
    let machine = server.machine("nameserver fe80::1%eth0");
    let text = machine.fails(ATLAS, LIMIT).await;
    let want = "in /etc/resolv.conf (none that can be asked, so this machine: 127.0.0.1; cannot be asked: \
                fe80::1%eth0)";
    assert!(text.contains(want), "{text}");
}

#[tokio::test]
async fn the_wait_is_told_as_it_was() {
    let server = NameServer::start(|_, _| Says::Silence).await;
    let machine = server.machine("nameserver 127.0.0.1\noptions timeout:1");
    let text = machine.fails(ATLAS, LIMIT).await;
    assert!(text.contains("in 1"), "{text}");
}

#[tokio::test]
async fn servers_that_fail_are_named_with_what_they_said() {
    let server = NameServer::start(|_, _| Says::ServerFailure).await;
    let machine = server.machine("nameserver 127.0.0.1");
    let text = machine.fails(ATLAS, LIMIT).await;
    assert!(
        text.starts_with(
            "the name cloud.mongodb.com cannot be looked up: look at the name servers in \
             /etc/resolv.conf (127.0.0.1): "
        ),
        "{text}"
    );
    assert!(text.to_lowercase().contains("server failure"), "{text}");
}
