//! Doing one operation: how long it may take, and the one span in the log that it has. Neither its text nor its variables are
//! written anywhere.

use std::time::Duration;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Executor, Request, Response};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::auth::Principal;
use crate::limit::count::Cost;
use crate::limit::{Hold, Limits, Turn};
use crate::schema::fault::Fault;
use crate::schema::limits;

/// How long an operation may take, but for a subscription.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Of an operation's name this many bytes are written.
const NAMED: usize = 100;

/// What an operation has been given, until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "what matters is when it is dropped")]
pub enum Given {
    /// A place for what goes on until somebody ends it.
    Place(Hold),
    /// A turn for what is read; nothing for what is done.
    Turn(Option<Turn>),
}

/// A request, and the operation in its document that it asks for.
pub struct Operation {
    request: Request,
    /// `None` when the document can't be read or does not say which: the schema then refuses it, and says why.
    kind: Option<OperationType>,
    name: Option<String>,
    cost: Cost,
}

impl Operation {
    /// What this request asks for.
    pub fn of(mut request: Request) -> Self {
        let (asked, variables) = (request.operation_name.clone(), std::mem::take(&mut request.variables));
        let found = limits::document(&mut request).ok().and_then(|document| {
            let (operation, name) = find(document, asked.as_deref())?;
            Some((operation.ty, name, Cost::of(document, operation, &variables)))
        });
        request.variables = variables;
        let (kind, name, cost) = found.map_or_else(Default::default, |(kind, name, cost)| (Some(kind), name, cost));
        Self { request, kind, name, cost }
    }

    /// Which kind of operation it is, where it is known.
    pub fn kind(&self) -> Option<OperationType> {
        self.kind
    }

    /// What it takes of its caller's limits.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Waits for this caller's turn, where it is a query: for no longer than one may take.
    ///
    /// # Errors
    /// Their other queries took too long.
    pub async fn turn(&self, limits: &Limits, principal: Principal) -> Result<Option<Turn>, Fault> {
        match self.kind {
            Some(OperationType::Query) => match timeout(LIMIT, limits.turns.take(principal.key)).await {
                Ok(turn) => Ok(Some(turn)),
                Err(_) => Err(Fault::TooLong(LIMIT)),
            },
            Some(OperationType::Mutation | OperationType::Subscription) | None => Ok(None),
        }
    }

    /// Does a query or a mutation. What takes longer than `limit` is answered for with a fault. A query ends with whoever waits
    /// for it; a mutation goes on, so that it is never left half done.
    pub async fn execute(self, executor: impl Executor, limit: Duration) -> Response {
        let span = self.span();
        let work = async move { executor.execute(self.request).await }.instrument(span);
        let answer = match self.kind {
            Some(OperationType::Mutation) => {
                let done = tokio::spawn(work).map(|done| done.unwrap_or_else(|_| Fault::Unattended.response()));
                timeout(limit, done).await
            }
            Some(OperationType::Query | OperationType::Subscription) | None => timeout(limit, work).await,
        };
        answer.unwrap_or_else(|_| Fault::TooLong(limit).response())
    }

    /// Starts a subscription.
    pub fn follow(self, executor: &impl Executor) -> BoxStream<'static, Response> {
        let span = self.span();
        let mut answers = executor.execute_stream(self.request, None);
        futures::stream::poll_fn(move |task| span.in_scope(|| answers.poll_next_unpin(task))).boxed()
    }

    fn span(&self) -> Span {
        let kind = match self.kind {
            Some(OperationType::Query) => "query",
            Some(OperationType::Mutation) => "mutation",
            Some(OperationType::Subscription) => "subscription",
            None => "unknown",
        };
        let name = self.name.as_deref().map(|name| &name[..name.floor_char_boundary(NAMED)]);
        tracing::info_span!("operation", "type" = kind, name)
    }
}

