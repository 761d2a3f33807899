//! Launching: at its time, frozen, and not where its mail could not be answered for.

use chrono::TimeDelta;
use entity::campaign::Status;
use entity::sealed::Keyring;
use entity::{Clock, content};
use jobs::campaign::{Content, Draft, Refusal, cancel, create, launch};
use jobs::{Context, Settings, Timing, find};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use tests::database::Backend;
use tests::patience::{SOON, until_true};

use super::{added, draft, emails, executing, expanded, filled, made, people, stands};
use crate::control::world::{World, later};

on_both! {
    a_campaign_waits_for_its_time_and_is_moved_by_another_launch
    a_campaign_says_what_its_template_said_at_launch
    a_launch_that_makes_no_sense_is_refused
}

async fn a_campaign_waits_for_its_time_and_is_moved_by_another_launch(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let (campaign, other) = (filled(ctx, 3).await, filled(ctx, 3).await);
    let _executor = executing(ctx);
    let launched = launch(ctx, campaign, later(ctx)).await.unwrap().unwrap();
    assert_eq!((launched.status, launched.progress), (Status::Scheduled, 0.0));
    added(ctx, campaign, people(3..4)).await;
    // The executor has looked, and left it alone.
    launch(ctx, other, None).await.unwrap().unwrap();
    expanded(ctx, other).await;
    assert_eq!(stands(ctx, campaign).await.ledger.pending, 4);
    let moved = launch(ctx, campaign, Some(ctx.clock.now() + TimeDelta::minutes(5))).await.unwrap().unwrap();
    assert!(moved.status == Status::Scheduled && moved.row.send_at < launched.row.send_at);
    assert_eq!(moved.row.launched_at, launched.row.launched_at);
    // Its time comes by itself.
    world.pass(TimeDelta::minutes(6));
    assert_eq!(expanded(ctx, campaign).await.status, Status::Running);
    assert_eq!(launch(ctx, campaign, later(ctx)).await.unwrap(), Err(Refusal::Launched));
    world.counts().await;
}

async fn a_campaign_says_what_its_template_said_at_launch(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    // What a campaign says is as good as what a template says.
    let (source, template) = (stands(ctx, made(ctx).await).await.row.content_id, ctx.clock.id());
    let text = "INSERT INTO email_templates (id, name, content_id, version, created_at, updated_at) VALUES ($1, 'Spring', $2, 1, $3, $3)";
    let values = [template.into(), source.into(), ctx.clock.now().into()];
    ctx.store.write().execute_raw(ctx.store.sql(text, values)).await.unwrap();

    let none = Draft { content: Some(Content::Template(ctx.clock.id())), ..draft() };
    let complaints = create(ctx, none).await.unwrap().unwrap_err();
    assert_eq!(complaints[0].path, ["content", "template", "templateId"]);
    let draft = Draft { content: Some(Content::Template(template)), tags: vec!["spring".into()], ..draft() };
    let campaign = create(ctx, draft).await.unwrap().unwrap().row;
    let contents = async || content::Entity::find().count(ctx.store.write()).await.unwrap();
    let before = contents().await;
    added(ctx, campaign.id, people(0..2)).await;
    let launched = launch(ctx, campaign.id, None).await.unwrap().unwrap().row;
    assert_ne!(launched.content_id, campaign.content_id);
    assert_eq!(contents().await, before, "the one before is given up");
    let frozen = find::contents(ctx, &[launched.content_id]).await.unwrap().remove(&launched.content_id).unwrap();
    assert_eq!((frozen.head.subject.as_str(), frozen.text.as_deref()), ("Hello {{ first_name }}", Some("Good day")));
    assert_eq!(frozen.head.tags, ["spring"], "the campaign's own head");
    let _executor = executing(ctx);
    expanded(ctx, campaign.id).await;
    assert!(emails(ctx, campaign.id).await.iter().all(|email| email.content_id == launched.content_id));
}

async fn a_launch_that_makes_no_sense_is_refused(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let now = ctx.clock.now();
    let campaign = filled(ctx, 1).await;
    assert_eq!(launch(ctx, ctx.clock.id(), None).await.unwrap(), Err(Refusal::NotFound));
    let at = async |send_at| launch(ctx, campaign, Some(send_at)).await.unwrap().unwrap_err();
    assert_eq!(at(now - TimeDelta::hours(1)).await, Refusal::SendAt("is in the past"));
    assert_eq!(at(now + TimeDelta::days(1_000)).await, Refusal::SendAt("is more than two years away"));
    let draft = Draft { deliver_by: Some(now + TimeDelta::hours(2)), ..draft() };
    let short = create(ctx, draft).await.unwrap().unwrap().row.id;
    assert_eq!(launch(ctx, short, later(ctx)).await.unwrap(), Err(Refusal::DeadlineOver));

    let with = |settings: Settings| {
        let stop = tokio_util::sync::CancellationToken::new();
        Context::new(ctx.store.clone(), Clock::system(), Timing::default(), settings, Keyring::generate(), 0.1, stop)
    };
    let unreachable = with(Settings { public_url: None, ..Settings::default() });
    let refusal = launch(&unreachable, campaign, None).await.unwrap().unwrap_err();
    assert!(refusal.to_string().starts_with("the campaign needs PUBLIC_URL"), "{refusal}");
    let live = with(Settings { sandbox: false, ..Settings::default() });
    assert!(matches!(launch(&live, campaign, None).await.unwrap(), Err(Refusal::OtherMode(_))));
    cancel(ctx, campaign).await.unwrap().unwrap();
    assert_eq!(launch(ctx, campaign, None).await.unwrap(), Err(Refusal::Cancelled));
    until_true("nothing to have come of it", SOON, async || emails(ctx, campaign).await.is_empty()).await;
}
