"""Running checks one after the other: a line for each, and an exit that says whether all passed."""

import os
import sys
import time
import traceback

URL = os.environ.get("SANDBOX_URL", "").rstrip("/")
KEY = os.environ.get("SANDBOX_KEY", "")
if not URL or not KEY:
    sys.exit("SANDBOX_URL and SANDBOX_KEY are needed")

_checks = []


def check(run):
    """Registers a check; its name, with spaces, is what is printed."""
    _checks.append(run)
    return run


def until(what, look):
    """Looks again and again until something is found, for twenty seconds."""
    end = time.monotonic() + 20
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"waited 20s for {what}"
        time.sleep(0.05)


def run_all():
    failed = 0
    for run in _checks:
        name = run.__name__.replace("_", " ")
        try:
            run()
            print(f"ok: {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {name}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
