//! A scripted Mailgun on a local port: takes messages as Mailgun's HTTP API does, remembers what it accepted, and answers
//! as the test says. It runs on a thread of its own, so a busy test never slows it, and costs little enough to measure against.

mod batch;
mod form;
mod lists;
mod log;
mod script;
mod state;
mod wire;

use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use entity::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc as orders, watch};
use tokio::time::{Instant, timeout_at};

use crate::child::free_port;
use crate::lock;

pub use form::{Field, Form};
pub use lists::{Call, Told};
pub use log::{Api, Asked, Tells};
pub use script::Reply;
pub use state::{Accepted, State};
pub use wire::Post;

use script::{Answer, Ending, Script};
use state::Ids;
use wire::{Connection, Request};

/// What the fake remembers of a message it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Everything, for tests.
    Messages,
    /// Counts per email alone, for measuring.
    Counts,
}

/// A running fake; it ends when dropped, and open connections with it.
pub struct FakeMailgun {
    shared: Arc<Shared>,
    port: u16,
    orders: Option<orders::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    memory: Memory,
    script: Mutex<Arc<Script>>,
    state: Mutex<State>,
    log: Mutex<log::Book>,
    lists: Mutex<lists::Lists>,
    clock: Clock,
    port: u16,
    changed: Notify,
}

/// What the test's thread asks of the fake's; each is acknowledged once done.
enum Order {
    Refuse(mpsc::Sender<()>),
    Listen(mpsc::Sender<()>),
}

impl FakeMailgun {
    /// Starts one that accepts everything and remembers it.
    pub fn start() -> Self {
        Self::remembering(Memory::Messages)
    }

    /// Starts one that accepts everything and remembers as much as told.
    pub fn remembering(memory: Memory) -> Self {
        // Bound before this returns: a client may come at once. Another program may have taken a port since it was found free.
        let (port, listener) =
            std::iter::repeat_with(free_port).find_map(|port| Some((port, bind(port).ok()?))).expect("a free port");
        let (sender, receiver) = orders::unbounded_channel();
        let shared = Arc::new(Shared {
            memory,
            script: Mutex::new(Arc::new(|_: &Post| Reply::Ok)),
            state: Mutex::default(),
            log: Mutex::default(),
            lists: Mutex::default(),
            clock: Clock::system(),
            port,
            changed: Notify::new(),
        });
        let serving = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(port, listener, serving, receiver));
        });
        Self { shared, port, orders: Some(sender), thread: Some(thread) }
    }

    /// What `MAILGUN_API_BASE` is set to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it listens on, the same over [`FakeMailgun::refuse`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on messages are answered so. It runs for every message, in the order they come in.
    pub fn answer(&self, script: impl Fn(&Post) -> Reply + Send + Sync + 'static) {
        *lock(&self.shared.script) = Arc::new(script);
    }

    /// From now on the log of what happened is told, page by page as the script says. Before it is not found.
    pub fn tell_log(&self, script: impl Fn(&Asked) -> Tells + Send + Sync + 'static) {
        lock(&self.shared.log).script = Some(Arc::new(script));
    }

    /// Lets the log know of more than what was accepted: an item as the Events API has it.
    pub fn log_also(&self, item: serde_json::Value) {
        lock(&self.shared.log).items.push(item);
    }

    /// The pages of the log that somebody asked for.
    pub fn log_asked(&self) -> Vec<Asked> {
        lock(&self.shared.log).asked.clone()
    }

    /// From now on what is asked of its suppression lists is answered with this status where the script names one.
    pub fn answer_lists(&self, script: impl Fn(&Call) -> Option<Told> + Send + Sync + 'static) {
        lock(&self.shared.lists).script = Some(Arc::new(script));
    }

    /// Puts an entry, as Mailgun tells it, on the list of a domain: `bounces`, `complaints` or `unsubscribes`.
    pub fn list(&self, domain: &str, list: &str, entry: serde_json::Value) {
        lock(&self.shared.lists).put(domain, list, entry);
    }

    /// The entries of a list, by their addresses.
    pub fn listed(&self, domain: &str, list: &str) -> Vec<serde_json::Value> {
        lock(&self.shared.lists).of(domain, list)
    }

    /// What was asked of its suppression lists.
    pub fn lists_asked(&self) -> Vec<Call> {
        lock(&self.shared.lists).asked.clone()
    }

    /// Closes the port: whoever connects is refused. Idle connections are closed; a message under way is still answered.
    pub fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Opens the port again.
    pub fn listen_again(&self) {
        self.order(Order::Listen);
    }

    /// Reads what it remembers.
    pub fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&lock(&self.shared.state))
    }

    /// How many messages it accepted, doubles included.
    pub fn accepted(&self) -> u64 {
        self.look(State::accepted)
    }

    /// How often it accepted the email with this `v:email-id`.
    pub fn accepted_for(&self, email_id: &str) -> u32 {
        self.look(|state| state.accepted_for(email_id))
    }

    /// The ids of the emails it accepted more than once.
    pub fn doubles(&self) -> Vec<String> {
        self.look(State::doubles)
    }

    /// Waits until what it remembers is as awaited; looked at after every message.
    ///
    /// # Panics
    /// When `deadline` has passed.
    pub async fn until(&self, what: &str, deadline: Duration, reached: impl Fn(&State) -> bool) {
        let end = Instant::now() + deadline;
        loop {
            let changed = self.shared.changed.notified();
            if self.look(&reached) {
                return;
            }
            if timeout_at(end, changed).await.is_err() {
                let (posts, accepted) = self.look(|state| (state.posts(), state.accepted()));
                panic!("waited {deadline:?} for {what}; Mailgun saw {posts} messages and accepted {accepted}");
            }
        }
    }

    fn order(&self, order: impl FnOnce(mpsc::Sender<()>) -> Order) {
        let (done, wait) = mpsc::channel();
        let orders = self.orders.as_ref().expect("open until dropped");
        orders.send(order(done)).ok().and_then(|()| wait.recv().ok()).expect("the fake's thread runs");
    }
}

