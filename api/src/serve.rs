//! Puts a process together, in the order in which its parts need each other, and takes it apart again.

mod banner;
pub mod sandboxed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::Clock;
use entity::clock::chance;
use jobs::audit::Audit;
use jobs::live::campaigns::Campaigns;
use jobs::live::emails::Emails;
use jobs::live::events::Events;
use jobs::log::MailgunLog;
use jobs::mailer::{Mailgun, PostLimits};
use jobs::sync::MailgunLists;
use jobs::{Context, Engine, Store};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Parts};
use crate::auth::{self, Doorkeeper};
use crate::config::{Config, Mode, Setup};
use crate::dashboard::link::Links;
use crate::failure::Failure;
use crate::lifecycle::Lifecycle;
use crate::limit::{Limits, Most};
use crate::transport::Graphql;
use crate::webhook::{self, Webhooks};
use crate::{connection, schema, telemetry, transport};

/// How long a process waits at its start for a database that is not up yet.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How long requests under way may take once the process stops; the engine has its own time beside it.
const DRAIN: Duration = Duration::from_secs(10);
/// How long Mailgun's connections are kept idle: shorter than servers keep theirs.
const IDLE: Duration = Duration::from_secs(10);

/// A process that is put together and answers nobody yet.
pub struct Assembled {
    pub app: App,
    graphql: Arc<Graphql>,
    listener: TcpListener,
    connections: connection::Pace,
    sandbox: Option<sandboxed::Running>,
}

/// Serves the API until a signal, and sends emails where `works`.
pub async fn serve(mut setup: Setup, works: bool) -> Result<(), Failure> {
    let life = Lifecycle::under_signals()?;
    let assembled = assemble(&mut setup, works, &life).await?;
    let ctx = &assembled.app.ctx;
    let first_key = match setup.admin_key {
        Some(_) => None,
        None => auth::keys::create_first(&ctx.store, &ctx.clock, ctx.settings.sandbox).await?,
    };
    let upkeep = assembled.app.metrics.clone().map(|handle| {
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                handle.run_upkeep();
            }
        })
    });
    warn_of_links(&setup);
    let link = first_key.as_ref().map(|key| assembled.app.links.open(key.clone(), ctx.clock.now()));
    let at = assembled.listener.local_addr()?;
    banner::print(&setup, at, assembled.sandbox.as_ref(), first_key.as_ref(), link.as_deref());
    let ended = assembled.answer(&life, setup.timing.shutdown).await;
    upkeep.into_iter().for_each(|task| task.abort());
    ended
}

/// Puts a process together that is to serve.
pub async fn assemble(setup: &mut Setup, works: bool, life: &Lifecycle) -> Result<Assembled, Failure> {
    let metrics = telemetry::metrics();
    // First of all: where the address is taken, nothing may have begun, and no key may have been made that nobody sees.
    let listener = listen(setup.listen).await?;
    let store = connect(setup).await?;
    up_to_date(&store).await?;
    let at = listener.local_addr()?;
    setup.listens(at);
    let sandbox = sandboxed::start(setup, webhook::on_this_machine(&format!("http://{at}")), life).await?;
    let ctx = context(setup, store).await?;
    all_keys(&ctx).await?;
    let engine = start(setup, &ctx, sandbox.as_ref(), works).await?;
    let limits = Arc::new(limits(setup, &ctx)?);
    let app = App::new(Parts {
        accept: engine.accept.clone(),
        audit: Audit::start(ctx.clone()),
        recorder: engine.recorder.clone(),
        webhooks: Webhooks::signed_with(&setup.webhook_keys),
        events: Events::start(&ctx, engine.news.clone()),
        emails: Emails::new(&ctx),
        campaigns: Campaigns::new(&ctx),
        engine: RwLock::new(Some(engine)),
        doorkeeper: Doorkeeper::new(
            ctx.clone(),
            setup.admin_key.as_ref(),
            setup.tokens.take(),
            setup.proxies.clone(),
            limits.clone(),
        ),
        limits,
        links: Links::default(),
        schema: schema::build(&ctx),
        queue: jobs::live::queue(&ctx),
        alerts: jobs::live::alerts(&ctx),
        metrics,
        works,
        redis: setup.redis.is_some(),
        playground: setup.mode.is_sandbox() || setup.database_file.is_some(),
        ctx,
    });
    let graphql = Graphql::new(app.clone(), setup.origins.clone(), setup.pace, life.soft.clone());
    Ok(Assembled { app, graphql, listener, connections: setup.connections, sandbox })
}

