//! What `ops/` holds: that it names metrics, variables and commands that there are, and what the tools that read it say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use jobs::alert::{self, Limit, Name, RULES, Thresholds};
use serde_json::Value;
use tests::child::Scratch;
use tests::database::Backend;
use tests::patience::{SOON, until};
use tests::process::Launch;
use tests::redis::Redis;

use crate::api::Served;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a program below `ops/`; `None` where it is not installed.
fn ran(program: &str, args: &[&str]) -> Option<(bool, String)> {
    let done = Command::new(program).args(args).current_dir(root().join("ops")).output().ok()?;
    let said = [done.stdout, done.stderr].concat();
    Some((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// Every metric that a text names.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.match_indices("mailmind_").filter(|(at, _)| !text[..*at].ends_with(is_part));
    words.map(|(at, _)| text[at..].chars().take_while(|c| is_part(*c)).collect()).collect()
}

/// Those that the sources tell.
fn told_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            told_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = ["counter!(\"", "gauge!(\"", "histogram!(\"", "gauge(\""];
            let names =
                calls.iter().flat_map(|call| text.split(call).skip(1)).filter_map(|rest| rest.split('"').next());
            found.extend(names.filter(|name| name.starts_with("mailmind_")).map(str::to_owned));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_that_is_named_is_told_from_the_start() {
    let redis = Redis::start().await;
    let port = redis.port().to_string();
    let served = Served::with(Backend::Sqlite, |launch| {
        launch.env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", port).env("MAILGUN_DOMAIN", "mg.example.com")
    })
    .await;
    let mut named = BTreeMap::new();
    for page in ["ops/prometheus/rules.yaml", "ops/prometheus/rules.test.yaml", "ops/grafana/mailmind.json"] {
        named.insert(page, metrics(&read(page)));
        assert!(named[page].len() > 5, "{page} names {:?}", named[page]);
    }
    for page in ["docs/operating.md", "docs/deploying.md", "docs/troubleshooting.md"] {
        named.insert(page, metrics(&read(page)));
    }
    let mut sources = BTreeSet::new();
    ["jobs/src", "api/src"].into_iter().for_each(|folder| told_in(&root().join(folder), &mut sources));
    assert!(sources.len() > 20, "{sources:?}");
    named.insert("the sources", sources);
    // The mark of a domain is made within the first seconds.
    let missing = async || {
        let (_, text) = served.client.get("/metrics").await.unwrap();
        let is_told = |name: &String| {
            text.lines().any(|line| sample(line) == Some(name.as_str()))
                || text.contains(&format!("\n{name}_bucket{{")) && text.contains(&format!("# HELP {name} "))
        };
        let missing: Vec<_> = named
            .iter()
            .flat_map(|(page, names)| {
                names.iter().filter(|name| !is_told(name)).map(move |name| format!("{page}: {name}"))
            })
            .collect();
        (missing, text)
    };
    let mut last = Vec::new();
    let text = until("every metric to be told", SOON, async || {
        let (missing, text) = missing().await;
        let whole = missing.is_empty().then_some(text);
        if last != missing {
            println!("not told yet: {missing:#?}");
            last = missing;
        }
        whole
    })
    .await;
    let told: BTreeSet<&str> = text.lines().filter_map(sample).filter(|name| name.starts_with("mailmind_")).collect();
    for name in told {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(text.contains(&format!("# HELP {base} ")), "nothing describes {base}");
    }
}

/// The name of a line that is a sample.
fn sample(line: &str) -> Option<&str> {
    (!line.starts_with('#')).then(|| line.split(['{', ' ']).next()).flatten()
}

#[test]
fn each_alert_is_raised_by_what_it_is_for() {
    for args in [
        &["check", "rules", "prometheus/rules.yaml"][..],
        &["check", "config", "--syntax-only", "prometheus/prometheus.yaml"],
        &["test", "rules", "prometheus/rules.test.yaml"],
    ] {
        let (fine, said) = ran("promtool", args).expect("promtool is installed (make test installs it)");
        assert!(fine, "promtool {args:?}: {said}");
    }
    let (rules, cases) = (read("ops/prometheus/rules.yaml"), read("ops/prometheus/rules.test.yaml"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 12, "{alerts:?}");
    for alert in alerts {
        assert!(cases.contains(&format!("- alertname: {alert}\n")), "nothing raises {alert}");
        assert!(cases.contains(&format!("alertname: {alert}, eval_time")), "nothing shows that {alert} can be silent");
    }
}

/// The lines of the rule of Prometheus that has this name.
fn rule<'a>(rules: &'a str, name: &str) -> &'a str {
    let from = rules.find(&format!("- alert: {name}\n")).unwrap_or_else(|| panic!("no rule {name}"));
    let rest = &rules[from + 1..];
    &rest[..rest.find("- alert: ").unwrap_or(rest.len())]
}

/// Whoever has Prometheus is told the same as everybody else: what is raised, from where on, and after how long.
#[test]
fn the_rules_are_those_of_the_services_own_alerts() {
    let rules = read("ops/prometheus/rules.yaml");
    let own = Thresholds::default();
    let seconds = |span: chrono::TimeDelta| span.num_seconds();
    let share = |record: &str, limit: Limit| vec![format!("{record} > {}", limit.share), format!(">= {}", limit.of)];
    for alert in RULES {
        let text = rule(&rules, alert.name);
        let held = text.lines().find_map(|line| line.trim().strip_prefix("for: ")).unwrap_or("0m");
        assert_eq!(held, format!("{}m", alert.hold), "{}", alert.name);
        assert!(text.contains(&format!("severity: {} }}", alert.severity.name())), "{}: {text}", alert.name);
        assert!(text.contains(&format!("runbook: {}\n", alert.runbook())), "{}: {text}", alert.name);
        let figures = match alert.alert {
            Name::QueueStalled => vec![format!("_seconds) > {} and", alert::STALLED * 60), "_minute) == 0".to_owned()],
            Name::OldestAge => {
                let each = ["high", "normal", "low"].into_iter().zip(own.oldest);
                each.map(|(lane, most)| format!("lane=\"{lane}\"}}) > {}\n", seconds(most))).collect()
            }
            Name::FailureShare => share(&format!("failure_share:{}m", alert::TRIED_WITHIN), own.failure_share),
            Name::BounceRate => share("bounce_rate:6h", own.bounce_rate),
            Name::ComplaintRate => share("complaint_rate:24h", own.complaint_rate),
            Name::SignatureFailures => vec![format!("[{}m])) > {}\n", alert::SIGNED_WITHIN, alert::STRANGERS)],
            Name::Doubles | Name::Undecided => vec![format!("[{}h])) > 0\n", alert::ONCE_WITHIN / 60)],
            Name::ReconcilerLag => vec![format!(" > {}\n", (jobs::Timing::default().trust * alert::LAGS).as_secs())],
            Name::BreakerOpen | Name::SyncStuck | Name::EndpointFailing => vec![") > 0\n".to_owned()],
            Name::WebhooksSilent | Name::LogUnreadable => vec![") == 1\n".to_owned()],
            Name::RedisAway | Name::DatabaseAway => vec!["_up == 0\n".to_owned()],
        };
        for figure in figures {
            assert!(text.contains(&figure), "{} lacks {figure:?}: {text}", alert.name);
        }
    }
    let others = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let others: Vec<&str> = others.filter(|name| RULES.iter().all(|alert| alert.name != *name)).collect();
    assert_eq!(
        others,
        ["no_place", "alerts_unheard", "not_scraped"],
        "what a service can't say of itself, or nobody need be told of"
    );
}

#[test]
fn the_documentation_has_the_table_of_alerts() {
    let page = read("docs/operating.md");
    let after = |minutes| if minutes == 0 { "at once".to_owned() } else { format!("{minutes} min") };
    for alert in RULES {
        let variable = alert.variable.map(|variable| format!(" `{variable}`.")).unwrap_or_default();
        let line = format!(
            "| [`{}`](troubleshooting.md#{}) | {} | {}{variable} | {} | {} |\n",
            alert.name,
            alert.place,
            alert.severity.name(),
            alert.means,
            after(alert.hold),
            after(alert.calm)
        );
        assert!(page.contains(&line), "docs/operating.md lacks {line}");
    }
}

/// The anchor that a heading has.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect()
}

