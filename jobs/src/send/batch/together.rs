//! A batch's way from its claim to Mailgun's answer: each email rendered for itself, all of them in as few calls as their size
//! allows. One that can't be rendered fails alone, and one whose text the placeholders can't say goes alone.

#[cfg(test)]
mod tests;

use entity::address::Mailbox;
use serde_json::{Map, Value as Json};

use super::super::Sender;
use super::super::claim::Claimed;
use super::super::hand_over::{NO_LINK, Report, dressed, judge, unsubscribe};
use super::super::personal;
use super::SINGLY_FOR;
use crate::content;
use crate::context::Context;
use crate::error::Result;
use crate::mailer::{Addressee, Answer, Batch, Lease, Mail};
use crate::render::Template;
use crate::render::placeholder::variable;
use crate::verdict::Verdict;

/// Of all recipients together in one call, as it goes over the wire: with the bodies well under the 25 MB that Mailgun takes.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// What a recipient costs at most besides addresses, values and their names: two ids, `to=`, and what JSON puts around them.
const EACH: usize = 420;
/// The same for each value: quotes, colon and comma.
const EACH_VALUE: usize = 18;

/// What a recipient's link is called.
const UNSUBSCRIBE: &str = "unsubscribe";

/// How an email goes.
#[derive(Debug)]
enum Way {
    Together(Addressee),
    /// The placeholders can't say what it says.
    Alone,
    Not(Verdict),
}

/// Emails that share a call.
#[derive(Default)]
struct Call {
    emails: Vec<Claimed>,
    addressees: Vec<Addressee>,
    bytes: usize,
}

impl Sender {
    /// Hands a batch over, and stores what became of each.
    pub(crate) async fn hand_over_all(&self, emails: Vec<Claimed>, lease: Lease) {
        let ctx = &self.ctx;
        let (mut calls, mut alone) = (vec![Call::default()], Vec::new());
        let started_at = ctx.clock.now();
        for (i, email) in emails.into_iter().enumerate() {
            if i % 32 == 31 {
                // Others have work to do, too.
                tokio::task::yield_now().await;
            }
            match way(ctx, &email).await {
                Way::Together(addressee) => add(&mut calls, email, addressee),
                Way::Alone => alone.push(email),
                Way::Not(verdict) => {
                    let report = Report { verdict, http_status: None, started_at, finished_at: ctx.clock.now() };
                    self.settle.report(&email, report).await;
                }
            }
        }
        for call in calls {
            match call.emails.as_slice() {
                [] => {}
                [email] => self.hand_over(email, lease).await,
                _ => self.call(call, lease).await,
            }
        }
        for email in alone {
            self.hand_over(&email, lease).await;
        }
    }

    async fn call(&self, call: Call, lease: Lease) {
        let Call { emails, addressees, .. } = call;
        let Some(first) = emails.first() else { return };
        let started_at = self.ctx.clock.now();
        let (verdict, http_status) = if self.ctx.stop.is_cancelled() {
            (Verdict::NotHandedOver, None)
        } else {
            match common(&self.ctx, &emails) {
                Ok(Some(mail)) => self.judge(first, self.mailer.post_batch(&Batch { mail, addressees }, lease).await),
                Ok(None) => (Verdict::NotHandedOver, None),
                Err(error) => {
                    tracing::error!(email.id = %first.row.id, cause = %error, "A batch can't be made ready");
                    self.singly.note(first.content.id, self.ctx.clock.now() + SINGLY_FOR);
                    (Verdict::NotHandedOver, None)
                }
            }
        };
        let finished_at = self.ctx.clock.now();
        let took = (finished_at - started_at).to_std().unwrap_or_default();
        metrics::histogram!("mailmind_attempt_seconds").record(took.as_secs_f64());
        self.settle.report_all(&emails, &Report { verdict, http_status, started_at, finished_at }).await;
    }

    /// What an answer means for each of a batch. That the batch was refused is no verdict on its members.
    fn judge(&self, first: &Claimed, answer: Answer) -> (Verdict, Option<u16>) {
        let (verdict, status) = judge(&self.ctx, answer);
        let singly = match &verdict {
            Verdict::Fail { .. } => true,
            // Perhaps for sending many at once ("is not allowed to send large batches yet").
            Verdict::Account { .. } => status == Some(403),
            Verdict::Sent { .. }
            | Verdict::Retry { .. }
            | Verdict::Hold { .. }
            | Verdict::Unconfirmed { .. }
            | Verdict::NotHandedOver => false,
        };
        if singly {
            self.singly.note(first.content.id, self.ctx.clock.now() + SINGLY_FOR);
            tracing::warn!(content.id = %first.content.id, ?status, "Mailgun refused a batch; its emails go singly for now");
        }
        match verdict {
            Verdict::Fail { .. } => (Verdict::NotHandedOver, status),
            other => (other, status),
        }
    }
}

