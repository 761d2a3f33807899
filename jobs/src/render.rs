//! Templates: subject, bodies and header values with `{{ variables }}`, compiled once and rendered for one recipient at a time.
//!
//! Strict: a variable that is missing is an error with its name, never a gap in somebody's email. Bounded: fuel limits what a
//! template may do and how much it may write, and there is nothing to include. Values are escaped where they go into HTML, and
//! what was rendered is checked again, since escaping alone lets a `javascript:` link and a subject of two lines pass.

mod flaw;
mod kept;
mod link;
mod names;
pub mod placeholder;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use entity::address::Mailbox;
use entity::content::Head;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior};
use serde_json::{Map, Value as Json};

use crate::accept::draft::{MOST_BODY, MOST_HEADERS, MOST_SUBJECT};
pub use flaw::{Flaw, Part, RenderError};
pub use kept::{Kept, Prepared};
use placeholder::Placeheld;

/// What one part may cost: an instruction or 64 bytes written cost 1. Two thirds of it write the largest body there may be.
const FUEL: u64 = 50_000;
/// Macros within macros. A worker's stack has room for several times as many.
const DEEPEST: usize = 50;
/// What variables can't be named: it holds the email's recipient.
const RECIPIENT: &str = "recipient";

/// What a template says, or what it says to one recipient once it is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
    /// Names, which are not rendered, and values.
    pub headers: Vec<(String, String)>,
}

impl Said {
    /// What a content says.
    pub fn of(head: &Head, html: Option<&str>, text: Option<&str>) -> Self {
        Self {
            subject: head.subject.clone(),
            html: html.map(str::to_owned),
            text: text.map(str::to_owned),
            headers: head.headers.clone(),
        }
    }

    fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        let bodies = [(Part::Html, &self.html), (Part::Text, &self.text)];
        let bodies = bodies.into_iter().filter_map(|(part, body)| Some((part, body.as_deref()?)));
        let headers = self.headers.iter().map(|(name, value)| (Part::Header(name.clone()), value.as_str()));
        [(Part::Subject, self.subject.as_str())].into_iter().chain(bodies).chain(headers)
    }
}

/// A compiled template.
pub struct Template {
    environment: Environment<'static>,
    /// As it was written, `{{ … }}` and all: what it is compiled from, and what another engine's placeholders could be made of.
    pub source: Said,
    placeheld: OnceLock<Option<Placeheld>>,
}

impl Template {
    /// Compiles all parts.
    ///
    /// # Errors
    /// Every part that can't be compiled, and an HTML that holds a forbidden link as it is written.
    pub fn compile(source: Said) -> Result<Self, Vec<Flaw>> {
        let mut environment = strict();
        let mut flaws = Vec::new();
        for (i, (part, text)) in source.parts().enumerate() {
            if let Err(error) = environment.add_template_owned(name(i, &part), text.to_owned()) {
                let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                flaws.push(Flaw { part, line: error.line().unwrap_or(1), why });
            }
        }
        if let Some((at, scheme)) = source.html.as_deref().and_then(link::forbidden) {
            let before = source.html.as_deref().and_then(|html| html.get(..at)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            let why = format!("a link begins with {scheme}: and only http, https, mailto and tel may");
            flaws.push(Flaw { part: Part::Html, line, why });
        }
        if flaws.is_empty() { Ok(Self { environment, source, placeheld: OnceLock::new() }) } else { Err(flaws) }
    }

    /// Compiles what is to be stored.
    ///
    /// # Errors
    /// Those of [`Template::compile`], and filters, tests and functions that there are none of, though the part they stand in
    /// might never be reached.
    pub fn checked(source: Said) -> Result<Self, Vec<Flaw>> {
        let template = Self::compile(source)?;
        let parts = template.source.parts().enumerate();
        let unknown = parts.flat_map(|(i, (part, _))| {
            let unknown = names::unknown(&template.environment, &name(i, &part));
            unknown.into_iter().map(move |(line, why)| Flaw { part: part.clone(), line, why })
        });
        let flaws: Vec<Flaw> = unknown.collect();
        if flaws.is_empty() { Ok(template) } else { Err(flaws) }
    }

    /// The variables it uses, by their full names and in their order; not those of `recipient`.
    pub fn variables(&self) -> BTreeSet<String> {
        let given: Vec<&str> = self.environment.globals().map(|(name, _)| name).chain([RECIPIENT]).collect();
        self.environment
            .templates()
            .flat_map(|(_, template)| template.undeclared_variables(true))
            .filter(|name| !given.contains(&name.split('.').next().unwrap_or_default()))
            .collect()
    }

    /// What it says with these variables. `recipient` is whom `recipient.address` and `recipient.name` are of; without one,
    /// they are what the variables say. A variable that is null is missing.
    ///
    /// # Errors
    /// The first thing that is in the way.
    pub fn render(&self, variables: Map<String, Json>, recipient: Option<&Mailbox>) -> Result<Said, RenderError> {
        self.render_values(&values(variables, recipient))
    }

    /// The same, and what stands for each of the placeholders of [`Template::placeheld`]; `None` where they would not say the
    /// same.
    ///
    /// # Errors
    /// Those of [`Template::render`].
    pub fn render_apart(
        &self,
        variables: Map<String, Json>,
        recipient: Option<&Mailbox>,
    ) -> Result<(Said, Option<Vec<String>>), RenderError> {
        let values = values(variables, recipient);
        let said = self.render_values(&values)?;
        let apart = self.placeheld().and_then(|placeheld| placeheld.values(&values, &said));
        Ok((said, apart))
    }

    /// What it says with Mailgun's placeholders, where those can say it.
    pub fn placeheld(&self) -> Option<&Placeheld> {
        self.placeheld.get_or_init(|| Placeheld::of(&self.source)).as_ref()
    }

    fn render_values(&self, values: &Value) -> Result<Said, RenderError> {
        let rendered: Vec<String> = self
            .source
            .parts()
            .enumerate()
            .map(|(i, (part, _))| self.render_part(&name(i, &part), part, values))
            .collect::<Result<_, _>>()?;
        let mut rendered = rendered.into_iter();
        let said = Said {
            subject: rendered.next().unwrap_or_default(),
            html: self.source.html.as_ref().and_then(|_| rendered.next()),
            text: self.source.text.as_ref().and_then(|_| rendered.next()),
            headers: self.source.headers.iter().map(|(name, _)| name.clone()).zip(rendered).collect(),
        };
        check(&said)?;
        Ok(said)
    }

    fn render_part(&self, name: &str, part: Part, values: &Value) -> Result<String, RenderError> {
        let rendered = self.environment.get_template(name).and_then(|template| template.render(values));
        // PostgreSQL keeps no NUL in a text, and no reader shows one.
        let rendered = rendered.map(without_nul);
        rendered.map_err(|error| explained(part, &error))
    }
}

fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}

