//! What Mailgun reported of an email, in plain words.

use entity::delivery_event::Kind as Reported;
use entity::suppression::BounceType;

use super::{Entry, Kind, because, entry};
use crate::event::Failure;
use crate::find::events::Event;

/// The sentence for an event.
pub(super) fn tell(event: &Event) -> Entry {
    let (kind, words) = match event.kind {
        Reported::Accepted => (Kind::Sent, "Mailgun reported that it accepted it".to_owned()),
        Reported::Delivered => (Kind::Delivered, "the recipient's server took it".to_owned()),
        Reported::Deferred => {
            let what = "the recipient's server refused it for now and Mailgun tries on";
            (Kind::Deferred, because(what, Some(&why(event))))
        }
        Reported::Bounced => {
            let what = match event.bounce_type {
                Some(BounceType::Hard) => "it bounced, for good",
                Some(BounceType::Soft) | None => "it bounced",
            };
            (Kind::Bounced, because(what, Some(&why(event))))
        }
        Reported::Opened => (Kind::Opened, by("opened", event)),
        Reported::Clicked => {
            let what = event.url.as_ref().map_or_else(|| "a link in it".to_owned(), |url| format!("its link {url}"));
            (Kind::Clicked, by(&format!("somebody followed {what}"), event))
        }
        Reported::Complained => (Kind::Complained, "its recipient reported it as spam".to_owned()),
        Reported::Unsubscribed => (Kind::Unsubscribed, "its recipient asked for no more".to_owned()),
        Reported::Rejected => (Kind::Rejected, because("Mailgun rejected it", event.reason.as_deref())),
        Reported::Unknown => {
            let name = event.name.as_deref().filter(|name| !name.is_empty()).unwrap_or("something without a name");
            (Kind::Reported, format!("Mailgun reported {name}"))
        }
    };
    let words = match event.recipient_key.as_deref().filter(|_| event.copy) {
        Some(recipient) => format!("of the copy to {recipient}: {words}"),
        None => words,
    };
    entry(event.occurred_at, kind, words)
}

fn why(event: &Event) -> String {
    let failure = Failure {
        reason: event.reason.clone(),
        code: event.smtp_code,
        enhanced: event.enhanced_code.clone(),
        message: event.message.clone(),
        bounce_type: None,
        attempt: event.attempt,
    };
    failure.words()
}

/// "what by a machine (apple)", "what with Firefox in DE".
fn by(what: &str, event: &Event) -> String {
    let mut words = what.to_owned();
    if let Some(bot) = &event.bot {
        words += &format!(", by a machine ({bot})");
        return words;
    }
    if let Some(client) = &event.client {
        words += &format!(" with {client}");
    }
    if let Some(country) = &event.country {
        words += &format!(" in {country}");
    }
    words
}
