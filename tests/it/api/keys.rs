//! Who may ask.

use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::Backend;
use tests::patience::{SOON, until_true};

use super::Served;

on_both! {
    without_a_key_only_the_state_of_the_process_is_told
    a_key_is_made_listed_and_revoked_beside_a_running_service
}

async fn without_a_key_only_the_state_of_the_process_is_told(backend: Backend) {
    let served = Served::on(backend).await;
    let http = http();
    let ask = |path: &str| http.get(format!("{}{path}", served.url));
    for path in ["/", "/health/live", "/health/ready"] {
        assert_eq!(ask(path).send().await.unwrap().status(), 200, "{path}");
    }
    let post = || http.post(format!("{}/graphql", served.url)).json(&json!({ "query": "{ viewer { version } }" }));
    let refused = [
        ask("/metrics"),
        post(),
        post().bearer_auth("mm_live_00000000_00"),
        post().header("authorization", "Bearer "),
        post().basic_auth("api", Some(super::KEY)),
    ];
    for request in refused {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers().contains_key("www-authenticate"));
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
    let (status, metrics) = served.client.get("/metrics").await.unwrap();
    assert!(status.is_success() && metrics.contains("mailmind_emails{"), "{metrics}");
}

async fn a_key_is_made_listed_and_revoked_beside_a_running_service(backend: Backend) {
    let served = Served::on(backend).await;
    let made = served.command(&["key", "create", "--name", "the shop"]).await;
    let key = made.last().unwrap();
    let shop = Client::new(&served.url, key);
    let asked = "{ viewer { version } }";
    shop.query(asked, json!({})).await;
    let prefix = key.rsplit_once('_').unwrap().0;
    let listed = served.command(&["key", "list"]).await.join("\n");
    assert!(listed.contains(prefix) && listed.contains("the shop") && !listed.contains(key.as_str()), "{listed}");
    served.command(&["key", "revoke", prefix]).await;
    let closed = async || {
        shop.try_query(asked, json!({})).await.unwrap()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    };
    until_true("the key to be forgotten", SOON, closed).await;
}
