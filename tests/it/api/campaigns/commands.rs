//! `mailmind campaign import` and `mailmind demo`.

use serde_json::json;
use tests::child::Scratch;
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::process::{Launch, Process};

use super::{made, standing};
use crate::api::{Served, mailmind, mistakes};

on_both! {
    a_file_becomes_a_campaign
    a_file_is_imported_once_and_its_bad_rows_are_named
    what_a_file_lacks_is_said
    the_demo_shows_a_campaign_to_its_end
}

const LEADS: &str = "email,name,lead_id,first_name,Not One
ann@example.com,\"Ann, B\",01980000-0000-7000-8000-000000000007,Ann,x
bob@example.com,,,Bob,x
nobody@,,,Nobody,x
ANN@example.com,,,Ann,x
cyn@example.com,,lead,Cyn,x
dai@example.com
";

fn import(served: &Served, file: &str, args: &[&str]) -> Process {
    let path = served.data.path().join("leads.csv");
    std::fs::write(&path, file).unwrap();
    let mut all = vec!["campaign", "import", path.to_str().unwrap()];
    all.extend(args);
    mailmind(&all, &served.data, &served.database).start()
}

/// Runs it and answers what it printed.
async fn imported(served: &Served, file: &str, args: &[&str]) -> Vec<String> {
    let process = import(served, file, args);
    let ended = process.ended(SOON).await;
    assert!(ended.success(), "{args:?}: {ended}\n{}", process.output().join("\n"));
    process.output()
}

/// A template of this name, with variables of the file.
async fn template(served: &Served, name: &str) {
    let input = json!({ "name": name, "content": { "subject": "Hello {{ first_name }}", "text": "Good day {{ first_name }}" } });
    let create =
        "mutation($input: TemplateInput!) { createTemplate(input: $input) { userErrors { code field message } } }";
    assert!(mistakes(&served.mutate(create, json!({ "input": input })).await).is_empty());
}

const ADDS_UP: &str = "read 6 rows: 3 added, 1 duplicates, 2 refused; 0 of the added must not be mailed at the moment";

async fn a_file_becomes_a_campaign(backend: Backend) {
    let served = Served::on(backend).await;
    template(&served, "welcome").await;
    let args = ["--template", "welcome", "--name", "Autumn"];
    let would = imported(&served, LEADS, &[&args[..], &["--dry-run", "--launch"]].concat()).await;
    assert!(would.contains(&ADDS_UP.replace("3 added", "3 would be added")), "{would:?}");
    let all = "{ campaigns { totalCount nodes { id name status ledger { total } } } }";
    assert_eq!(served.client.query(all, json!({})).await["campaigns"]["totalCount"], 0);
    let said =
        imported(&served, LEADS, &[&args[..], &["--from", "Shop <shop@sandbox.mailmind.test>", "--launch"]].concat())
            .await;
    assert!(said.contains(&ADDS_UP.to_owned()), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("launched Autumn")), "{said:?}");
    let named = served.client.query(all, json!({})).await["campaigns"]["nodes"][0].take();
    assert_eq!((&named["name"], &named["ledger"]["total"]), (&json!("Autumn"), &json!(3)));
    let id = named["id"].as_str().unwrap();
    until_true("them to arrive", SOON, async || standing(&served.client, id).await["ledger"]["delivered"] == 3).await;
    let asked = "query($id: ID!) { campaign(id: $id) { from template { name } emails(filter: { address: \"ann@example.com\" }) { nodes { lead { id } } } } }";
    let campaign = served.client.query(asked, json!({ "id": id })).await["campaign"].take();
    assert_eq!(
        (&campaign["from"], &campaign["template"]["name"]),
        (&json!("shop@sandbox.mailmind.test"), &json!("welcome"))
    );
    let lead = json!("lead:01980000-0000-7000-8000-000000000007");
    assert_eq!(campaign["emails"]["nodes"][0]["lead"]["id"], lead);
}

