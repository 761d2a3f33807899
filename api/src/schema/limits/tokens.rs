//! How many words and signs a document has, and how deep its brackets nest, counted by a lexer before anything is parsed: that
//! takes far less than parsing, which whoever sends many of the longest documents would keep all cores busy with.

use apollo_parser::{Lexer, TokenKind};

/// Words and signs. An introspection has some hundred; what has more belongs into variables.
const TOKENS: usize = 5_000;
/// As deep as brackets may nest: fields may 15 deep, and the values of arguments nest no further than their types.
const NESTING: usize = 64;

/// Refuses, in words, what has too many or nests too deep.
///
/// # Errors
/// What is beyond which limit.
pub fn check(text: &str) -> Result<(), String> {
    let (mut tokens, mut open) = (0, 0usize);
    for token in Lexer::new(text) {
        match token.map(|token| token.kind()) {
            Ok(TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof) => continue,
            Ok(TokenKind::LCurly | TokenKind::LBracket | TokenKind::LParen) => open += 1,
            Ok(TokenKind::RCurly | TokenKind::RBracket | TokenKind::RParen) => open = open.saturating_sub(1),
            // What is no word and no sign is the parser's to tell.
            Ok(_) | Err(_) => {}
        }
        tokens += 1;
        if tokens > TOKENS {
            return Err(format!("the document has more than {TOKENS} words and signs; variables are not counted"));
        }
        if open > NESTING {
            return Err(format!("brackets nest more than {NESTING} deep"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs_are_counted_and_nothing_within_strings_and_comments() {
        let many = |n: usize, text: &str| text.repeat(n);
        let cases = [
            (many(TOKENS, "a "), true),
            (many(TOKENS + 1, "a "), false),
            (many(TOKENS / 2, "@a "), true),
            (many(TOKENS / 2 + 1, "@a "), false),
            (many(TOKENS + 1, "a,\r\n").replace('a', ""), true),
            (format!("# {}\n a", many(TOKENS + 1, "a ")), true),
            (format!("\"{}\"", many(TOKENS + 1, "a { ")), true),
            (format!("\"\"\"{}\"\"\"", many(TOKENS + 1, "\"a\" { \\\"\"\" ")), true),
            (format!("\"\\\" {}", many(TOKENS + 1, "a ")), true),
            (format!("\"\\\\\" {}", many(TOKENS + 1, "a ")), false),
            (many(NESTING, "{a "), true),
            (many(NESTING + 1, "{a "), false),
            (many(NESTING + 1, "[("), false),
            (many(1_000, "{ a } "), true),
            ("{ ...F } é { \"".to_owned(), true),
            (String::new(), true),
        ];
        for (text, allowed) in cases {
            let short: String = text.chars().take(40).collect();
            assert_eq!(check(&text).is_ok(), allowed, "{short}");
        }
    }
}
