//! The exact bytes of the form, and that no value breaks out of its place.

use super::*;

async fn posted(mail: &Mail) -> fake::Seen {
    let fake = Fake::start([ok()]).await;
    assert_eq!(response(mailgun(&fake.base(), limits()).post(mail, good()).await).0, 200);
    fake.seen().remove(0)
}

fn full() -> Mail {
    Mail {
        campaign_id: Some(Uuid::from_u128(2)),
        unsubscribe: None,
        from: "\"Ann, B\" <ann@example.com>".into(),
        cc: vec!["c1@example.net".into(), "c2@example.net".into()],
        bcc: vec!["d@example.net".into()],
        reply_to: Some("r@example.com".into()),
        subject: "Grüße & mehr".into(),
        text: Some("a=b\nc".into()),
        headers: vec![("X-Order".into(), "42".into())],
        tags: vec!["one".into(), "two".into()],
        tracking: Some(Tracking { opens: true, clicks: false }),
        test_mode: true,
        deliver_within: Some(Duration::from_secs(5_400)),
        ..mail()
    }
}

#[tokio::test]
async fn without_files_the_form_is_urlencoded() {
    let seen = posted(&full()).await;
    assert!(seen.head.contains("content-type: application/x-www-form-urlencoded\r\n"), "{}", seen.head);
    let expected = [
        "from=%22Ann%2C+B%22+%3Cann%40example.com%3E",
        "to=bob%40example.net",
        "cc=c1%40example.net",
        "cc=c2%40example.net",
        "bcc=d%40example.net",
        "subject=Gr%C3%BC%C3%9Fe+%26+mehr",
        "text=a%3Db%0Ac",
        "html=%3Cp%3EHi%3C%2Fp%3E",
        "h%3AMessage-Id=%3C01900000-0000-7000-8000-000000000001%40mg.example.com%3E",
        "h%3AReply-To=r%40example.com",
        "h%3AX-Order=42",
        "v%3Aemail-id=01900000-0000-7000-8000-000000000001",
        "v%3Acampaign-id=00000000-0000-0000-0000-000000000002",
        "o%3Atag=one",
        "o%3Atag=two",
        "o%3Atracking-opens=yes",
        "o%3Atracking-clicks=no",
        "o%3Atestmode=yes",
        "o%3Adeliver-within=1h30m",
    ];
    assert_eq!(String::from_utf8(seen.body).unwrap(), expected.join("&"));
}

#[tokio::test]
async fn a_plain_email_sends_no_field_that_it_does_not_need() {
    let expected = "from=Ann+%3Cann%40example.com%3E&to=bob%40example.net&subject=Hello&html=%3Cp%3EHi%3C%2Fp%3E\
        &h%3AMessage-Id=%3C01900000-0000-7000-8000-000000000001%40mg.example.com%3E\
        &v%3Aemail-id=01900000-0000-7000-8000-000000000001";
    assert_eq!(String::from_utf8(posted(&mail()).await.body).unwrap(), expected);
}

#[tokio::test]
async fn with_files_the_form_is_multipart() {
    let picture = Attachment {
        filename: "C:\\pics\\lo\"go.png".into(),
        content_type: "image/png".into(),
        bytes: Bytes::from_static(b"\x89PNG\r\n\x00"),
        inline: true,
    };
    let list = Attachment {
        filename: "Überblick 1.csv".into(),
        content_type: "text/csv; charset=utf-8".into(),
        bytes: Bytes::from_static(b"a,b"),
        inline: false,
    };
    let seen = posted(&Mail { attachments: vec![picture, list], ..mail() }).await;
    let boundary = "mailmind-01900000000070008000000000000001";
    assert!(
        seen.head.contains(&format!("content-type: multipart/form-data; boundary={boundary}\r\n")),
        "{}",
        seen.head
    );
    let field = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes()
    };
    let file = |name: &str, file: &str, kind: &str, content: &[u8]| {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n");
        [head.as_bytes(), format!("Content-Type: {kind}\r\n\r\n").as_bytes(), content, b"\r\n"].concat()
    };
    let expected = [
        field("from", "Ann <ann@example.com>"),
        field("to", "bob@example.net"),
        field("subject", "Hello"),
        field("html", "<p>Hi</p>"),
        field("h:Message-Id", "<01900000-0000-7000-8000-000000000001@mg.example.com>"),
        field("v:email-id", "01900000-0000-7000-8000-000000000001"),
        file("inline", "lo%22go.png", "image/png", b"\x89PNG\r\n\x00"),
        file("attachment", "Überblick 1.csv", "text/csv; charset=utf-8", b"a,b"),
        format!("--{boundary}--\r\n").into_bytes(),
    ];
    assert_eq!(String::from_utf8_lossy(&seen.body), String::from_utf8_lossy(&expected.concat()));
    assert_eq!(seen.body, expected.concat());
}

