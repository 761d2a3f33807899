//! What people write is nowhere in the clear: canary words go every way into the database, and are not found there.

use base64::Engine;
use entity::content::Attachment;
use jobs::accept::Draft;
use jobs::campaign::launch;
use jobs::campaign::recipients::NewRecipient;
use jobs::store::Dialect;
use jobs::template;
use serde_json::json;
use tests::database::Backend;
use tests::dump::Dump;

use crate::campaigns::{added, executing, expanded, made};
use crate::control::world::draft;
use crate::events::{Post, READER};

on_both! {
    no_canary_is_found_in_the_database
}

/// Each in another place.
const CANARIES: [&str; 12] = [
    "canary-subject",
    "canary-html",
    "canary-text",
    "canary-header",
    "canary-metadata",
    "canary-filename",
    "canary-file",
    "canary-variable",
    "canary-uservariable",
    "canary-quarantined",
    "canary-template",
    "canary-tag",
];

async fn no_canary_is_found_in_the_database(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let file = Attachment {
        filename: "canary-filename.txt".into(),
        content_type: "text/plain".into(),
        base64: base64::engine::general_purpose::STANDARD.encode("canary-file"),
    };
    let email = world
        .one(Draft {
            subject: "canary-subject".into(),
            html: Some("<p>canary-html</p>".into()),
            text: Some("canary-text".into()),
            headers: Some(json!({ "X-Canary": "canary-header" })),
            metadata: Some(json!({ "note": "canary-metadata" })),
            tags: vec!["canary-tag".into()],
            attachments: vec![file],
            idempotency_key: Some("a key of the caller's".into()),
            ..draft()
        })
        .await;
    world.send(&[email]).await;
    let told = post
        .told("delivered", email)
        .with("user-variables", json!({ "email-id": email.to_string(), "note": "canary-uservariable" }));
    post.take(&told).await;
    let old = post.told("opened", email).with("user-variables", json!({ "note": "canary-quarantined" }));
    post.recorder.take(old.signed(post.now() - chrono::TimeDelta::hours(13), "old")).await.unwrap();
    let campaign = made(ctx).await;
    let variables = Some(json!({ "first_name": "canary-variable" }));
    added(ctx, campaign, vec![NewRecipient { address: READER.into(), variables, ..NewRecipient::default() }]).await;
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let executor = executing(ctx);
    expanded(ctx, campaign).await;
    drop(executor);
    let template = template::Draft {
        name: "Spring".into(),
        subject: "canary-template".into(),
        html: None,
        text: Some("x".into()),
    };
    template::create(ctx, template).await.unwrap().unwrap();

    let dump = Dump::of(&ctx.store).await;
    for canary in CANARIES {
        assert_eq!(dump.with(canary), Vec::<&str>::new(), "{canary}");
    }
    assert!(dump.with(READER).len() > 2, "an address is a column, which shows that the search finds what is there");
    if ctx.store.dialect() == Dialect::Sqlite {
        let file = world.file();
        for name in [file.clone(), file.with_extension("db-wal")] {
            let bytes = std::fs::read(&name).unwrap();
            let finds = |words: &str| bytes.windows(words.len()).any(|window| window == words.as_bytes());
            assert!(CANARIES.iter().all(|canary| !finds(canary)), "{name:?}");
        }
    }
}