impl Assembled {
    /// Answers requests until a signal; then requests under way and the engine end beside each other.
    pub async fn answer(self, life: &Lifecycle, shutdown: Duration) -> Result<(), Failure> {
        let Self { app, graphql, listener, connections, .. } = self;
        let router = transport::router(&graphql);
        let serving = connection::serve(listener, router, app.clone(), connections, life.soft.clone());
        let serving = tokio::spawn(serving);
        life.soft.cancelled().await;
        let ending = async {
            let drained = tokio::time::timeout(DRAIN, async { tokio::join!(serving, graphql.closed()) });
            let stopped = async {
                let engine = app.engine.write().await.take();
                if let Some(engine) = engine {
                    engine.stop().await;
                }
            };
            let _ = tokio::join!(drained, stopped);
            app.ctx.stop.cancel();
        };
        finish(life, shutdown, ending).await
    }
}

async fn finish(life: &Lifecycle, shutdown: Duration, ending: impl Future<Output = ()>) -> Result<(), Failure> {
    if life.finish(shutdown + Duration::from_secs(5), ending).await {
        tracing::info!("Stopped");
        Ok(())
    } else {
        Err(Failure::Hurried)
    }
}

/// Sends emails until a signal.
pub async fn work(setup: Setup) -> Result<(), Failure> {
    let life = Lifecycle::under_signals()?;
    let store = connect(&setup).await?;
    await_migrations(&store).await?;
    // This process answers nothing itself: the one that does is told.
    let sandbox = sandboxed::start(&setup, webhook::on_this_machine(&setup.public_url), &life).await?;
    let ctx = context(&setup, store).await?;
    all_keys(&ctx).await?;
    warn_of_links(&setup);
    let engine = start(&setup, &ctx, sandbox.as_ref(), true).await?;
    tracing::info!(slots = ctx.settings.slots, sandbox = ctx.settings.sandbox, "Working");
    life.soft.cancelled().await;
    let ending = async {
        engine.stop().await;
        ctx.stop.cancel();
    };
    finish(&life, setup.timing.shutdown, ending).await
}

fn warn_of_links(setup: &Setup) {
    if setup.has_open_links() {
        tracing::warn!(
            "PUBLIC_URL is not https: links to unsubscribe could be read on the way, and mailbox providers want https"
        );
    }
}

/// Brings the database up to date.
pub async fn migrate(setup: &Setup) -> Result<(), Failure> {
    let store = connect(setup).await?;
    up_to_date(&store).await?;
    println!("the database is up to date");
    Ok(())
}

/// Serves the sandbox alone.
pub async fn sandbox(config: &Config) -> Result<(), Failure> {
    let life = Lifecycle::under_signals()?;
    let listener = listen(config.listen).await?;
    let key = config.mailgun_key().unwrap_or_else(|| SecretString::from(sandboxed::KEY));
    println!("a Mailgun that delivers nothing listens on http://{}", listener.local_addr()?);
    let signing_key = sandboxed::signing_key(&config.webhook_keys());
    Ok(sandboxed::of(key, signing_key, None)?.serve(listener, life.soft.clone()).await?)
}

async fn listen(at: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(at).await.map_err(|error| Failure::Listen(at, error))
}