#[tokio::test]
async fn a_boundary_that_the_content_holds_is_not_used() {
    let guess = "mailmind-01900000000070008000000000000001";
    let named = |bytes: &str| vec![Attachment { bytes: Bytes::from(bytes.to_owned()), ..file(0) }];
    let in_html = Mail { html: Some(format!("--{guess}\r\n")), attachments: named(""), ..mail() };
    let in_file = Mail { attachments: named(&format!("x{guess}")), ..mail() };
    let in_both = Mail { html: Some(guess.into()), attachments: named(&format!("--{guess}-1--")), ..mail() };
    for (mail, end) in [(in_html, "-1"), (in_file, "-1"), (in_both, "-2")] {
        let seen = posted(&mail).await;
        assert!(seen.head.contains(&format!("boundary={guess}{end}\r\n")), "{}", seen.head);
        assert!(seen.body.ends_with(format!("\r\n--{guess}{end}--\r\n").as_bytes()));
    }
}

#[tokio::test]
async fn the_time_to_deliver_stays_within_mailguns_bounds() {
    for (seconds, written) in [
        (0, "0h5m"),
        (299, "0h5m"),
        (359, "0h5m"),
        (360, "0h6m"),
        (3_600, "1h0m"),
        (86_400, "24h0m"),
        (9e9 as u64, "24h0m"),
    ] {
        let body = posted(&Mail { deliver_within: Some(Duration::from_secs(seconds)), ..mail() }).await.body;
        assert!(body.ends_with(format!("&o%3Adeliver-within={written}").as_bytes()), "{seconds}");
    }
}

#[tokio::test]
async fn no_value_becomes_another_header_field_or_path() {
    let evil = "x\r\nBcc: victim@example.org\r\n\r\n--b\0\u{85}";
    let hostile = Mail {
        sending_domain: "mg.example.com/../../evil?x#y\r\nHost: evil".into(),
        from: evil.into(),
        to: evil.into(),
        cc: vec![evil.into()],
        bcc: vec![evil.into()],
        reply_to: Some(evil.into()),
        subject: evil.into(),
        headers: vec![
            (evil.into(), evil.into()),
            ("\r\n: ".into(), "no name left".into()),
            ("message-ID".into(), "<forged@example.org>".into()),
        ],
        tags: vec![evil.into()],
        ..mail()
    };
    let seen = posted(&hostile).await;
    let path = "/v3/mg.example.com%2F..%2F..%2Fevil%3Fx%23yHost:%20evil/messages";
    assert!(seen.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", seen.head);
    let fields: Vec<(String, String)> = form_urlencoded::parse(&seen.body).into_owned().collect();
    for (name, value) in &fields {
        assert!(!name.chars().chain(value.chars()).any(char::is_control), "{name:?}: {value:?}");
    }
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let own = "h:xBccvictim@example.org--b";
    let expected =
        ["from", "to", "cc", "bcc", "subject", "html", "h:Message-Id", "h:Reply-To", own, "v:email-id", "o:tag"];
    assert_eq!(names, expected);

    let file = Attachment { filename: evil.into(), content_type: "text/html\r\nX: y".into(), ..file(1) };
    let unnamed = Attachment { filename: "dir/".into(), content_type: "nonsense".into(), ..file.clone() };
    let body = String::from_utf8(posted(&Mail { attachments: vec![file, unnamed], ..hostile }).await.body).unwrap();
    for line in body.split("\r\n").filter(|line| line.contains("victim") && line.contains("filename")) {
        assert!(line.starts_with("Content-Disposition: form-data; name=\"attachment\"; filename=\"x  Bcc:"), "{line}");
    }
    assert_eq!(body.matches("\r\nContent-Type: application/octet-stream\r\n\r\n").count(), 2);
    assert!(body.contains("; filename=\"attachment\"\r\n") && !body.contains("\r\nBcc:") && !body.contains("X: y"));
}
