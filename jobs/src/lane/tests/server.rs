//! A Redis of the test's own, on a free port, in a directory of its own, without persistence; it ends with the test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::lane::RedisSettings;

pub(super) struct Server {
    pub(super) port: u16,
    dir: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A Redis that is not up yet.
    pub(super) fn down() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("lane-{}", Clock::system().id().simple()));
        std::fs::create_dir_all(&dir).unwrap();
        Self { port, dir, child: None }
    }

    /// A Redis that answers.
    pub(super) async fn up() -> Self {
        let mut server = Self::down();
        server.begin().await;
        server
    }

    pub(super) async fn begin(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &self.port.to_string()])
            .current_dir(&self.dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server on the PATH");
        self.child = Some(child);
        until_async("Redis answers", async || self.try_ask::<String>(&["PING"]).await.is_ok()).await;
    }

    /// Kills it, with all it held.
    pub(super) fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it where it is, so that it takes connections and answers nothing.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id();
        assert!(Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().unwrap().success());
    }

    pub(super) fn settings(&self) -> RedisSettings {
        RedisSettings {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            password: None,
            db: 0,
            prefix: "test".to_owned(),
        }
    }

    /// Asks it on a connection of its own.
    pub(super) async fn ask<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).await.unwrap()
    }

    async fn try_ask<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> ::redis::RedisResult<T> {
        let client = ::redis::Client::open(("127.0.0.1", self.port))?;
        let mut conn = client.get_multiplexed_async_connection().await?;
        let mut ask = ::redis::cmd(words[0]);
        ask.arg(&words[1..]);
        ask.query_async(&mut conn).await
    }

    /// All keys, sorted.
    pub(super) async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]).await;
        keys.sort();
        keys
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
