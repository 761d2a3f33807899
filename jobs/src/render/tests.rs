//! What templates say, what is refused of them, and that placeholders say the same.

#![expect(clippy::unwrap_used, reason = "tests may")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn said(subject: &str, html: &str) -> Said {
    Said { subject: subject.into(), html: Some(html.into()), ..Said::default() }
}

fn compiled(subject: &str, html: &str) -> Template {
    Template::compile(said(subject, html)).unwrap()
}

fn variables(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

fn html(source: &str, value: Json) -> Result<String, RenderError> {
    compiled("Hi", source).render(variables(value), None).map(|said| said.html.unwrap())
}

fn words(source: &str, value: Json) -> String {
    html(source, value).unwrap_err().to_string()
}

#[test]
fn each_part_is_rendered_and_html_alone_is_escaped() {
    let source = Said {
        subject: "{{ name }}".into(),
        html: Some("<a href=\"{{ url }}\" title='{{ name }}'>{{ name }}</a>".into()),
        text: Some("{{ name }} & {{ recipient.name }} at {{ recipient.address }}".into()),
        headers: vec![("X-For".into(), "{{ name }}".into()), ("X-{{ name }}".into(), "plain".into())],
    };
    let template = Template::compile(source).unwrap();
    let recipient = Mailbox::parse("Ann Lee <ann@example.com>").unwrap();
    let given = json!({ "name": "<A & \"B's\">", "url": "https://x.example/?a=1&b=2", "recipient": "overruled" });
    let said = template.render(variables(given), Some(&recipient)).unwrap();
    assert_eq!(said.subject, "<A & \"B's\">");
    let name = "&lt;A &amp; &quot;B&#x27;s&quot;&gt;";
    let expected = format!("<a href=\"https://x.example/?a=1&amp;b=2\" title='{name}'>{name}</a>");
    assert_eq!(said.html.as_deref(), Some(expected.as_str()));
    assert_eq!(said.text.as_deref(), Some("<A & \"B's\"> & Ann Lee at ann@example.com"));
    assert_eq!(said.headers, [("X-For".into(), "<A & \"B's\">".into()), ("X-{{ name }}".into(), "plain".into())]);
}

#[test]
fn a_missing_variable_is_told_by_its_full_name() {
    let cases = [
        ("{{ first_name }}", json!({}), "first_name"),
        ("{{ first_name|upper }}", json!({}), "first_name"),
        ("{{ order.total }}", json!({ "order": {} }), "order.total"),
        ("{{ order.total }}", json!({}), "order"),
        ("{{ a.b.c.d }}", json!({ "a": { "b": {} } }), "a.b.c"),
        ("{% if vip %}x{% endif %}", json!({}), "vip"),
        ("{% for p in products %}{{ p.name }}{% endfor %}", json!({}), "products"),
        ("{% for p in products %}{{ p.name }}{% endfor %}", json!({ "products": [{}] }), "p.name"),
        ("{{ name }}", json!({ "name": null }), "name"),
        ("{{ order.total }}", json!({ "order": { "total": null } }), "order.total"),
        ("{{ recipient.name }}", json!({}), "recipient"),
        ("{{ 'a' ~ b }}", json!({}), "b"),
        ("{{ n + 1 }}", json!({}), "n"),
    ];
    for (source, given, name) in cases {
        assert_eq!(html(source, given), Err(RenderError::Missing { name: name.into() }), "{source}");
    }
    let nameless = Mailbox::parse("ann@example.com").unwrap();
    let error = compiled("{{ recipient.name }}", "x").render(Map::new(), Some(&nameless)).unwrap_err();
    assert_eq!(error.to_string(), "the variable recipient.name is missing");
    let friendly = compiled("Dear {{ recipient.name|default('reader') }}", "x");
    assert_eq!(friendly.render(Map::new(), Some(&nameless)).unwrap().subject, "Dear reader");
}

#[test]
fn what_can_not_be_compiled_is_told_by_part_and_line() {
    let source = Said {
        subject: "{{ a".into(),
        html: Some("<p>\n{% if a %}\n</p>".into()),
        text: Some("fine {{ a }}".into()),
        headers: vec![("X-A".into(), "{% include 'b' %}".into())],
    };
    let flaws = Template::compile(source).err().unwrap();
    let told: Vec<_> = flaws.iter().map(|flaw| (flaw.part.to_string(), flaw.line)).collect();
    assert_eq!(told, [("the subject".into(), 1), ("html".into(), 2), ("the header X-A".into(), 1)]);
    assert!(flaws[0].to_string().starts_with("can't be compiled: "), "{}", flaws[0]);
    assert!(flaws[0].to_string().ends_with(", in line 1"), "{}", flaws[0]);
    let link = Template::compile(said("Hi", "<p>\n<a href='javascript:a()'>")).err().unwrap();
    assert_eq!((&link[0].part, link[0].line), (&Part::Html, 2));
}

#[test]
fn what_a_template_may_do_is_bounded() {
    let loops = "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}";
    let doubles = "{% set ns = namespace(x='xxxxxxxxxxxxxxxx') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
    for source in [loops, doubles, "{{ 'x' * 99999999 }}", "{% for a in range(90000) %}{{ a }}{% endfor %}"] {
        assert_eq!(html(source, json!({})), Err(RenderError::OutOfFuel { part: Part::Html }), "{source}");
    }
    let within = words("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", json!({}));
    assert!(within.starts_with("html can't be rendered: "), "{within}");
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(Template::compile(said("Hi", &nested)).is_err());
    let large = "x".repeat(MOST_BODY);
    assert_eq!(html(&large, json!({})).map(|html| html.len()), Ok(MOST_BODY));
    let two = html("{{ a }}{{ a }}", json!({ "a": "x".repeat(MOST_BODY / 2 + 1) }));
    assert_eq!(two, Err(RenderError::TooLarge { part: Part::Html }));
}

#[test]
fn subject_and_headers_hold_one_line_and_no_more_than_they_may() {
    let cases = [
        ("a\nb", "the subject must not hold a line break or another control character"),
        ("a\r\nBcc: eve@example.com", "the subject must not hold a line break or another control character"),
        ("\u{7}", "the subject must not hold a line break or another control character"),
        ("\u{85}", "the subject must not hold a line break or another control character"),
        ("", "the subject is empty"),
        ("  ", "the subject is empty"),
    ];
    for (subject, expected) in cases {
        let error = compiled("{{ s }}", "x").render(variables(json!({ "s": subject })), None).unwrap_err();
        assert_eq!(error.to_string(), expected, "{subject:?}");
    }
    let long = compiled("{{ s }}", "x").render(variables(json!({ "s": "é".repeat(999) })), None);
    assert_eq!(long, Err(RenderError::TooLong { part: Part::Subject }));
    let headers = Said { headers: vec![("X-A".into(), "{{ s }}".into())], ..said("Hi", "x") };
    let headers = Template::compile(headers).unwrap();
    let given = |text: &str| headers.render(variables(json!({ "s": text })), None).unwrap_err();
    assert_eq!(given("a\nBcc: b"), RenderError::Control { part: Part::Header("X-A".into()) });
    assert_eq!(given(&"x".repeat(MOST_HEADERS)), RenderError::HeadersTooLarge);
    assert_eq!(html("{{ a }}", json!({ "a": " " })), Err(RenderError::NoBody));
}

#[test]
fn a_link_from_a_variable_leads_where_links_may_lead() {
    let good = [
        "http://x.example",
        "https://x.example/?u=javascript:1",
        "HTTPS://X.example",
        "mailto:ann@example.com",
        "tel:+49123",
        "#top",
        "",
        "/offers",
        "//x.example/a",
        "x.html",
        "?a=b:c",
        "{braces}:x",
        "&#106;avascript:alert(1)",
    ];
    let bad = [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " \tjavascript:alert(1)",
        "\u{1}javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "javascript\n:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://x.example",
        "cid:logo",
        "blob:x",
        "ms-word:x",
        "x:y",
    ];
    for source in [
        "<a href=\"{{ u }}\">",
        "<img src='{{ u }}'>",
        "<a href={{ u }}>",
        "<A HREF = \"{{ u }}\" >",
        "<a href=\"\n {{ u }}\">",
    ] {
        for url in good {
            assert!(html(source, json!({ "u": url })).is_ok(), "{source} with {url:?}");
        }
        for url in bad {
            let error = html(source, json!({ "u": url })).unwrap_err();
            assert!(matches!(error, RenderError::Link { .. }), "{source} with {url:?}: {error}");
        }
    }
    let told = words("<a href='{{ u }}'>", json!({ "u": "JAVASCRIPT:alert(1)" }));
    assert_eq!(told, "html would hold a link that begins with javascript: and only http, https, mailto and tel may");
}

#[test]
fn no_spelling_hides_a_link() {
    let hidden = [
        "<a href=javascript:x>",
        "<a\nhref\n=\n'javascript:x'>",
        "<a/href=javascript:x>",
        "<a title=''href=javascript:x>",
        "<a href=\"&#106;avascript:x\">",
        "<a href=\"&#x6A;avascript:x\">",
        "<a href=\"&#x6Aavascript&colon;x\">",
        "<a href=\"&#0000106avascript:x\">",
        "<a href=\"javascript&colon;x\">",
        "<a href=\"javascript&#58x\">",
        "<a href=\"java&Tab;script:x\">",
        "<a href=\"&NewLine;javascript:x\">",
        "<a href=\" &#1;javascript:x\">",
        "<svg><a xlink:href=\"javascript:x\">",
        "<meta http-equiv=refresh content=\"0;url=javascript:x\">",
        "<meta content='0; URL = javascript:x'>",
        "<form action='javascript:x'>",
        "<button formaction=\"javascript:x\">",
        "<iframe src=javascript:x>",
        "<object data='data:text/html,x'>",
        "<body background='javascript:x'>",
        "<!--[if mso]><a href='javascript:x'><![endif]-->",
        "<style><a href='javascript:x'></style>",
        "<p title=\"<a href='javascript:x'>\">",
        "<a href=\"http://a\"\u{c}href=\"javascript:x\">",
        "<animate to=javascript:x>",
        "é<a href=éjavascript:x href='javascript:é'>",
        "<a href='javascript:x",
    ];
    let hidden_but_whole = ["<a href=\"&#x6Aavascript&colon;x\">"];
    for html in hidden {
        // Here the hexadecimal number takes the next letters with it: it is no j, and the link leads nowhere.
        assert_eq!(link::forbidden(html).is_none(), hidden_but_whole.contains(&html), "{html}");
    }
    let harmless = [
        "",
        "=",
        "<a href=",
        "<a href=\"https://x.example/?src=data:1&amp;href=x:y\">",
        "<p>10:30 = half past ten: see you",
        "<a href=\"https://x.example\" title=\"javascript: the good parts\">",
        "<p data-x='a:b' alt='a:b' style='color:red'>",
        "<a href=\"&#xFFFFFFFFFFFF;javascript:x\">",
        "<a href=\"/a:b\">",
        "<a href=\":x\">",
        "a = b:c",
    ];
    for html in harmless {
        assert_eq!(link::forbidden(html), None, "{html}");
    }
}

#[test]
fn a_hostile_html_is_read_in_a_moment() {
    for piece in ["href=", "href='", "href=\"", "= ", "<a ", "href=\t", "&#", "src=a", "=href"] {
        let html = piece.repeat(MOST_BODY / piece.len());
        assert_eq!(link::forbidden(&html), None, "{piece}");
    }
}

#[test]
fn the_variables_of_all_parts_are_named_once_each() {
    let source = Said {
        subject: "{{ first_name }} {{ recipient.address }}".into(),
        html: Some("{% for p in products %}{{ p.name }} {{ loop.index }}{% endfor %}{{ order.total }}".into()),
        text: Some("{% set x = 1 %}{{ x }}{{ first_name }}{% for i in range(3) %}{% endfor %}{{ debug_mode }}".into()),
        headers: vec![("X-A".into(), "{{ tag|default('none') }}".into())],
    };
    let names: Vec<String> = Template::compile(source).unwrap().variables().into_iter().collect();
    assert_eq!(names, ["debug_mode", "first_name", "order.total", "products", "tag"]);
}

#[test]
fn names_that_mean_nothing_are_found_wherever_they_stand() {
    let cases: [(&str, &[&str]); 18] = [
        ("{{ a|upper }}", &[]),
        ("{{ a|uper }}", &["unknown filter \"uper\", in line 1"]),
        ("\n\n{{ a|upper|uper }}", &["unknown filter \"uper\", in line 3"]),
        ("{% if a %}{% if b %}\n{{ a|uper }}{% endif %}{% endif %}", &["unknown filter \"uper\", in line 2"]),
        ("{% if false %}{{ 'a'|uper }}{% endif %}", &["unknown filter \"uper\", in line 1"]),
        ("{% for x in a %}{{ x|uper }}{% endfor %}", &["unknown filter \"uper\", in line 1"]),
        ("{% macro m(x) %}{{ x|uper }}{% endmacro %}", &["unknown filter \"uper\", in line 1"]),
        ("{% filter uper %}{{ a }}{% endfilter %}", &["unknown filter \"uper\", in line 1"]),
        ("{% set x | uper %}{{ a }}{% endset %}", &["unknown filter \"uper\", in line 1"]),
        ("{{ a is defined and a is od }}", &["unknown test \"od\", in line 1"]),
        ("{{ rnge(3) }}", &["unknown function \"rnge\", in line 1"]),
        ("{{ range(3) }}{{ dict(a=1) }}", &[]),
        ("{{ a|uper|lowr }}", &["unknown filter \"uper\", in line 1", "unknown filter \"lowr\", in line 1"]),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(a) }}{% set n = m %}{{ n(a) }}", &[]),
        ("{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ a }}{% endcall %}", &[]),
        ("{% for x in a recursive %}{{ loop(x.b) }}{% endfor %}", &[]),
        ("{{ a.method(1) }}{{ a|default('x')|replace('x', 'y')|urlencode }}{{ a|tojson }}", &[]),
        ("{{ 'a|uper' }}{# a|uper #}{% raw %}{{ a|uper }}{% endraw %}", &[]),
    ];
    for (text, expected) in cases {
        let source = Said { text: Some(text.to_owned()), ..said("{{ a }}", "<p>{{ a|upper }}") };
        let told: Vec<String> =
            Template::checked(source).err().unwrap_or_default().iter().map(ToString::to_string).collect();
        let expected: Vec<String> = expected.iter().map(|words| format!("can't be compiled: {words}")).collect();
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn a_part_is_named_with_what_it_has_that_is_unknown() {
    let source = Said {
        text: Some("{{ a|three }}".into()),
        headers: vec![("X-A".into(), "{{ a|four }}".into())],
        ..said("{{ a|one }}", "{{ a|two }}")
    };
    let parts: Vec<_> = Template::checked(source).err().unwrap_or_default().into_iter().map(|flaw| flaw.part).collect();
    assert_eq!(parts, [Part::Subject, Part::Html, Part::Text, Part::Header("X-A".into())]);
}

/// Pieces that templates are made of, and what goes wrong with them.
fn pieces() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "{{ a }}",
        "{{ a.b }}",
        "{{ a|upper }}",
        "{{ a[0] }}",
        "{{ a",
        "}}",
        "{% if a %}",
        "{% else %}",
        "{% endif %}",
        "{% for x in a %}",
        "{% endfor %}",
        "{{ x }}",
        "{{ loop.index }}",
        "{% set a = a ~ a %}",
        "{{ a|safe }}",
        "{#",
        "#}",
        "<a href=\"{{ a }}\">",
        "href=",
        "&#x",
        "java",
        "script",
        ":",
        "\"",
        "'",
        "=",
        "\0",
        "\n",
        "{{ a|tojson }}",
        "{{ a|urlencode }}",
        "{{ a * 9 }}",
        "{{ a|join(a) }}",
        "{% macro m(q) %}",
        "{% endmacro %}",
        "{{ m(a) }}",
        "é",
        "{{ a is defined }}",
    ]);
    prop::collection::vec(prop_oneof![known.prop_map(str::to_owned), ".{0,5}"], 0..12).prop_map(|parts| parts.concat())
}