/// Puts an email into the last of the calls, or into a new one where that would be too large.
fn add(calls: &mut Vec<Call>, email: Claimed, addressee: Addressee) {
    let bytes = cost(&addressee);
    if calls.last().is_none_or(|call| !call.emails.is_empty() && call.bytes + bytes > MOST_BYTES) {
        calls.push(Call::default());
    }
    if let Some(call) = calls.last_mut() {
        call.bytes += bytes;
        call.emails.push(email);
        call.addressees.push(addressee);
    }
}

/// What a recipient takes of a call at most, in bytes.
fn cost(one: &Addressee) -> usize {
    let values = one.variables.iter().map(|(name, value)| EACH_VALUE + name.len() + value.as_str().map_or(0, in_form));
    EACH + in_form(&one.to) + in_form(&one.address) + values.sum::<usize>()
}

/// What a text takes within JSON within an urlencoded form.
fn in_form(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' => 6,
        // `\n` and the like; `\u0001`.
        8 | 9 | 10 | 12 | 13 => 4,
        0..32 => 8,
        b' ' | b'*' | b'-' | b'.' | b'_' => 1,
        _ if byte.is_ascii_alphanumeric() => 1,
        _ => 3,
    };
    text.bytes().map(byte).sum()
}

async fn way(ctx: &Context, email: &Claimed) -> Way {
    match try_way(ctx, email).await {
        Ok(way) => way,
        Err(error) if error.is_away() => {
            tracing::warn!(email.id = %email.row.id, cause = %error, "An email can't be made ready");
            Way::Not(Verdict::NotHandedOver)
        }
        // Its own hand-over tells it in words.
        Err(_) => Way::Alone,
    }
}

async fn try_way(ctx: &Context, email: &Claimed) -> Result<Way> {
    let prepared = content::prepared(ctx, &email.content)?;
    let Ok(template) = &prepared.template else { return Ok(Way::Alone) };
    // It was checked when it was accepted.
    let Ok(recipient) = Mailbox::parse(&email.recipient) else { return Ok(Way::Alone) };
    let values = match values(template, personal::variables(ctx, email).await?, &recipient) {
        Ok(values) => values,
        Err(way) => return Ok(way),
    };
    let Some(link) = unsubscribe(ctx, email, &prepared.head).await? else {
        return Ok(Way::Not(Verdict::Fail { why: NO_LINK.into() }));
    };
    Ok(Way::Together(addressee(email, &recipient, values, link)))
}

/// What stands for each placeholder; where they can't say it, the way that is left.
fn values(template: &Template, variables: Map<String, Json>, recipient: &Mailbox) -> Result<Vec<String>, Way> {
    match template.render_apart(variables, Some(recipient)) {
        Ok((_, Some(values))) => Ok(values),
        Ok((_, None)) => Err(Way::Alone),
        Err(error) => Err(Way::Not(Verdict::Fail { why: error.to_string() })),
    }
}

fn addressee(email: &Claimed, recipient: &Mailbox, values: Vec<String>, link: Option<String>) -> Addressee {
    let mut variables: Map<String, Json> =
        values.into_iter().enumerate().map(|(i, value)| (variable(i), value.into())).collect();
    variables.extend(link.map(|link| (UNSUBSCRIBE.to_owned(), link.into())));
    let address = recipient.address.to_string();
    Addressee { email_id: email.row.id, to: email.recipient.clone(), address, variables }
}

/// What is the same for all of them; `None` where that can't be said after all.
fn common(ctx: &Context, emails: &[Claimed]) -> Result<Option<Mail>> {
    // Whose time ends first, so that nobody's is passed.
    let soonest = |email: &&Claimed| email.row.deliver_by.unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    let Some(first) = emails.iter().min_by_key(soonest) else { return Ok(None) };
    let prepared = content::prepared(ctx, &first.content)?;
    let Some(placeheld) = prepared.template.as_ref().ok().and_then(|template| template.placeheld()) else {
        return Ok(None);
    };
    let own = prepared.head.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("List-Unsubscribe"));
    let linked = first.campaign.is_some() && !first.transactional && !own;
    let unsubscribe = linked.then(|| format!("%recipient.{UNSUBSCRIBE}%"));
    Ok(Some(dressed(ctx, first, prepared.head.clone(), placeheld.said.clone(), unsubscribe)?))
}
