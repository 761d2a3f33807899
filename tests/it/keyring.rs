//! Which keys stored content needs, and how it comes under another one.

use std::sync::Arc;

use entity::sealed::Keyring;
use entity::{campaign, content};
use jobs::dispatch::endpoint::{self, Draft};
use jobs::erase::export;
use jobs::keyring::{self, Need, TABLES};
use jobs::store::rows;
use jobs::{Context, find, unsubscribe};
use sea_orm::EntityTrait;
use secrecy::ExposeSecret;
use serde_json::json;
use tests::child::Scratch;
use tests::client::{Client, letter};
use tests::database::Backend;
use tests::patience::SOON;
use uuid::Uuid;

use crate::api::{KEY, address, mailmind};
use crate::campaigns::filled;
use crate::control::world::draft;
use crate::events::{Post, READER};

on_both! {
    a_rotation_rewraps_every_table_and_touches_no_content
    two_rotations_at_once_do_it_once
    a_rotation_that_was_broken_off_goes_on
    which_keys_are_in_use_is_read_from_an_index
    a_process_refuses_to_start_without_a_key_and_rotating_mends_it
}

fn ring(text: &[&str]) -> Keyring {
    Keyring::parse(&text.join(",")).unwrap()
}

/// `keyring` with another one in front, and that one alone.
fn renewed(old: &Keyring) -> (Keyring, Keyring) {
    let (old, new) = (old.to_text(), Keyring::generate().to_text());
    let (old, new) = (old.expose_secret(), new.expose_secret());
    (ring(&[new, old]), ring(&[new]))
}

/// Something in every table.
async fn filled_tables(post: &Post, emails: usize) -> Vec<Uuid> {
    let ctx = &post.world.ctx;
    let mut ids = Vec::new();
    // A content for each.
    for _ in 0..emails {
        ids.extend(post.world.accept(1, draft()).await);
    }
    post.take(&post.told("delivered", ids[0])).await;
    filled(ctx, 2).await;
    let link = unsubscribe::Link { email: ids[0], target: READER.into(), sandbox: true };
    link.token(ctx).await.unwrap();
    let hook = Draft { url: "https://example.com/events".into(), ..Draft::default() };
    endpoint::create(ctx, hook).await.unwrap().unwrap();
    jobs::erase::erase(ctx, "nobody@example.com").await.unwrap();
    ids
}

async fn rotate(ctx: &Arc<Context>, old: &str) -> (u64, u64) {
    let (mut rewrapped, mut gone) = (0, 0);
    for table in TABLES {
        let mut after = None;
        loop {
            let group = keyring::rewrap(&ctx.store, &ctx.keyring, table, old, after).await.unwrap();
            assert_eq!(group.found, group.rewrapped + group.gone);
            (rewrapped, gone) = (rewrapped + group.rewrapped, gone + group.gone);
            match group.next {
                Some(last) => after = Some(last),
                None => break,
            }
        }
    }
    (rewrapped, gone)
}

async fn sum(ctx: &Context) -> u64 {
    keyring::needs(&ctx.store).await.unwrap().iter().map(|need| need.rows).sum()
}

