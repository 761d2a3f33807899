//! What each setting may be, and how a value that makes no sense is refused by its name.

#![expect(clippy::unwrap_used, reason = "tests may")]

use std::path::Path;
use std::time::Duration;

use clap::FromArgMatches;
use jobs::Timing;

use super::*;
use crate::command::Cli;

/// Reads the configuration from options alone, whatever the environment of whoever runs the tests.
fn read(options: &[&str]) -> Result<Config, String> {
    let parser = Cli::parser().mut_args(|arg| arg.env(None::<&str>));
    let given = std::iter::once("mailmind").chain(options.iter().copied());
    let matches = parser.try_get_matches_from(given).map_err(|error| error.to_string())?;
    Ok(Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?.config)
}

fn setup(options: &[&str]) -> Result<Setup, String> {
    read(options)?.check().map_err(|nonsense| nonsense.to_string())
}

const KEYRING: &str = "--content-keyring=k:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const LIVE: [&str; 2] = ["--mailgun-api-key=key-1", "--mailgun-domain=mg.example.com"];

fn live(more: &[&str]) -> Result<Setup, String> {
    setup(&[&LIVE, more].concat())
}

#[test]
fn nothing_configured_is_an_embedded_sandbox() {
    let setup = setup(&[]).unwrap();
    assert!(matches!(setup.mode, Mode::Sandbox { by_itself: true }));
    assert_eq!(setup.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(setup.database_url, "sqlite://./data/mailmind.db?mode=rwc");
    assert_eq!(setup.database_file.as_deref(), Some(Path::new("./data/mailmind.db")));
    assert!(matches!(&setup.keys, Keys::File(path) if path == Path::new("./data/content.keyring")));
    assert!(setup.redis.is_none() && setup.admin_key.is_none());
    assert_eq!(setup.public_url, "http://127.0.0.1:8080");
    assert_eq!(setup.timing, Timing::default());
    let settings = setup.settings;
    assert_eq!((settings.slots, settings.max_tries, settings.most_tags), (5, 3, 3));
    assert_eq!(settings.retry_base, Duration::from_millis(200));
    assert_eq!((settings.max_age, settings.retention), (TimeDelta::days(3), jobs::retention::Periods::default()));
    assert_eq!(settings.policies, [Policy::Resend, Policy::Verify, Policy::Verify]);
    assert_eq!(settings.suppression_sync, jobs::sync::Direction::Both);
    assert!(settings.sandbox);
}

/// What the design says, case by case: never quietly in a sandbox.
#[test]
fn the_sandbox_starts_by_itself_only_when_nothing_says_that_somebody_means_it() {
    let by_itself = |options: &[&str]| matches!(setup(options).unwrap().mode, Mode::Sandbox { by_itself: true });
    assert!(by_itself(&["--listen=127.0.0.2:80"]));
    assert!(by_itself(&["--listen=[::1]:8080"]));
    assert!(by_itself(&["--database-url=", "--redis-host= ", "--mailgun-api-key=", "--mailgun-domain="]));
    let signs = [
        ("--database-url=postgres://localhost/mail", "DATABASE_URL is set"),
        ("--database-url=sqlite://mail.db", "DATABASE_URL is set"),
        ("--redis-host=localhost", "REDIS_HOST is set"),
        ("--mailgun-domain=mg.example.com", "MAILGUN_DOMAIN is set"),
        ("--mailgun-api-base=https://api.eu.mailgun.net", "MAILGUN_API_BASE is set"),
        ("--listen=0.0.0.0:8080", "LISTEN is no loopback address"),
        ("--listen=[::]:8080", "LISTEN is no loopback address"),
    ];
    for (sign, why) in signs {
        let refused = setup(&[sign]).unwrap_err();
        let expected = format!("MAILGUN_API_KEY is needed, since {why}. ");
        assert!(refused.starts_with(&expected), "{sign}: {refused}");
        let aloud = ["--mailgun-api-base=sandbox"];
        if !sign.starts_with("--mailgun-api-base") {
            let setup = setup(&[&[sign], aloud.as_slice()].concat()).unwrap();
            assert!(matches!(setup.mode, Mode::Sandbox { by_itself: false }), "{sign}");
        }
    }
}

#[test]
fn a_key_and_a_domain_send_for_real() {
    let setup = live(&[]).unwrap();
    assert!(matches!(&setup.mode, Mode::Live { base, .. } if base == "https://api.mailgun.net"));
    assert_eq!(setup.settings.domains, ["mg.example.com"]);
    assert!(!setup.settings.sandbox);
    let eu = live(&["--mailgun-api-base=https://api.eu.mailgun.net/"]).unwrap();
    assert_eq!(eu.settings.api_base, "https://api.eu.mailgun.net");
}

#[test]
fn domains_are_a_list_in_ascii() {
    let setup = setup(&["--mailgun-api-key=k", "--mailgun-domain= MG.example.com, bücher.example ,mg.example.com,"]);
    assert_eq!(setup.unwrap().settings.domains, ["mg.example.com", "xn--bcher-kva.example"]);
}

#[test]
fn nonsense_is_refused_with_the_variables_name() {
    let cases: &[(&[&str], &str)] = &[
        (&["--listen=8080"], "LISTEN"),
        (&["--mailgun-bulk-concurrency=0"], "MAILGUN_BULK_CONCURRENCY"),
        (&["--mailgun-max-retries=-1"], "MAILGUN_MAX_RETRIES"),
        (&["--mailgun-max-retries=0"], "MAILGUN_MAX_RETRIES"),
        (&["--mailgun-retry-base-ms=-200"], "MAILGUN_RETRY_BASE_MS"),
        (&["--mailgun-retry-base-ms=fast"], "MAILGUN_RETRY_BASE_MS"),
        (&["--execution-batch-concurrency=0"], "EXECUTION_BATCH_CONCURRENCY"),
        (&["--email-retention-days=0"], "EMAIL_RETENTION_DAYS"),
        (&["--retention-bodies=30"], "RETENTION_BODIES"),
        (&["--retention-webhooks=59m"], "RETENTION_WEBHOOKS"),
        (&["--retention-events=36501d"], "RETENTION_EVENTS"),
        (&["--retention-tokens=12h"], "RETENTION_TOKENS"),
        (&["--retention-keys=week"], "RETENTION_KEYS"),
        (&["--retention-audit=0d"], "RETENTION_AUDIT"),
        (&["--email-max-age=3"], "EMAIL_MAX_AGE"),
        (&["--email-max-age=10s"], "EMAIL_MAX_AGE"),
        (&["--email-max-age=-3d"], "EMAIL_MAX_AGE"),
        (&["--email-max-age=ä"], "EMAIL_MAX_AGE"),
        (&["--unconfirmed-high=MAYBE"], "UNCONFIRMED_HIGH"),
        (&["--mailgun-max-tags=-1"], "MAILGUN_MAX_TAGS"),
        (&["--suppression-sync=push"], "SUPPRESSION_SYNC"),
        (&["--log-format=xml"], "LOG_FORMAT"),
        (&["--timing-divisor=0"], "TIMING_DIVISOR"),
        (&["--redis-port=70000"], "REDIS_PORT"),
        (&["--redis-db=-1"], "REDIS_DB"),
        (&["--admin-api-key=short"], "ADMIN_API_KEY"),
        (&["--admin-api-key=sixteen letters and blanks"], "ADMIN_API_KEY"),
        (&["--public-url=mail.example.com"], "PUBLIC_URL"),
        (&["--jwt-secret=a secret of thirty-one bytes..."], "JWT_SECRET"),
        (&["--jwt-public-key=nonsense"], "JWT_PUBLIC_KEY"),
        (&["--jwt-public-key=-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"], "JWT_PUBLIC_KEY"),
        (&["--jwt-secret=a secret of thirty-two bytes or more", "--jwt-public-key=nonsense"], "JWT_SECRET"),
        (&["--jwt-audience= "], "JWT_AUDIENCE"),
        (&["--trusted-proxies=10.0.0.0/8,proxy"], "TRUSTED_PROXIES"),
        (&["--outbound-private-networks=10.0.0.0/8,intranet"], "OUTBOUND_PRIVATE_NETWORKS"),
        (&["--outbound-private-networks=10.0.0.1/8"], "OUTBOUND_PRIVATE_NETWORKS"),
        (&["--allowed-origins=https://a.example.com,b.example.com"], "ALLOWED_ORIGINS"),
        (&["--allowed-origins=https://a.example.com/board"], "ALLOWED_ORIGINS"),
        (&["--content-keyring=nonsense"], "CONTENT_KEYRING"),
        (&["--content-keyring=k:c2hvcnQ="], "CONTENT_KEYRING"),
        (&["--mailgun-api-base=sandbox", "--mailgun-api-key=k"], "MAILGUN_API_KEY"),
        (&["--mailgun-api-key=k"], "MAILGUN_DOMAIN"),
        (&["--mailgun-api-key=k", "--mailgun-domain=,"], "MAILGUN_DOMAIN"),
        (&["--mailgun-api-key=k", "--mailgun-domain=mg example.com"], "MAILGUN_DOMAIN"),
        (&["--mailgun-api-key=k", "--mailgun-domain=10.0.0.1"], "MAILGUN_DOMAIN"),
    ];
    for (options, variable) in cases {
        let refused = setup(options).expect_err(variable);
        assert!(refused.contains(variable), "{options:?}: {refused}");
    }
    let cases: &[(&[&str], &str)] = &[
        (&["--mailgun-api-base=api.mailgun.net"], "MAILGUN_API_BASE"),
        (&["--mailgun-api-base=ftp://api.mailgun.net"], "MAILGUN_API_BASE"),
        (&["--mailgun-api-base=https://api.mailgun.net/?a"], "MAILGUN_API_BASE"),
        (&["--database-url=mysql://localhost/x"], "DATABASE_URL"),
        (&["--database-url=postgres://"], "DATABASE_URL"),
        (&["--database-url=sqlite::memory:"], "DATABASE_URL"),
        (&["--redis-host=redis://localhost"], "REDIS_HOST"),
        (&["--redis-host=localhost", "--redis-port=0"], "REDIS_PORT"),
        (&["--redis-host=localhost", "--redis-prefix=a b"], "REDIS_PREFIX"),
    ];
    for (options, variable) in cases {
        let refused = live(options).expect_err(variable);
        assert!(refused.starts_with(variable), "{options:?}: {refused}");
    }
}

#[test]
fn postgresql_needs_a_keyring_that_all_processes_share_unless_nothing_is_real() {
    let postgres = "--database-url=postgres://mail:secret@db/mail";
    assert!(live(&[postgres]).unwrap_err().starts_with("CONTENT_KEYRING is needed with PostgreSQL"));
    assert!(matches!(live(&[postgres, KEYRING]).unwrap().keys, Keys::Given(_)));
    assert!(!live(&[postgres, KEYRING]).unwrap().uses_data_dir(), "a process of a container may have no disk");
    let sandbox = setup(&[postgres, "--mailgun-api-base=sandbox"]).unwrap();
    assert!(matches!(sandbox.keys, Keys::File(_)) && sandbox.database_file.is_none() && sandbox.uses_data_dir());
}

#[test]
fn proxies_are_addresses_and_networks() {
    let setup = setup(&["--trusted-proxies= 10.0.0.0/8 , ::1,"]).unwrap();
    assert_eq!(setup.proxies.0.to_string(), "10.0.0.0/8,::1");
    assert!(setup.tokens.is_none());
}

#[test]
fn tests_may_hurry_the_protocol() {
    assert_eq!(setup(&["--timing-divisor=10"]).unwrap().timing, Timing::divided(10));
}

#[test]
fn options_may_stand_before_or_after_the_command() {
    for options in [["--redis-port=7000", "work"], ["work", "--redis-port=7000"]] {
        assert_eq!(read(&options).unwrap().redis_port, 7000, "{options:?}");
    }
}

#[test]
fn a_configuration_shows_nobody_its_secrets() {
    let options = ["--database-url=postgres://mail:hunter2@db/mail", "--redis-host=r", "--redis-password=hunter2"];
    let admin = ["--admin-api-key=hunter2hunter2hunter2", "--mailgun-webhook-signing-key=hunter2", KEYRING];
    let key = ["--mailgun-api-key=hunter2", "--mailgun-domain=mg.example.com"];
    let jwt = ["--jwt-secret=hunter2hunter2hunter2hunter2hunter2"];
    let setup = setup(&[&options[..], &admin, &key, &jwt].concat()).unwrap();
    let parts = format!("{:?} {:?} {:?}", setup.mode, setup.redis, setup.keys);
    let shown = format!("{parts} {:?} {:?}", setup.admin_key, setup.tokens);
    assert!(!shown.contains("hunter2") && !shown.contains("MDEyMzQ1"), "{shown}");
}

/// `.env.example` is what a person copies: it names every variable, each with its default or empty, and each explained.
#[test]
fn the_example_explains_every_variable() {
    let example = include_str!("../../../.env.example");
    let lines: Vec<&str> = example.lines().collect();
    let parser = Cli::parser();
    for arg in parser.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let Some(variable) = arg.get_env().and_then(|name| name.to_str()) else { continue };
        let default = arg.get_default_values().first().and_then(|value| value.to_str()).unwrap_or_default();
        let line = format!("#{variable}={default}");
        let at = lines.iter().position(|l| *l == line).unwrap_or_else(|| panic!(".env.example lacks {line:?}"));
        assert!(lines[at - 1].starts_with("# "), "nothing explains {variable}");
    }
    for line in lines.iter().filter(|line| line.starts_with('#') && !line.starts_with("# ") && line.contains('=')) {
        let name = line.trim_start_matches('#').split('=').next();
        let known = parser.get_arguments().any(|arg| arg.get_env().and_then(|name| name.to_str()) == name);
        assert!(known, "{line:?} is no variable");
    }
}

