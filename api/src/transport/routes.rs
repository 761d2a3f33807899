//! What stands before each path of the service: one table, asked by the one guard. A path that is not in it opens to ADMIN
//! alone, so that nobody can forget a guard; a test walks the table without a credential.

use std::sync::LazyLock;

use axum::http::Method;
use entity::ApiScope;

use crate::auth::Door;
use crate::dashboard::{self, link};
use crate::{rest, unsubscribe, webhook};

/// A method of a path, and its door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method; HEAD is GET.
    pub method: Method,
    /// The path, as the router names it.
    pub path: String,
    /// What stands before it.
    pub door: Door,
}

/// Every path of the service.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let own = [
        (Method::GET, "/health/live", Door::Open),
        (Method::GET, "/health/ready", Door::Open),
        (Method::GET, "/metrics", Door::Scope(ApiScope::Read)),
        (Method::POST, webhook::PATH, Door::Signed),
        (Method::POST, webhook::PATH_BELOW_API, Door::Signed),
        (Method::GET, dashboard::ASSETS, Door::Counted),
        // Its code is the proof, and not to be guessed.
        (Method::POST, link::PATH, Door::Counted),
        (Method::GET, unsubscribe::PATH, Door::Signed),
        (Method::POST, unsubscribe::PATH, Door::Signed),
        // Each field of the schema has a guard of its own.
        (Method::GET, "/graphql", Door::Credential),
        (Method::POST, "/graphql", Door::Credential),
    ];
    let own = own.map(|(method, path, door)| Route { method, path: path.to_owned(), door });
    let pages = dashboard::PAGES.map(|path| Route { method: Method::GET, path: path.to_owned(), door: Door::Counted });
    let described = Route { method: Method::GET, path: format!("{}/openapi.json", rest::BASE), door: Door::Credential };
    let operations = rest::OPERATIONS.iter().map(|operation| Route {
        method: operation.method.clone(),
        path: format!("{}{}", rest::BASE, operation.path),
        door: Door::Scope(operation.scope),
    });
    own.into_iter().chain(pages).chain([described]).chain(operations).collect()
});

/// The door of a request, by the path that the router matched.
pub fn door(method: &Method, path: Option<&str>) -> Door {
    // Nothing is here, or nothing with this method: told to whoever has a key.
    let Some(path) = path else { return Door::Credential };
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut here = ROUTES.iter().filter(|route| route.path == path).peekable();
    if here.peek().is_none() {
        return Door::Scope(ApiScope::Admin);
    }
    here.find(|route| route.method == *method).map_or(Door::Credential, |route| route.door)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_in_no_table_opens_to_admins_alone() {
        let cases = [
            (Method::GET, Some("/health/live"), Door::Open),
            (Method::HEAD, Some("/health/live"), Door::Open),
            (Method::POST, Some("/health/live"), Door::Credential),
            (Method::GET, Some("/metrics"), Door::Scope(ApiScope::Read)),
            (Method::HEAD, Some("/metrics"), Door::Scope(ApiScope::Read)),
            (Method::DELETE, Some("/api/email-reliability/queue/job/{jobId}"), Door::Scope(ApiScope::Manage)),
            (Method::PUT, Some("/api/email-reliability/queue/job/{jobId}"), Door::Credential),
            (Method::GET, Some("/forgotten"), Door::Scope(ApiScope::Admin)),
            (Method::GET, None, Door::Credential),
        ];
        for (method, path, expected) in cases {
            assert_eq!(door(&method, path), expected, "{method} {path:?}");
        }
    }
}
