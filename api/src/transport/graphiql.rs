//! A page to try the API with. It loads GraphiQL from esm.sh, so only a process that is tried out shows it: its files are some
//! megabytes, which are neither to be built by Node with the program nor to be kept in its source. Where they can't be had, the
//! page says so, and lets one ask all the same.

use async_graphql::http::GraphiQLSource;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// A field for the key, and what puts it into each request and into the beginning of each socket: GraphiQL itself knows only
/// headers that are written out as JSON.
const KEY: &str = include_str!("graphiql/key.html");

/// What stands there when GraphiQL does not come.
const WITHOUT: &str = include_str!("graphiql/without.html");

/// The page.
pub fn page() -> Response {
    let graphiql = GraphiQLSource::build()
        .endpoint("/graphql")
        .subscription_endpoint("/graphql")
        .title("MailMind Reliability")
        .finish();
    // What waits for a stylesheet that never comes would be all of the page.
    let graphiql =
        graphiql.replace("rel=\"stylesheet\"", "rel=\"stylesheet\" media=\"print\" onload=\"this.media='all'\"");
    let page = graphiql.replacen("<body>", &format!("<body>{KEY}{WITHOUT}"), 1);
    let headers =
        [(header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"), (header::REFERRER_POLICY, "no-referrer")];
    (headers, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[tokio::test]
    async fn the_page_has_a_field_for_the_key_and_follows_by_socket() {
        let body = axum::body::to_bytes(page().into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(body.to_vec()).unwrap();
        assert!(page.contains("<body>") && page.contains("id=\"key\""), "{page}");
        assert!(page.contains("subscriptionUrl: createUrl('/graphql')"), "{page}");
        // GraphiQL says by this that it is not there yet.
        assert!(page.contains("id=\"graphiql\"") && page.contains("class=\"loading\""), "{page}");
        assert!(page.contains("GraphiQL did not load"), "{page}");
        let sheets = page.matches("rel=\"stylesheet\"").count();
        assert!(sheets > 0 && sheets == page.matches("media=\"print\"").count(), "{page}");
        // Before GraphiQL's own script runs, which is a module and waits for the whole page.
        assert!(page.contains("<script type=\"module\">"), "{page}");
    }
}
