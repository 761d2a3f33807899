//! `mailmind replay`, as whoever runs it sees it.

use sea_orm::ConnectionTrait;
use tests::client::letter;
use tests::database::Backend;
use tests::patience::SOON;
use tests::webhook::{SIGNING_KEY, Told};

use super::{bare, beside, entries, now, report};
use crate::api::Served;

on_both! {
    replay_prints_what_reads_otherwise_and_does_it_once
}

async fn replay_prints_what_reads_otherwise_and_does_it_once(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY)).await;
    let to = "silent@example.org";
    let id = served.client.send_email(letter(to)).await;
    served.client.await_status(&id, "SENT", SOON).await;
    report(&served, &Told::new("delivered", bare(&id), to, now())).await;
    report(&served, &Told::bounced(bare(&id), to, now(), "bounce", "5.1.1")).await;
    let ctx = beside(&served.database.url).await;
    // As if the parser had not known what a bounce is.
    for statement in [
        "UPDATE email_delivery_events SET kind = 9, bounce_type = NULL, reason = NULL, name = 'failed' WHERE kind = 3",
        "UPDATE email_facts SET bounced_at = NULL, hard_bounced_at = NULL",
        "DELETE FROM email_suppression_list",
        "DELETE FROM email_suppression_facts",
    ] {
        ctx.store.write().execute_unprepared(statement).await.unwrap();
    }
    let said = served.command(&["replay"]).await;
    let said: Vec<&str> = said.iter().map(String::as_str).filter(|line| line.starts_with(['e', 'r'])).collect();
    assert_eq!(said, ["event 2: Unknown is Bounced", "read 2 events, up to number 2; 1 read otherwise than they did"],);
    assert_eq!(entries(&ctx, to).await.len(), 1);
    let again = served.command(&["replay", "--after", "1"]).await;
    assert_eq!(again.last().unwrap(), "read 1 events, up to number 2; 0 read otherwise than they did");
}
