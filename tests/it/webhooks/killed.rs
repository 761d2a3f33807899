//! The server is killed amid webhooks, again and again, and Mailgun does what it does: it keeps what was not answered 200 and
//! brings it again, as it was.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use entity::email_facts;
use sea_orm::EntityTrait;
use tests::child::{Scratch, free_port};
use tests::client::{Client, http, letter};
use tests::database::Backend;
use tests::ledger::assert_ledger_equals_rows;
use tests::patience::{SOON, until_true};
use tests::process::Process;
use tests::webhook::{SIGNING_KEY, Told};

use super::{PATH, bare, beside, events, now, token};
use crate::api::{KEY, mailmind};

const EMAILS: usize = 1_000;
/// What is told of each: it is taken in, delivered, opened seven times and clicked once.
const EACH: [&str; 10] =
    ["accepted", "delivered", "opened", "opened", "opened", "opened", "opened", "opened", "opened", "clicked"];
/// Webhooks under way at a time.
const CALLERS: usize = 64;

/// What Mailgun has to tell, how far it has come, and how often it was not heard.
struct Outbox {
    url: String,
    bodies: Vec<Bytes>,
    next: AtomicUsize,
    taken: AtomicUsize,
    unheard: AtomicUsize,
}

impl Outbox {
    /// Tells one after the other, each until it is taken.
    async fn tell(&self) {
        let http = http();
        while let Some(body) = self.bodies.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            loop {
                let answer = http.post(&self.url).body(body.clone()).send().await;
                match answer.map(|answer| answer.status().as_u16()) {
                    Ok(200) => break,
                    Ok(status @ (401 | 406)) => panic!("{status} to what is good"),
                    Ok(_) | Err(_) => {
                        self.unheard.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

on_both! {
    a_server_that_is_killed_amid_webhooks_has_each_event_once
}

async fn a_server_that_is_killed_amid_webhooks_has_each_event_once(backend: Backend) {
    let (data, database) = (Scratch::new("data"), backend.database().await);
    let port = free_port();
    let serve = || -> Process {
        let launch = mailmind(&["serve", "--no-worker"], &data, &database).env("LISTEN", format!("127.0.0.1:{port}"));
        launch.env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY).start()
    };
    let url = format!("http://127.0.0.1:{port}");
    let client = Client::new(&url, KEY);
    let mut process = serve();
    client.await_ready(SOON).await;
    let mut ids = Vec::new();
    for start in (0..EMAILS).step_by(500) {
        let letters = (start..start + 500).map(|i| letter(&format!("reader{i}@example.org")));
        ids.extend(client.send_emails(letters.collect()).await.iter().map(|id| bare(id)));
    }
    let at = now();
    let told = EACH.iter().flat_map(|event| ids.iter().enumerate().map(move |(i, id)| (event, i, id)));
    let bodies: Vec<Bytes> = told
        .map(|(event, i, id)| Told::new(event, *id, &format!("reader{i}@example.org"), at).body(at, &token()))
        .collect();
    let all = bodies.len();
    let outbox = Arc::new(Outbox {
        url: format!("{url}{PATH}"),
        bodies,
        next: AtomicUsize::new(0),
        taken: AtomicUsize::new(0),
        unheard: AtomicUsize::new(0),
    });
    let telling: Vec<_> = (0..CALLERS)
        .map(|_| {
            let outbox = outbox.clone();
            tokio::spawn(async move { outbox.tell().await })
        })
        .collect();
    for share in [all / 4, all / 2] {
        let reached = async || outbox.taken.load(Ordering::Relaxed) >= share;
        until_true("some to be taken", Duration::from_secs(60), reached).await;
        process.kill9().await;
        assert!(outbox.taken.load(Ordering::Relaxed) < all, "it was in their midst");
        process = serve();
    }
    for caller in telling {
        tokio::time::timeout(Duration::from_secs(120), caller).await.unwrap().unwrap();
    }
    assert!(outbox.unheard.load(Ordering::Relaxed) > 0, "some were cut off");

    let ctx = beside(&database.url).await;
    let events = events(&ctx).await;
    let once: HashSet<_> = events.iter().map(|event| event.provider_id.clone().unwrap()).collect();
    assert_eq!((events.len(), once.len()), (all, all), "each event is there once");
    let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=all as i64).collect::<Vec<_>>(), "no number is left out");
    let facts = email_facts::Entity::find().all(ctx.store.write()).await.unwrap();
    assert_eq!(facts.len(), EMAILS);
    for facts in facts {
        assert_eq!((facts.opens, facts.clicks, facts.delivered_at.is_some()), (7, 1, true), "{}", facts.email_id);
    }
    client.await_ready(SOON).await;
    assert_eq!(client.queue_stats().await["ledger"]["delivered"], EMAILS);
    assert_ledger_equals_rows(&ctx).await;
}
