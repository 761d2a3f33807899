//! Clients who mean harm, or behave as if they did: slow heads and bodies, guessed keys, documents that unfold, webhooks that nobody
//! signed, bodies that are small until they are unpacked, and connections on which nothing that is said is ever read. They come
//! from addresses of their own on this machine, 127.0.0.2 and on, and begin again whenever they are thrown out.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::SinkExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::lock;

/// What a hostile client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A head that never ends, a line a second.
    SlowHead,
    /// A webhook's body that never ends, a byte a second.
    SlowBody,
    /// One key after the other that nobody has.
    Guesser,
    /// With a key: documents that nest, alias and unfold.
    Unfolder,
    /// Webhooks with signatures of nobody.
    Forger,
    /// With a key: 50 MB of nothing in 50 kB.
    Bomber,
    /// With a key: a socket on which much is asked and nothing read.
    DeafSocket,
    /// With a key: requests one after the other, of which no answer is read.
    DeafCaller,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::SlowHead,
        Kind::SlowBody,
        Kind::Guesser,
        Kind::Unfolder,
        Kind::Forger,
        Kind::Bomber,
        Kind::DeafSocket,
        Kind::DeafCaller,
    ];
}

/// How long a client that floods waits before the next request: 50 a second on each connection.
const BETWEEN: Duration = Duration::from_millis(20);
/// What asks for the longest answer that takes no row: the whole schema.
const SCHEMA: &str =
    "{ __schema { types { name description fields { name description args { name description } type { name } } } } }";

/// Hostile clients at work; they go when this is dropped.
pub struct Siege {
    _clients: JoinSet<()>,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    answers: Mutex<BTreeMap<(Kind, u16), u64>>,
    thrown_out: AtomicU64,
}

/// One client's way to the service.
#[derive(Clone)]
struct Way {
    from: IpAddr,
    to: SocketAddr,
    key: Arc<str>,
    bomb: Arc<[u8]>,
    told: Arc<Told>,
    kind: Kind,
}

impl Siege {
    /// So many of each of these kinds against the service at this address. `key` is a good one, for those who have one.
    pub fn lay(to: SocketAddr, key: &str, kinds: &[Kind], each: usize) -> Self {
        let (told, key, bomb): (Arc<Told>, Arc<str>, Arc<[u8]>) = (Arc::default(), key.into(), bomb().into());
        let mut clients = JoinSet::new();
        for (place, &kind) in kinds.iter().enumerate() {
            let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(place).expect("few kinds")));
            for client in 0..each {
                let way = Way { from, to, key: key.clone(), bomb: bomb.clone(), told: told.clone(), kind };
                clients.spawn(async move {
                    for turn in 0_u64.. {
                        // Whatever ends it, it comes again.
                        way.once(client as u64 * 1_000_000_000 + turn * 1_000_000).await.ok();
                        way.told.thrown_out.fetch_add(1, Ordering::Relaxed);
                        sleep(BETWEEN).await;
                    }
                });
            }
        }
        Self { _clients: clients, told }
    }

    /// How many answers of each status each kind got.
    pub fn answers(&self) -> BTreeMap<(Kind, u16), u64> {
        lock(&self.told.answers).clone()
    }

    /// How often a connection of theirs ended.
    pub fn thrown_out(&self) -> u64 {
        self.told.thrown_out.load(Ordering::Relaxed)
    }
}

impl Way {
    async fn once(&self, number: u64) -> io::Result<()> {
        match self.kind {
            Kind::SlowHead => {
                let mut stream = self.connect(None).await?;
                stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: mailmind\r\n").await?;
                loop {
                    stream.write_all(format!("x-filler: {}\r\n", "a".repeat(1_000)).as_bytes()).await?;
                    self.wait_or_hear(&mut stream).await?;
                }
            }
            Kind::SlowBody => {
                let mut stream = self.connect(None).await?;
                stream.write_all(&head("/webhooks/mailgun", None, 500_000, "")).await?;
                loop {
                    stream.write_all(b"{").await?;
                    self.wait_or_hear(&mut stream).await?;
                }
            }
            Kind::Guesser => {
                self.flood(|n| {
                    let key = format!("mm_live_00112233_{:048x}", number + n);
                    let body = json!({ "query": "{ viewer { version } }" }).to_string();
                    [head("/graphql", Some(&key), body.len(), ""), body.into_bytes()].concat()
                })
                .await
            }
            Kind::Unfolder => {
                let documents = documents();
                self.flood(|n| {
                    let body = json!({ "query": documents[n as usize % documents.len()] }).to_string();
                    [head("/graphql", Some(&self.key), body.len(), ""), body.into_bytes()].concat()
                })
                .await
            }
            Kind::Forger => {
                self.flood(|n| {
                    let signature = json!({ "timestamp": "1500000000", "token": format!("{:050x}", number + n), "signature": "0".repeat(64) });
                    let event = json!({ "event": "delivered", "id": format!("{n}"), "recipient": "ann@example.com" });
                    let body = json!({ "signature": signature, "event-data": event }).to_string();
                    [head("/webhooks/mailgun", None, body.len(), ""), body.into_bytes()].concat()
                })
                .await
            }
            Kind::Bomber => {
                self.flood(|n| {
                    let (path, key) = if n % 2 == 0 { ("/graphql", Some(&*self.key)) } else { ("/webhooks/mailgun", None) };
                    [head(path, key, self.bomb.len(), "content-encoding: gzip\r\n"), self.bomb.to_vec()].concat()
                })
                .await
            }
            Kind::DeafSocket => self.deaf_socket().await,
            Kind::DeafCaller => {
                let mut stream = self.connect(Some(4_096)).await?;
                let body = json!({ "query": SCHEMA }).to_string();
                let request = [head("/graphql", Some(&self.key), body.len(), ""), body.into_bytes()].concat();
                loop {
                    stream.write_all(&request).await?;
                }
            }
        }
    }