async fn a_rotation_rewraps_every_table_and_touches_no_content(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = &post.world.ctx;
    let ids = filled_tables(&post, 3).await;
    let old = ctx.keyring.ids().next().unwrap().to_owned();
    let needs = keyring::needs(&ctx.store).await.unwrap();
    assert_eq!(needs.iter().map(|need| need.table).collect::<Vec<_>>(), TABLES, "{needs:?}");
    assert!(needs.iter().all(|need| need.key_id == old && need.rows > 0), "{needs:?}");
    let before = content::Entity::find().all(ctx.store.write()).await.unwrap();

    let (both, new) = renewed(&ctx.keyring);
    assert_eq!(keyring::missing(&ctx.store, &both).await.unwrap(), []);
    assert_eq!(keyring::missing(&ctx.store, &new).await.unwrap(), needs);
    let all = sum(ctx).await;
    let rotating = post.world.with_keys(both).await;
    assert_eq!(rotate(&rotating, &old).await, (all, 0));

    assert_eq!(keyring::missing(&ctx.store, &new).await.unwrap(), []);
    assert_eq!(sum(ctx).await, all);
    let after = content::Entity::find().all(ctx.store.write()).await.unwrap();
    for (one, other) in before.iter().zip(&after) {
        assert_ne!(one.wrapped_key, other.wrapped_key);
        assert_eq!((&one.head, &one.text), (&other.head, &other.text), "the content is not touched");
    }
    // The new key alone opens everything.
    let renewed = post.world.with_keys(new).await;
    let email = post.world.email(ids[0]).await;
    assert_eq!(find::contents(&renewed, &[email.content_id]).await.unwrap()[&email.content_id].head.subject, "Hello");
    assert_eq!(jobs::record::replay(&renewed, 0).await.unwrap().unwrap().read, 1);
    let part = export::part(&renewed, READER, None).await.unwrap().document;
    assert_eq!(part["campaigns"][0]["variables"], json!({ "first_name": "Ann" }));
    let token = unsubscribe::Link { email: ids[0], target: READER.into(), sandbox: true }.token(ctx).await.unwrap();
    assert!(unsubscribe::Link::open(&renewed, &token).await.unwrap().is_some());
    let marks =
        (ctx.marks.make(ctx).await.unwrap().mark("x@y"), renewed.marks.make(&renewed).await.unwrap().mark("x@y"));
    assert_eq!(marks.0, marks.1, "who was erased stays blocked");
}

async fn two_rotations_at_once_do_it_once(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = &post.world.ctx;
    filled_tables(&post, 40).await;
    let old = ctx.keyring.ids().next().unwrap().to_owned();
    let all = sum(ctx).await;
    let (both, new) = renewed(&ctx.keyring);
    let again = ring(&[both.to_text().expose_secret()]);
    let (one, other) = (post.world.with_keys(both).await, post.world.with_keys(again).await);
    let (one, other) = futures::join!(rotate(&one, &old), rotate(&other, &old));
    assert_eq!(one.0 + other.0, all, "each data key is rewrapped by one of them: {one:?} {other:?}");
    assert_eq!(keyring::missing(&ctx.store, &new).await.unwrap(), []);
}

async fn a_rotation_that_was_broken_off_goes_on(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = &post.world.ctx;
    filled_tables(&post, 2).await;
    let old = ctx.keyring.ids().next().unwrap().to_owned();
    let (both, new) = renewed(&ctx.keyring);
    let all = sum(ctx).await;
    let rotating = post.world.with_keys(both).await;
    let first = keyring::rewrap(&ctx.store, &rotating.keyring, campaign::TABLE, &old, None).await.unwrap();
    assert_eq!((first.rewrapped, first.next), (1, None));
    let missing = keyring::missing(&ctx.store, &new).await.unwrap();
    assert!(!missing.iter().any(|need| need.table == campaign::TABLE), "{missing:?}");
    assert!(keyring::words(&missing).starts_with(&format!("has no key {old:?}, which ")), "{missing:?}");
    assert_eq!(rotate(&rotating, &old).await, (all - 1, 0));
    assert_eq!(keyring::missing(&ctx.store, &new).await.unwrap(), []);
}

async fn which_keys_are_in_use_is_read_from_an_index(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = &post.world.ctx;
    let explained = match backend {
        Backend::Sqlite => "EXPLAIN QUERY PLAN",
        Backend::Postgres => "EXPLAIN",
    };
    for table in ["email_contents", "email_event_seals", "campaigns"] {
        let text = format!("{explained} SELECT min(t.key_id) FROM {table} t WHERE t.key_id > 'a'");
        let found = rows(ctx.store.write(), ctx.store.sql(text, [])).await.unwrap();
        let column = if backend == Backend::Sqlite { "detail" } else { "QUERY PLAN" };
        let plan: Vec<String> = found.iter().map(|row| row.try_get("", column).unwrap()).collect();
        assert!(plan.join("\n").contains(&format!("{table}_key")), "{plan:?}");
    }
}

