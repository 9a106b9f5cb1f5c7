"""A client that risim run starts: it wants all phones of a node, fifty at a time, with nothing but Python's own library.

hasty takes StateInfo for a page cursor, takes what that gives for complete, and goes on asking when the rate limit says no.
careful divides the query when an answer is full, sends StateInfo to learn of changes, at its own pace, and waits a minute after a refusal.
Both are exemplary otherwise: they keep the session, name the operation, and send what the contract has, in its order.
"""

import http.cookiejar
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from xml.etree import ElementTree
from xml.sax.saxutils import escape

FULL = 50
CLOCK = os.environ["RISIM_CONTROL_URL"] + "/api/v1/clusters/main/clock/advance"

opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=os.environ["RISIM_CA_FILE"])),
    urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
)
credentials = b64encode(f"{os.environ['RISIM_USER']}:{os.environ['RISIM_PASSWORD']}".encode()).decode()


class Refused(Exception):
    """The rate limit."""


def ask(item, node, state="", device_class="Phone"):
    """The names of devices, the StateInfo of the answer, and whether nothing has changed."""
    body = f"""<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap="http://schemas.cisco.com/ast/soap">
<soapenv:Body><soap:selectCmDevice><soap:StateInfo>{escape(state)}</soap:StateInfo><soap:CmSelectionCriteria>
<soap:MaxReturnedDevices>{FULL}</soap:MaxReturnedDevices><soap:DeviceClass>{device_class}</soap:DeviceClass><soap:Model>255</soap:Model>
<soap:Status>Any</soap:Status><soap:NodeName>{node}</soap:NodeName><soap:SelectBy>Name</soap:SelectBy>
<soap:SelectItems><soap:item><soap:Item>{item}</soap:Item></soap:item></soap:SelectItems>
<soap:Protocol>Any</soap:Protocol><soap:DownloadStatus>Any</soap:DownloadStatus>
</soap:CmSelectionCriteria></soap:selectCmDevice></soapenv:Body></soapenv:Envelope>"""
    headers = {"Content-Type": "text/xml;charset=utf-8", "SOAPAction": '"selectCmDevice"', "User-Agent": sys.argv[1] + "/1.0"}
    if credentials:
        headers["Authorization"] = "Basic " + credentials
    try:
        with opener.open(urllib.request.Request(os.environ["RISIM_URL"], body.encode(), headers)) as answer:
            root = ElementTree.parse(answer).getroot()
    except urllib.error.HTTPError as error:
        if "Exceeded allowed rate" in error.read().decode():
            raise Refused from None
        raise
    ns = "{http://schemas.cisco.com/ast/soap}"
    devices = [d for items in root.iter(ns + "CmDevices") for d in items]
    changed = all(n.text == "false" for n in root.iter(ns + "NoChange"))
    return [d.find(ns + "Name").text for d in devices], root.find(f".//{ns}StateInfo").text or "", not changed


def advance(seconds):
    order = urllib.request.Request(CLOCK, json.dumps({"by": f"{seconds}s"}).encode(), {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(order).close()


def patiently(*query):
    """Asks three times a minute at the most, and again after a minute when that was too often."""
    advance(20)
    try:
        return ask(*query)
    except Refused:
        advance(60)
        return ask(*query)


def hasty(node):
    names, state, _ = ask("*", node)
    while True:
        page, following, _ = ask("*", node, state)
        if following == state:
            break
        names, state = names + page, following
    refusals = 0
    for kind in ["Gateway", "H323", "SIPTrunk", "HuntList"]:
        try:
            ask("*", node, "", kind)
        except Refused:
            refusals += 1
    assert refusals == 2, f"{refusals} refusals"
    return names


def careful(node):
    def all_of(prefix):
        names, _, _ = patiently(prefix + "*", node)
        if len(names) < FULL:
            return names
        return [n for digit in "0123456789ABCDEF" for n in all_of(prefix + digit)]

    names = [n for prefix in ["SEP", "AN", "ATA", "CSF", "TCT", "BOT", "TAB", "CTI"] for n in all_of(prefix)]
    _, state, _ = patiently("CSF*", node)
    for _ in range(5):
        _, state, same = patiently("CSF*", node, state)
        assert same, "something has changed"
    try:  # at the same moment as many as there may be, and one more
        for kind in ["Gateway", "H323", "SIPTrunk", "HuntList"]:
            ask("*", node, "", kind)
    except Refused:
        advance(60)
        ask("*", node, "", "HuntList")
    else:
        raise AssertionError("there is no rate limit")
    return names


found = {"hasty": hasty, "careful": careful}[sys.argv[1]]("cucm-sub1")
assert len(found) == len(set(found)), "a phone is there twice"
print(f"{len(found)} phones")
