//! A way to PostgreSQL that can break at the worst moment, after a COMMIT was executed and before its answer arrives, and
//! that counts what is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::database::Database;
use crate::lock;

/// Stands between a process and its database; it ends when dropped, and its connections with it.
pub struct Proxy {
    plan: Arc<Mutex<Plan>>,
    cuts: Arc<tokio::sync::Notify>,
    /// Whether answers that were held go on.
    open: watch::Sender<bool>,
    listening: AbortHandle,
}

#[derive(Default)]
struct Plan {
    /// Part of a statement of the transactions whose COMMIT is to lose its answer.
    mark: String,
    left: usize,
    cut: usize,
    /// The answer is held, and comes in the end.
    held: bool,
    /// Every statement that a connection prepared.
    prepared: Vec<Arc<Statement>>,
}

struct Statement {
    text: String,
    /// How often it was asked.
    asked: AtomicUsize,
}

impl Proxy {
    /// Stands before `database` and changes its URL to lead through the proxy.
    ///
    /// # Panics
    /// When the database is not one of PostgreSQL's.
    pub async fn before(mut database: Database) -> (Self, Database) {
        let (head, rest) = database.url.split_once("@127.0.0.1:").expect("a URL of PostgreSQL");
        let (port, name) = rest.split_once('/').expect("a URL with a database");
        let port: u16 = port.parse().expect("a port");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of our own");
        let own = listener.local_addr().expect("a bound socket").port();
        let url = format!("{head}@127.0.0.1:{own}/{name}");
        database.url = url;
        let plan = Arc::new(Mutex::new(Plan::default()));
        let cuts = Arc::new(tokio::sync::Notify::new());
        let open = watch::Sender::new(true);
        let listening =
            tokio::spawn(listen(listener, port, plan.clone(), cuts.clone(), open.subscribe())).abort_handle();
        (Self { plan, cuts, open, listening }, database)
    }

    /// The next `n` transactions with a statement that holds `mark` are committed, and their connections break before they
    /// hear of it.
    pub fn lose_commits(&self, n: usize, mark: &str) {
        let mut plan = lock(&self.plan);
        (plan.mark, plan.left, plan.cut, plan.held) = (mark.to_owned(), n, 0, false);
    }

    /// The next `n` transactions with a statement that holds `mark` are committed, and hear of it only when they are let go.
    pub fn hold_commits(&self, n: usize, mark: &str) {
        self.open.send_replace(false);
        let mut plan = lock(&self.plan);
        (plan.mark, plan.left, plan.cut, plan.held) = (mark.to_owned(), n, 0, true);
    }

    /// Lets go what is held; nothing is held any longer.
    pub fn let_go(&self) {
        lock(&self.plan).left = 0;
        self.open.send_replace(true);
    }

    /// Breaks every connection there is; new ones are let through.
    pub fn cut(&self) {
        self.cuts.notify_waiters();
    }

    /// How many answers were lost or held since that was asked for.
    pub fn lost(&self) -> usize {
        lock(&self.plan).cut
    }

    /// How many statements that hold `part` were asked so far.
    pub fn asked(&self, part: &str) -> usize {
        let plan = lock(&self.plan);
        let meant = plan.prepared.iter().filter(|statement| statement.text.contains(part));
        meant.map(|statement| statement.asked.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(
    listener: TcpListener,
    port: u16,
    plan: Arc<Mutex<Plan>>,
    cuts: Arc<tokio::sync::Notify>,
    gate: watch::Receiver<bool>,
) {
    // Dropped with this future, and the connections with it.
    let mut open = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
            let (plan, cuts, gate) = (plan.clone(), cuts.clone(), gate.clone());
            open.spawn(async move {
                tokio::select! {
                    () = carry(client, server, plan, gate) => {}
                    () = cuts.notified() => {}
                }
            });
        }
        while open.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side ends it, or a COMMIT's answer is to be lost.
async fn carry(client: TcpStream, server: TcpStream, plan: Arc<Mutex<Plan>>, mut gate: watch::Receiver<bool>) {
    // Small messages back and forth: waiting to fill a packet would cost each 40 ms.
    client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).ok();
    let ((from_client, mut to_client), (mut from_server, to_server)) = (client.into_split(), server.into_split());
    let doomed = Arc::new(tokio::sync::Notify::new());
    let questions = ask(from_client, to_server, plan.clone(), doomed.clone());
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            tokio::select! {
                biased;
                () = doomed.notified() => {
                    let said = executed(&mut from_server, &plan).await;
                    let Some(said) = said.filter(|_| lock(&plan).held) else { return };
                    if gate.wait_for(|open| *open).await.is_err() || to_client.write_all(&said).await.is_err() {
                        return;
                    }
                }
                read = from_server.read(&mut buffer) => match read {
                    Ok(n) if n > 0 && to_client.write_all(&buffer[..n]).await.is_ok() => {}
                    _ => return,
                },
            }
        }
    };
    tokio::select! {
        () = questions => {}
        () = answers => {}
    }
}