fn values() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,20}".prop_map(Json::from),
        prop::collection::vec(".{0,5}", 0..4).prop_map(|texts| json!(texts)),
        ".{0,5}".prop_map(|text| json!({ "b": text, "c": null })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn rendering_never_panics(subject in pieces(), html in pieces(), text in pieces(), a in values()) {
        let source = Said { subject, html: Some(html), text: Some(text), headers: Vec::new() };
        if let Ok(template) = Template::compile(source) {
            template.variables();
            if let Ok(said) = template.render(variables(json!({ "a": a })), None) {
                prop_assert!(!said.subject.contains(['\r', '\n', '\0']));
                prop_assert_eq!(said.html.as_deref().and_then(link::forbidden), None);
            }
        }
    }
}

/// What Mailgun makes of placeholders.
fn filled_in(text: &str, values: &[String]) -> String {
    let filled = |text: String, (i, value): (usize, &String)| text.replace(&format!("%recipient.v{i}%"), value);
    values.iter().enumerate().fold(text.to_owned(), filled)
}

/// What placeholders say to one; `None` where they can't.
fn by_placeholders(template: &Template, given: Map<String, Json>) -> Option<(Said, Said)> {
    let (said, values) = template.render_apart(given, None).ok()?;
    let (values, held) = (values?, &template.placeheld()?.said);
    let filled = Said {
        subject: filled_in(&held.subject, &values),
        html: held.html.as_deref().map(|html| filled_in(html, &values)),
        text: held.text.as_deref().map(|text| filled_in(text, &values)),
        headers: held.headers.iter().map(|(name, value)| (name.clone(), filled_in(value, &values))).collect(),
    };
    Some((said, filled))
}

