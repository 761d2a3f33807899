//! A server that reads each request to its end and then does as its script says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::mailer::Lease;

/// What the next request, on whichever connection, is met with.
pub(super) enum Reply {
    /// These bytes, and the connection stays open.
    Raw(Bytes),
    /// These bytes, and the connection is closed.
    RawThenClose(Bytes),
    /// Nothing: the connection is closed once the request was read.
    Close,
    /// Nothing at all, for ever; the request is read.
    Silent,
    /// A plain text before anything was read, and a closed connection.
    Hello,
    /// An answer after the head, before the body.
    Early(&'static str),
    /// Reads the body only when the lease is over.
    ReadWhenOver(Lease),
}

impl Reply {
    pub(super) fn then_close(self) -> Self {
        match self {
            Self::Raw(bytes) => Self::RawThenClose(bytes),
            other => other,
        }
    }
}

/// What Mailgun answers when it took the email.
pub(super) fn ok() -> Reply {
    let body = r#"{"id":"<1@mg.example.com>","message":"Queued. Thank you."}"#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    Reply::Raw(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into())
}

/// One request, as far as it came.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) complete: bool,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} and {} bytes, complete: {}", self.head, self.body.len(), self.complete)
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Reply>,
    seen: Vec<Seen>,
    /// How many connections were opened.
    opened: usize,
}

/// The server. It stops when it is dropped.
pub(super) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// How many connections have ended.
    ended: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    pub(super) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { script: script.into_iter().collect(), ..State::default() }));
        let (end, ended) = watch::channel(0);
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.lock().unwrap().opened += 1;
                let (state, end) = (shared.clone(), end.clone());
                connections.spawn(async move {
                    serve(stream, &state).await;
                    end.send_modify(|ended| *ended += 1);
                });
            }
        });
        Self { address, state, ended, task }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().opened
    }

    /// Waits until the first connection has ended.
    pub(super) async fn closed(&self) {
        self.ended.clone().wait_for(|ended| *ended > 0).await.unwrap();
    }

    pub(super) async fn stop(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    if matches!(state.lock().unwrap().script.front(), Some(Reply::Hello)) {
        state.lock().unwrap().script.pop_front();
        let _ = stream.write_all(b"220 not what you think\r\n").await;
        return;
    }
    let mut buffer = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut buffer).await {
        let reply = state.lock().unwrap().script.pop_front().expect("a reply for each request");
        match &reply {
            Reply::Early(answer) => return stream.write_all(answer.as_bytes()).await.unwrap_or_default(),
            Reply::ReadWhenOver(lease) => {
                while lease.held() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            _ => {}
        }
        let complete = read_body(&mut stream, &head, &mut buffer).await;
        state.lock().unwrap().seen.push(Seen { head, body: std::mem::take(&mut buffer), complete });
        match reply {
            Reply::Raw(bytes) => drop(stream.write_all(&bytes).await),
            Reply::RawThenClose(bytes) => return write_and_close(stream, &bytes).await,
            Reply::Silent => std::future::pending().await,
            Reply::Close | Reply::Hello | Reply::Early(_) | Reply::ReadWhenOver(_) => return,
        }
    }
}

/// Says nothing further, and stays until the other end has noticed.
async fn write_and_close(mut stream: TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    while stream.read(&mut [0; 1024]).await.unwrap_or(0) > 0 {}
}

/// The head up to its empty line; what came after it stays in `buffer`. `None` when the connection ended.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let body = buffer.split_off(at + 4);
            return Some(String::from_utf8(std::mem::replace(buffer, body)).unwrap());
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Whether the whole body came.
async fn read_body(stream: &mut TcpStream, head: &str, buffer: &mut Vec<u8>) -> bool {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    while buffer.len() < length {
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}