/// What a template is rendered with.
fn values(mut variables: Map<String, Json>, recipient: Option<&Mailbox>) -> Value {
    if let Some(recipient) = recipient {
        let name = recipient.name.as_deref();
        let told = serde_json::json!({ "address": recipient.address.to_string(), "name": name });
        variables.insert(RECIPIENT.to_owned(), told);
    }
    variables.values_mut().for_each(drop_nulls);
    variables.retain(|_, value| !value.is_null());
    Value::from(Serde(&variables))
}

/// Where the environment keeps a part.
fn name(index: usize, part: &Part) -> String {
    match part {
        Part::Html => HTML.to_owned(),
        Part::Subject | Part::Text | Part::Header(_) => format!("part {index}"),
    }
}

const HTML: &str = "html";

fn strict() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_auto_escape_callback(|name| if name.starts_with(HTML) { AutoEscape::Html } else { AutoEscape::None });
    environment.set_formatter(write);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    // Without it an error does not know which variable it is about.
    environment.set_debug(true);
    environment
}

/// Writes a value, escaped where it goes into HTML. A slash stays a slash: escaped, as the engine would have it, a link is one
/// that whoever rewrites links no longer knows.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let text = match (state.auto_escape(), value.as_str()) {
        (AutoEscape::Html, Some(text)) if !value.is_safe() => text,
        _ => return minijinja::escape_formatter(out, state, value),
    };
    let mut written = 0;
    for (at, c) in text.char_indices() {
        let escaped = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#x27;",
            _ => continue,
        };
        out.write_str(&text[written..at])?;
        out.write_str(escaped)?;
        written = at + c.len_utf8();
    }
    Ok(out.write_str(&text[written..])?)
}

/// An object's field that is null is as good as none.
fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(fields) => {
            fields.values_mut().for_each(drop_nulls);
            fields.retain(|_, value| !value.is_null());
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn explained(part: Part, error: &minijinja::Error) -> RenderError {
    if error.kind() == ErrorKind::OutOfFuel {
        return RenderError::OutOfFuel { part };
    }
    let detail = error.detail().unwrap_or_default();
    // The engine's words, where it knows: "`order.total` is undefined".
    let name =
        detail.split_once("` is undefined").and_then(|(before, _)| before.rsplit_once('`')).map(|(_, name)| name);
    match (error.kind(), name) {
        (_, Some(name)) => RenderError::Missing { name: name.to_owned() },
        (kind, None) => {
            let why = if detail.is_empty() { kind.to_string() } else { detail.to_owned() };
            RenderError::Failed { part, line: error.line().unwrap_or(1), why }
        }
    }
}

fn check(said: &Said) -> Result<(), RenderError> {
    for (part, text) in said.parts() {
        match part {
            Part::Subject | Part::Header(_) if text.chars().any(char::is_control) => {
                return Err(RenderError::Control { part });
            }
            Part::Subject if text.chars().count() > MOST_SUBJECT => return Err(RenderError::TooLong { part }),
            Part::Html | Part::Text if text.len() > MOST_BODY => return Err(RenderError::TooLarge { part }),
            Part::Subject | Part::Html | Part::Text | Part::Header(_) => {}
        }
    }
    if said.subject.trim().is_empty() {
        return Err(RenderError::NoSubject);
    }
    if [&said.html, &said.text].into_iter().all(|body| body.as_deref().is_none_or(|text| text.trim().is_empty())) {
        return Err(RenderError::NoBody);
    }
    let headers: usize = said.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    if headers > MOST_HEADERS {
        return Err(RenderError::HeadersTooLarge);
    }
    match said.html.as_deref().and_then(link::forbidden) {
        Some((_, scheme)) => Err(RenderError::Link { scheme }),
        None => Ok(()),
    }
}
