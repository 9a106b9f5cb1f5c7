"""A client that risim run starts: for ten minutes of a manual clock, which it moves itself, it asks for all phones through zeep.

polite asks every 20 seconds, and waits a minute after the fault of the rate limit; hasty asks every 2 seconds, whatever it is told.
"""

import json
import os
import sys
import urllib.request

import zeep.exceptions

import stack

CLOCK = os.environ["RISIM_CONTROL_URL"] + "/api/v1/clusters/main/clock/advance"


def advance(seconds):
    order = urllib.request.Request(CLOCK, json.dumps({"by": f"{seconds}s"}).encode(), {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(order).close()


polite = {"polite": True, "hasty": False}[sys.argv[1]]
stack.ris = stack.connect()
answers = refusals = passed = 0
while passed < 600:
    wait = 20 if polite else 2
    try:
        stack.ok(stack.devices("SEP*", DeviceClass="Phone").total > 0, "no phones")
        answers += 1
    except zeep.exceptions.Fault as fault:
        stack.ok("Exceeded allowed rate" in fault.message, fault.message)
        refusals += 1
        if polite:
            wait = 60
    advance(wait)
    passed += wait
print(f"{answers} answers, {refusals} refusals")
