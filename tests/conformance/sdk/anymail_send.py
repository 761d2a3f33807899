"""django-anymail, as published: it sends through the sandbox, and its tracking view, which knows nothing of us, receives
the webhooks that the sandbox signs. `python anymail_send.py` with SANDBOX_URL and SANDBOX_KEY."""

import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
import requests
from django.conf import settings

from checks import KEY, URL, check, run_all, until

DOMAIN = f"any-{time.time_ns()}.example.com"
AUTH = ("api", KEY)
signing_key = requests.get(f"{URL}/v5/accounts/http_signing_key", auth=AUTH, timeout=10).json()["http_signing_key"]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ANYMAIL={
        "MAILGUN_API_KEY": KEY,
        "MAILGUN_API_URL": f"{URL}/v3",
        "MAILGUN_SENDER_DOMAIN": DOMAIN,
        "MAILGUN_WEBHOOK_SIGNING_KEY": signing_key,
    },
    EMAIL_BACKEND="anymail.backends.mailgun.EmailBackend",
    INSTALLED_APPS=["anymail"],
    ROOT_URLCONF="anymail.urls",
    SECRET_KEY="of no use",
    USE_TZ=True,
)
django.setup()

from anymail.message import AnymailMessage  # noqa: E402: Django has to be set up first
from anymail.signals import tracking  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

received = []


def remember(sender, event, esp_name, **_):
    received.append(event)


tracking.connect(remember)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


receiver = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
HOOK = f"http://127.0.0.1:{receiver.server_port}/mailgun/tracking/"


def send(to, **more):
    message = AnymailMessage(subject="Hello", body="Testing", from_email=f"bob@{DOMAIN}", to=to, **more)
    assert message.send() == 1
    return message


def events_of(message, recipient):
    message_id = message.anymail_status.message_id
    return [event for event in received if event.message_id == message_id and event.recipient == recipient]


def await_types(message, recipient, wanted):
    wanted = sorted(wanted)
    found = lambda: sorted(event.event_type for event in events_of(message, recipient))  # noqa: E731
    until(f"{recipient}: {wanted}, not {found()}", lambda: found() == wanted)
    return events_of(message, recipient)


@check
def the_tracking_view_is_registered_for_all_events():
    for name in ["accepted", "delivered", "opened", "clicked", "unsubscribed", "complained", "permanent_fail", "temporary_fail"]:
        answer = requests.post(f"{URL}/v3/domains/{DOMAIN}/webhooks", auth=AUTH, data={"id": name, "url": HOOK}, timeout=10)
        assert answer.status_code == 200, answer.text


@check
def a_message_is_sent_and_told_of():
    message = send(["Sally <sally@example.com>"], metadata={"order": "7"}, tags=["welcome"])
    assert message.anymail_status.status == {"queued"}
    accepted, delivered = sorted(await_types(message, "sally@example.com", ["queued", "delivered"]), key=lambda e: e.timestamp)
    assert delivered.metadata == {"order": "7"} and delivered.tags == ["welcome"], vars(delivered)
    assert accepted.event_id != delivered.event_id


@check
def merged_metadata_reaches_the_events_of_its_recipient():
    merge_metadata = {"amy@example.com": {"order": "8"}, "bob@example.com": {"order": "9"}}
    message = send(["amy@example.com", "bob@example.com"], merge_metadata=merge_metadata)
    for address, expected in merge_metadata.items():
        assert all(event.metadata == expected for event in await_types(message, address, ["queued", "delivered"]))


@check
def what_becomes_of_a_message_is_understood():
    cases = {
        "bounce+any": ["queued", "bounced"],
        "softbounce": ["queued", "deferred", "bounced"],
        "defer": ["queued", "deferred", "delivered"],
        "block": ["queued", "bounced"],
        "complain": ["queued", "delivered", "complained"],
        "unsubscribe": ["queued", "delivered", "unsubscribed"],
        "click": ["queued", "delivered", "opened", "clicked"],
    }
    sent = {word: send([f"{word}@example.com"]) for word in cases}
    for word, wanted in cases.items():
        events = await_types(sent[word], f"{word}@example.com", wanted)
        if word == "bounce+any":
            assert "does not exist" in [e for e in events if e.event_type == "bounced"][0].mta_response
        if word == "click":
            assert [e for e in events if e.event_type == "clicked"][0].click_url.startswith("https://")


@check
def who_bounced_is_not_delivered_to_again():
    message = send(["bounce+any@example.com"])
    events = await_types(message, "bounce+any@example.com", ["queued", "bounced"])
    bounced = [event for event in events if event.event_type == "bounced"][0]
    assert bounced.reject_reason == "bounced", vars(bounced)
    assert bounced.esp_event["event-data"]["delivery-status"]["code"] == 605


@check
def a_signature_of_another_key_is_refused_by_the_view():
    before = len(received)
    requests.post(f"{URL}/v5/accounts/http_signing_key", auth=AUTH, timeout=10).raise_for_status()
    message = send(["sally@example.com"])
    look = {"message_id": message.anymail_status.message_id}

    def refused():
        answer = requests.get(f"{URL}/_sandbox/webhooks/deliveries", params=look, auth=AUTH, timeout=10)
        return [one for one in answer.json()["deliveries"] if one["last"] == 400 and one["state"] == "waiting"]

    until("a refusal", refused)
    assert len(received) == before


run_all()
