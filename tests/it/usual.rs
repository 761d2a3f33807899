//! The usual case, told to PostgreSQL in one statement, does what the ledger's table says.

use entity::{Status, attempt, email};
use jobs::accept::Draft;
use jobs::ledger::{self, Cause, Handed, Move, Settlement, Shard, usual};
use jobs::send::claim::{Claimed, Claims, claim};
use tests::app::{App, Plan, letter};
use tests::database::Backend;
use uuid::Uuid;

/// What must be alike of two emails that went different ways.
fn alike(email: &email::Model) -> email::Model {
    let at = email.created_at;
    let known = |time: Option<_>| time.map(|_| at);
    email::Model {
        id: Uuid::nil(),
        content_id: Uuid::nil(),
        cc: None,
        created_at: at,
        updated_at: at,
        due_at: known(email.due_at),
        fed_at: known(email.fed_at),
        send_at: at,
        first_try_at: known(email.first_try_at),
        sent_at: known(email.sent_at),
        finished_at: known(email.finished_at),
        lease_until: known(email.lease_until),
        recipient: String::new(),
        recipient_key: String::new(),
        recipient_mark: None,
        ..email.clone()
    }
}

fn tries(tries: &[attempt::Model]) -> Vec<attempt::Model> {
    tries.iter().map(|one| attempt::Model { email_id: Uuid::nil(), ..one.clone() }).collect()
}

async fn both(app: &App, ids: &[Uuid]) -> [email::Model; 2] {
    let (mut one, mut other) = (alike(&app.email(ids[0]).await), alike(&app.email(ids[1]).await));
    (one.created_at, one.updated_at, one.send_at) = (other.created_at, other.updated_at, other.send_at);
    for time in [&mut one.due_at, &mut one.first_try_at, &mut one.sent_at, &mut one.finished_at, &mut one.lease_until] {
        *time = time.map(|_| other.created_at);
    }
    other.fed_at = one.fed_at;
    [one, other]
}

