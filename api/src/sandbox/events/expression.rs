//! What a filter of the Events API may say: words, phrases in quotes, AND, OR, NOT and parentheses. Words beside each
//! other must all match.

/// A filter as a tree.
#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Word(String),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// Parentheses and NOTs may be nested so deep: the tree is read recursively.
const DEEPEST: usize = 32;

impl Expression {
    /// `None` where parentheses or quotes do not close, or an operator has nothing to work on.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text)?;
        let mut rest = tokens.as_slice();
        let whole = any(&mut rest, 0)?;
        rest.is_empty().then_some(whole)
    }

    /// Whether it holds where `word` says which words do.
    pub(super) fn holds(&self, word: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Word(text) => word(text),
            Self::Not(inner) => !inner.holds(word),
            Self::All(parts) => parts.iter().all(|part| part.holds(word)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(word)),
        }
    }

    /// The word, where there is but one.
    pub(super) fn only(&self) -> Option<&str> {
        if let Self::Word(text) = self { Some(text) } else { None }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    And,
    Or,
    Not,
    Open,
    Close,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' => {
                tokens.push(Token::Open);
                1
            }
            ')' => {
                tokens.push(Token::Close);
                1
            }
            '"' => {
                let end = rest[1..].find('"')?;
                tokens.push(Token::Word(rest[1..=end].to_owned()));
                end + 2
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "()\"".contains(c)).unwrap_or(rest.len());
                tokens.push(match &rest[..end] {
                    "AND" => Token::And,
                    "OR" => Token::Or,
                    "NOT" => Token::Not,
                    word => Token::Word(word.to_owned()),
                });
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

fn any(rest: &mut &[Token], depth: usize) -> Option<Expression> {
    let mut parts = vec![all(rest, depth)?];
    while let [Token::Or, after @ ..] = *rest {
        *rest = after;
        parts.push(all(rest, depth)?);
    }
    single_or(parts, Expression::Any)
}

fn all(rest: &mut &[Token], depth: usize) -> Option<Expression> {
    let mut parts = vec![one(rest, depth)?];
    loop {
        match *rest {
            [Token::And, after @ ..] => {
                *rest = after;
                parts.push(one(rest, depth)?);
            }
            [Token::Word(_) | Token::Not | Token::Open, ..] => parts.push(one(rest, depth)?),
            [Token::Or | Token::Close, ..] | [] => return single_or(parts, Expression::All),
        }
    }
}

fn one(rest: &mut &[Token], depth: usize) -> Option<Expression> {
    if depth > DEEPEST {
        return None;
    }
    let (first, after) = rest.split_first()?;
    *rest = after;
    match first {
        Token::Word(word) => Some(Expression::Word(word.clone())),
        Token::Not => Some(Expression::Not(Box::new(one(rest, depth + 1)?))),
        Token::Open => {
            let inner = any(rest, depth + 1)?;
            let (Token::Close, after) = rest.split_first()? else { return None };
            *rest = after;
            Some(inner)
        }
        Token::And | Token::Or | Token::Close => None,
    }
}

fn single_or(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Option<Expression> {
    if parts.len() == 1 { parts.pop() } else { Some(several(parts)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_which_words_hold() {
        let cases: [(&str, &[&str], Option<bool>); 14] = [
            ("delivered", &["delivered"], Some(true)),
            ("delivered", &["failed"], Some(false)),
            ("delivered OR failed", &["failed"], Some(true)),
            ("NOT delivered", &["failed"], Some(true)),
            ("NOT delivered AND NOT failed", &["failed"], Some(false)),
            ("a AND b OR c", &["c"], Some(true)),
            ("a AND (b OR c)", &["c"], Some(false)),
            ("a b", &["a"], Some(false)),
            ("a b", &["a", "b"], Some(true)),
            ("\"two words\" OR x", &["two words"], Some(true)),
            ("a OR", &["a"], None),
            ("(a", &["a"], None),
            ("a)", &["a"], None),
            ("\"a", &["a"], None),
        ];
        for (text, words, expected) in cases {
            let held = Expression::parse(text).map(|expression| expression.holds(&|word| words.contains(&word)));
            assert_eq!(held, expected, "{text}");
        }
        assert_eq!(Expression::parse(&"(".repeat(10_000)), None);
        assert_eq!(Expression::parse(&"NOT ".repeat(10_000)), None);
    }
}
