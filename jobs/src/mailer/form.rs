//! An email as the form that Mailgun's messages API takes: urlencoded, and multipart where there are files.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;

use serde_json::{Map, Value as Json};

use super::{Addressee, Attachment, Batch, Mail, message_id};

/// A request body, not yet joined, and its Content-Type.
pub(super) struct Form {
    pub(super) content_type: String,
    pub(super) pieces: Vec<Bytes>,
}

type Field<'a> = (Cow<'static, str>, Cow<'a, str>);

/// Mailgun takes urlencoded forms where there is no file; they are smaller and cheaper for both ends.
pub(super) fn form(mail: &Mail) -> Form {
    let own = Own { to: vec![&mail.to], message_id: mail.message_id(), email_id: mail.email_id.to_string() };
    let fields = fields(mail, own);
    if mail.attachments.is_empty() { urlencoded(&fields) } else { multipart(mail, &fields) }
}

/// One call for many: what is each one's own stands in `recipient-variables`, by address.
pub(super) fn batch_form(batch: &Batch) -> Form {
    let own = Own {
        to: batch.addressees.iter().map(|one| one.to.as_str()).collect(),
        message_id: "%recipient.message_id%".to_owned(),
        email_id: "%recipient.email_id%".to_owned(),
    };
    let mut fields = fields(&batch.mail, own);
    let variables =
        batch.addressees.iter().map(|one| (one.address.clone(), variables(one, &batch.mail.sending_domain)));
    let variables = Json::Object(variables.collect());
    fields.push(("recipient-variables".into(), variables.to_string().into()));
    urlencoded(&fields)
}

fn variables(one: &Addressee, sending_domain: &str) -> Json {
    let mut variables: Map<String, Json> = one.variables.clone();
    variables.insert("email_id".to_owned(), one.email_id.to_string().into());
    variables.insert("message_id".to_owned(), message_id(one.email_id, sending_domain).into());
    variables.into()
}

/// What is each recipient's own, or Mailgun's placeholder for it.
struct Own<'a> {
    to: Vec<&'a str>,
    message_id: String,
    email_id: String,
}

/// The form's fields in their order (the messages API's reference has the names).
///
/// Bodies go as they are. Everything that becomes a header of the email goes on one line: accepting an email refuses line
/// breaks in such places, and here they could do no harm either.
fn fields<'a>(mail: &'a Mail, own: Own<'_>) -> Vec<Field<'a>> {
    let mut fields: Vec<Field<'_>> = Vec::with_capacity(16 + mail.headers.len());
    let mut line = |name: &'static str, value: &'_ str| fields.push((name.into(), one_line(value).into_owned().into()));
    line("from", &mail.from);
    own.to.iter().for_each(|to| line("to", to));
    mail.cc.iter().for_each(|copy| line("cc", copy));
    mail.bcc.iter().for_each(|copy| line("bcc", copy));
    line("subject", &mail.subject);
    for (name, value) in [("text", &mail.text), ("html", &mail.html)] {
        fields.extend(value.as_deref().map(|body| (name.into(), body.into())));
    }
    fields.push(("h:Message-Id".into(), format!("<{}>", one_line(&own.message_id)).into()));
    fields.extend(mail.reply_to.as_deref().map(|value| ("h:Reply-To".into(), one_line(value))));
    let ours = |name: &str| mail.unsubscribe.is_some() && name.eq_ignore_ascii_case("List-Unsubscribe-Post");
    fields.extend(mail.headers.iter().filter(|(name, _)| !ours(name)).filter_map(own_header));
    if let Some(link) = &mail.unsubscribe {
        fields.push(("h:List-Unsubscribe".into(), format!("<{}>", one_line(link)).into()));
        fields.push(("h:List-Unsubscribe-Post".into(), "List-Unsubscribe=One-Click".into()));
        // Mailgun would add a pair of its own. No page of Mailgun's names this option, though others send it; what is sure is
        // the domain's setting.
        fields.push(("o:tracking-unsubscribe".into(), "no".into()));
    }
    fields.push(("v:email-id".into(), own.email_id.into()));
    fields.extend(mail.campaign_id.map(|id| ("v:campaign-id".into(), id.to_string().into())));
    fields.extend(mail.tags.iter().map(|tag| ("o:tag".into(), one_line(tag))));
    if let Some(tracking) = mail.tracking {
        fields.push(("o:tracking-opens".into(), yes_no(tracking.opens).into()));
        fields.push(("o:tracking-clicks".into(), yes_no(tracking.clicks).into()));
    }
    if mail.test_mode {
        fields.push(("o:testmode".into(), "yes".into()));
    }
    fields.extend(mail.deliver_within.map(|time| ("o:deliver-within".into(), deliver_within(time).into())));
    fields
}

