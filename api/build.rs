//! Builds the dashboard with Node, and lists its files for the program to hold. Without Node the program says so in its place;
//! where Node is there and the build fails, so does this.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// `skip` leaves the dashboard out: for lints and tests that don't look at it.
const ASKED: &str = "MAILMIND_DASHBOARD";
/// The first that Vite runs on.
const LEAST_NODE: (u32, u32) = (20, 19);
/// What the dashboard is built from; nothing else brings this script back.
const INPUTS: [&str; 7] =
    ["src", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "compressed.ts"];

fn main() -> Result<()> {
    let dashboard = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../dashboard");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={ASKED}");
    println!("cargo::rerun-if-changed=build.rs");
    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", dashboard.join(input).display());
    }
    let files = out.join("dashboard");
    let list = if std::env::var(ASKED).is_ok_and(|asked| asked == "skip") {
        String::from("[]")
    } else if let Some(why) = no_node() {
        println!("cargo::warning=the dashboard is left out: {why}");
        String::from("[]")
    } else {
        build(&dashboard, &files)?;
        listed(&files)?
    };
    fs::write(out.join("dashboard.rs"), list)?;
    Ok(())
}

/// Why it can't be built here, where that is nobody's mistake.
fn no_node() -> Option<String> {
    let Ok(answer) = Command::new("node").arg("--version").output() else {
        return Some("Node is not there".to_owned());
    };
    let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
    let new_enough = numbers.next().zip(numbers.next()).is_some_and(|found| found >= LEAST_NODE);
    let (major, minor) = LEAST_NODE;
    (!new_enough).then(|| format!("it needs Node {major}.{minor}, and here is {version}"))
}

fn build(dashboard: &Path, files: &Path) -> Result<()> {
    // Cargo and an editor may build at the same time, and `npm ci` begins by removing everything.
    let lock = File::create(dashboard.join(".building"))?;
    lock.lock()?;
    let wanted = fs::read(dashboard.join("package-lock.json"))?;
    let installed = dashboard.join("node_modules/.installed");
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return npm(dashboard, &["run", "build"], files);
    }
    npm(dashboard, &["ci"], files)?;
    fs::write(installed, wanted)?;
    npm(dashboard, &["run", "build"], files)
}

fn npm(dashboard: &Path, arguments: &[&str], files: &Path) -> Result<()> {
    let ran = Command::new("npm").args(arguments).current_dir(dashboard).env("DASHBOARD_OUT", files).output();
    let ran = ran.map_err(|error| format!("npm does not run ({error}); {ASKED}=skip leaves the dashboard out"))?;
    if ran.status.success() {
        return Ok(());
    }
    let (said, complained) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let what = arguments.join(" ");
    Err(format!("npm {what} failed; {ASKED}=skip leaves the dashboard out\n{said}\n{complained}").into())
}

/// The files as the source of a list; what was compressed stands beside its original.
fn listed(files: &Path) -> Result<String> {
    let mut found = Vec::new();
    walk(files, &mut found)?;
    found.sort();
    let mut list = String::from("[");
    for path in found.iter().filter(|path| !is_compressed(path)) {
        let name = path.strip_prefix(files)?.to_str().ok_or("a file's name is no text")?;
        let beside = |ending: &str| {
            let other = PathBuf::from(format!("{}.{ending}", path.display()));
            if found.contains(&other) { format!("Some(include_bytes!({other:?}))") } else { "None".to_owned() }
        };
        let (brotli, gzip) = (beside("br"), beside("gz"));
        write!(list, "File {{ name: {name:?}, plain: include_bytes!({path:?}), brotli: {brotli}, gzip: {gzip} }},")?;
    }
    list.push(']');
    Ok(list)
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "br" || ending == "gz")
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { walk(&path, found)? } else { found.push(path) }
    }
    Ok(())
}