impl Drop for FakeMailgun {
    fn drop(&mut self) {
        self.orders = None;
        // A panic over there has been printed; a second one here would hide the test's own.
        self.thread.take().map(JoinHandle::join);
    }
}

fn bind(port: u16) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(
    port: u16,
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut orders: orders::UnboundedReceiver<Order>,
) {
    let open = |listener| TcpListener::from_std(listener).expect("within the runtime");
    let mut door = Some(open(listener));
    let (mut closing, _) = watch::channel(());
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(Order::Refuse(done)) => {
                    door = None;
                    // Dropping the sender tells every conversation.
                    closing = watch::channel(()).0;
                    done.send(()).ok();
                }
                Some(Order::Listen(done)) => {
                    if door.is_none() {
                        door = Some(open(bind(port).expect("the port that it had")));
                    }
                    done.send(()).ok();
                }
            },
            stream = knock(door.as_ref()) => {
                tokio::spawn(converse(stream, shared.clone(), closing.subscribe()));
            }
        }
    }
}

/// The next connection; none ever comes while the door is shut.
async fn knock(door: Option<&TcpListener>) -> TcpStream {
    let Some(door) = door else { return std::future::pending().await };
    loop {
        if let Ok((stream, _)) = door.accept().await {
            return stream;
        }
    }
}

/// Serves one connection until either side closes it.
async fn converse(stream: TcpStream, shared: Arc<Shared>, mut closing: watch::Receiver<()>) {
    let mut connection = Connection::new(stream);
    loop {
        let request = tokio::select! {
            biased;
            request = connection.request() => request,
            _ = closing.changed() => {
                if connection.idle() {
                    return;
                }
                connection.request().await
            }
        };
        let Ok(Some(request)) = request else { return };
        let ending = match request {
            Request::Message(post) => answer(&mut connection, post, &shared).await,
            Request::Stats => {
                let stats = lock(&shared.state).stats();
                connection.respond(200, &[], stats.as_bytes()).await
            }
            Request::Log(asked) => match tell(&asked, &shared) {
                Some((status, body)) => connection.respond(status, &[], body.as_bytes()).await,
                None => connection.closed_by_client().await,
            },
            Request::List(call) => {
                let base = format!("http://127.0.0.1:{}", shared.port);
                let Told { status, retry_after, body } = lists::answer(&shared.lists, call, &base);
                let wait: Vec<_> =
                    retry_after.map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect();
                connection.respond(status, &wait, body.as_bytes()).await
            }
            Request::Other(status, text) => connection.respond(status, &[], text.as_bytes()).await,
        };
        if !matches!(ending, Ok(Ending::Open)) || closing.has_changed().is_err() {
            return;
        }
    }
}

/// What the log answers: the status and the body. `None`: nothing.
fn tell(asked: &Asked, shared: &Shared) -> Option<(u16, String)> {
    let script = {
        let mut book = lock(&shared.log);
        book.asked.push(asked.clone());
        book.script.clone()
    };
    Some(match script.map_or(Tells::Status(404), |script| script(asked)) {
        Tells::Silence => return None,
        Tells::Status(status) => (status, "scripted".to_owned()),
        Tells::This(status, body) => (status, body),
        Tells::Nonsense => (200, "Mailgun Magnificent API".to_owned()),
        Tells::Page => {
            let items = lock(&shared.log).items.clone();
            let base = format!("http://127.0.0.1:{}", shared.port);
            (200, asked.answer(lock(&shared.state).messages(), &items, &base).to_string())
        }
    })
}

/// Answers a message as the script says, after recording it if the script accepts it.
async fn answer(connection: &mut Connection, post: Post, shared: &Shared) -> std::io::Result<Ending> {
    let script = lock(&shared.script).clone();
    let mut reply = script(&post);
    lock(&shared.state).saw(&post);
    shared.changed.notify_waiters();
    while let Reply::Delay(delay, then) = reply {
        tokio::time::sleep(delay).await;
        reply = *then;
    }
    let (message_id, keeps_own) = (reply.message_id(&post), reply.keeps_own_ids());
    let (accepts, answer) = reply.plan(&message_id);
    if accepts {
        let ids = Ids { answered: message_id, keeps_own };
        lock(&shared.state).accept(post, ids, shared.clock.now(), shared.memory);
        shared.changed.notify_waiters();
    }
    match answer {
        Answer::Whole { status, headers, body } => connection.respond(status, &headers, body.as_bytes()).await,
        Answer::Half { body } => connection.respond_half(body.as_bytes()).await,
        Answer::Silence => connection.closed_by_client().await,
        Answer::Cut => Ok(Ending::Closed),
    }
}