fn find<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<(&'a OperationDefinition, Option<String>)> {
    let (name, operation) = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => (None, operation),
        (DocumentOperations::Single(_), Some(_)) => return None,
        (DocumentOperations::Multiple(operations), Some(name)) => (Some(name), operations.get(name)?),
        (DocumentOperations::Multiple(operations), None) => {
            let mut each = operations.iter();
            match (each.next(), each.next()) {
                (Some((name, operation)), None) => (Some(name.as_str()), operation),
                _ => return None,
            }
        }
    };
    Some((&operation.node, name.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use async_graphql::{Context, EmptySubscription, Object, Schema};
    use tracing_subscriber::fmt::format::FmtSpan;

    use super::*;
    use crate::schema::fault::ErrorCodes;

    struct Slow;

    #[Object]
    impl Slow {
        async fn work(&self, ctx: &Context<'_>) -> bool {
            tokio::time::sleep(LIMIT * 2).await;
            ctx.data_unchecked::<Arc<AtomicBool>>().store(true, Ordering::SeqCst);
            true
        }
    }

    /// What is answered to it, and whether its work is done after all.
    async fn after_the_limit(text: &str) -> (String, bool) {
        let schema = Schema::build(Slow, Slow, EmptySubscription).extension(ErrorCodes).finish();
        let done = Arc::new(AtomicBool::new(false));
        let operation = Operation::of(Request::new(text).data(done.clone()));
        let answer = operation.execute(schema, LIMIT).await;
        tokio::time::sleep(LIMIT * 2).await;
        (serde_json::to_string(&answer).unwrap(), done.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_answered_for_and_a_mutation_is_finished_all_the_same() {
        for (text, finished) in [("{ work }", false), ("mutation { work }", true)] {
            let (answer, done) = after_the_limit(text).await;
            assert!(answer.contains("UNAVAILABLE") && answer.contains("longer than 10 s"), "{answer}");
            assert_eq!(done, finished, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mutation_is_finished_though_nobody_waits_for_it() {
        let schema = Schema::build(Slow, Slow, EmptySubscription).finish();
        let done = Arc::new(AtomicBool::new(false));
        let operation = Operation::of(Request::new("mutation { work }").data(done.clone()));
        assert!(timeout(LIMIT / 2, operation.execute(schema, LIMIT)).await.is_err());
        tokio::time::sleep(LIMIT * 2).await;
        assert!(done.load(Ordering::SeqCst));
    }

    /// What was logged, as lines.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_names_an_operation_once_and_says_nothing_of_what_is_in_it() {
        let log = Log::default();
        let lines = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_span_events(FmtSpan::NEW);
        let subscriber = subscriber.with_writer(move || lines.clone()).finish();
        let _logged = tracing::subscriber::set_default(subscriber);
        let schema = Schema::build(Slow, Slow, EmptySubscription).finish();
        let asked = || async {
            let request = Request::new("query Mine($a: Int) { x: __typename y: __typename @skip(if: $skipped) }");
            let request = request.variables(async_graphql::Variables::from_json(serde_json::json!({ "a": 4711 })));
            Operation::of(request).execute(schema.clone(), LIMIT).await;
            String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap()
        };
        // Another test may be meeting the span for the first time just now, where nobody listens, and that is remembered.
        let mut said = String::new();
        for _ in 0..100 {
            tracing::callsite::rebuild_interest_cache();
            said = asked().await;
            if !said.is_empty() {
                break;
            }
        }
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("type=\"query\"") && said.contains("name=\"Mine\""), "{said}");
        assert!(!said.contains("__typename") && !said.contains("4711"), "{said}");
    }

    #[test]
    fn the_operation_is_the_one_that_is_named_or_the_only_one() {
        use OperationType::{Mutation, Query, Subscription};
        let both = "query A { a } mutation B { b }";
        let cases = [
            ("{ a }", None, Some((Query, None))),
            ("{ a }", Some("A"), None),
            ("subscription S { a }", None, Some((Subscription, Some("S")))),
            (both, Some("B"), Some((Mutation, Some("B")))),
            (both, Some("C"), None),
            (both, None, None),
            ("{ a", None, None),
        ];
        for (text, name, expected) in cases {
            let request = Request::new(text);
            let request = name.into_iter().fold(request, |request, name| request.operation_name(name));
            let found = Operation::of(request);
            assert_eq!(
                (found.kind, found.name.as_deref()),
                expected.map_or((None, None), |(k, n)| (Some(k), n)),
                "{text}"
            );
        }
    }
}