#[test]
fn every_link_within_the_documentation_leads_somewhere() {
    let anchors = |page: &str| -> BTreeSet<String> {
        read(page).lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').map(anchor)).collect()
    };
    let pages = ["README.md", "CONTRIBUTING.md", "ops/README.md"].map(str::to_owned).into_iter();
    let docs = std::fs::read_dir(root().join("docs")).unwrap().flatten();
    let docs = docs.map(|entry| format!("docs/{}", entry.file_name().display())).filter(|path| path.ends_with(".md"));
    for page in pages.chain(docs) {
        let text = read(&page);
        let folder = Path::new(&page).parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { PathBuf::from(&page) } else { folder.join(path) };
            assert!(root().join(&file).exists(), "{page} links to {target}");
            let is_there = place.is_empty() || anchors(file.to_str().unwrap()).contains(place);
            assert!(is_there, "{page} links to {target}, and there is no such heading");
        }
    }
    let headings = anchors("docs/troubleshooting.md");
    for runbook in read("ops/prometheus/rules.yaml").split("docs/troubleshooting.md#").skip(1) {
        let place = runbook.lines().next().unwrap();
        assert!(headings.contains(place), "a rule links to {place}");
    }
}

/// Every variable there is: a test of the configuration holds the example to it.
fn variables() -> BTreeSet<String> {
    let example = read(".env.example");
    let names = example.lines().filter_map(|line| line.strip_prefix('#')?.split_once('=')).map(|(name, _)| name);
    names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).map(str::to_owned).collect()
}

