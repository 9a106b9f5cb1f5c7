"""How a judge asks risim through zeep, and how it says what it found. stack.js and stack.php are the same for other stacks.

Environment: RISIM_URL, RISIM_USER, RISIM_PASSWORD, RISIM_CA_FILE. One line per check on stdout; exit 1 if any failed.
"""

import os
import re
import sys
import traceback

import requests
import zeep
from zeep.transports import Transport

URL = os.environ["RISIM_URL"]
LOGIN = (os.environ["RISIM_USER"], os.environ["RISIM_PASSWORD"])
CA_FILE = os.environ["RISIM_CA_FILE"]

ris = None  # the client of every question that names no other; the judge connects it


def connect(auth=LOGIN, verify=CA_FILE, session_id=None, address=None):
    """Reads the contract. Questions go with auth or, when a session is named, with its cookie alone, and to where the contract
    leads, when no address is named."""
    session = requests.Session()
    session.trust_env = False  # no proxy, no .netrc, no CA bundle from elsewhere
    session.auth = None if session_id else auth
    session.verify = verify
    if session_id:
        session.cookies["JSESSIONIDSSO"] = session_id
    client = zeep.Client(URL + "?wsdl", transport=Transport(session=session, timeout=20, operation_timeout=60))
    client.asking = client.create_service(client.service._binding.name, address) if address else client.service
    session.hooks["response"].append(lambda response, **_: setattr(client, "last", response))
    return client


def session_of(client):
    """The id of the session that the answers to this client have set."""
    cookies = requests.utils.dict_from_cookiejar(client.transport.session.cookies)
    ok(re.fullmatch("[0-9A-F]{32}", cookies.get("JSESSIONIDSSO", "")), f"cookies are {cookies}")
    return cookies["JSESSIONIDSSO"]


class Answer:
    """An answer about devices or CTI items. records are (name of the node, device or item) in the order of the answer."""

    def __init__(self, total, nodes, part, state):
        self.total, self.nodes, self.state = total, nodes.item if nodes else [], state
        self.records = [(n.Name, r) for n in self.nodes for r in (n[part].item if n[part] else [])]
        self.names = {r.Name for _, r in self.records} if part == "CmDevices" else None
        self.without = [n.Name for n in self.nodes if empty(n[part])]  # the nodes that have no records

    def node(self, name):
        return next(n for n in self.nodes if n.Name == name)


def devices(*items, client=None, ext=False, state="", **criteria):
    asking = (client or ris).asking
    answer = (asking.selectCmDeviceExt if ext else asking.selectCmDevice)(
        StateInfo=state,
        CmSelectionCriteria={
            "MaxReturnedDevices": 1000,
            "DeviceClass": "Any",
            "Model": 255,
            "Status": "Any",
            "NodeName": "",
            "SelectBy": "Name",
            "SelectItems": {"item": [{"Item": i} for i in items]},
            "Protocol": "Any",
            "DownloadStatus": "Any",
            **criteria,
        },
    )
    result = answer.SelectCmDeviceResult
    return Answer(result.TotalDevicesFound, result.CmNodes, "CmDevices", answer.StateInfo)


def cti(manager, apps=(), names=(), numbers=(), state="", **criteria):
    answer = ris.asking.selectCtiItem(
        StateInfo=state,
        CtiSelectionCriteria={
            "MaxReturnedItems": 1000,
            "CtiMgrClass": manager,
            "Status": "Any",
            "NodeName": "",
            "SelectAppBy": "AppId",
            "AppItems": {"item": [{"AppItem": i} for i in apps]},
            "DevNames": {"item": [{"DevName": i} for i in names]},
            "DirNumbers": {"item": [{"DirNumber": i} for i in numbers]},
            **criteria,
        },
    )
    result = answer.SelectCtiItemResult
    return Answer(result.TotalItemsFound, result.CtiNodes, "CtiItems", answer.StateInfo)


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {repr(got):.1500}, want {repr(want):.1500}")


def ok(condition, what):
    if not condition:
        raise AssertionError(what)


def fault(call, *words, client=None):
    """The call must end in a SOAP fault, as zeep raises it, whose text has these words."""
    try:
        call()
    except zeep.exceptions.Fault as e:
        for word in words:
            ok(word in e.message, f"the fault does not say {word!r}: {e.message}")
        same((client or ris).last.status_code, 500, "HTTP status of a fault")
        return e
    raise AssertionError("no fault was raised")


def empty(value):
    """zeep reads a nil structure as one whose members are all None, or empty lists."""
    return value is None or all(value[member] in (None, []) for member in value)


def keys(records):
    return sorted((node, d.Name) for node, d in records)


CHECKS = []


def check(name):
    def add(f):
        CHECKS.append((name, f))
        return f

    return add


def run():
    """Makes the checks in their order and ends the program: with 1 if any failed."""
    failed = 0
    for name, make in CHECKS:
        try:
            make()
            print("ok", name, flush=True)
        except Exception as e:  # a check that breaks has failed, and the others still run
            failed += 1
            place = next(f for f in reversed(traceback.extract_tb(e.__traceback__)) if "/judges/" in f.filename)
            print("FAILED", name, f"\n    {type(e).__name__}: {e}  ({os.path.basename(place.filename)}:{place.lineno})", flush=True)
    sys.exit(1 if failed else 0)