async fn a_file_is_imported_once_and_its_bad_rows_are_named(backend: Backend) {
    let served = Served::on(backend).await;
    let id = made(&served, 0).await;
    let suppress = "mutation { suppress(input: { target: \"bob@example.com\" }) { userErrors { code field } } }";
    assert!(mistakes(&served.mutate(suppress, json!({})).await).is_empty());
    let would = imported(&served, LEADS, &["--campaign", &id, "--dry-run"]).await;
    let words = ADDS_UP.replace("0 of the added", "1 of the added");
    assert!(would.contains(&words.replace("3 added", "3 would be added")), "{would:?}");
    assert_eq!(standing(&served.client, &id).await["ledger"]["total"], 0);
    let said = imported(&served, LEADS, &["--campaign", &id]).await;
    for line in [
        words.as_str(),
        "line 4: address has nothing after the @",
        "line 6: lead_id \"lead\" is no lead's id",
        "left out the column \"Not One\": a variable's name is made of letters, digits and _",
    ] {
        assert!(said.iter().any(|said| said == line), "{line:?} is not in {said:?}");
    }
    let again = imported(&served, LEADS, &["--campaign", &id]).await;
    assert!(again.iter().any(|line| line.starts_with("read 6 rows: 0 added, 4 duplicates, 2 refused;")), "{again:?}");
    assert_eq!(standing(&served.client, &id).await["ledger"]["total"], 3);
    let many: String = (0..5_000).map(|i| format!("reader{}@example.com\n", i % 4_500)).collect();
    for (args, done) in [(&["--dry-run"][..], "would be added"), (&[], "added")] {
        let said = imported(&served, &format!("address\n{many}"), &[&["--campaign", &id], args].concat()).await;
        let expected = format!("read 5000 rows: 4500 {done}, 500 duplicates, 0 refused;");
        assert!(said.iter().any(|line| line.starts_with(&expected)), "{said:?}");
    }
}

async fn what_a_file_lacks_is_said(backend: Backend) {
    let served = Served::on(backend).await;
    let campaign = made(&served, 0).await;
    let named = ["--template", "nowhere", "--name", "Autumn"];
    let nobody = ["--campaign", "campaign:01980000-0000-7000-8000-000000000009"];
    for (file, args, expected) in [
        ("city\nUlm\n", &["--campaign", &campaign][..], "mailmind: the file has no column `address`"),
        (LEADS, &named, "mailmind: no template is called \"nowhere\""),
        (LEADS, &nobody, "mailmind: there is no such campaign"),
    ] {
        let process = import(&served, file, args);
        let ended = process.ended(SOON).await;
        assert_eq!(ended.code(), Some(2), "{args:?}");
        assert_eq!(process.output().last().map(String::as_str), Some(expected));
    }
}

async fn the_demo_shows_a_campaign_to_its_end(backend: Backend) {
    let served = Served::on(backend).await;
    let said = served.command(&["demo", "--here", "--recipients", "100"]).await;
    let has =
        |words: &str| said.iter().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").contains(words));
    assert!(has("addRecipients 100 added, 0 duplicates") && has("COMPLETED"), "{said:?}");
    for words in [
        "sent 100",
        "delivered 94 94.0 % of the sent",
        "bounced 6 6.0 % of the sent: 3 hard, 3 soft",
        "opened by 32 34.0 % of the delivered; 32 times; 4 times by machines",
        "clicked by 8 8.5 % of the delivered; 8 times",
        "complained 1",
        "unsubscribed 1",
    ] {
        assert!(has(words), "{words:?} is not in {said:?}");
    }
    let named = "{ campaigns { nodes { name status ledger { total } } } }";
    let campaign = served.client.query(named, json!({})).await["campaigns"]["nodes"][0].take();
    assert_eq!(campaign, json!({ "name": "Demo", "status": "COMPLETED", "ledger": { "total": 100 } }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_needs_nothing_and_leaves_nothing() {
    let temporary = Scratch::new("temporary");
    let demo = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested")).args(["demo", "--recipients", "10"]);
    let demo = demo.env("TMPDIR", temporary.path()).start();
    assert!(demo.ended(SOON).await.success(), "{}", demo.output().join("\n"));
    assert!(demo.output().iter().any(|line| line.contains("COMPLETED")), "{:?}", demo.output());
    for left in [temporary.path(), demo.dir()] {
        assert_eq!(std::fs::read_dir(left).unwrap().count(), 0, "{}", left.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_refuses_where_emails_go_out() {
    let demo = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested")).args(["demo"]);
    let demo = demo.env("MAILGUN_API_KEY", "key").env("MAILGUN_DOMAIN", "mg.example.com").start();
    assert_eq!(demo.ended(SOON).await.code(), Some(2));
    assert!(demo.output().iter().any(|line| line.contains("in the sandbox alone")), "{:?}", demo.output());
    assert_eq!(std::fs::read_dir(demo.dir()).unwrap().count(), 0);
}
