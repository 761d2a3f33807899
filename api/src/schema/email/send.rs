//! Sending.

use std::collections::HashMap;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, SimpleObject};
use entity::{ApiScope, email};
use jobs::accept::{Answer, Complaint, Draft};
use uuid::Uuid;

use super::Email;
use super::input::SendEmailInput;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::loader::Emails;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// As many emails as one call takes.
const MOST: usize = 1_000;

/// What became of an email.
#[derive(SimpleObject)]
pub struct SendEmailPayload {
    /// The email; null where it was refused.
    email: Option<Email>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of emails.
#[derive(SimpleObject)]
pub struct SendEmailsPayload {
    /// Each input's email at the input's place; null where it was refused.
    emails: Vec<Option<Email>>,
    /// What to mend; the second part of `field` is the input's place.
    user_errors: Vec<UserError>,
}

/// Sending.
#[derive(Default)]
pub struct SendMutations;

#[Object]
impl SendMutations {
    /// Accepts an email: once answered, it is never lost. One to a suppressed address is accepted as SUPPRESSED and not sent.
    /// Requires the scope SEND.
    #[graphql(guard = "Needs(ApiScope::Send)")]
    async fn send_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email.")] input: SendEmailInput,
    ) -> Result<SendEmailPayload, Fault> {
        let mut taken = take(ctx, vec![input], |_| vec!["input".to_owned()]).await?;
        Ok(SendEmailPayload { email: taken.emails.pop().flatten(), user_errors: taken.user_errors })
    }

    /// Accepts up to 1,000 emails, each by itself: one that is refused does not spoil the rest. Requires the scope SEND.
    #[graphql(guard = "Needs(ApiScope::Send)")]
    async fn send_emails(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The emails.")] inputs: Vec<SendEmailInput>,
    ) -> Result<SendEmailsPayload, Fault> {
        if inputs.len() > MOST {
            let message = format!("has {} emails; {MOST} are allowed", inputs.len());
            let error = UserError::at(&["inputs"], UserErrorCode::LimitExceeded, message);
            return Ok(SendEmailsPayload { emails: Vec::new(), user_errors: vec![error] });
        }
        take(ctx, inputs, |place| vec!["inputs".to_owned(), place.to_string()]).await
    }
}

/// Takes the inputs in; `path` leads to the input at a place.
async fn take(
    ctx: &Context<'_>,
    inputs: Vec<SendEmailInput>,
    path: impl Fn(usize) -> Vec<String>,
) -> Result<SendEmailsPayload, Fault> {
    let read: Vec<Result<Draft, Vec<Complaint>>> = inputs.into_iter().map(SendEmailInput::draft).collect();
    let mut drafts = Vec::with_capacity(read.len());
    let refused: Vec<Option<Vec<Complaint>>> =
        read.into_iter().map(|one| one.map(|draft| drafts.push(draft)).err()).collect();
    let answers = ctx.app()?.accept.take_noted(ctx.principal()?.key, drafts, trail::entry()).await?;
    let accepted = answers.iter().filter(|answer| matches!(answer, Answer::Accepted(_))).count();
    trail::did(accepted as u64);
    if let [Answer::Known(id)] = answers.as_slice() {
        trail::subject(&Kind::Email.id(*id));
    }
    if accepted > 0 {
        trail::carried();
    }
    let mut known = look_up(ctx, &answers).await?;
    let mut answers = answers.into_iter();
    let mut payload = SendEmailsPayload { emails: Vec::with_capacity(refused.len()), user_errors: Vec::new() };
    for (place, complaints) in refused.into_iter().enumerate() {
        let answer = complaints.map(Answer::Refused).or_else(|| answers.next());
        match answer.map_or(Ok(None), |answer| email_or_errors(answer, &mut known)) {
            Ok(email) => payload.emails.push(email),
            Err(errors) => {
                let path = path(place);
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                payload.emails.push(None);
                payload.user_errors.extend(errors.into_iter().map(|error| error.under(&path)));
            }
        }
    }
    Ok(payload)
}

fn email_or_errors(answer: Answer, known: &mut HashMap<Uuid, email::Model>) -> Result<Option<Email>, Vec<UserError>> {
    match answer {
        Answer::Accepted(row) => Ok(Some(Email::new(*row))),
        Answer::Known(id) => match known.get(&id) {
            Some(row) => Ok(Some(Email::new(row.clone()))),
            None => Err(vec![key_error("stands for an email that was cleaned away since")]),
        },
        Answer::Conflict => Err(vec![key_error("stands for an email with another content")]),
        Answer::NotStored(cause) => {
            tracing::error!(%cause, "An email could not be stored though others of its call were");
            Err(vec![UserError::at(&[], UserErrorCode::NotStored, "could not be stored; please send it again")])
        }
        Answer::Refused(complaints) => Err(complaints.into_iter().map(UserError::complaint).collect()),
    }
}

fn key_error(message: &str) -> UserError {
    UserError::at(&["idempotencyKey"], UserErrorCode::Conflict, message)
}

/// Reads the emails that idempotency keys stood for already, all at once.
async fn look_up(ctx: &Context<'_>, answers: &[Answer]) -> Result<HashMap<Uuid, email::Model>, Fault> {
    let ids = answers.iter().filter_map(|answer| match answer {
        Answer::Known(id) => Some(*id),
        Answer::Accepted(_) | Answer::Conflict | Answer::Refused(_) | Answer::NotStored(_) => None,
    });
    let ids: Vec<Uuid> = ids.collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    ctx.data_opt::<DataLoader<Emails>>().ok_or(Fault::Unattended)?.load_many(ids).await
}
