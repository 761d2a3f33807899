//! What a mutation tells the audit log while it is done. It goes by the task, so that a resolver need not hand anything on, and a
//! mistake that is answered is noted where it is made; outside of a mutation nothing is noted.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{ID, ServerError, ServerResult, Value};
use entity::audit_entry::{Model, Outcome};
use serde_json::Value as Json;

use crate::schema::fault::Fault;
use crate::schema::mask;

tokio::task_local! {
    static TRAIL: Arc<Trail>;
}

/// An entry, and what is known so far.
pub struct Trail(Mutex<Noted>);

struct Noted {
    entry: Model,
    /// How many things were done; one, where nobody counts and nothing was refused.
    done: Option<u64>,
    /// The first mistake that was answered.
    refusal: Option<String>,
    /// It was stored with what it is about.
    carried: bool,
}

impl Trail {
    /// Of an operation that begins.
    pub fn of(entry: Model) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Noted { entry, done: None, refusal: None, carried: false })))
    }

    /// Does the work and notes what it tells.
    pub async fn follow<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        TRAIL.scope(self.clone(), work).await
    }

    /// The entry as it is to be stored, by what was answered; `None` where nothing is to be added to what is stored.
    pub fn end(&self, answer: &ServerResult<Option<Value>>) -> Option<Model> {
        let noted = self.lock();
        let mut entry = noted.entry.clone();
        (entry.outcome, entry.code) = match (answer.as_ref().err().and_then(failure), &noted.refusal) {
            (Some(failure), _) => failure,
            (None, None) => (Outcome::Done, None),
            (None, Some(code)) if noted.done.is_some_and(|n| n > 0) => (Outcome::Partly, Some(code.clone())),
            (None, Some(code)) => (Outcome::Refused, Some(code.clone())),
        };
        let usual = u64::from(entry.outcome == Outcome::Done);
        entry.done = i64::try_from(noted.done.unwrap_or(usual)).unwrap_or(i64::MAX);
        (entry.outcome != Outcome::Done || !noted.carried).then_some(entry)
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a mutation failed that answers with an error; `None` where it was done, and only a part of its answer could not be told.
fn failure(error: &ServerError) -> Option<(Outcome, Option<String>)> {
    if error.path.len() > 1 {
        return None;
    }
    // What is no fault of ours speaks of an argument.
    let fault = error.source::<Fault>();
    let code = fault.map_or("BAD_USER_INPUT", Fault::code);
    let failed = fault.is_some_and(|fault| match fault {
        Fault::TooLong(_) | Fault::Unavailable(_) | Fault::Internal(_) | Fault::Unattended => true,
        Fault::Unparsable(_)
        | Fault::Refused(_)
        | Fault::BadInput(_)
        | Fault::CursorExpired
        | Fault::Resume(_)
        | Fault::Forbidden(_)
        | Fault::ReadsOnly
        | Fault::RateLimited(_) => false,
    });
    Some((if failed { Outcome::Failed } else { Outcome::Refused }, Some(code.to_owned())))
}

fn note(change: impl FnOnce(&mut Noted)) {
    // Queries make mistakes as well, and nobody writes them down.
    let _ = TRAIL.try_with(|trail| change(&mut trail.lock()));
}

/// What it is about.
pub fn subject(id: &ID) {
    subject_named(id.to_string());
}

/// The same of what has no id, such as a sending domain.
pub fn subject_named(name: String) {
    note(|noted| noted.entry.subject = Some(name));
}

/// The address that it is about, in its key form: a keyed hash of it is kept.
///
/// # Errors
/// The database's own.
pub async fn recipient(ctx: &jobs::Context, address_key: &str) -> jobs::Result<()> {
    let mark = jobs::audit::recipient(ctx, address_key).await?;
    note(|noted| noted.entry.recipient = Some(mark));
    Ok(())
}

/// How many things it did.
pub fn did(n: u64) {
    note(|noted| noted.done = Some(n));
}

/// How what it is about stood, in settings, choices and times.
pub fn before(state: Json) {
    note(|noted| noted.entry.state_before = Some(masked(state).to_string()));
}

/// How it stands since.
pub fn after(state: Json) {
    note(|noted| noted.entry.state_after = Some(masked(state).to_string()));
}

/// Why, as the caller says.
pub fn because(reason: &str) {
    note(|noted| noted.entry.reason = Some(mask::text(reason)));
}

/// A mistake of the caller's was answered, of this kind.
pub fn refused(code: impl FnOnce() -> String) {
    note(|noted| {
        noted.refusal.get_or_insert_with(code);
    });
}

/// The entry of what is being done, to be stored together with it.
pub fn entry() -> Option<Model> {
    TRAIL.try_with(|trail| Model { outcome: Outcome::Done, ..trail.lock().entry.clone() }).ok()
}

/// It was.
pub fn carried() {
    note(|noted| noted.carried = true);
}

/// Whatever looks like an address in what somebody named is masked.
fn masked(state: Json) -> Json {
    match state {
        Json::String(text) => Json::String(mask::text(&text)),
        Json::Array(items) => items.into_iter().map(masked).collect(),
        Json::Object(fields) => fields.into_iter().map(|(name, value)| (name, masked(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use async_graphql::PathSegment;
    use entity::ApiScope;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn trail() -> Arc<Trail> {
        Trail::of(Model::new(Uuid::nil(), "pause", "POST /graphql"))
    }

    fn failed(fault: Fault, depth: usize) -> ServerResult<Option<Value>> {
        Err(ServerError { path: vec![PathSegment::Field("pause".to_owned()); depth], ..fault.at(None) })
    }

    async fn ended(answer: ServerResult<Option<Value>>, work: impl FnOnce()) -> Option<(Outcome, Option<String>, i64)> {
        let trail = trail();
        trail.follow(async { work() }).await;
        trail.end(&answer).map(|entry| (entry.outcome, entry.code, entry.done))
    }

    #[tokio::test]
    async fn an_outcome_follows_from_what_was_answered_and_what_was_done() {
        let code = |code: &str| Some(code.to_owned());
        let invalid = || refused(|| "INVALID".to_owned());
        assert_eq!(ended(Ok(None), || ()).await, Some((Outcome::Done, None, 1)));
        assert_eq!(ended(Ok(None), || did(7)).await, Some((Outcome::Done, None, 7)));
        assert_eq!(ended(Ok(None), || did(0)).await, Some((Outcome::Done, None, 0)));
        assert_eq!(ended(Ok(None), invalid).await, Some((Outcome::Refused, code("INVALID"), 0)));
        let (partly, none) =
            (Some((Outcome::Partly, code("INVALID"), 7)), Some((Outcome::Refused, code("INVALID"), 0)));
        let counted = |n| {
            move || {
                did(n);
                refused(|| "INVALID".to_owned());
                refused(|| "CONFLICT".to_owned());
                carried();
            }
        };
        assert_eq!(ended(Ok(None), counted(7)).await, partly);
        assert_eq!(ended(Ok(None), counted(0)).await, none);
        let forbidden = Fault::Forbidden(ApiScope::Admin);
        assert_eq!(ended(failed(forbidden, 1), || ()).await, Some((Outcome::Refused, code("FORBIDDEN"), 0)));
        let away = || Fault::from(jobs::Error::Stopping);
        assert_eq!(ended(failed(away(), 1), carried).await, Some((Outcome::Failed, code("UNAVAILABLE"), 0)));
        assert_eq!(ended(failed(away(), 2), || ()).await, Some((Outcome::Done, None, 1)), "its answer failed");
        assert_eq!(ended(Ok(None), carried).await, None, "it is stored already");
    }

    #[tokio::test]
    async fn whatever_looks_like_an_address_is_masked_wherever_it_stands() {
        let trail = trail();
        let told = async {
            before(json!({ "name": "for bob@example.org", "parts": ["bob@example.org", 7, { "at": "x" }] }));
            because("bob@example.org asked");
        };
        trail.follow(told).await;
        let entry = trail.end(&Ok(None)).unwrap();
        let expected = json!({ "name": "for b***@example.org", "parts": ["b***@example.org", 7, { "at": "x" }] });
        assert_eq!(serde_json::from_str::<Json>(&entry.state_before.unwrap()).unwrap(), expected);
        assert_eq!(entry.reason.unwrap(), "b***@example.org asked");
    }

    #[test]
    fn outside_of_a_mutation_nothing_is_noted() {
        did(1);
        refused(|| unreachable!());
        assert_eq!(entry(), None);
    }
}
