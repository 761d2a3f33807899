//! What our surface costs: one authenticated query over HTTP, beside the same query to the same resolvers without a key, limits,
//! codes and a transport of ours. Rounds of both take turns in one run, so that the machine's mood meets both alike.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use api::app::{App, Parts};
use api::auth::{Doorkeeper, Principal, Proxies};
use api::dashboard::link::Links;
use api::limit::{Limits, Table};
use api::schema;
use api::transport::{self, Graphql, Origins, Pace};
use api::webhook::Webhooks;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use secrecy::SecretString;
use serde_json::json;
use tests::app::Plan;
use tests::client::http;
use tests::database::Backend;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

const KEY: &str = "a-key-for-measurements";
/// Connections that ask without a pause.
const CONNECTIONS: usize = 32;
/// Turns of each.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Two queries: one that touches no database, so that the surface is all there is to it, and one as an application asks it.
const QUERIES: [(&str, &str); 2] = [
    ("viewer", "{ viewer { version sandbox } }"),
    ("email", "query($id: ID!) { email(id: $id) { id status to subject createdAt attempts { outcome } } }"),
];

/// Measures it on this back end and prints it.
pub async fn measure(backend: Backend) {
    let jobs = tests::app::App::start(Plan::on(backend).without_workers()).await;
    let id = jobs.send(1, entity::Priority::Normal).await[0];
    let app = over(&jobs);
    let graphql = Graphql::new(app.clone(), Origins::default(), Pace::default(), CancellationToken::new());
    let ours = serve(transport::router(&graphql)).await;
    let bare = serve(bare(app)).await;
    for (name, query) in QUERIES {
        let body = json!({ "query": query, "variables": { "id": format!("email:{id}") } }).to_string();
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            with.push(rate(&ours, &body).await);
            without.push(rate(&bare, &body).await);
        }
        let (with, without) = (median(with), median(without));
        println!(
            "query {name}: {with:.0}/s authenticated, {without:.0}/s bare, ratio {:.2} ({CONNECTIONS} connections)",
            with / without
        );
    }
}

fn over(jobs: &tests::app::App) -> App {
    let ctx = jobs.ctx.clone();
    let admin = SecretString::from(KEY);
    let limits = Limits::new(Table::default(), ctx.clock.clone(), None).expect("without Redis nothing can be wrong");
    let limits = Arc::new(limits);
    App::new(Parts {
        accept: jobs.engine.accept.clone(),
        audit: ::jobs::audit::Audit::start(ctx.clone()),
        recorder: jobs.engine.recorder.clone(),
        webhooks: Webhooks::signed_with(&[]),
        engine: RwLock::new(None),
        doorkeeper: Doorkeeper::new(ctx.clone(), Some(&admin), None, Proxies::default(), limits.clone()),
        limits,
        links: Links::default(),
        schema: schema::build(&ctx),
        queue: ::jobs::live::queue(&ctx),
        alerts: ::jobs::live::alerts(&ctx),
        events: ::jobs::live::events::Events::start(&ctx, jobs.engine.news.clone()),
        emails: ::jobs::live::emails::Emails::new(&ctx),
        campaigns: ::jobs::live::campaigns::Campaigns::new(&ctx),
        metrics: None,
        works: false,
        redis: false,
        playground: false,
        ctx,
    })
}

/// The same roots and loaders as a tutorial would serve them.
fn bare(app: App) -> Router {
    let schema = schema::bare(&app.ctx);
    let execute = async move |State(app): State<App>, Json(request): Json<async_graphql::Request>| {
        Json(schema.execute(request.data(Principal::ADMIN).data(app)).await)
    };
    Router::new().route("/graphql", post(execute)).with_state(app)
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/graphql", listener.local_addr().expect("an address"));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    url
}

/// Answers a second in one round; each has to be one without errors.
async fn rate(url: &str, body: &str) -> f64 {
    let (http, stop, answered) = (http(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (http, stop, answered) = (http.clone(), stop.clone(), answered.clone());
            let (url, body) = (url.to_owned(), body.to_owned());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let asked = http.post(&url).bearer_auth(KEY).header("content-type", "application/json");
                    let answer = asked.body(body.clone()).send().await.expect("an answer");
                    let text = answer.text().await.expect("a body");
                    assert!(text.starts_with("{\"data\":{"), "{text}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let began = tokio::time::Instant::now();
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    for task in asking {
        task.await.expect("it asks to the end");
    }
    answered.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
