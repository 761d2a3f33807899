//! A template in Mailgun's words: each `{{ … }}` becomes a placeholder `%recipient.v0%`, and for each recipient goes along what
//! our own engine wrote there, escaped as it stands. Where that would not say exactly the same, there is none of it.

use std::collections::HashMap;

use minijinja::Environment;
use minijinja::value::Value;

use super::{HTML, Part, Said, strict, without_nul};

/// What stands in no text beside the placeholders: Mailgun would put something else in its place.
const MARK: &str = "%recipient";

/// A template with placeholders.
pub struct Placeheld {
    /// What goes to Mailgun in place of what is rendered.
    pub said: Said,
    /// The parts in their order.
    parts: Vec<Vec<Piece>>,
    /// Of what stands for the placeholders, one template each.
    environment: Environment<'static>,
    names: Vec<String>,
}

enum Piece {
    Text(String),
    Value(usize),
}

/// A piece of the source.
enum Token<'a> {
    Text(&'a str),
    /// What stands between the braces, and they.
    Expression(&'a str),
}

/// What a placeholder is called: `%recipient.v0%` for the first.
pub fn variable(index: usize) -> String {
    format!("v{index}")
}

impl Placeheld {
    /// Of a template that compiles; `None` where it holds more than texts and `{{ … }}`, or what Mailgun would read otherwise.
    pub(super) fn of(source: &Said) -> Option<Self> {
        let mut new = Self { said: Said::default(), parts: Vec::new(), environment: strict(), names: Vec::new() };
        let mut known = HashMap::new();
        let mut texts = Vec::new();
        for (part, text) in source.parts() {
            let pieces = new.pieces(&part, text, &mut known)?;
            texts.push(pieces.iter().map(Piece::told).collect::<String>());
            new.parts.push(pieces);
        }
        let mut texts = texts.into_iter();
        new.said = Said {
            subject: texts.next().unwrap_or_default(),
            html: source.html.as_ref().and_then(|_| texts.next()),
            text: source.text.as_ref().and_then(|_| texts.next()),
            headers: source.headers.iter().map(|(name, _)| name.clone()).zip(texts).collect(),
        };
        Some(new)
    }

    fn pieces(&mut self, part: &Part, text: &str, known: &mut HashMap<(bool, String), usize>) -> Option<Vec<Piece>> {
        let html = *part == Part::Html;
        let mut pieces = Vec::new();
        for token in tokens(text)? {
            pieces.push(match token {
                Token::Text(text) => Piece::Text(text.to_owned()),
                Token::Expression(text) => {
                    let key = (html, text.to_owned());
                    Piece::Value(match known.get(&key) {
                        Some(index) => *index,
                        None => {
                            let index = self.name(html, text)?;
                            known.insert(key, index);
                            index
                        }
                    })
                }
            });
        }
        Some(pieces)
    }

    /// One more placeholder.
    fn name(&mut self, html: bool, expression: &str) -> Option<usize> {
        let index = self.names.len();
        let name = if html { format!("{HTML} {index}") } else { format!("part {index}") };
        self.environment.add_template_owned(name.clone(), expression.to_owned()).ok()?;
        self.names.push(name);
        Some(index)
    }

    /// What stands for each placeholder where this is `said`; `None` where they do not say just that.
    pub(super) fn values(&self, values: &Value, said: &Said) -> Option<Vec<String>> {
        if said.parts().any(|(_, text)| text.contains(MARK)) {
            return None;
        }
        let written = self.names.iter().map(|name| {
            let written = self.environment.get_template(name).and_then(|template| template.render(values));
            written.ok().map(without_nul)
        });
        let written = written.collect::<Option<Vec<String>>>()?;
        let same = self.parts.iter().zip(said.parts()).all(|(pieces, (_, text))| are(pieces, &written, text));
        same.then_some(written)
    }
}

impl Piece {
    fn told(&self) -> String {
        match self {
            Piece::Text(text) => text.clone(),
            Piece::Value(index) => format!("%recipient.{}%", variable(*index)),
        }
    }
}

/// Whether the pieces, one after the other, are this text.
fn are(pieces: &[Piece], values: &[String], text: &str) -> bool {
    let mut rest = text;
    for piece in pieces {
        let next = match piece {
            Piece::Text(text) => Some(text),
            Piece::Value(index) => values.get(*index),
        };
        match next.and_then(|next| rest.strip_prefix(next.as_str())) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.is_empty()
}

/// The source's pieces. It need not be read as the engine reads it: what is made of them is compared with what the engine wrote.
fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    if source.contains("{%") || source.contains("{#") || source.contains(MARK) {
        return None;
    }
    // The engine leaves out one line break at the end.
    let mut rest = source.strip_suffix('\n').map_or(source, |source| source.strip_suffix('\r').unwrap_or(source));
    let mut tokens = Vec::new();
    while let Some(at) = rest.find("{{") {
        let (before, from) = rest.split_at(at);
        // A percent sign before a placeholder might be read as the beginning of one.
        if before.ends_with('%') {
            return None;
        }
        let (expression, behind) = from.split_at(end(from)?);
        tokens.extend([Token::Text(before), Token::Expression(expression)]);
        rest = behind;
    }
    tokens.push(Token::Text(rest));
    Some(tokens)
}

/// Where an expression ends that begins with `{{`; `None` where it takes blanks away around it.
fn end(from: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut chars = from.char_indices().skip(2);
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if from[at..].starts_with("}}") => {
                let inner = &from[2..at];
                return (!inner.starts_with(['-', '+']) && !inner.ends_with(['-', '+'])).then_some(at + 2);
            }
            (None, _) => {}
        }
    }
    None
}