/// Says of an email that Mailgun took it at its first try.
fn report(app: &App) -> impl Fn(Uuid) -> Move + Copy + use<> {
    let now = app.ctx.clock.now();
    move |email| {
        let handed = Handed::Sent { provider_id: "given@mg.example.com".into() };
        let (doubtful_lease, http_status) = (None, Some(200));
        let settlement =
            Settlement { fence: 1, doubtful_lease, handed, http_status, started_at: now, finished_at: now };
        Move { email, cause: Cause::Settle(settlement) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_usual_way_and_the_tables_way_leave_the_same_rows() {
    let app = App::start(Plan::on(Backend::Postgres).without_workers()).await;
    // The one with a copy needs a closer look; the other goes the usual way.
    let with_copy = Draft { cc: vec!["eve@example.org".into()], ..letter("bob@example.org") };
    let drafts = vec![letter("ann@example.org"), with_copy];
    let ids: Vec<Uuid> = app.take(drafts).await.into_iter().map(|answer| tests::app::accepted(answer).id).collect();

    let Ok(Claims::Stored(claimed)) = claim(&app.ctx, &ids).await else { panic!("both are claimed") };
    let of = |id: Uuid| claimed.iter().find(|c| c.row.id == id).unwrap();
    let rows = |c: &Claimed| ledger::Row {
        id: Uuid::nil(),
        due_at: None,
        send_at: c.row.first_try_at.unwrap(),
        ..c.row.clone()
    };
    assert_eq!(rows(of(ids[0])), rows(of(ids[1])));
    let [one, other] = both(&app, &ids).await;
    assert_eq!((one.status, &one), (Status::Sending, &other));

    let report = report(&app);
    let tx = app.ctx.store.begin().await.unwrap();
    assert_eq!(usual::sent(&tx, &app.ctx, &[report(ids[0])]).await.unwrap(), [(ids[0], 1)].into());
    assert!(usual::sent(&tx, &app.ctx, &[report(ids[0])]).await.unwrap().is_empty(), "it is settled already");
    ledger::apply(&tx, &app.ctx, Shard::Settle, &[report(ids[1])]).await.unwrap()[0].as_ref().unwrap();
    tx.commit().await.unwrap();
    let [one, other] = both(&app, &ids).await;
    assert_eq!((one.status, &one), (Status::Sent, &other));
    assert_eq!(tries(&app.attempts(ids[0]).await), tries(&app.attempts(ids[1]).await));
    let rate = jobs::stats::queue(&app.ctx).await.unwrap().sent_per_minute;
    assert!(rate > 1.0, "both are counted: {rate}");
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_suppressed_late_or_held_never_goes_the_usual_way() {
    let app = App::start(Plan::on(Backend::Postgres).without_workers()).await;
    let to = ["listed@example.org", "ann@listed.example.org", "late@example.org", "free@example.org"];
    let drafts = to.map(|to| Draft {
        deliver_by: to.starts_with("late").then(|| app.ctx.clock.now() + chrono::TimeDelta::minutes(1)),
        ..letter(to)
    });
    let ids: Vec<Uuid> =
        app.take(drafts.into()).await.into_iter().map(|answer| tests::app::accepted(answer).id).collect();
    app.sql("INSERT INTO email_suppression_list (id, target, reason, sandbox, created_at) VALUES \
             (gen_random_uuid(), 'listed@example.org', 3, false, now()), (gen_random_uuid(), 'listed.example.org', 3, false, now())").await;
    app.sql("UPDATE email_queue SET deliver_by = now() - interval '1 second' WHERE deliver_by IS NOT NULL").await;
    let Ok(Claims::Stored(claimed)) = claim(&app.ctx, &ids).await else { panic!("they are looked at") };
    assert_eq!(claimed.iter().map(|c| c.row.id).collect::<Vec<_>>(), [ids[3]]);
    let ends: Vec<Status> = app.emails(&ids).await.iter().map(|e| e.status).collect();
    assert_eq!(ends, [Status::Suppressed, Status::Suppressed, Status::Expired, Status::Sending]);
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_both_ways_never_wait_for_each_other_in_a_circle() {
    let app = App::start(Plan::on(Backend::Postgres).without_workers()).await;
    let draft = |campaign: u128, copied: bool| Draft {
        campaign: Some(Uuid::from_u128(campaign)),
        cc: if copied { vec!["eve@example.org".into()] } else { Vec::new() },
        ..letter("ann@example.org")
    };
    for round in 0..30 {
        // Each takes the usual way with an email of one campaign and looks closer at one of the other's: both count for both.
        let drafts = vec![draft(1, false), draft(2, true), draft(2, false), draft(1, true)];
        let ids: Vec<Uuid> = app.take(drafts).await.into_iter().map(|answer| tests::app::accepted(answer).id).collect();
        let (one, other) = tokio::join!(claim(&app.ctx, &ids[..2]), claim(&app.ctx, &ids[2..]));
        for claims in [one, other] {
            let Ok(Claims::Stored(claimed)) = claims else { panic!("in round {round}: {claims:?}") };
            assert_eq!(claimed.len(), 2);
        }
    }
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_of_both_ways_never_wait_for_each_other_in_a_circle() {
    let app = App::start(Plan::on(Backend::Postgres).without_workers()).await;
    let report = report(&app);
    for round in 0..500 {
        let ids = app.send_each(2, |draft| draft.campaign = Some(Uuid::from_u128(1))).await;
        let Ok(Claims::Stored(claimed)) = claim(&app.ctx, &ids).await else { panic!("both are claimed") };
        assert_eq!(claimed.len(), 2);
        // Two processes may count in one shard.
        let usual = async {
            let tx = app.ctx.store.begin().await.unwrap();
            usual::sent(&tx, &app.ctx, &[report(ids[0])]).await?;
            Ok(tx.commit().await?)
        };
        let by_table = async {
            let tx = app.ctx.store.begin().await.unwrap();
            ledger::apply(&tx, &app.ctx, Shard::Settle, &[report(ids[1])]).await?;
            Ok(tx.commit().await?)
        };
        let (usual, by_table): (jobs::Result<()>, jobs::Result<()>) = tokio::join!(usual, by_table);
        assert!(usual.is_ok() && by_table.is_ok(), "in round {round}: {usual:?}, {by_table:?}");
    }
    app.assert_ledger_equals_rows().await;
}
