//! A form as a message, once it has passed what Mailgun checks before it says "Queued".

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;
use serde_json::{Map, Value};

use super::address;
use super::answer::Refusal;
use super::form::{File, Form, MIME, bare};

/// Of to, cc and bcc together.
const MAX_RECIPIENTS: usize = 1_000;
/// Of all `o:`, `h:`, `v:` and `t:` parameters together, in bytes.
const MAX_OPTIONS: usize = 16 * 1_024;

/// A message that Mailgun would take.
#[derive(Debug, Default)]
pub(super) struct Submission {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    pub(super) subject: Option<String>,
    pub(super) template: Option<String>,
    pub(super) bodies: Bodies,
    /// `v:`, without the prefix.
    pub(super) variables: BTreeMap<String, String>,
    /// `o:`, without the prefix.
    pub(super) options: BTreeMap<String, Vec<String>>,
    /// `h:`, without the prefix.
    pub(super) headers: BTreeMap<String, Vec<String>>,
    /// By address, what stands for `%recipient.name%`; with it each recipient gets a message alone.
    pub(super) recipient_variables: Option<Map<String, Value>>,
    pub(super) files: Vec<File>,
}

/// What a person would read.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Bodies {
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) amp_html: Option<String>,
}

impl Submission {
    /// Sorts the fields of `messages` and checks them in Mailgun's order.
    pub(super) fn parse(form: Form) -> Result<Self, Refusal> {
        let (message, option_bytes) = Self::sort(form)?;
        message.check_sender()?;
        message.check_recipients()?;
        message.check_body()?;
        message.check_options(option_bytes)?;
        Ok(message)
    }

    /// The same for `messages.mime`: who gets it stands in the fields, all else in the message.
    pub(super) fn parse_mime(form: Form) -> Result<Self, Refusal> {
        let mime = form.first(MIME).ok_or(Refusal::NotAFile)?.to_owned();
        let (mut message, option_bytes) = Self::sort(form)?;
        message.check_recipients()?;
        message.check_options(option_bytes)?;
        message.read_mime(&mime);
        Ok(message)
    }

    /// Takes from a message what the fields did not say; what can't be read is left out, as Mailgun takes anything.
    fn read_mime(&mut self, mime: &str) {
        let Some(parsed) = MessageParser::new().parse(mime) else { return };
        let sender = parsed.from().and_then(|from| from.first());
        if let Some((name, address)) = sender.and_then(|sender| Some((sender.name(), sender.address()?))) {
            self.from = name.map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"));
        }
        self.subject = parsed.subject().map(str::to_owned);
        self.bodies.text = parsed.body_text(0).map(|text| text.into_owned());
        self.bodies.html = parsed.body_html(0).map(|html| html.into_owned());
        if self.own_message_id().is_none()
            && let Some(id) = parsed.message_id()
        {
            self.headers.insert("Message-Id".to_owned(), vec![format!("<{id}>")]);
        }
    }

    /// The fields in their places, and how many bytes of options there were.
    fn sort(form: Form) -> Result<(Self, usize), Refusal> {
        let mut message = Self { files: form.files, ..Self::default() };
        let mut option_bytes = 0;
        for (name, value) in form.fields {
            if let Some((kind @ ("o" | "h" | "v" | "t"), own)) = name.split_once(':') {
                option_bytes += name.len() + value.len();
                message.option(kind, own, value);
                continue;
            }
            if value.is_empty() {
                continue;
            }
            match bare(&name) {
                "from" if message.from.is_empty() => message.from = value,
                "to" => add(&mut message.to, &value, "to")?,
                "cc" => add(&mut message.cc, &value, "cc")?,
                "bcc" => add(&mut message.bcc, &value, "bcc")?,
                "subject" => keep_first(&mut message.subject, value),
                "template" => keep_first(&mut message.template, value),
                "text" => keep_first(&mut message.bodies.text, value),
                "html" => keep_first(&mut message.bodies.html, value),
                "amp-html" => keep_first(&mut message.bodies.amp_html, value),
                // An empty list in place of an empty object is refused too.
                "recipient-variables" => {
                    let variables = serde_json::from_str(&value).map_err(|_| Refusal::RecipientVariables)?;
                    message.recipient_variables = Some(variables);
                }
                _ => {}
            }
        }
        let Self { to, cc, bcc, .. } = &mut message;
        let among = |list: &[String], one: &String| list.iter().any(|there| there.eq_ignore_ascii_case(one));
        cc.retain(|one| !among(to, one));
        bcc.retain(|one| !among(to, one) && !among(cc, one));
        Ok((message, option_bytes))
    }

