//! Nobody waits for a crowd. Counted in messages that Mailgun saw in between, not in time, so that a busy machine changes nothing.

use std::time::Duration;

use entity::Priority;
use jobs::accept::Draft;
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::Reply;
use tests::patience::SOON;
use uuid::Uuid;

const SLOTS: usize = 5;
const CROWD: usize = 20_000;
/// Mailgun takes this long, so that all slots are always in use and ours is not the slower part.
const TAKES: Duration = Duration::from_millis(20);

on_both! {
    a_high_email_is_next_while_low_ones_wait_in_thousands
    a_single_email_is_among_the_next_beside_a_campaign_of_thousands
}

/// Twenty thousand emails wait, and they have begun to go.
async fn crowd(backend: Backend, change: impl Fn(&mut Draft)) -> App {
    let app = App::start(Plan::on(backend)).await;
    app.mailgun.answer(|_| Reply::Ok.after(TAKES));
    app.send_each(CROWD, change).await;
    app.mailgun.until("the crowd to move", SOON, |s| s.posts() >= 20).await;
    app
}

/// How many messages Mailgun saw between the email's acceptance and its own, for each of `n` emails after another.
async fn overtaken_by(app: &App, n: usize, lane: Priority) -> Vec<u64> {
    let mut counts = Vec::with_capacity(n);
    for _ in 0..n {
        let id = app.send(1, lane).await[0].to_string();
        let before = app.mailgun.look(|s| s.posts());
        app.mailgun.until("the email's own message", SOON, |s| s.posts_for(&id) > 0).await;
        counts.push(app.mailgun.look(|s| s.posts()).saturating_sub(before + 1));
    }
    counts
}

async fn a_high_email_is_next_while_low_ones_wait_in_thousands(backend: Backend) {
    let app = crowd(backend, |draft| draft.priority = Some(Priority::Low)).await;
    let mut counts = overtaken_by(&app, 15, Priority::High).await;
    counts.sort_unstable();
    // Its slot is kept free for it; what the others send while it is rung for and claimed is all that comes before.
    assert!(counts[7] <= 2 * SLOTS as u64 + 5, "{counts:?}");
    assert!(app.mailgun.look(|s| s.posts()) < CROWD as u64, "the crowd still waits");
}

async fn a_single_email_is_among_the_next_beside_a_campaign_of_thousands(backend: Backend) {
    let app = crowd(backend, |draft| draft.campaign = Some(Uuid::from_u128(7))).await;
    let mut counts = overtaken_by(&app, 11, Priority::Normal).await;
    counts.sort_unstable();
    // The room, the lane, and what is under way are before it.
    assert!(counts[5] <= (2 + 4 + 1) * SLOTS as u64 + 5, "{counts:?}");
    assert!(app.mailgun.look(|s| s.posts()) < CROWD as u64, "the crowd still waits");
}
