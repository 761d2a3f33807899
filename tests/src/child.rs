//! Child processes, scratch directories and ports of the tests. Nothing started here outlives the test process, not even
//! when a test panics or the test process itself is killed: a reaper, held by a pipe, ends and removes what is left.

use std::collections::HashSet;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::{lock, patience};

/// Reads `mind SIGNAL PID` and `forget SIGNAL PID` until the pipe ends, which it does with the test process, however that
/// dies; then ends whoever is left and removes the scratch directory. A shell, because it must outlive this program.
const REAPER: &str = r#"
trap '' HUP INT QUIT TERM
children=''
while read -r verb signal pid; do
    kept=''
    for child in $children; do [ "${child#*:}" = "$pid" ] || kept="$kept $child"; done
    children=$kept
    [ "$verb" = mind ] && children="$children $signal:$pid"
done
for child in $children; do kill -s "${child%:*}" "${child#*:}"; done
tries=20
for child in $children; do
    while [ $tries -gt 0 ] && kill -0 "${child#*:}"; do sleep 0.1; tries=$((tries - 1)); done
    kill -s KILL "${child#*:}"
done
rm -rf "$1"
"#;

struct Grounds {
    root: PathBuf,
    reaper: Mutex<std::process::Child>,
}

fn grounds() -> &'static Grounds {
    static GROUNDS: OnceLock<Grounds> = OnceLock::new();
    GROUNDS.get_or_init(|| {
        let nonce = u64::from_ne_bytes(entity::clock::random_bytes());
        let root = std::env::temp_dir().join(format!("mailmind-tests-{nonce:016x}"));
        std::fs::create_dir(&root).expect("a scratch directory");
        // PostgreSQL, which refuses to be root, has to pass through it.
        std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).expect("an open scratch directory");
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "reaper"])
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        Grounds { root, reaper: Mutex::new(reaper) }
    })
}

/// A directory of its own under the test process's scratch directory, removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty directory whose name begins with `name`.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = grounds().root.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&path).expect("a scratch directory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed now is removed by the reaper.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A free port on 127.0.0.1, handed out once per test process. It lies below the range from which the system takes ports
/// for outgoing connections, so it is still free when a server is stopped and started again on it.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = lock(&TAKEN);
    let taken = taken.get_or_insert_default();
    loop {
        let port = 18_000 + (entity::clock::chance() * 14_000.0) as u16;
        if !taken.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
}

/// The signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL: ends at once, without a word.
    Kill,
    /// SIGTERM: asks to finish.
    Term,
    /// SIGINT: PostgreSQL's fast shutdown.
    Int,
    /// SIGQUIT: PostgreSQL's immediate shutdown, which is a crash without orphans.
    Quit,
    /// SIGSTOP: stands still, connections stay open.
    Stop,
    /// SIGCONT: goes on.
    Cont,
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Signal::Kill => libc::SIGKILL,
            Signal::Term => libc::SIGTERM,
            Signal::Int => libc::SIGINT,
            Signal::Quit => libc::SIGQUIT,
            Signal::Stop => libc::SIGSTOP,
            Signal::Cont => libc::SIGCONT,
        }
    }
}

/// A running child process. Dropped, it is killed and waited for.
pub struct Child {
    process: Mutex<std::process::Child>,
    pid: u32,
    last: Signal,
}

impl Child {
    /// Starts `command`. `last` ends it when it is dropped or left behind: SIGKILL unless it has children to take along.
    pub fn start(command: &mut Command, last: Signal) -> Self {
        let process = command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        let pid = process.id();
        tell_reaper("mind", last, pid);
        Self { process: Mutex::new(process), pid, last }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Takes its piped standard output and error, each once.
    pub fn take_output(&self) -> (Option<std::process::ChildStdout>, Option<std::process::ChildStderr>) {
        let mut process = lock(&self.process);
        (process.stdout.take(), process.stderr.take())
    }

    /// Sends a signal; one that has ended and was waited for gets none.
    pub fn signal(&self, signal: Signal) {
        if self.exited().is_none() {
            send(self.pid, signal);
        }
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        lock(&self.process).try_wait().expect("a child that can be waited for")
    }

    /// Waits until it has ended.
    pub async fn ended(&self, deadline: Duration) -> ExitStatus {
        patience::until(&format!("process {} to end", self.pid), deadline, async || self.exited()).await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(self.last);
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if process.wait().is_ok() {
            tell_reaper("forget", self.last, self.pid);
        }
    }
}

fn tell_reaper(verb: &str, last: Signal, pid: u32) {
    let mut reaper = lock(&grounds().reaper);
    let pipe = reaper.stdin.as_mut().expect("never taken");
    writeln!(pipe, "{verb} {} {pid}", last.number()).expect("the reaper listens");
}

#[expect(unsafe_code, reason = "the standard library sends SIGKILL alone")]
fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process id");
    // SAFETY: kill(2) takes two integers and touches no memory; the pid is a child of ours that was not yet waited for.
    unsafe { libc::kill(pid, signal.number()) };
}
