//! How many words and signs a document has, and how deep its brackets nest, counted before it is parsed: parsing takes a
//! thousand times as long as counting, and whoever sends many of the longest documents would have all of that time.

/// Words and signs. An introspection has some hundred; what has more belongs into variables.
const TOKENS: usize = 5_000;
/// As deep as brackets may nest: fields may 15 deep, and the values of arguments nest no further than their types.
const NESTING: usize = 64;

/// Refuses, in words, what has too many or nests too deep.
///
/// # Errors
/// What is beyond which limit.
pub fn check(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut open) = (0, 0, 0usize);
    while let Some(byte) = bytes.get(at) {
        let length = match byte {
            // What GraphQL ignores ("Source Text", 2.1).
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += bytes[at..].iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => string(&bytes[at..]),
            byte if is_of_a_word(*byte) => {
                bytes[at..].iter().position(|byte| !is_of_a_word(*byte)).unwrap_or(bytes.len() - at)
            }
            b'{' | b'[' | b'(' => {
                open += 1;
                1
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                1
            }
            _ => 1,
        };
        at += length;
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

/// Of names, numbers and the three dots of a fragment.
fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+')
}

/// The length of the string that begins here; one that does not end takes the rest.
fn string(bytes: &[u8]) -> usize {
    let block = bytes.starts_with(b"\"\"\"");
    let quote = if block { 3 } else { 1 };
    let mut at = quote;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !block => at += 2,
            b'"' if bytes[at..].starts_with(&b"\"\"\""[..quote]) => return at + quote,
            _ => at += 1,
        }
    }
    bytes.len()
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