    fn option(&mut self, kind: &str, name: &str, value: String) {
        match kind {
            "o" => self.options.entry(bare(name).to_owned()).or_default().push(value),
            "h" => self.headers.entry(name.to_owned()).or_default().push(value),
            "v" => drop(self.variables.insert(name.to_owned(), value)),
            // `t:` belongs to stored templates, which the sandbox has none of.
            _ => {}
        }
    }

    fn check_sender(&self) -> Result<(), Refusal> {
        if self.from.is_empty() {
            return Err(Refusal::Missing("from"));
        }
        if address::list(&self.from).is_none_or(|senders| senders.len() != 1) {
            return Err(Refusal::Address("from"));
        }
        Ok(())
    }

    fn check_recipients(&self) -> Result<(), Refusal> {
        if self.to.is_empty() {
            return Err(Refusal::Missing("to"));
        }
        if self.to.len() + self.cc.len() + self.bcc.len() > MAX_RECIPIENTS {
            return Err(Refusal::TooManyRecipients);
        }
        Ok(())
    }

    fn check_body(&self) -> Result<(), Refusal> {
        let Bodies { text, html, amp_html } = &self.bodies;
        if text.is_none() && html.is_none() && amp_html.is_none() && self.template.is_none() {
            return Err(Refusal::NoBody);
        }
        if html.is_some() && self.template.is_some() {
            return Err(Refusal::HtmlAndTemplate);
        }
        Ok(())
    }

    fn check_options(&self, option_bytes: usize) -> Result<(), Refusal> {
        if option_bytes > MAX_OPTIONS {
            return Err(Refusal::OptionsTooLarge);
        }
        if let Some(name) = self.headers.keys().find(|name| !name.is_ascii()) {
            return Err(Refusal::HeaderName(name.clone()));
        }
        if let Some(date) = self.option_named("deliverytime")
            && parse_date(date).is_none()
        {
            return Err(Refusal::Date(date.to_owned()));
        }
        Ok(())
    }

    /// When Mailgun is to deliver it, where the sender said.
    pub(super) fn deliver_at(&self) -> Option<DateTime<Utc>> {
        self.option_named("deliverytime").and_then(parse_date)
    }

    /// Whether it is not to be delivered at all.
    pub(super) fn is_test(&self) -> bool {
        self.option_named("testmode").is_some_and(|said| matches!(said, "yes" | "true" | "True"))
    }

    pub(super) fn tags(&self) -> &[String] {
        self.options.get("tag").map_or(&[], Vec::as_slice)
    }

    fn option_named(&self, name: &str) -> Option<&str> {
        self.options.get(name)?.first().map(String::as_str)
    }

    /// The Message-Id the sender chose, if it has the form `<unique@domain>`; Mailgun overlooks any other.
    pub(super) fn own_message_id(&self) -> Option<&str> {
        let (_, values) = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("message-id"))?;
        values.iter().map(String::as_str).find(|id| is_message_id(id))
    }
}

fn keep_first(field: &mut Option<String>, value: String) {
    field.get_or_insert(value);
}

/// Adds the addresses of a comma list; Mailgun ignores one that is there already.
fn add(field: &mut Vec<String>, value: &str, name: &'static str) -> Result<(), Refusal> {
    for address in address::list(value).ok_or(Refusal::Address(name))? {
        // The list is cut off past the limit: it is refused anyway, and the search stays short.
        if field.len() <= MAX_RECIPIENTS && !field.iter().any(|there| there.eq_ignore_ascii_case(&address)) {
            field.push(address);
        }
    }
    Ok(())
}

/// RFC 2822, or seconds since the epoch, as all of Mailgun's dates.
pub(super) fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    // RFC 2822 knows no UTC, which Mailgun writes itself.
    let rfc = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |date| format!("{date}GMT"));
    DateTime::parse_from_rfc2822(&rfc).map(|date| date.to_utc()).ok().or_else(|| {
        let seconds: f64 = text.parse().ok()?;
        DateTime::from_timestamp_micros((seconds * 1e6) as i64)
    })
}

pub(super) fn is_message_id(id: &str) -> bool {
    id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).and_then(|id| id.split_once('@')).is_some_and(
        |(unique, domain)| {
            let is_atom = |part: &str| {
                !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"<>@".contains(c))
            };
            is_atom(unique) && is_atom(domain)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_has_two_sides_in_angle_brackets() {
        let cases = [
            ("<20210510091252.1.D6347B73DA43962E@mg.example.com>", true),
            ("<0198c0de-0000-7000-8000-000000000001@mg.example.com>", true),
            ("0198c0de@mg.example.com", false),
            ("<0198c0de>", false),
            ("<@mg.example.com>", false),
            ("<0198c0de@>", false),
            ("<a@b@c>", false),
            ("<a b@c>", false),
            ("", false),
        ];
        for (id, expected) in cases {
            assert_eq!(is_message_id(id), expected, "{id}");
        }
    }
}