/// Waits until the server has said that the COMMIT is done; nobody else hears it. Answers its words.
async fn executed(from_server: &mut OwnedReadHalf, plan: &Mutex<Plan>) -> Option<Vec<u8>> {
    let mut said = Vec::new();
    while !said.windows(7).any(|window| window == b"COMMIT\0") {
        if !matches!(from_server.read_buf(&mut said).await, Ok(n) if n > 0) {
            return None;
        }
    }
    lock(plan).cut += 1;
    Some(said)
}

/// Carries the client's messages, reading along which statements its transactions hold.
async fn ask(
    from_client: OwnedReadHalf,
    mut to_server: OwnedWriteHalf,
    plan: Arc<Mutex<Plan>>,
    doomed: Arc<tokio::sync::Notify>,
) {
    let mut from_client = BufReader::with_capacity(64 << 10, from_client);
    let mut statements: HashMap<Vec<u8>, Arc<Statement>> = HashMap::new();
    let (mut started, mut marked) = (false, false);
    let mut messages = Vec::new();
    while let Some((kind, at)) = message(&mut from_client, started, &mut messages).await {
        let body = &messages[at..];
        match kind {
            // A question for TLS is followed by the real start.
            b'\0' => started = !body.starts_with(&80_877_103_u32.to_be_bytes()),
            b'P' => {
                let (name, rest) = text(body);
                let text = String::from_utf8_lossy(text(rest).0).into_owned();
                let statement = Arc::new(Statement { text, asked: AtomicUsize::new(0) });
                lock(&plan).prepared.push(statement.clone());
                statements.insert(name.to_vec(), statement);
            }
            b'B' => {
                let (_, rest) = text(body);
                if let Some(statement) = statements.get(text(rest).0) {
                    statement.asked.fetch_add(1, Ordering::Relaxed);
                    let plan = lock(&plan);
                    marked |= plan.left > 0 && statement.text.contains(&plan.mark);
                }
            }
            b'Q' if body.starts_with(b"BEGIN") => marked = false,
            b'Q' if body.starts_with(b"COMMIT") && marked => {
                let mut plan = lock(&plan);
                if plan.left > 0 {
                    plan.left -= 1;
                    doomed.notify_one();
                }
            }
            _ => {}
        }
        // What came together goes on together.
        if from_client.buffer().is_empty() {
            if to_server.write_all(&messages).await.is_err() {
                return;
            }
            messages.clear();
        }
    }
}

/// Adds the client's next message to `messages`. Answers its kind (none before the start) and where its body begins.
async fn message(
    from_client: &mut BufReader<OwnedReadHalf>,
    started: bool,
    messages: &mut Vec<u8>,
) -> Option<(u8, usize)> {
    let kind = if started { from_client.read_u8().await.ok()? } else { b'\0' };
    // The length stands first, also in front of what the message holds, and counts itself.
    let length = from_client.read_u32().await.ok()?;
    if started {
        messages.push(kind);
    }
    messages.extend(length.to_be_bytes());
    let at = messages.len();
    messages.resize(at + (length as usize).checked_sub(4)?, 0);
    from_client.read_exact(&mut messages[at..]).await.ok()?;
    Some((kind, at))
}

/// A text that ends with a zero, and what follows it.
fn text(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    (&body[..end], body.get(end + 1..).unwrap_or_default())
}