fn set_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).map(|(name, _)| name)
}

/// Reads YAML as Compose does: anchors and merges resolved.
fn yaml(path: &str) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/.venv/bin/python");
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let args = ["-c", script, path];
    let (fine, said) = ran(python.to_str().unwrap(), &args).expect("the clients are installed (make clients)");
    assert!(fine, "{path}: {said}");
    serde_json::from_str(&said).unwrap()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The program knows these words.
async fn understands(words: &[&str]) {
    let process = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested")).args(words).args(["--help"]).start();
    let ended = process.ended(SOON).await;
    assert!(ended.success(), "mailmind {words:?}: {}", process.output().join("\n"));
}

#[tokio::test]
async fn the_compose_file_starts_what_there_is_with_variables_that_there_are() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["api-a", "api-b", "migrate", "postgres", "redis", "worker"]);
    let known = variables();
    for (name, service) in services {
        for file in words(&service["env_file"]) {
            let example = read(&format!("ops/{file}.example"));
            let ours = !["postgres.env"].contains(&file);
            for variable in set_in(&example).filter(|_| ours) {
                assert!(known.contains(variable), "{file} sets {variable}");
            }
        }
        for volume in words(&service["volumes"]) {
            assert!(compose["volumes"].get(volume.split(':').next().unwrap()).is_some(), "{name}: {volume}");
        }
        for network in words(&service["networks"]) {
            assert!(compose["networks"].get(network).is_some(), "{name}: {network}");
        }
        for needed in service["depends_on"].as_object().into_iter().flat_map(|needs| needs.keys()) {
            assert!(services.contains_key(needed), "{name} waits for {needed}");
        }
        if name == "postgres" || name == "redis" {
            assert!(service["healthcheck"]["test"].is_array() && service.get("ports").is_none(), "{name}");
            continue;
        }
        for variable in service["environment"].as_object().into_iter().flat_map(|set| set.keys()) {
            assert!(known.contains(variable), "{name} sets {variable}");
        }
        understands(&words(&service["command"])).await;
        assert_eq!(service["read_only"], true, "{name}");
        if name != "migrate" {
            assert_eq!(words(&service["healthcheck"]["test"]), ["CMD", "/usr/bin/mailmind", "health"], "{name}");
        }
    }
    assert_eq!(words(&services["api-a"]["command"]), ["serve", "--no-worker"]);
    assert_eq!(words(&services["worker"]["command"]), ["serve"]);
}

#[tokio::test]
async fn the_image_starts_the_program_as_nobody() {
    let image = read("ops/Dockerfile");
    let last = image.rsplit("\nFROM ").next().unwrap();
    assert!(last.contains("\nUSER 65532:65532\n"), "{last}");
    let known = variables();
    for line in last.lines().filter_map(|line| line.strip_prefix("ENV ")) {
        for (variable, _) in line.split(' ').filter_map(|set| set.split_once('=')) {
            assert!(known.contains(variable), "the image sets {variable}");
        }
    }
    let of = |what: &str| -> Vec<String> {
        let words = last.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("no {what}"));
        serde_json::from_str(words).unwrap()
    };
    assert_eq!(of("ENTRYPOINT "), ["/usr/bin/mailmind"]);
    assert_eq!(
        of("HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ")[..1],
        of("ENTRYPOINT ")
    );
    understands(&["health"]).await;
    understands(&of("CMD ").iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Everything that is compiled gets into the build.
    let kept = read("ops/Dockerfile.dockerignore");
    for folder in ["api", "dashboard", "entity", "jobs", "migration", "tests", "Cargo.toml", "Cargo.lock"] {
        assert!(kept.lines().any(|line| line == format!("!{folder}")), "{folder} is left out");
    }
}

/// Skipped, and said, where no systemd is installed.
#[test]
fn the_unit_is_well_formed_and_exposes_little() {
    let unit = read("ops/mailmind.service");
    let scratch = Scratch::new("unit");
    // Nobody has installed the program here.
    let there = unit.replace("ExecStart=/usr/bin/mailmind serve", "ExecStart=/bin/true serve");
    assert_ne!(there, unit);
    let path = scratch.path().join("mailmind.service");
    std::fs::write(&path, there).unwrap();
    let path = path.to_str().unwrap();
    let Some((fine, said)) = ran("systemd-analyze", &["verify", path]) else {
        eprintln!("SKIPPED: no systemd-analyze here, so that ops/mailmind.service was not verified");
        return;
    };
    assert!(fine, "{said}");
    // In tenths.
    let (fine, said) = ran("systemd-analyze", &["security", "--offline=true", "--threshold=20", path]).unwrap();
    assert!(fine, "{said}");
}
