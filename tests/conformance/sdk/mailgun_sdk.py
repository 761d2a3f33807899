"""Mailgun's own Python client, as published, against the sandbox: `python mailgun_sdk.py` with SANDBOX_URL and SANDBOX_KEY."""

import json
import time

from mailgun.client import Client

from checks import KEY, URL, check, run_all, until

# A name of its own, so that a second run finds nothing of the first.
DOMAIN = f"py-{time.time_ns()}.example.com"
FROM = f"Bob <bob@{DOMAIN}>"

client = Client(auth=("api", KEY), api_url=URL)
stranger = Client(auth=("api", "wrong"), api_url=URL)


def ok(answer, status=200):
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    return answer.json()


def send(to, **more):
    data = {"from": FROM, "to": to, "subject": "Hello", "text": "Testing", **more}
    return ok(client.messages.create(data=data, domain=DOMAIN))["id"].strip("<>")


def events(**filters):
    return ok(client.events.get(domain=DOMAIN, filters=filters))["items"]


@check
def a_domain_is_created_shown_verified_and_updated():
    created = ok(client.domains.create(data={"name": DOMAIN}))
    assert created["domain"]["state"] == "unverified", created
    assert ok(client.domains.get(domain=DOMAIN))["domain"]["name"] == DOMAIN
    assert ok(client.domains.put(domain=DOMAIN, verify=True))["domain"]["state"] == "active"
    updated = ok(client.domains.put(domain=DOMAIN, data={"spam_action": "block"}))
    assert updated["domain"]["spam_action"] == "block"
    assert DOMAIN in [item["name"] for item in ok(client.domainlist.get())["items"]]


@check
def queues_and_tracking_are_shown():
    assert ok(client.domains_sendingqueues.get(domain=DOMAIN))["regular"]["is_disabled"] is False
    assert ok(client.domains_tracking.get(domain=DOMAIN))["tracking"]["open"]["active"] is False
    changed = ok(client.domains_tracking_open.put(domain=DOMAIN, data={"active": "yes"}))
    assert changed["open"]["active"] is True


@check
def a_message_is_queued_with_its_options():
    sent = send(["sally@example.com", "amy@example.com"], **{"o:tag": ["one", "two"], "v:email-id": "p1", "o:testmode": "yes"})
    items = until("both deliveries", lambda: (e := events(**{"message-id": sent, "event": "delivered"})) and len(e) == 2 and e)
    assert items[0]["tags"] == ["one", "two"] and items[0]["user-variables"] == {"email-id": "p1"}, items[0]
    assert items[0]["delivery-status"]["code"] == 650 and items[0]["flags"]["is-test-mode"] is True


@check
def a_message_with_a_file_is_queued():
    data = {"from": FROM, "to": "sally@example.com", "subject": "A file", "text": "see there"}
    files = [("attachment", ("a.txt", b"contents"))]
    sent = ok(client.messages.create(data=data, files=files, domain=DOMAIN))["id"].strip("<>")
    items = until("its acceptance", lambda: events(**{"message-id": sent, "event": "accepted"}))
    assert items[0]["message"]["attachments"][0]["filename"] == "a.txt", items[0]


@check
def a_mime_message_is_queued():
    mime = f"From: bob@{DOMAIN}\r\nTo: sally@example.com\r\nSubject: Whole\r\n\r\nTesting\r\n".encode()
    answer = client.mimemessage.create(data={"to": "sally@example.com"}, files={"message": ("a.eml", mime)}, domain=DOMAIN)
    sent = ok(answer)["id"].strip("<>")
    items = until("its acceptance", lambda: events(**{"message-id": sent, "event": "accepted"}))
    assert items[0]["message"]["headers"]["subject"] == "Whole", items[0]


@check
def what_becomes_of_a_message_follows_its_address():
    expected = {
        "bounce+py": ["accepted", "failed"],
        "softbounce": ["accepted", "failed", "failed"],
        "complaint": ["accepted", "complained", "delivered"],
        "unsubscribe": ["accepted", "delivered", "unsubscribed"],
        "open": ["accepted", "delivered", "opened"],
    }
    for word, wanted in expected.items():
        sent = send(f"{word}@example.com")
        found = until(f"{word}: {wanted}", lambda: (e := events(**{"message-id": sent})) and len(e) == len(wanted) and e)
        assert sorted(item["event"] for item in found) == wanted, found


