//! The page in the place of a dashboard that was not built: what runs here, in a few lines, from no other server.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use crate::app::App;

/// Shows it.
pub fn page(app: &App) -> Response {
    let mode = if app.ctx.settings.sandbox {
        "<p><strong>Sandbox:</strong> emails go to a built-in Mailgun, which delivers nothing.</p>"
    } else {
        "<p>Emails go to Mailgun.</p>"
    };
    let playground = if app.playground {
        "<li><a href=\"/graphql\">/graphql</a> in a browser: GraphiQL, with a field for the key.</li>"
    } else {
        ""
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>MailMind Reliability</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem \
         auto;padding:0 1rem}}</style><h1>MailMind Reliability {version}</h1>{mode}\
         <p>The dashboard is not here: this was built without Node, which builds it (20.19 or newer).</p><ul>\
         <li><code>POST /graphql</code>: the API, with a bearer key; a WebSocket there follows what happens.</li>{playground}\
         <li><code>/api/email-reliability/…</code>: the same over plain paths; <code>openapi.json</code> there describes them.</li>\
         <li><a href=\"/health/ready\">/health/ready</a> and <a href=\"/health/live\">/health/live</a>: how it stands.</li>\
         <li><code>/metrics</code>: for Prometheus, with a bearer key.</li></ul></html>",
        version = env!("CARGO_PKG_VERSION"),
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}
