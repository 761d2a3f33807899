//! How we reach Redis: a client, a connection for our own calls that is replaced when it breaks, and fresh ones for workers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::{
    Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisResult,
    ScriptInvocation,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

use super::LaneError;

/// Which Redis carries the lanes.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its password, where it asks for one.
    pub password: Option<SecretString>,
    /// The number of its database.
    pub db: i64,
    /// What all our keys and channels begin with; processes with the same prefix share their lanes.
    pub prefix: String,
}

/// The way to one Redis.
pub struct Connection {
    client: Client,
    /// How long a call may take.
    limit: Duration,
    /// The connection of our own calls and how many there were before it.
    current: Mutex<(u64, ConnectionManager)>,
}

/// A question to Redis.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'a> {
    One(&'a Cmd),
    Several(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

impl Ask<'_> {
    async fn send<T: FromRedisValue>(self, mut conn: ConnectionManager) -> RedisResult<T> {
        match self {
            Ask::One(ask) => ask.query_async(&mut conn).await,
            Ask::Several(ask) => ask.query_async(&mut conn).await,
            Ask::Script(ask) => ask.invoke_async(&mut conn).await,
        }
    }
}

impl Connection {
    /// Connects to nothing yet. A call may take as long as `limit`.
    ///
    /// # Errors
    /// When the settings make no sense.
    pub fn new(settings: &RedisSettings, limit: Duration) -> RedisResult<Self> {
        let mut login = RedisConnectionInfo::default().set_db(settings.db);
        if let Some(password) = &settings.password {
            login = login.set_password(password.expose_secret());
        }
        let address = ConnectionAddr::Tcp(settings.host.clone(), settings.port);
        let client = Client::open(address.into_connection_info()?.set_redis_settings(login))?;
        let current = Mutex::new((0, manager(&client, limit)?));
        Ok(Self { client, limit, current })
    }

    /// A connection for somebody's own use, made when it is first used.
    pub(crate) fn fresh(&self) -> RedisResult<ConnectionManager> {
        manager(&self.client, self.limit)
    }

    /// A connection that hears what is called on channels.
    pub(crate) async fn pubsub(&self) -> RedisResult<PubSub> {
        self.client.get_async_pubsub().await
    }

    /// Runs a script, which may be run twice.
    ///
    /// # Errors
    /// Redis can't be reached, refused, or took too long.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, LaneError> {
        self.call(Ask::Script(script)).await
    }

    /// Asks Redis, once more on a new connection where the old one broke: one that was cut while idle is no outage. So
    /// every question has to be one that may be repeated.
    pub(crate) async fn call<T: FromRedisValue>(&self, ask: Ask<'_>) -> Result<T, LaneError> {
        let until = Instant::now() + self.limit;
        let mut again = true;
        loop {
            let (number, conn) = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match timeout_at(until, ask.send(conn)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => {
                    self.replace(number)?;
                    if !again {
                        return Err(error.into());
                    }
                    again = false;
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    self.replace(number)?;
                    return Err(LaneError::TimedOut);
                }
            }
        }
    }

    /// Puts a new connection in the place of a broken one, once per broken one.
    fn replace(&self, broken: u64) -> RedisResult<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == broken {
            *current = (broken + 1, self.fresh()?);
        }
        Ok(())
    }
}

/// A connection that tries to connect once: who calls decides about trying again.
fn manager(client: &Client, limit: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(Some(limit))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