@check
def logs_are_listed():
    filters = {"AND": [{"attribute": "domain", "comparator": "=", "values": [{"label": DOMAIN, "value": DOMAIN}]}]}
    data = {"filter": filters, "events": ["delivered"], "pagination": {"sort": "timestamp:asc", "limit": 1}}
    answer = client.analytics_logs.create(data=json.dumps(data), headers={"Content-Type": "application/json"})
    logs = ok(answer)
    assert [item["event"] for item in logs["items"]] == ["delivered"] and logs["pagination"]["next"], logs


@check
def each_suppression_list_is_added_to_shown_and_emptied():
    lists = [
        (client.bounces, "bounce_address", {"code": 550, "error": "gone"}),
        (client.complaints, "complaint_address", {}),
        (client.unsubscribes, "unsubscribe_address", {"tag": "*"}),
    ]
    for endpoint, name, more in lists:
        ok(endpoint.create(data={"address": "a+b@example.com", **more}, domain=DOMAIN))
        several = json.dumps([{"address": f"n{n}@example.com"} for n in range(3)])
        added = ok(endpoint.create(data=several, domain=DOMAIN, headers={"Content-Type": "application/json"}))
        assert added["message"].startswith("3 "), added
        assert ok(endpoint.get(domain=DOMAIN, **{name: "a+b@example.com"}))["address"] == "a+b@example.com"
        assert len(ok(endpoint.get(domain=DOMAIN, filters={"limit": 2}))["items"]) == 2
        ok(endpoint.delete(domain=DOMAIN, **{name: "n0@example.com"}))
        ok(endpoint.get(domain=DOMAIN, **{name: "n0@example.com"}), 404)
        ok(endpoint.delete(domain=DOMAIN))
        assert ok(endpoint.get(domain=DOMAIN))["items"] == []


@check
def the_allowlist_is_added_to_and_removed_from():
    ok(client.whitelists.create(data={"address": "vip@example.com", "reason": "ours"}, domain=DOMAIN))
    assert ok(client.whitelists.get(domain=DOMAIN, whitelist_address="vip@example.com"))["type"] == "address"
    ok(client.whitelists.delete(domain=DOMAIN, whitelist_address="vip@example.com"))


@check
def webhooks_of_a_domain_are_managed():
    here = "http://127.0.0.1:9/hook"
    created = ok(client.domains_webhooks.create(domain=DOMAIN, data={"id": "clicked", "url": [here]}))
    assert created["webhook"]["urls"] == [here], created
    assert ok(client.domains_webhooks.get(domain=DOMAIN, webhook_name="clicked"))["webhook"]["urls"] == [here]
    ok(client.domains_webhooks.put(domain=DOMAIN, webhook_name="clicked", data={"url": f"{here}2"}))
    ok(client.domains_webhooks.delete(domain=DOMAIN, webhook_name="clicked"))
    ok(client.domains_webhooks.create(domain=DOMAIN, data={"id": "opened", "url": "https://example.com/"}), 400)


@check
def webhooks_of_the_account_are_managed():
    data = {"url": "http://127.0.0.1:9/account", "event_types": ["opened", "delivered"], "description": "all of it"}
    made = ok(client.account_webhooks.create(data=data))["webhook_id"]
    assert ok(client.account_webhooks.get(webhook_id=made))["event_types"] == ["opened", "delivered"]
    assert made in [hook["webhook_id"] for hook in ok(client.account_webhooks.get())["webhooks"]]
    assert client.account_webhooks.delete(webhook_id=made).status_code == 204
    ok(client.account_webhooks.get(webhook_id=made), 404)


@check
def addresses_are_validated():
    assert ok(client.addressvalidate.get(filters={"address": "sally@example.com"}))["result"] == "deliverable"


@check
def mistakes_are_refused_with_their_status():
    data = {"from": FROM, "to": "sallyexample.com", "text": "x"}
    assert "not a valid address" in ok(client.messages.create(data=data, domain=DOMAIN), 400)["message"]
    assert stranger.messages.create(data={**data, "to": "a@b.example"}, domain=DOMAIN).status_code == 401
    assert ok(stranger.domainlist.get(), 401)["message"] == "Invalid private key"


@check
def a_domain_is_deleted():
    ok(client.domains.delete(domain=DOMAIN))
    ok(client.domains.get(domain=DOMAIN), 404)


run_all()
