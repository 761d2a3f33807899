//! Lists of addresses as Mailgun takes them: `bob@example.com, "Doe, Jane" <jane@example.com>`.

/// The plain addresses of a comma list; `None` when one of them is no address.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    split(text).map(str::trim).filter(|one| !one.is_empty()).map(plain).collect()
}

/// Cuts at commas that stand outside quotes, comments and angle brackets.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    text.split(move |c| {
        let literal = escaped;
        escaped = c == '\\' && !literal;
        match c {
            _ if literal => {}
            '"' => quoted = !quoted,
            '<' | '(' if !quoted => depth += 1,
            '>' | ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && !quoted && depth == 0
    })
}

/// The address within `"Name" <address>`, or the whole.
fn plain(one: &str) -> Option<String> {
    let address = match one.strip_suffix('>') {
        Some(named) => named.rsplit_once('<')?.1.trim(),
        None => one,
    };
    let (local, domain) = address.rsplit_once('@')?;
    (is_local(local) && is_domain(domain)).then(|| address.to_owned())
}

fn is_local(local: &str) -> bool {
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let plain = !local.is_empty()
        && local.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"<>()[]:;,\"\\@".contains(c));
    local.len() <= 64 && (quoted || plain)
}

pub(super) fn is_domain(domain: &str) -> bool {
    domain.len() <= 253
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_its_plain_addresses() {
        let cases: [(&str, Option<&[&str]>); 12] = [
            ("bob@example.com", Some(&["bob@example.com"])),
            ("Bob <bob@example.com>", Some(&["bob@example.com"])),
            ("\"Doe, Jane\" <jane@example.com>, bob@example.com", Some(&["jane@example.com", "bob@example.com"])),
            ("\"Q \\\", R\" <q@example.com>", Some(&["q@example.com"])),
            ("bob@example.com,, amy@example.com,", Some(&["bob@example.com", "amy@example.com"])),
            ("\"a b\"@example.com", Some(&["\"a b\"@example.com"])),
            ("jürgen@bücher.example", Some(&["jürgen@bücher.example"])),
            ("sallygmail.com", None),
            ("bob@example.com, sallygmail.com", None),
            ("bob@", None),
            ("bob@example..com", None),
            ("bob smith@example.com", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(list(text), expected, "{text}");
        }
    }
}
