//! Everything that is said to a Redis, and everything that it holds.

use std::sync::{Arc, Mutex};

use tests::patience::{SOON, until_true};
use tests::redis::Redis;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// A listener that begins anew when Redis does.
pub struct Overheard {
    lines: Arc<Mutex<Vec<String>>>,
    listening: AbortHandle,
}

impl Overheard {
    /// Listens from now on.
    pub async fn of(redis: &Redis) -> Self {
        let (lines, port) = (Arc::<Mutex<Vec<String>>>::default(), redis.port());
        let heard = lines.clone();
        let listening = tokio::spawn(async move {
            loop {
                // It ends with each Redis.
                let _ = listen(port, &heard).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        let overheard = Self { lines, listening: listening.abort_handle() };
        until_true("Redis to be overheard", SOON, async || !overheard.lines().is_empty()).await;
        overheard
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// What was said, and what stands in every key now.
    pub async fn all(&self, redis: &Redis) -> Vec<String> {
        let mut connection = redis.client().get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut all = self.lines();
        for key in keys {
            let dumped: Vec<u8> = ::redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap_or_default();
            all.push(format!("{key}: {}", String::from_utf8_lossy(&dumped)));
        }
        all
    }
}

impl Drop for Overheard {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(port: u16, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"MONITOR\r\n").await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        heard.lock().unwrap().push(line);
    }
    Ok(())
}
