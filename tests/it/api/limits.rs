//! What one question may cost, and what is said when it took too long.

use jobs::{Error, Store};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tests::database::Backend;

use super::Served;

on_both! {
    a_question_that_is_too_large_is_refused_before_it_is_asked
}

async fn a_question_that_is_too_large_is_refused_before_it_is_asked(backend: Backend) {
    let served = Served::on(backend).await;
    let pages = (0..30)
        .map(|i| format!("e{i}: emails(first: 100) {{ nodes {{ id to subject status priority tags metadata }} }}"));
    let cases = [
        (format!("{{ {} }}", pages.collect::<Vec<_>>().join(" ")), "20000 is allowed"),
        (format!("{{ viewer {{ version }} }} #{}", "x".repeat(70_000)), "65536 are allowed"),
        (
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(),
            "nest more than 2",
        ),
    ];
    for (query, words) in cases {
        let answer = served.client.try_query(&query, json!({})).await.unwrap();
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answer}");
        assert!(error["message"].as_str().unwrap().contains(words) && answer.get("data").is_none(), "{answer}");
    }
    // An ADMIN may introspect; text in variables is not part of the document.
    let told = served.client.query("{ __schema { subscriptionType { name } } }", json!({})).await;
    assert_eq!(told["__schema"]["subscriptionType"]["name"], "Subscription");
    let id = "x".repeat(100_000);
    assert_eq!(
        served.client.query("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await["node"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_postgres_cuts_off_may_be_asked_again() {
    let database = Backend::Postgres.database().await;
    let store = Store::connect(&database.url).await.unwrap();
    let limit = store.read().query_one_raw(store.sql("SHOW statement_timeout", [])).await.unwrap().unwrap();
    assert_eq!(limit.try_get::<String>("", "statement_timeout").unwrap(), "10s", "as long as an operation may take");
    let tx = store.read().begin().await.unwrap();
    tx.execute_unprepared("SET LOCAL statement_timeout = '20ms'").await.unwrap();
    let cut = Error::from(tx.execute_unprepared("SELECT pg_sleep(20)").await.unwrap_err());
    assert!(cut.to_string().contains("statement timeout"), "{cut}");
    // The API says UNAVAILABLE to what is away (`Fault::from`).
    assert!(cut.is_away(), "{cut}");
}
