//! What is remembered of a message.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::sandbox::fate::{Fate, Step};
use crate::sandbox::faults::Kind;
use crate::sandbox::form::File;
use crate::sandbox::store::EMAIL_ID;
use crate::sandbox::submission::{Bodies, Submission, is_message_id};

/// A message that was accepted, without its bodies.
#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct Accepted {
    /// 1 for the first; never used again.
    pub(in crate::sandbox) number: u64,
    pub(in crate::sandbox) received_at: DateTime<Utc>,
    /// When it is to leave, where the sender said.
    pub(in crate::sandbox) deliver_at: Option<DateTime<Utc>>,
    pub(in crate::sandbox) domain: String,
    /// With its angle brackets, as the answer gave it.
    pub(in crate::sandbox) message_id: String,
    pub(in crate::sandbox) from: String,
    pub(in crate::sandbox) to: Vec<String>,
    pub(in crate::sandbox) cc: Vec<String>,
    pub(in crate::sandbox) bcc: Vec<String>,
    /// Of to, cc and bcc, in this order.
    pub(in crate::sandbox) fates: Vec<Fate>,
    pub(in crate::sandbox) subject: Option<String>,
    pub(in crate::sandbox) template: Option<String>,
    pub(in crate::sandbox) variables: BTreeMap<String, String>,
    pub(in crate::sandbox) options: BTreeMap<String, Vec<String>>,
    pub(in crate::sandbox) headers: BTreeMap<String, Vec<String>>,
    pub(in crate::sandbox) files: Vec<File>,
    pub(in crate::sandbox) recipient_variables: Option<Map<String, Value>>,
    /// In bytes.
    pub(in crate::sandbox) body_sizes: BodySizes,
    /// The fault that struck although the message was accepted.
    pub(in crate::sandbox) fault: Option<Kind>,
}

#[derive(Debug, Serialize)]
pub(in crate::sandbox) struct BodySizes {
    text: usize,
    html: usize,
    amp_html: usize,
}

impl BodySizes {
    pub(in crate::sandbox) fn sum(&self) -> usize {
        self.text + self.html + self.amp_html
    }
}

/// What there is to remember of a message.
pub(in crate::sandbox) struct Arrival {
    pub(in crate::sandbox) message: Submission,
    pub(in crate::sandbox) domain: String,
    pub(in crate::sandbox) message_id: String,
    pub(in crate::sandbox) received_at: DateTime<Utc>,
    pub(in crate::sandbox) fates: Vec<Fate>,
    pub(in crate::sandbox) fault: Option<Kind>,
}

impl Arrival {
    /// A record without a number yet, and its bodies.
    pub(super) fn into_record(self) -> (Accepted, Bodies) {
        let Self { message, domain, message_id, received_at, fates, fault } = self;
        let deliver_at = message.deliver_at();
        let Submission { from, to, cc, bcc, subject, template, bodies, variables, options, headers, .. } = message;
        let size = |body: &Option<String>| body.as_ref().map_or(0, String::len);
        let body_sizes =
            BodySizes { text: size(&bodies.text), html: size(&bodies.html), amp_html: size(&bodies.amp_html) };
        let (recipient_variables, files) = (message.recipient_variables, message.files);
        let record = Accepted {
            number: 0,
            received_at,
            deliver_at,
            domain,
            message_id,
            from,
            to,
            cc,
            bcc,
            fates,
            subject,
            template,
            variables,
            options,
            headers,
            files,
            recipient_variables,
            body_sizes,
            fault,
        };
        (record, bodies)
    }
}

impl Accepted {
    /// To, cc and bcc, in the order of their fates.
    pub(in crate::sandbox) fn recipients(&self) -> impl Iterator<Item = &String> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }

    /// A text as this recipient gets it: in a batch, with what the sender gave for them in place of `%recipient.name%`.
    pub(in crate::sandbox) fn said_to(&self, recipient: &str, text: &str) -> String {
        let given = self.recipient_variables.as_ref().and_then(|all| all.get(recipient));
        let Some(Value::Object(given)) = given else { return text.to_owned() };
        const MARK: &str = "%recipient.";
        let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, from)) = rest.split_once(MARK) {
            filled += before;
            match from.split_once('%').and_then(|(name, behind)| Some((given.get(name)?, behind))) {
                Some((value, behind)) => {
                    filled += &value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    rest = behind;
                }
                None => {
                    filled += MARK;
                    rest = from;
                }
            }
        }
        filled + rest
    }

    /// The Message-Id that this recipient's mail has. Each of a batch has the one that its `h:Message-Id` makes for it, and
    /// without one all have the batch's.
    pub(in crate::sandbox) fn message_id_of(&self, recipient: &str) -> String {
        let own = self.recipient_variables.as_ref().and_then(|_| {
            let (_, given) = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("message-id"))?;
            given.iter().map(|id| self.said_to(recipient, id)).find(|id| is_message_id(id))
        });
        own.unwrap_or_else(|| self.message_id.clone())
    }

    /// The emails that it is: one, or in a batch each recipient's, where the sender named any.
    pub(super) fn email_ids(&self) -> BTreeSet<String> {
        let Some(id) = self.variables.get(EMAIL_ID) else { return BTreeSet::new() };
        if self.recipient_variables.is_none() {
            return [id.clone()].into();
        }
        self.recipients().map(|recipient| self.said_to(recipient, id)).collect()
    }

    /// The event `step` at the recipient `recipient`, and when it happens.
    pub(in crate::sandbox) fn step(&self, recipient: usize, step: usize) -> Option<(Step, DateTime<Utc>)> {
        let what = self.fates.get(recipient)?.step(step)?;
        let from = if step == 0 { self.received_at } else { self.leaves_at() };
        Some((what, from + what.after))
    }

    /// When it is to be delivered: at once, unless the sender named a later time.
    pub(in crate::sandbox) fn leaves_at(&self) -> DateTime<Utc> {
        self.deliver_at.map_or(self.received_at, |at| at.max(self.received_at))
    }

    pub(in crate::sandbox) fn tags(&self) -> &[String] {
        self.options.get("tag").map_or(&[], Vec::as_slice)
    }

    /// About what the record costs in memory.
    pub(super) fn bytes(&self) -> usize {
        let lists = [&self.to, &self.cc, &self.bcc];
        let named = self.options.iter().chain(&self.headers);
        let mut bytes = size_of::<Self>() + self.domain.len() + self.message_id.len() + self.from.len();
        bytes += [&self.subject, &self.template].into_iter().flatten().map(String::len).sum::<usize>();
        bytes += self.fates.len() * size_of::<Fate>();
        bytes += self
            .recipient_variables
            .as_ref()
            .map_or(0, |all| 64 * all.len() + 64 * all.values().map(weight).sum::<usize>());
        bytes += lists.into_iter().flatten().map(owned).sum::<usize>();
        bytes += self.variables.iter().map(|(name, value)| owned(name) + owned(value)).sum::<usize>();
        bytes += named.map(|(name, values)| owned(name) + values.iter().map(owned).sum::<usize>()).sum::<usize>();
        bytes
            + self
                .files
                .iter()
                .map(|file| size_of::<File>() + file.name.len() + file.content_type.as_ref().map_or(0, String::len))
                .sum::<usize>()
    }
}

/// How many values a JSON value is made of.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(weight).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[expect(clippy::ptr_arg, reason = "it is the String that costs")]
fn owned(text: &String) -> usize {
    size_of::<String>() + text.len()
}
