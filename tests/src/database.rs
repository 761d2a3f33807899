//! Real databases for tests: SQLite in a file, and PostgreSQL from the system's packages. One PostgreSQL server serves the
//! whole test process, each test in a database of its own; a test that stops or kills the server starts another.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use sea_orm::ConnectionTrait as _;

use crate::child::{Child, Scratch, Signal, free_port};
use crate::lock;
use crate::patience::{SOON, until_true};

/// The two databases the service runs on; one suite runs on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a scratch directory.
    Sqlite,
    /// A database of the shared server.
    Postgres,
}

impl Backend {
    /// Both.
    pub const ALL: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

    /// A new, empty database.
    pub async fn database(self) -> Database {
        match self {
            Backend::Sqlite => Database::sqlite(),
            Backend::Postgres => Postgres::shared().await.database().await,
        }
    }
}

/// An empty database of a test's own, removed when dropped.
pub struct Database {
    /// What `DATABASE_URL` is set to.
    pub url: String,
    /// Which kind it is.
    pub backend: Backend,
    _removed_when_dropped: Box<dyn Send + Sync>,
}

impl Database {
    /// A SQLite file that is created when it is first opened.
    pub fn sqlite() -> Self {
        let dir = Scratch::new("sqlite");
        let url = format!("sqlite://{}?mode=rwc", dir.path().join("mailmind.db").display());
        Self { url, backend: Backend::Sqlite, _removed_when_dropped: Box::new(dir) }
    }
}

/// A backup, made as docs/deploying.md says.
pub struct Backup {
    file: PathBuf,
    backend: Backend,
    _removed_when_dropped: Scratch,
}

impl Database {
    /// Backs it up, while others may work on it: `pg_dump`, or SQLite's `VACUUM INTO`.
    pub async fn back_up(&self) -> Backup {
        let dir = Scratch::new("backup");
        let file = dir.path().join("mailmind");
        match self.backend {
            Backend::Sqlite => {
                let open = sea_orm::Database::connect(&self.url).await.expect("the database opens");
                let vacuum = format!("VACUUM INTO '{}'", file.display());
                open.execute_unprepared(&vacuum).await.expect("SQLite backs up");
            }
            Backend::Postgres => {
                let mut dump = Command::new(programs().join("pg_dump"));
                dump.args(["--format=custom", "--file"]).arg(&file).arg(&self.url);
                tokio::task::spawn_blocking(move || run(&mut dump)).await.expect("no panic");
            }
        }
        Backup { file, backend: self.backend, _removed_when_dropped: dir }
    }
}

impl Backup {
    /// A new database with what is in it.
    pub async fn restore(&self) -> Database {
        let database = match self.backend {
            Backend::Sqlite => Database::sqlite(),
            Backend::Postgres => Backend::Postgres.database().await,
        };
        match self.backend {
            Backend::Sqlite => {
                let path = database.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
                std::fs::copy(&self.file, path).expect("the backup is copied");
            }
            Backend::Postgres => {
                let mut restore = Command::new(programs().join("pg_restore"));
                restore.args(["--no-owner", "--exit-on-error", "--dbname", &database.url]).arg(&self.file);
                tokio::task::spawn_blocking(move || run(&mut restore)).await.expect("no panic");
            }
        }
        database
    }
}

/// Drops the database behind it, with whoever is still connected; a server that is gone needs nothing.
struct Dropped {
    port: u16,
    name: String,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        psql(self.port, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).ok();
    }
}

#[derive(Clone, Copy, Debug)]
enum Durability {
    /// Survives the death of the server, not that of the machine: no fsync. Commits are still written before they are answered.
    Process,
    /// As in production.
    Machine,
}

impl Durability {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Durability::Process => &["fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=300"],
            Durability::Machine => &["fsync=on", "full_page_writes=on", "synchronous_commit=on"],
        }
    }
}

/// A PostgreSQL server in a scratch directory; it ends when dropped.
pub struct Postgres {
    // Before the directory, so that the server ends first.
    server: Mutex<Option<Child>>,
    dir: Scratch,
    port: u16,
    durability: Durability,
}