async fn a_process_refuses_to_start_without_a_key_and_rotating_mends_it(backend: Backend) {
    let (data, database) = (Scratch::new("data"), backend.database().await);
    let (old, new) = (Keyring::generate(), Keyring::generate());
    let (old_id, new_id) = (old.ids().next().unwrap().to_owned(), new.ids().next().unwrap().to_owned());
    let (old, new) = (old.to_text(), new.to_text());
    let both = format!("{},{}", new.expose_secret(), old.expose_secret());
    let launch = |args: &[&str], keys: &str| mailmind(args, &data, &database).env("CONTENT_KEYRING", keys).start();
    let serving = async |keys: &str| {
        let process = launch(&["serve"], keys);
        let client = Client::new(&address(&process).await, KEY);
        client.await_ready(SOON).await;
        (process, client)
    };
    let (process, client) = serving(old.expose_secret()).await;
    let id = client.send_email(letter("bob@example.org")).await;
    client.await_status(&id, "DELIVERED", SOON).await;
    process.terminate(SOON).await;

    for args in [["serve"], ["work"]] {
        let process = launch(&args, new.expose_secret());
        assert_eq!(process.ended(SOON).await.code(), Some(1), "{args:?}");
        let said = process.output().join("\n");
        assert!(
            said.contains(&format!("has no key \"{old_id}\"")) && said.contains("1 rows of email_contents"),
            "{said}"
        );
    }
    let checked = launch(&["check"], new.expose_secret());
    assert!(!checked.ended(SOON).await.success());
    let said = checked.output();
    assert!(
        said.iter().any(|line| line.starts_with("keyring") && line.contains("TROUBLE") && line.contains(&old_id)),
        "{said:?}"
    );

    let (process, client) = serving(&both).await;
    let status = launch(&["keyring", "status"], &both);
    assert!(status.ended(SOON).await.success());
    let said = status.output().join("\n");
    assert!(said.contains(&old_id) && said.contains("to be rotated"), "{said}");
    let rotated = launch(&["keyring", "rotate"], &both);
    assert!(rotated.ended(SOON).await.success(), "{:?}", rotated.output());
    let said = rotated.output().join("\n");
    assert!(
        said.contains(&format!("everything is under {new_id}")) && said.contains(", 0 rewrapped or deleted by others"),
        "{said}"
    );
    // The process that runs beside goes on, with what was stored before and with new emails.
    let asked = "query($id: ID!) { email(id: $id) { subject } }";
    assert_eq!(client.query(asked, json!({ "id": id })).await["email"]["subject"], "Hello");
    let another = client.send_email(letter("eve@example.org")).await;
    client.await_status(&another, "DELIVERED", SOON).await;
    process.terminate(SOON).await;

    let (process, client) = serving(new.expose_secret()).await;
    for id in [id, another] {
        assert_eq!(client.query(asked, json!({ "id": id })).await["email"]["subject"], "Hello");
    }
    process.terminate(SOON).await;
    let checked = launch(&["check"], new.expose_secret());
    checked.ended(SOON).await;
    let said = checked.output();
    assert!(said.iter().any(|line| line.starts_with("keyring") && line.contains("ok")), "{said:?}");
}

#[test]
fn what_is_missing_is_told_by_key_and_table() {
    let need = |table, key: &str, rows| Need { table, key_id: key.into(), rows };
    let missing = [need("email_contents", "a", 12), need("campaigns", "a", 3), need("campaigns", "b", 1)];
    let said = "has no key \"a\", which 12 rows of email_contents and 3 rows of campaigns need; \
                has no key \"b\", which 1 rows of campaigns need";
    assert_eq!(keyring::words(&missing), said);
}