    async fn connect(&self, receives: Option<u32>) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.from, 0))?;
        if let Some(bytes) = receives {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect(self.to).await
    }

    /// A second's rest, unless the service says something.
    async fn wait_or_hear(&self, stream: &mut TcpStream) -> io::Result<()> {
        match timeout(Duration::from_secs(1), self.hear(stream)).await {
            Ok(Ok(())) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Asks and hears, again and again.
    async fn flood(&self, request: impl Fn(u64) -> Vec<u8> + Send + Sync) -> io::Result<()> {
        let mut stream = self.connect(None).await?;
        for n in 0.. {
            stream.write_all(&request(n)).await?;
            self.hear(&mut stream).await?;
            sleep(BETWEEN).await;
        }
        Ok(())
    }

    /// An answer, counted by its status. What is answered to them is small, and is there at once or not at all.
    async fn hear(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut heard = Vec::new();
        loop {
            let mut some = [0; 4_096];
            match stream.read(&mut some).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => heard.extend_from_slice(&some[..n]),
            }
            let text = String::from_utf8_lossy(&heard);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let field =
                |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<usize>().ok());
            if body.len() >= field("content-length:").unwrap_or_default() {
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
                *lock(&self.told.answers).entry((self.kind, status)).or_default() += 1;
                return Ok(());
            }
        }
    }

    async fn deaf_socket(&self) -> io::Result<()> {
        let stream = self.connect(Some(4_096)).await?;
        let mut request = format!("ws://{}/graphql", self.to).into_client_request().map_err(io::Error::other)?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse().map_err(io::Error::other)?);
        let (mut socket, _) = client_async(request, stream).await.map_err(io::Error::other)?;
        *lock(&self.told.answers).entry((self.kind, 101)).or_default() += 1;
        say(
            &mut socket,
            json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", self.key) } }),
        )
        .await?;
        // What is asked before the answer to that is no mistake of the protocol's only once it is there.
        sleep(Duration::from_millis(500)).await;
        for n in 0.. {
            say(&mut socket, json!({ "type": "subscribe", "id": format!("{n}"), "payload": { "query": SCHEMA } }))
                .await?;
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, message: serde_json::Value) -> io::Result<()> {
    socket.send(Message::text(message.to_string())).await.map_err(io::Error::other)
}

fn head(path: &str, key: Option<&str>, length: usize, more: &str) -> Vec<u8> {
    let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: mailmind\r\ncontent-type: application/json\r\n{key}{more}content-length: {length}\r\n\r\n"
    );
    head.into_bytes()
}

/// Documents that would be much work if anybody did it.
fn documents() -> Vec<String> {
    let deep = |n: usize| format!("{{{}a{}}}", "a{".repeat(n), "}".repeat(n));
    let aliases: String = (0..2_000).map(|n| format!("a{n}: emails(first: 100) {{ nodes {{ id }} }} ")).collect();
    let doubling: String =
        (0..50).map(|n| format!("fragment F{n} on Query {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    vec![
        deep(100),
        deep(20_000),
        format!("{{ {aliases} }}"),
        format!("{{ ...F0 }} {doubling} fragment F50 on Query {{ viewer {{ version }} }}"),
        format!("{{ viewer {} {{ version }} }}", "@a ".repeat(10_000)),
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(),
    ]
}

/// 50 MB of blanks, packed.
fn bomb() -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let blanks = [b' '; 1 << 16];
    for _ in 0..800 {
        packed.write_all(&blanks).expect("a vector takes all");
    }
    packed.finish().expect("a vector takes all")
}