impl Postgres {
    /// The server that all tests of this process share. It may be neither stopped nor killed.
    pub async fn shared() -> &'static Postgres {
        static SHARED: tokio::sync::OnceCell<Postgres> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_init(Postgres::start).await
    }

    /// A server of one's own, which may be stopped and killed. Its commits survive that; it saves the fsync.
    pub async fn start() -> Self {
        Self::launch(Durability::Process).await
    }

    /// A server that commits as in production, with fsync: for measuring.
    pub async fn durable() -> Self {
        Self::launch(Durability::Machine).await
    }

    async fn launch(durability: Durability) -> Self {
        let dir = tokio::task::spawn_blocking(data_directory).await.expect("a data directory");
        let postgres = Self { server: Mutex::new(None), dir, port: free_port(), durability };
        postgres.start_again().await;
        postgres
    }

    /// Starts it again on the port and the data it had. Does nothing while it runs.
    pub async fn start_again(&self) {
        {
            let mut server = lock(&self.server);
            if server.is_none() {
                *server = Some(self.spawn());
            }
        }
        until_true("PostgreSQL to answer", SOON, async || self.answers().await).await;
    }

    /// Shuts it down in order: sessions are cut, nothing is left to recover.
    pub async fn stop(&self) {
        self.end(Signal::Int).await;
    }

    /// Makes it crash: sessions are cut and the next start has to recover.
    pub async fn kill(&self) {
        self.end(Signal::Quit).await;
    }

    /// [`Postgres::stop`], then [`Postgres::start_again`].
    pub async fn restart(&self) {
        self.stop().await;
        self.start_again().await;
    }

    /// A new, empty database.
    pub async fn database(&self) -> Database {
        let name = format!("test_{:016x}", u64::from_ne_bytes(entity::clock::random_bytes()));
        let port = self.port;
        let create = format!("CREATE DATABASE {name}");
        tokio::task::spawn_blocking(move || psql(port, &create)).await.expect("no panic").expect("CREATE DATABASE");
        let url = self.url(&name);
        Database { url, backend: Backend::Postgres, _removed_when_dropped: Box::new(Dropped { port, name }) }
    }

    /// Its process id, while it runs; the server's other processes are its children.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.server).as_ref().map(Child::pid)
    }

    /// What it has said so far, over all its restarts.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    async fn end(&self, signal: Signal) {
        let server = lock(&self.server).take();
        let server = server.expect("PostgreSQL runs");
        server.signal(signal);
        server.ended(SOON).await;
    }

    fn spawn(&self) -> Child {
        // What it said before a restart stays.
        let log = std::fs::File::options().append(true).create(true).open(self.dir.path().join("log"));
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(self.dir.path().join("data")).arg("-k").arg(self.dir.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        for setting in self.durability.settings() {
            command.args(["-c", setting]);
        }
        Child::start(command.stdout(Stdio::null()).stderr(log.expect("a log file")), Signal::Quit)
    }

    async fn answers(&self) -> bool {
        if let Some(status) = lock(&self.server).as_ref().and_then(Child::exited) {
            panic!("PostgreSQL ended with {status}:\n{}", self.log());
        }
        let port = self.port;
        tokio::task::spawn_blocking(move || psql(port, "SELECT 1")).await.expect("no panic").is_ok()
    }
}

/// A fresh cluster: initdb runs once per test process, everyone else copies its result.
fn data_directory() -> Scratch {
    static TEMPLATE: OnceLock<Scratch> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let template = Scratch::new("initdb");
        own(template.path());
        let mut initdb = as_postgres("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
        run(initdb.arg(template.path().join("data")));
        template
    });
    let dir = Scratch::new("postgres");
    run(Command::new("cp").arg("-a").arg(template.path().join("data")).arg(dir.path()));
    own(dir.path());
    dir
}

/// One of PostgreSQL's programs, as the user `postgres` where we are root, whom it refuses to serve.
fn as_postgres(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    command.stdin(Stdio::null()).current_dir("/");
    if let Some((user, group)) = postgres_user() {
        command.uid(user).gid(group);
    }
    // As the leader of a group it is spared the Ctrl-C that ends the tests: the reaper ends it.
    command.process_group(0);
    command
}

fn own(dir: &Path) {
    if let Some((user, group)) = postgres_user() {
        std::os::unix::fs::chown(dir, Some(user), Some(group)).expect("chown as root");
    }
}

/// The ids of `postgres`, if we are root.
fn postgres_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    let id = |args: &[&str]| -> u32 { run(Command::new("id").args(args)).trim().parse().expect("a number from id") };
    *USER.get_or_init(|| (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"]))))
}

/// Where the newest installed PostgreSQL keeps its programs: Debian's place, else `PATH`.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let numbered = versions.filter_map(|entry| {
            let number: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").exists().then_some((number, bin))
        });
        let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|dir| dir.join("initdb").exists());
        numbered.max().map(|(_, bin)| bin).or_else(on_path).expect("PostgreSQL is installed (make test installs it)")
    })
}

/// Runs one statement as the superuser.
fn psql(port: u16, sql: &str) -> Result<(), String> {
    let mut command = Command::new(programs().join("psql"));
    command.args([
        "-X",
        "-q",
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-U",
        "postgres",
        "-d",
        "postgres",
        "-c",
        sql,
    ]);
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().map_err(|error| error.to_string())?;
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a command that has to succeed and answers what it printed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
