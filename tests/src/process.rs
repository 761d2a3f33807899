//! Our own program as a process of its own: its output read line by line, and every signal a test needs.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::child::{Child, Scratch, Signal};
use crate::{lock, patience};

/// How to start a process. It inherits `PATH` and `HOME` alone, and stands in an empty directory of its own, so neither a
/// developer's environment nor an `.env` reaches it.
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl Launch {
    /// A launch of this program: `env!("CARGO_BIN_EXE_mailmind-tested")` in the tests.
    pub fn of(program: impl AsRef<Path>) -> Self {
        Self { program: program.as_ref().to_owned(), args: Vec::new(), env: Vec::new() }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Shows the process another wall clock, as libfaketime describes it: `+2h`, `-30s`. The monotonic clock stays true.
    pub fn faketime(self, offset: &str) -> Self {
        self.env("LD_PRELOAD", libfaketime()).env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Starts it.
    pub fn start(self) -> Process {
        let dir = Scratch::new("process");
        let mut command = Command::new(&self.program);
        command.args(self.args).env_clear().current_dir(dir.path());
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = Child::start(&mut command, Signal::Kill);
        let output = Output::default();
        let (stdout, stderr) = child.take_output();
        output.gather(stdout.expect("piped"));
        output.gather(stderr.expect("piped"));
        Process { child, output, dir }
    }
}

/// A running process; it is killed when dropped.
pub struct Process {
    // Before the directory, so that the process ends first.
    child: Child,
    output: Output,
    dir: Scratch,
}

impl Process {
    /// Starts a program with these arguments and variables; [`Launch`] can do more.
    pub fn start(program: impl AsRef<Path>, args: &[&str], env: &[(&str, &str)]) -> Self {
        let launch = Launch::of(program).args(args);
        env.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).start()
    }

    /// Waits for a line of its output, standard or error, that contains `pattern`, and answers the first such line.
    ///
    /// # Panics
    /// When `deadline` has passed, with everything it printed.
    pub async fn await_line(&self, pattern: &str, deadline: Duration) -> String {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            // Asked before the output is read: what was printed before the end is then there.
            let ended = self.child.exited();
            if let Some(line) = self.output().into_iter().find(|line| line.contains(pattern)) {
                return line;
            }
            let late = tokio::time::Instant::now() > end || (ended.is_some() && self.output.complete());
            assert!(!late, "waited for {pattern:?} (ended: {ended:?}); it printed:\n{}", self.output().join("\n"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every whole line it printed so far, standard and error as they came.
    pub fn output(&self) -> Vec<String> {
        self.output.lines()
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill9(&self) -> ExitStatus {
        self.child.signal(Signal::Kill);
        self.child.ended(patience::SOON).await
    }

    /// SIGSTOP: it stands still, its connections stay open.
    pub fn stop(&self) {
        self.child.signal(Signal::Stop);
    }

    /// SIGCONT: it goes on.
    pub fn cont(&self) {
        self.child.signal(Signal::Cont);
    }

    /// SIGTERM, and waits until it has finished; answers how.
    pub async fn terminate(&self, deadline: Duration) -> ExitStatus {
        self.child.signal(Signal::Term);
        self.ended(deadline).await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&self, deadline: Duration) -> ExitStatus {
        let status = self.child.ended(deadline).await;
        patience::until_true("its output", patience::SOON, async || self.output.complete()).await;
        status
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child.exited()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The directory it stands in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The lines a process printed, gathered by a thread for each stream.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Gathered>>);

#[derive(Default)]
struct Gathered {
    lines: Vec<String>,
    open_streams: u8,
}

impl Output {
    fn gather(&self, stream: impl Read + Send + 'static) {
        lock(&self.0).open_streams += 1;
        let gathered = self.0.clone();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                lock(&gathered).lines.push(text);
                line.clear();
            }
            lock(&gathered).open_streams -= 1;
        });
    }

    fn lines(&self) -> Vec<String> {
        lock(&self.0).lines.clone()
    }

    fn complete(&self) -> bool {
        lock(&self.0).open_streams == 0
    }
}

/// Where Debian puts libfaketime for programs with threads.
fn libfaketime() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut files = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
    files.find(|file| file.exists()).expect("libfaketime is installed (make test installs it)")
}