/// One of the sender's headers. Its name keeps what a name may hold (RFC 5322 §3.6.8); the Message-Id is ours alone, as the
/// email is found by it.
fn own_header((name, value): &(String, String)) -> Option<Field<'_>> {
    let name: String = name.chars().filter(|c| c.is_ascii_graphic() && *c != ':').collect();
    if name.is_empty() || name.eq_ignore_ascii_case("message-id") {
        return None;
    }
    Some((format!("h:{name}").into(), one_line(value)))
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// Mailgun's `XhYm`, rounded down to minutes, within its 5 minutes and 24 hours.
fn deliver_within(time: Duration) -> String {
    let minutes = (time.as_secs() / 60).clamp(5, 24 * 60);
    format!("{}h{}m", minutes / 60, minutes % 60)
}

/// `value` without control characters: each is a blank now.
fn one_line(value: &str) -> Cow<'_, str> {
    if value.contains(char::is_control) { value.replace(char::is_control, " ").into() } else { value.into() }
}

fn urlencoded(fields: &[Field<'_>]) -> Form {
    let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let mut body = form_urlencoded::Serializer::new(String::with_capacity(size * 3 / 2));
    body.extend_pairs(fields);
    let pieces = vec![Bytes::from(body.finish())];
    Form { content_type: "application/x-www-form-urlencoded".to_owned(), pieces }
}

/// RFC 7578. The files stay where they are; only what stands between them is written.
fn multipart(mail: &Mail, fields: &[Field<'_>]) -> Form {
    let boundary = boundary(mail, fields);
    let mut pieces = Vec::with_capacity(2 * mail.attachments.len() + 1);
    let mut text = String::new();
    for (name, value) in fields {
        text +=
            &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{value}\r\n", escaped(name));
    }
    for file in &mail.attachments {
        text += &format!("--{boundary}\r\n{}", file_head(file));
        pieces.push(Bytes::from(std::mem::take(&mut text)));
        pieces.push(file.bytes.clone());
        text += "\r\n";
    }
    text += &format!("--{boundary}--\r\n");
    pieces.push(Bytes::from(text));
    Form { content_type: format!("multipart/form-data; boundary={boundary}"), pieces }
}

fn file_head(file: &Attachment) -> String {
    let name = if file.inline { "inline" } else { "attachment" };
    let filename = base_name(&file.filename);
    let content_type = media_type(&file.content_type);
    format!(
        "Content-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\nContent-Type: {content_type}\r\n\r\n",
        escaped(&filename)
    )
}

/// The name without directories. A part without a name is dropped by Mailgun without a word.
fn base_name(filename: &str) -> Cow<'_, str> {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() { "attachment".into() } else { one_line(name) }
}

fn media_type(content_type: &str) -> &str {
    let sound = content_type.contains('/') && content_type.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if sound { content_type } else { "application/octet-stream" }
}

/// As browsers and RFC 7578 §2 do it in quotes: UTF-8 as it is, quotes and line breaks in percent.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['"', '\r', '\n']) {
        text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A").into()
    } else {
        text.into()
    }
}

/// A boundary that stands nowhere in the content (RFC 2046 §5.1.1): made from the email's id, and another one if that is
/// found there.
fn boundary(mail: &Mail, fields: &[Field<'_>]) -> String {
    let id = mail.email_id.simple();
    let mut boundary = format!("mailmind-{id}");
    for n in 1_u64.. {
        let finder = memmem::Finder::new(&boundary);
        let found = fields.iter().any(|(_, value)| finder.find(value.as_bytes()).is_some())
            || mail.attachments.iter().any(|file| finder.find(&file.bytes).is_some());
        if !found {
            break;
        }
        boundary = format!("mailmind-{id}-{n}");
    }
    boundary
}
