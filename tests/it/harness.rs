//! The harness proves itself: what the other tests stand on has to break things when told, and only then.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr};
use serde_json::json;
use tests::child::{Scratch, free_port};
use tests::client::http;
use tests::database::{Backend, Postgres};
use tests::mailgun::{FakeMailgun, Reply};
use tests::patience::{SOON, until, until_true};
use tests::process::{Launch, Process};
use tests::redis::Redis;

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    // The pool goes on trying for as long as it may, even where it is refused.
    let mut options = ConnectOptions::new(url);
    options.acquire_timeout(Duration::from_secs(2));
    sea_orm::Database::connect(options).await
}

#[tokio::test]
async fn both_back_ends_give_each_test_an_empty_database_of_its_own() {
    for backend in Backend::ALL {
        let (first, second) = (backend.database().await, backend.database().await);
        let (one, two) = (connect(&first.url).await.unwrap(), connect(&second.url).await.unwrap());
        one.execute_unprepared("CREATE TABLE t (id BIGINT); INSERT INTO t SELECT 1").await.unwrap();
        two.execute_unprepared("INSERT INTO t SELECT 1").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_dropped_database_is_gone() {
    let database = Backend::Postgres.database().await;
    let url = database.url.clone();
    let connected = connect(&url).await.unwrap();
    drop(database);
    connected.execute_unprepared("SELECT 1").await.unwrap_err();
    connect(&url).await.unwrap_err();
}

#[tokio::test]
async fn a_commit_survives_a_crash_and_a_restart_of_postgresql() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let connected = connect(&database.url).await.unwrap();
    connected.execute_unprepared("CREATE TABLE t (id BIGINT UNIQUE); INSERT INTO t SELECT 1").await.unwrap();
    postgres.kill().await;
    connect(&database.url).await.unwrap_err();
    postgres.start_again().await;
    postgres.restart().await;
    let taken = connect(&database.url).await.unwrap().execute_unprepared("INSERT INTO t SELECT 1").await;
    assert!(taken.unwrap_err().to_string().contains("duplicate key"));
}

#[tokio::test]
async fn redis_forgets_when_wiped_and_when_stopped() {
    let redis = Redis::start().await;
    let client = redis.client();
    for forget in ["wipe", "stop"] {
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("SET").arg("key").arg("value").exec_async(&mut connection).await.unwrap();
        if forget == "wipe" {
            redis.wipe().await;
        } else {
            redis.stop();
            redis::cmd("PING").exec_async(&mut connection).await.unwrap_err();
            client.get_multiplexed_async_connection().await.unwrap_err();
            redis.start_again().await;
        }
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let value: Option<String> = redis::cmd("GET").arg("key").query_async(&mut connection).await.unwrap();
        assert_eq!(value, None, "{forget}");
    }
}

#[tokio::test]
async fn a_stalled_redis_answers_once_resumed() {
    let redis = Redis::start().await;
    let connection = redis.client().get_multiplexed_async_connection().await.unwrap();
    redis.stall();
    let mut asking = connection.clone();
    let asked = tokio::spawn(async move { redis::cmd("PING").exec_async(&mut asking).await.is_ok() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asked.is_finished());
    redis.resume();
    until_true("an answer", SOON, async || redis::cmd("PING").exec_async(&mut connection.clone()).await.is_ok()).await;
}

async fn post(mailgun: &FakeMailgun, id: &str) -> Result<(u16, String), reqwest::Error> {
    let url = format!("{}/v3/example.com/messages", mailgun.url());
    let form = [("to", "bob@example.com"), ("v:email-id", id), ("h:Message-Id", "<1@example.com>"), ("text", "a&b+c")];
    let answer = http().post(url).timeout(Duration::from_millis(300)).form(&form).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn the_fake_mailgun_remembers_what_it_accepted() {
    let mailgun = FakeMailgun::start();
    let (status, text) = post(&mailgun, "one").await.unwrap();
    assert_eq!((status, text.as_str()), (200, r#"{"id":"<1@example.com>","message":"Queued. Thank you."}"#));
    mailgun.look(|state| {
        let message = &state.messages()[0];
        assert_eq!((message.email_id.as_str(), message.to.as_str()), ("one", "bob@example.com"));
        assert_eq!(message.message_id, "<1@example.com>");
        assert_eq!(message.post.domain(), "example.com");
        assert_eq!(message.post.form().text("text"), Some("a&b+c"));
    });
    assert_eq!(mailgun.doubles(), Vec::<String>::new());
    post(&mailgun, "one").await.unwrap();
    post(&mailgun, "two").await.unwrap();
    assert_eq!(mailgun.doubles(), ["one"]);
    assert_eq!((mailgun.accepted(), mailgun.accepted_for("one"), mailgun.accepted_for("two")), (3, 2, 1));
    let stats = http().get(format!("{}/stats", mailgun.url())).send().await.unwrap();
    let stats: HashMap<String, u64> = stats.json().await.unwrap();
    assert_eq!(stats, HashMap::from([("posts".into(), 3), ("accepted".into(), 3), ("doubles".into(), 1)]));
}

#[tokio::test]
async fn the_fake_mailgun_takes_files() {
    let mailgun = FakeMailgun::start();
    let part = reqwest::multipart::Part::bytes(vec![0, 13, 10, 45, 45, 255]).file_name("a.bin");
    let form = reqwest::multipart::Form::new().text("to", "bob@example.com").text("v:email-id", "one");
    let request = http().post(format!("{}/v3/example.com/messages", mailgun.url()));
    request.multipart(form.part("attachment", part)).send().await.unwrap().error_for_status().unwrap();
    mailgun.look(|state| {
        let message = &state.messages()[0];
        assert_eq!(message.email_id, "one");
        let form = message.post.form();
        let file = form.files().next().unwrap();
        assert_eq!(file.file.as_deref(), Some("a.bin"));
        assert_eq!(&file.value[..], [0, 13, 10, 45, 45, 255]);
    });
}

/// What the client gets for each reply, and whether the message was accepted all the same.
#[tokio::test]
async fn the_fake_mailgun_answers_as_scripted() {
    let retry = vec![("retry-after", "7".to_owned())];
    let cases = [
        (Reply::Ok, "200", 1),
        (Reply::status(400, "no"), "400", 0),
        (Reply::Status(429, retry, "slow down".into()), "429", 0),
        (Reply::AcceptThen(500), "500", 1),
        (Reply::Hang, "timeout", 0),
        (Reply::AcceptThenHang, "timeout", 1),
        (Reply::Cut, "cut", 0),
        (Reply::AcceptThenCut, "cut", 1),
        (Reply::AcceptThenHalf, "half", 1),
        (Reply::Ok.after(Duration::from_millis(20)), "200", 1),
        (Reply::Ok.after(Duration::from_secs(60)), "timeout", 0),
    ];
    for (reply, expected, accepted) in cases {
        let mailgun = FakeMailgun::start();
        let scripted = reply.clone();
        mailgun.answer(move |_| scripted.clone());
        let got = match post(&mailgun, "one").await {
            Ok((status, _)) => status.to_string(),
            Err(error) if error.is_timeout() => "timeout".into(),
            Err(error) if error.is_decode() || error.is_body() => "half".into(),
            Err(error) => if error.is_connect() { "refused" } else { "cut" }.into(),
        };
        assert_eq!((got.as_str(), mailgun.accepted_for("one")), (expected, accepted), "{reply:?}");
        assert_eq!(mailgun.look(|state| state.posts_for("one")), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_scripted_header_reaches_the_client() {
    let mailgun = FakeMailgun::start();
    mailgun.answer(|_| Reply::Status(429, vec![("Retry-After", "7".into())], "slow down".into()));
    let answer = http().post(format!("{}/v3/example.com/messages", mailgun.url())).body("to=a").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn a_refusing_mailgun_refuses_and_listens_again_on_its_port() {
    let mailgun = FakeMailgun::start();
    let client = http();
    let url = format!("{}/v3/example.com/messages", mailgun.url());
    let send = async || client.post(&url).body("to=a").send().await;
    send().await.unwrap();
    mailgun.refuse();
    // An idle connection was closed with the port; the client may notice while it sends.
    until_true("a refusal", SOON, async || send().await.is_err_and(|error| error.is_connect())).await;
    assert_eq!(mailgun.accepted(), 1);
    mailgun.listen_again();
    send().await.unwrap();
    mailgun.until("the second message", SOON, |state| state.accepted() == 2).await;
}

#[tokio::test]
async fn a_message_under_way_is_answered_while_the_port_closes() {
    let mailgun = FakeMailgun::start();
    mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(100)));
    let client = http();
    let request = client.post(format!("{}/v3/example.com/messages", mailgun.url())).body("to=a");
    let sent = tokio::spawn(async move { request.send().await.unwrap().status().as_u16() });
    mailgun.until("the message", SOON, |state| state.posts() == 1).await;
    mailgun.refuse();
    assert_eq!(sent.await.unwrap(), 200);
}

#[tokio::test]
#[should_panic(expected = "waited 50ms for a second message; Mailgun saw 0 messages and accepted 0")]
async fn waiting_in_vain_says_for_what() {
    FakeMailgun::start().until("a second message", Duration::from_millis(50), |state| state.posts() == 2).await;
}

#[tokio::test]
async fn the_fake_mailgun_runs_as_a_process_of_its_own() {
    let process = Process::start(env!("CARGO_BIN_EXE_fake-mailgun"), &[], &[]);
    let port: u16 = process.await_line("", SOON).await.parse().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let form = [("to", "bob@example.com"), ("v:email-id", "one")];
    for _ in 0..2 {
        http().post(format!("{base}/v3/example.com/messages")).form(&form).send().await.unwrap();
    }
    let stats: serde_json::Value = http().get(format!("{base}/stats")).send().await.unwrap().json().await.unwrap();
    assert_eq!(stats, json!({ "posts": 2, "accepted": 2, "doubles": 1 }));
}

const TICKING: &str =
    "trap 'echo asked to end; exit 7' TERM; echo started >&2; while :; do echo tick; sleep 0.02; done";

fn ticking() -> Process {
    Process::start("/bin/sh", &["-c", TICKING], &[])
}

fn ticks(process: &Process) -> usize {
    process.output().iter().filter(|line| *line == "tick").count()
}

#[tokio::test]
async fn a_process_is_heard_and_ends_as_asked() {
    let process = ticking();
    process.await_line("started", SOON).await;
    process.await_line("tick", SOON).await;
    let status = process.terminate(SOON).await;
    assert_eq!(status.code(), Some(7));
    assert_eq!(process.output().last().map(String::as_str), Some("asked to end"));
}

#[tokio::test]
async fn a_stopped_process_stands_still_until_it_is_continued() {
    let process = ticking();
    process.await_line("tick", SOON).await;
    process.stop();
    // What it printed before it stopped may still be on its way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = ticks(&process);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ticks(&process), before);
    process.cont();
    until_true("another tick", SOON, async || ticks(&process) > before).await;
    process.stop();
    assert!(!process.kill9().await.success());
}

#[tokio::test]
async fn a_dropped_process_is_gone() {
    let process = ticking();
    process.await_line("tick", SOON).await;
    let pid = process.pid();
    drop(process);
    assert!(!alive(pid));
}

fn alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_process_sees_nothing_of_the_developers_environment() {
    let process = Launch::of("/usr/bin/env").env("ADMIN_API_KEY", "k").start();
    process.ended(SOON).await;
    let names: Vec<String> =
        process.output().iter().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    assert!(names.iter().all(|name| ["PATH", "HOME", "ADMIN_API_KEY"].contains(&name.as_str())), "{names:?}");
    assert!(names.contains(&"ADMIN_API_KEY".to_owned()));
}

#[tokio::test]
async fn a_process_can_live_in_another_time() {
    let process = Launch::of("/bin/date").args(["+%s"]).faketime("+2h").start();
    assert!(process.ended(SOON).await.success());
    let there: i64 = process.output()[0].parse().unwrap();
    let ahead = there - entity::Clock::system().now().timestamp();
    assert!((7_100..=7_300).contains(&ahead), "{ahead} s ahead");
}

#[tokio::test]
async fn our_own_program_is_built_with_the_tests() {
    let process = Process::start(env!("CARGO_BIN_EXE_mailmind"), &["--help"], &[]);
    assert!(process.ended(SOON).await.success());
}

/// Runs in a second process of this very binary, which is then killed: nothing of it may stay.
#[tokio::test]
async fn nothing_outlives_a_killed_test_process() {
    const ROLE: &str = "MAILMIND_TESTS_VICTIM";
    if std::env::var_os(ROLE).is_some() {
        let (postgres, redis, scratch) = (Postgres::start().await, Redis::start().await, Scratch::new("victim"));
        redis.stall();
        let [postgres, redis] = [postgres.pid(), redis.pid()].map(Option::unwrap);
        println!("\nvictim {postgres} {redis} {}", scratch.path().display());
        return std::future::pending().await;
    }
    let name = "harness::nothing_outlives_a_killed_test_process";
    let victim =
        Launch::of(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]).env(ROLE, "1").start();
    let line = victim.await_line("victim ", SOON).await;
    let words: Vec<&str> = line.split(' ').collect();
    let pids: Vec<u32> = words[1..3].iter().map(|word| word.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| alive(*pid)) && std::path::Path::new(words[3]).exists());
    victim.kill9().await;
    until_true("its servers to end", SOON, async || !pids.iter().any(|pid| running(*pid))).await;
    until_true("its files to go", SOON, async || !std::path::Path::new(words[3]).exists()).await;
}

/// Alive and no zombie: who adopts orphans may be slow to bury them.
fn running(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn a_port_is_handed_out_once() {
    let mut ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 200);
}

#[tokio::test]
async fn patience_answers_what_it_found_and_says_what_it_missed() {
    let mut looks = 0;
    let found = until("a third look", SOON, async || {
        looks += 1;
        (looks == 3).then_some("found")
    });
    assert_eq!(found.await, "found");
    let vain = tokio::spawn(async { until("what never comes", Duration::from_millis(20), async || None::<()>).await });
    let panic = vain.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("waited 20ms for what never comes"));
}
