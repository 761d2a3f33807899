//! What is built in: each with a reason in CONTRIBUTING.md, under a licence that deny.toml allows, from the one registry.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a section of a TOML file, without comments.
fn section<'a>(text: &'a str, head: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().skip_while(move |line| *line != head).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'))
}

fn of_the_dashboard() -> BTreeSet<String> {
    let package: Value = serde_json::from_str(&read("dashboard/package.json")).unwrap();
    let both =
        ["dependencies", "devDependencies"].into_iter().flat_map(|kind| package[kind].as_object().unwrap().keys());
    both.cloned().collect()
}

fn of_the_workspace() -> BTreeSet<String> {
    let text = read("Cargo.toml");
    let entries = section(&text, "[workspace.dependencies]").filter_map(|line| line.split_once(" = "));
    entries.filter(|(_, what)| !what.contains("path = ")).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_dependency_says_in_a_line_why_it_is_here() {
    let text = read("CONTRIBUTING.md");
    let rows = text.lines().skip_while(|line| *line != "## What it is built from").skip(1);
    let rows = rows.take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix("| `"));
    let mut explained = BTreeSet::new();
    for row in rows {
        let (name, why) = row.split_once("` | ").unwrap_or_else(|| panic!("{row}"));
        assert!(why.trim_end_matches(" |").len() > 3, "nothing says why {name} is here");
        assert!(explained.insert(name.to_owned()), "{name} stands there twice");
    }
    let used: BTreeSet<String> = of_the_workspace().union(&of_the_dashboard()).cloned().collect();
    assert!(used.len() > 60, "{used:?}");
    let unexplained: Vec<_> = used.difference(&explained).collect();
    assert!(unexplained.is_empty(), "CONTRIBUTING.md does not say why {unexplained:?} are here");
    let gone: Vec<_> = explained.difference(&used).collect();
    assert!(gone.is_empty(), "CONTRIBUTING.md explains {gone:?}, which nothing depends on");
}

/// What deny.toml lists under `allow` in [licenses].
fn allowed() -> BTreeSet<String> {
    let text = read("deny.toml");
    let list = section(&text, "[licenses]").filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    list.map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with these licences. `/` is an old way to write OR; AND binds more tightly.
fn may_be_used(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any(&words, allowed);
    assert!(rest.is_empty(), "{expression:?} can't be read");
    met
}

fn any<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<String>) -> (bool, &'w [&'a str]) {
    let (mut met, mut rest) = all(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (other, after) = all(more, allowed);
        (met, rest) = (met | other, after);
    }
    (met, rest)
}

fn all<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<String>) -> (bool, &'w [&'a str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (other, after) = one(more, allowed);
        (met, rest) = (met & other, after);
    }
    (met, rest)
}

fn one<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<String>) -> (bool, &'w [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (met, rest) = any(inner, allowed);
            (met, rest.strip_prefix(&[")"]).expect("a closing parenthesis"))
        }
        [name, "WITH", exception, rest @ ..] => (allowed.contains(&format!("{name} WITH {exception}")), rest),
        [name, rest @ ..] => (allowed.contains(*name), rest),
        [] => panic!("a licence is missing"),
    }
}

#[test]
fn a_licence_is_read_as_its_authors_meant_it() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(MIT OR GPL-3.0) AND GPL-2.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(may_be_used(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn everything_comes_from_the_registry_under_a_licence_that_is_allowed() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let args = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &platform];
    let done = Command::new(cargo).args(args).args(["--manifest-path", host]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let metadata: Value = serde_json::from_slice(&done.stdout).unwrap();
    let (allowed, mut seen) = (allowed(), 0);
    assert!(allowed.contains("MIT"), "{allowed:?}");
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(source) = package["source"].as_str() else { continue };
        seen += 1;
        assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}");
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(may_be_used(licence, &allowed), "{name} comes under {licence}");
    }
    assert!(seen > 100, "{seen} packages");
    let lock = read("Cargo.lock");
    let denied = read("deny.toml");
    for name in denied.split("crate = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(!lock.contains(&format!("name = \"{name}\"\n")), "{name} is built in, which deny.toml refuses");
    }
}
