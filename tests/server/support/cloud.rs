//! `https://cloud.mongodb.com` on loopback: a proxy that lets `CONNECT` through to one simulator.
//!
//! The Go engine knows no other address than Atlas's own. It, and this engine after it, is brought
//! there by `HTTPS_PROXY`, and trusts the certificate shown there by `SSL_CERT_FILE`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    DuplexStream, copy_bidirectional, duplex, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::Atlas;

const HOST: &str = "cloud.mongodb.com";
/// What is on the way at most, in each direction: bytes of a read, and reads.
const CHUNK: usize = 16 * 1024;
const CHUNKS: usize = 1024;

/// The proxy, and what stands behind it; dropping it ends both.
pub(crate) struct Cloud {
    proxy: String,
    authority: PathBuf,
    tunnels: Arc<AtomicUsize>,
    _folder: TempDir,
    _tasks: JoinSet<()>,
}

impl Cloud {
    /// Atlas's own address, served by this simulator.
    pub(crate) async fn of(atlas: &Atlas) -> Self {
        Self::before(atlas.api(), Arc::default()).await
    }

    /// The same before a simulator that serves its API there, as far away as is said: every byte between
    /// the proxy and Atlas, also of a connection that is open, takes so many microseconds. The proxy
    /// itself is near.
    pub(crate) async fn before(api: &str, way: Arc<AtomicU64>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = folder.path().join("authority.pem");
        let (pem, tls) = certificates();
        std::fs::write(&authority, pem).expect("the authority's certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = format!("http://{}", listener.local_addr().expect("its address"));
        let place = api.trim_start_matches("http://").to_owned();
        let tunnels = Arc::<AtomicUsize>::default();
        let door = Door {
            tls: TlsAcceptor::from(Arc::new(tls)),
            place,
            tunnels: Arc::clone(&tunnels),
            way,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(door.serve(listener));
        Self {
            proxy,
            authority,
            tunnels,
            _folder: folder,
            _tasks: tasks,
        }
    }

    /// What a server must be started with, so that its plugins come here.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let authority = self.authority.to_str().expect("a path of text");
        [
            ("HTTPS_PROXY", self.proxy.as_str()),
            ("SSL_CERT_FILE", authority),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// How many connections have come through so far.
    pub(crate) fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::Relaxed)
    }
}

/// The certificate of a test's authority, and a server that shows one it signed for Atlas's name.
fn certificates() -> (String, ServerConfig) {
    let key = || KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::default();
    let name = "authority of a test";
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, key()).expect("an authority");
    let own = key();
    let parameters = CertificateParams::new([HOST.to_owned()]).expect("parameters");
    let signed = parameters
        .signed_by(&own, &authority)
        .expect("a certificate");
    let own = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], own)
        .expect("a certificate with its key");
    config.alpn_protocols = [b"h2".to_vec(), b"http/1.1".to_vec()].into();
    (authority.pem(), config)
}

/// Lets connections through.
#[derive(Clone)]
struct Door {
    tls: TlsAcceptor,
    /// Where the simulator is.
    place: String,
    tunnels: Arc<AtomicUsize>,
    /// How long a byte is on the way, in microseconds.
    way: Arc<AtomicU64>,
}

impl Door {
    async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let door = self.clone();
            // Whoever hangs up ends a tunnel with an error; the test sees what came of it.
            connections.spawn(async move { drop(door.let_through(stream).await) });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn let_through(self, stream: TcpStream) -> io::Result<()> {
        // Else the kernel holds a small write back for 40 ms, and the proxy is measured.
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let wanted = first_line(&mut stream).await?;
        if !wanted.starts_with(&format!("CONNECT {HOST}:443 ")) {
            return stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        self.tunnels.fetch_add(1, Ordering::Relaxed);
        let (near, there) = duplex(CHUNK);
        tokio::try_join!(self.travel(stream, near), self.serve_there(there)).map(drop)
    }

    /// Atlas's own end: its certificate, and the simulator behind it.
    async fn serve_there(&self, there: DuplexStream) -> io::Result<()> {
        let mut inside = self.tls.accept(there).await?;
        let mut atlas = TcpStream::connect(&self.place).await?;
        atlas.set_nodelay(true)?;
        copy_bidirectional(&mut inside, &mut atlas).await.map(drop)
    }

    /// The way between the proxy and Atlas.
    async fn travel<S>(&self, near: S, there: DuplexStream) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (from_near, to_near) = split(near);
        let (from_there, to_there) = split(there);
        let out = later(from_near, to_there, &self.way);
        let back = later(from_there, to_near, &self.way);
        tokio::try_join!(out, back).map(drop)
    }
}

/// Passes on what comes, each read as late as the way is long. What follows is under way meanwhile.
async fn later(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: &AtomicU64,
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel(CHUNKS);
    let reads = async move {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = from.read(&mut chunk).await?;
            let late = Duration::from_micros(way.load(Ordering::Relaxed));
            let sent = (Instant::now() + late, chunk[..count].to_vec());
            if count == 0 || sender.send(sent).await.is_err() {
                return Ok(());
            }
        }
    };
    let writes = async move {
        while let Some((arrival, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(arrival).await;
            to.write_all(&bytes).await?;
            to.flush().await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(reads, writes).map(drop)
}

/// The first line of a request, whose headers are read as well.
async fn first_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut line = String::from("header");
    while !line.trim_end().is_empty() {
        line.clear();
        stream.read_line(&mut line).await?;
    }
    Ok(first)
}
