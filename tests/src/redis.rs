//! A Redis of a test's own, without persistence: what it held is gone when it stops, as the design says it may be.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use crate::child::{Child, Scratch, Signal, free_port};
use crate::lock;
use crate::patience::{SOON, until_true};

/// A Redis server on a port of its own; it ends when dropped.
pub struct Redis {
    // Before the directory, so that the server ends first.
    server: Mutex<Option<Child>>,
    dir: Scratch,
    port: u16,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let redis = Self { server: Mutex::new(None), dir: Scratch::new("redis"), port: free_port() };
        redis.start_again().await;
        redis
    }

    /// Starts it again, empty, on the port it had. Does nothing while it runs.
    pub async fn start_again(&self) {
        {
            let mut server = lock(&self.server);
            if server.is_none() {
                *server = Some(self.launch());
            }
        }
        until_true("Redis to answer", SOON, async || self.answers().await).await;
    }

    /// Kills it: connections break, everything it held is gone.
    pub fn stop(&self) {
        lock(&self.server).take();
    }

    /// Removes every key while it runs.
    pub async fn wipe(&self) {
        let mut connection = self.patient().await;
        redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("FLUSHALL");
    }

    /// From now on it refuses every write, as one whose memory is full; or takes them again.
    pub async fn refuse_writes(&self, refuse: bool) {
        let mut connection = self.patient().await;
        let most = if refuse { "1" } else { "0" };
        let set = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(most).exec_async(&mut connection).await;
        set.expect("CONFIG SET");
    }

    /// A connection that waits for its answers as long as a busy machine may need.
    async fn patient(&self) -> MultiplexedConnection {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(SOON)).set_response_timeout(Some(SOON));
        self.client().get_multiplexed_async_connection_with_config(&config).await.expect("Redis runs")
    }

    /// Stops it where it stands: connections stay open and nobody answers.
    pub fn stall(&self) {
        self.signal(Signal::Stop);
    }

    /// Ends a stall.
    pub fn resume(&self) {
        self.signal(Signal::Cont);
    }

    /// A client of this server; it does not connect before it is used.
    pub fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).expect("a valid address")
    }

    /// The port it listens on, the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.server).as_ref().map(Child::pid)
    }

    fn signal(&self, signal: Signal) {
        lock(&self.server).as_ref().expect("Redis runs").signal(signal);
    }

    fn launch(&self) -> Child {
        let port = self.port.to_string();
        let settings = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"];
        let mut command = Command::new("redis-server");
        command.args(settings).current_dir(self.dir.path());
        Child::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()), Signal::Kill)
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = self.client().get_multiplexed_async_connection().await else {
            return false;
        };
        redis::cmd("PING").exec_async(&mut connection).await.is_ok()
    }
}