#[test]
fn placeholders_say_what_is_rendered_or_nothing() {
    let given = json!({ "a": "<A & \"B\">", "b": { "c": 7 }, "p": "20%", "r": "%recipient.v0%", "e": "" });
    let cases = [
        ("plain", true),
        ("Hi {{ a }}, {{ b.c + 1 }}{{ a }}", true),
        ("{{ '}}' }} {{ {'x': {'y': 1}}.x.y }}\n", true),
        ("{{ a|upper|default('x') }}\r\n", true),
        ("{{ p }}% off", true),
        ("100% {{ p }}", true),
        ("100%{{ p }}", false),
        ("{{ p }}recipient.v0%", false),
        ("{{ r }}", false),
        ("%recipient.name% {{ a }}", false),
        ("%recipient_email%", false),
        ("{% if a %}{{ a }}{% endif %}", false),
        ("{# a #}{{ a }}", false),
        ("x {{- a }}", false),
        ("{{ a -}} x", false),
    ];
    for (source, can) in cases {
        let source = Said { text: Some(format!("{source}.")), ..said("{{ a }}", &format!("<p>{source}</p>")) };
        let template = Template::compile(source.clone()).unwrap();
        let said = by_placeholders(&template, variables(given.clone()));
        assert_eq!(said.is_some(), can, "{source:?}");
        assert!(said.is_none_or(|(rendered, filled)| rendered == filled), "{source:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_placeholders_say_equals_what_is_rendered(
        html in "(\\{\\{ a \\}\\}|\\{\\{ b\\.c \\}\\}|\\{\\{ a\\|upper \\}\\}|[%<&\"a-c.{} ]|%recipient|\\n){0,8}",
        a in "([%<&\"'{}é ]|recipient|%recipient\\.v[01]%|\\n){0,6}",
        c in values(),
    ) {
        let source = Said { text: Some(html.clone()), headers: vec![("X-A".into(), "{{ b.c }}".into())], ..said("Hi {{ a }}", &html) };
        if let Ok(template) = Template::compile(source)
            && let Some((rendered, filled)) = by_placeholders(&template, variables(json!({ "a": a, "b": { "c": c } })))
        {
            prop_assert_eq!(rendered, filled);
        }
    }
}
