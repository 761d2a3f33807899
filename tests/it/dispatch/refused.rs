//! Where events do not go: to addresses that are not public, by whatever name; elsewhere than they are told; and no answer is
//! read without an end.

use entity::delivery_event::Kind;
use jobs::dispatch::address::NOT_ALLOWED;
use jobs::dispatch::endpoint::{MOST, Refusal};
use tokio::net::TcpListener;

use super::listener::Say;
use super::*;

on_both! {
    an_address_that_is_not_public_is_refused
    a_name_that_leads_to_such_an_address_is_not_connected_to
    an_address_that_is_allowed_no_longer_is_not_connected_to
    a_redirection_is_not_followed
    an_answer_without_an_end_is_not_read_to_its_end
    a_trial_tells_how_it_went_and_stores_nothing
    what_makes_no_endpoint_is_refused_in_its_own_words
}

async fn with_networks(backend: Backend, networks: &[&str]) -> Post {
    tests::install_tls();
    let networks = Networks(networks.iter().map(|network| network.parse().unwrap()).collect());
    Post::with(backend, Settings { outbound_networks: networks, ..Settings::default() }).await
}

async fn refused(ctx: &Context, url: &str) -> Vec<String> {
    let draft = Draft { url: url.into(), ..Draft::default() };
    match endpoint::create(ctx, draft).await.unwrap() {
        Err(Refusal::Complaints(complaints)) => complaints
            .into_iter()
            .map(|complaint| format!("{} {}", complaint.path.join("."), complaint.message))
            .collect(),
        Err(other) => panic!("{url}: {other:?}"),
        Ok(_) => panic!("{url} is taken"),
    }
}

async fn an_address_that_is_not_public_is_refused(backend: Backend) {
    let post = with_networks(backend, &[]).await;
    for url in [
        "https://127.0.0.1/hook",
        "https://[::1]:8443/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://0x7f000001/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.0.1/hook",
    ] {
        assert_eq!(refused(&post.world.ctx, url).await, [format!("url {NOT_ALLOWED}")], "{url}");
    }
    assert_eq!(refused(&post.world.ctx, "http://example.com/hook").await, ["url must begin with https://"]);
    assert!(endpoint::all(&post.world.ctx).await.unwrap().is_empty());
}

async fn a_name_that_leads_to_such_an_address_is_not_connected_to(backend: Backend) {
    // One private network is allowed, and another is where the name leads.
    let post = with_networks(backend, &["10.0.0.0/8"]).await;
    let ctx = &post.world.ctx;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["http", "https"] {
        let asked = Draft { url: format!("{scheme}://localhost:{port}/hook"), ..Draft::default() };
        let (row, _) = endpoint::create(ctx, asked).await.unwrap().unwrap();
        let email = post.world.one(draft()).await;
        post.take(&post.told("delivered", email)).await;
        dispatch::due(ctx).await.unwrap();
        let stands = endpoint::find(ctx, row.id).await.unwrap().unwrap();
        assert_eq!(stands.last_error.as_deref(), Some(NOT_ALLOWED), "{scheme}");
        let trial = endpoint::try_out(ctx, row.id, Kind::Opened).await.unwrap().unwrap();
        assert_eq!((trial.taken, trial.error.as_deref()), (false, Some(NOT_ALLOWED)), "{scheme}");
        endpoint::delete(ctx, row.id).await.unwrap();
    }
    // Nobody came: a caller would have been there before its failure was stored.
    let came = std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_ready())).await;
    assert!(!came, "somebody connected");
}

async fn an_address_that_is_allowed_no_longer_is_not_connected_to(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.record(1, "delivered").await;
    let strict = stage.post.world.set(Settings::default()).await;
    dispatch::due(&strict).await.unwrap();
    assert!(stage.listener.heard().is_empty());
    let waits = stage.dispatches().await.remove(0);
    assert_eq!(waits.state, State::Waiting);
    assert!(waits.error.unwrap().starts_with("its URL must begin with https://"));
    // Allowed again, it is told.
    stage.tell_after(TimeDelta::seconds(10)).await;
    assert_eq!(stage.listener.heard().len(), 1);
}

async fn a_redirection_is_not_followed(backend: Backend) {
    let stage = Stage::new(backend).await;
    let elsewhere = Listener::start().await;
    let url = elsewhere.url();
    stage.listener.say(move |_, _| Say::Elsewhere(url.clone()));
    stage.record(1, "delivered").await;
    stage.tell().await;
    let waits = stage.dispatches().await.remove(0);
    assert_eq!((waits.state, waits.http_status), (State::Waiting, Some(302)));
    assert_eq!(waits.error.as_deref(), Some("answered 302; redirections are not followed"));
    assert_eq!((stage.listener.heard().len(), elsewhere.heard().len()), (1, 0));
}

async fn an_answer_without_an_end_is_not_read_to_its_end(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, _| Say::Endless);
    stage.record(3, "delivered").await;
    stage.tell().await;
    assert_eq!(stage.states().await, [State::Taken; 3]);
}

async fn a_trial_tells_how_it_went_and_stores_nothing(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, n| Say::Status(if n == 0 { 200 } else { 401 }));
    for (kind, taken, status, error) in
        [(Kind::Bounced, true, 200, None), (Kind::Clicked, false, 401, Some("answered 401"))]
    {
        let trial = endpoint::try_out(stage.ctx(), stage.endpoint.id, kind).await.unwrap().unwrap();
        assert_eq!((trial.taken, trial.http_status, trial.error.as_deref()), (taken, Some(status), error));
    }
    let heard = stage.listener.heard();
    assert!(heard.iter().all(|one| one.is_signed_with(&stage.secret) && one.json()["test"] == true));
    assert_eq!(heard[0].json()["type"], "email.bounced");
    assert_ne!(heard[0].id(), heard[1].id());
    assert!(stage.dispatches().await.is_empty());
    assert_eq!(stage.stands().await.failures, 0);
    assert_eq!(endpoint::try_out(stage.ctx(), Uuid::nil(), Kind::Opened).await.unwrap(), None);
}

async fn what_makes_no_endpoint_is_refused_in_its_own_words(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ctx = stage.ctx();
    let many = Wanted {
        campaigns: vec![Uuid::nil(); 101],
        domains: vec![" ".into()],
        tags: vec!["x".repeat(256)],
        ..Wanted::default()
    };
    let bad = || Draft { url: "nowhere".into(), description: Some("x".repeat(501)), wanted: many.clone() };
    let Err(Refusal::Complaints(complaints)) = endpoint::create(ctx, bad()).await.unwrap() else { panic!() };
    let ways: Vec<String> = complaints.iter().map(|complaint| complaint.path.join(".")).collect();
    assert_eq!(ways, ["url", "description", "campaignIds", "sendingDomains", "tags"]);
    assert!(matches!(endpoint::update(ctx, stage.endpoint.id, bad()).await.unwrap(), Err(Refusal::Complaints(_))));
    let good = || Draft { url: "https://example.com".into(), ..Draft::default() };
    assert_eq!(endpoint::update(ctx, Uuid::nil(), good()).await.unwrap(), Err(Refusal::NotFound));
    let changed = endpoint::update(ctx, stage.endpoint.id, good()).await.unwrap().unwrap();
    assert_eq!((changed.url.as_str(), changed.seq), ("https://example.com/", stage.endpoint.seq));
    for _ in 1..MOST {
        endpoint::create(ctx, good()).await.unwrap().unwrap();
    }
    assert_eq!(endpoint::create(ctx, good()).await.unwrap().err(), Some(Refusal::TooMany));
}