/// Opens the database, and makes the directory that it or the keys lie in.
pub async fn connect(setup: &Setup) -> Result<Store, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    if setup.uses_data_dir() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&setup.data_dir)
            .map_err(|error| Failure::DataDir(setup.data_dir.clone(), error))?;
    }
    Ok(Store::connect(&setup.database_url).await?)
}

/// Runs the migrations; a database that is not up yet is waited for.
async fn up_to_date(store: &Store) -> Result<(), Failure> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match migration::up(store.write()).await.map_err(jobs::Error::from) {
            Ok(()) => return Ok(()),
            Err(error) if error.is_away() && tokio::time::Instant::now() < end => {
                tracing::warn!(cause = %error, "The database does not answer yet");
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until somebody has run the migrations.
async fn await_migrations(store: &Store) -> Result<(), Failure> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let late = tokio::time::Instant::now() >= end;
        match migration::pending(store.read()).await.map_err(jobs::Error::from) {
            Ok(0) => return Ok(()),
            Ok(pending) if late => return Err(Failure::Pending(pending)),
            Ok(pending) => tracing::info!(pending, "Waiting for the migrations"),
            Err(error) if error.is_away() && !late => {
                tracing::warn!(cause = %error, "The database does not answer yet")
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What jobs are handed in this process.
pub async fn context(setup: &Setup, store: Store) -> Result<Arc<Context>, Failure> {
    let clock = Clock::system();
    clock.align(time(&store).await?);
    let keyring = setup.keys.open()?;
    let stop = CancellationToken::new();
    Ok(Context::new(store, clock, setup.timing, setup.settings.clone(), keyring, chance(), stop))
}

/// A process that could not open what is stored must not begin: waiting emails would fail, one after the other.
async fn all_keys(ctx: &Context) -> Result<(), Failure> {
    let missing = jobs::keyring::missing(&ctx.store, &ctx.keyring).await?;
    if missing.is_empty() { Ok(()) } else { Err(Failure::KeysMissing(jobs::keyring::words(&missing))) }
}

/// The database's time; one that went away amid the start is waited for.
async fn time(store: &Store) -> Result<DateTime<Utc>, Failure> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match store.now().await.map_err(jobs::Error::from) {
            Ok(now) => return Ok(now),
            Err(error) if error.is_away() && tokio::time::Instant::now() < end => {
                tracing::warn!(cause = %error, "The database does not answer yet");
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The limits of this process. It takes no more connections than it may have files open.
fn limits(setup: &Setup, ctx: &Context) -> Result<Limits, Failure> {
    let mut table = setup.limits.clone();
    if let Some(allowed) = connection::allowed_by_the_system().filter(|allowed| *allowed < table.limit_connections.0) {
        tracing::warn!(
            allowed,
            "Fewer connections than LIMIT_CONNECTIONS are taken: the limit of open files (ulimit -n) is low"
        );
        table.limit_connections = Most(allowed);
    }
    Ok(Limits::new(table, ctx.clock.clone(), setup.redis.as_ref())?)
}

async fn start(
    setup: &Setup,
    ctx: &Arc<Context>,
    sandbox: Option<&sandboxed::Running>,
    works: bool,
) -> Result<Engine, Failure> {
    let limits =
        PostLimits { post: ctx.timing.post, connect: ctx.timing.connect, idle: IDLE, slots: ctx.settings.slots };
    let (base, key) = match (&setup.mode, sandbox) {
        (Mode::Live { base, key }, _) => (base, key),
        (Mode::Sandbox { .. }, Some(running)) => (&running.url, &running.key),
        (Mode::Sandbox { .. }, None) => unreachable!("a setup in sandbox mode has started its sandbox"),
    };
    let mailgun = Arc::new(Mailgun::new(base, key, limits)?);
    let log = Arc::new(MailgunLog::new(base, key, limits)?);
    let lists = Arc::new(MailgunLists::new(base, key, limits, ctx.clock.clone())?);
    Ok(Engine::start(ctx.clone(), mailgun, log, lists, setup.redis.clone(), works).await?)
}