mod key_file {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let dir = std::env::temp_dir().join(format!("mailmind-keys-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&dir).unwrap();
            Self(dir)
        }

        fn keys(&self) -> Keys {
            Keys::File(self.0.join("content.keyring"))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let dir = Scratch::new();
        let first = dir.keys().open().unwrap();
        let file = dir.0.join("content.keyring");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = dir.keys().open().unwrap();
        assert_eq!(first.to_text().expose_secret(), again.to_text().expose_secret());
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1, "a draft was left behind");
    }

    #[test]
    fn one_that_others_may_read_is_refused() {
        let dir = Scratch::new();
        dir.keys().open().unwrap();
        let file = dir.0.join("content.keyring");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(dir.keys().open(), Err(KeyFileError::Open(_))));
    }

    #[test]
    fn one_that_holds_nonsense_is_refused_and_stays() {
        let dir = Scratch::new();
        let file = dir.0.join("content.keyring");
        std::fs::write(&file, "nonsense").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(dir.keys().open(), Err(KeyFileError::Text(..))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "nonsense");
    }
}

#[test]
fn links_are_open_where_they_lead_elsewhere_without_https() {
    let cases = [
        (&[][..], false),
        (&["--public-url=http://localhost:8080"], false),
        (&["--public-url=http://[::1]:8080"], false),
        (&["--public-url=https://mail.example.com"], false),
        (&["--public-url=HTTPS://mail.example.com"], false),
        (&["--public-url=http://mail.example.com/"], true),
        (&["--public-url=http://10.0.0.1:8080"], true),
        (&["--public-url=http://localhost.example.com"], true),
    ];
    for (options, open) in cases {
        assert_eq!(setup(options).map(|setup| setup.has_open_links()), Ok(open), "{options:?}");
    }
}
