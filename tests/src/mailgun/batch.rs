//! A call for many: each `to` gets a mail alone, with its own values in place of `%recipient.name%`.

use serde_json::{Map, Value};

use super::Post;

/// One mail of the call.
pub(super) struct Each {
    pub(super) to: String,
    pub(super) email_id: String,
    /// In angle brackets, where the call names one.
    pub(super) message_id: Option<String>,
    pub(super) variables: Map<String, Value>,
}

/// The mails of a call; `None` where it is for one.
pub(super) fn each(post: &Post) -> Option<Vec<Each>> {
    let mut given: Map<String, Value> = serde_json::from_str(&post.field("recipient-variables")?).ok()?;
    let form = post.form();
    let (email_id, message_id) = (form.text("v:email-id").unwrap_or_default(), form.text("h:Message-Id"));
    let mails = form.texts("to").map(|to| {
        let address = to.rsplit_once('<').map_or(to, |(_, rest)| rest.trim_end_matches('>'));
        let variables = match given.remove(address) {
            Some(Value::Object(variables)) => variables,
            _ => Map::new(),
        };
        Each {
            to: to.to_owned(),
            email_id: filled_in(email_id, &variables),
            message_id: message_id.map(|id| filled_in(id, &variables)),
            variables,
        }
    });
    Some(mails.collect())
}

/// A text with what stands for its placeholders; one that nothing stands for stays.
pub(super) fn filled_in(text: &str, variables: &Map<String, Value>) -> String {
    const MARK: &str = "%recipient.";
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, from)) = rest.split_once(MARK) {
        filled += before;
        let found = from.split_once('%').and_then(|(name, behind)| Some((variables.get(name)?, behind)));
        match found {
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
