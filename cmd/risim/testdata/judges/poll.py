"""zeep polls a risim whose cluster and time change between its questions: StateInfo there and back, the limit of fifteen
questions a minute, the end of a session.

The test that runs it makes the changes: a line "> ORDER" on stdout asks for one, and is answered by a line on stdin, "done" or why
not. Like judge.py it knows no name of the cluster, and poll.js and poll.php make the same checks under the same names. Every check
begins in a minute of its own.

Environment: also RISIM_PROFILE, the profile that decides where the rules say so.
"""

import os
import sys

import zeep

import stack
from stack import URL, check, connect, cti, devices, fault, ok, same, session_of

DOCUMENTED = os.environ["RISIM_PROFILE"] == "documented"
RATE = "Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute."


def please(order):
    print(">", order, flush=True)
    same(sys.stdin.readline().rstrip("\n"), "done", order)


def poll(state="", items="SEP*0", **criteria):
    """The query that is repeated: one phone in sixteen, on several nodes."""
    return devices(items, state=state, DeviceClass="Phone", **criteria)


def names(answer):
    return [n.Name for n in answer.nodes]


def changed(answer, what="a full answer"):
    """Several nodes have records, and say that there was a change. What other nodes say in NoChange is rule R3."""
    same([n.ReturnCode for n in answer.nodes], ["NotFound" if n in answer.without else "Ok" for n in names(answer)], f"return codes of {what}")
    found = [n.NoChange for n in answer.nodes if n.ReturnCode == "Ok"]
    ok(len(found) > 1, f"{what} has records of {len(found)} nodes")
    same(found, [False] * len(found), f"NoChange of {what}")
    same(answer.total, len(answer.records), f"total of {what}")
    ok(isinstance(answer.state, str) and answer.state, f"StateInfo of {what} is {answer.state!r}")
    return answer


def unchanged(answer, full, state):
    """Every node says that there was no change since the full answer, and the StateInfo is the one that is given."""
    same((answer.total, answer.records, answer.without), (0, [], names(full)), "total, records and nodes without records")
    same([(n.Name, n.ReturnCode, n.NoChange) for n in answer.nodes], [(n.Name, n.ReturnCode, True) for n in full.nodes], "nodes")
    same(answer.state, state, "StateInfo")


def registered(answer):
    """A registered phone that has no other record in the answer: its node and its record."""
    return next((node, d) for node, d in answer.records if d.Status == "Registered" and [r.Name for _, r in answer.records].count(d.Name) == 1)


def but(name, answer):
    return [(node, d) for node, d in answer.records if d.Name != name]


def of(name, answer):
    return [(node, d) for node, d in answer.records if d.Name == name]


def small(client=None, **options):
    return devices("*", client=client, DeviceClass="HuntList", **options)


def ask(times, client=None):
    for _ in range(times):
        ok(small(client).total, "no hunt list")


def use_up_the_minute():
    """Fifteen questions, of all operations."""
    please("next-minute")
    for _ in range(5):
        ask(1)
        same(small(ext=True).total, 0, "hunt lists by a wildcard in selectCmDeviceExt")
        ok(cti("Provider").total, "no application")


# ---- The contract


@check("H2 the address in the contract is the profile's")
def _():
    (port,) = next(iter(stack.ris.wsdl.services.values())).ports.values()
    same(port.binding_options["address"], URL if DOCUMENTED else "https://localhost:8443/realtimeservice2/services/RISService70", "address")


# ---- StateInfo of devices


@check("N4 with the StateInfo of the last answer nothing has changed, also a minute later")
def _():
    please("next-minute")
    before = changed(poll())
    unchanged(poll(before.state), before, before.state)
    please("next-minute")
    unchanged(poll(before.state), before, before.state)


@check("N3 a change that the query does not match is none")
def _():
    please("next-minute")
    before = changed(poll())
    other = next(d for _, d in poll(items="*").records if d.Status == "Registered" and not d.Name.endswith("0"))
    please("unregister " + other.Name)
    same([d.Status for _, d in poll(items=other.Name).records], ["UnRegistered"], f"status of {other.Name}")
    again = poll(before.state)
    unchanged(again, before, again.state)
    ok(again.state != before.state, "StateInfo is the same after a change on a node")
    unchanged(poll(again.state), before, again.state)


@check("N5 a change that the query matches brings the full answer")
def _():
    please("next-minute")
    before = changed(poll())
    node, phone = registered(before)
    please("next-minute")
    please("unregister " + phone.Name)
    after = changed(poll(before.state), "the answer after the change")
    ok(after.state != before.state, "StateInfo is the same after the change")
    same(but(phone.Name, after), but(phone.Name, before), "records of the other devices")
    ((now_node, now),) = of(phone.Name, after)
    same((now_node, now.Status, now.StatusReason), (node, "UnRegistered", 13), "the device that changed")
    ok(now.TimeStamp > phone.TimeStamp, f"time stamp of {phone.Name}: {now.TimeStamp}, not later than {phone.TimeStamp}")
    unchanged(poll(after.state), after, after.state)
    same(changed(poll(before.state)).records, after.records, "records for the older StateInfo")


@check("N3 a device that leaves the match is a change")
def _():
    please("next-minute")
    before = changed(poll(Status="Registered"))
    _, phone = registered(before)
    unchanged(poll(before.state, Status="Registered"), before, before.state)
    please("unregister " + phone.Name)
    after = changed(poll(before.state, Status="Registered"), "the answer without the device")
    same(after.records, but(phone.Name, before), "records")


@check("V2 after a failover the full answer has the device on both nodes")
def _():
    please("next-minute")
    before = changed(poll())
    node, phone = registered(before)
    please("next-minute")
    please("failover " + phone.Name)
    after = changed(poll(before.state), "the answer after the failover")
    found = dict(of(phone.Name, after))
    same([d.Status for n, d in found.items() if n == node], ["UnRegistered"], "records on the node that was left")
    ((there, taken),) = [(n, d) for n, d in found.items() if n != node]
    same(taken.Status, "Registered", f"record on {there}")
    ok(taken.TimeStamp > phone.TimeStamp, f"time stamp on {there}: {taken.TimeStamp}, not later than {phone.TimeStamp}")


@check("R3 NoChange of a NotFound node in a full answer is the profile's")
def _():
    please("next-minute")
    node, phone = registered(poll())

    def full(answer):
        want = [("Ok", False) if n == node else ("NotFound", not DOCUMENTED) for n in names(answer)]
        same([(n.ReturnCode, n.NoChange) for n in answer.nodes], want, "nodes")
        same((answer.total, answer.without), (1, [n for n in names(answer) if n != node]), "total and nodes without records")
        return answer

    before = full(poll(items=phone.Name))
    ok(len(before.nodes) > 1, "one node answers")
    unchanged(poll(before.state, items=phone.Name), before, before.state)
    please("unregister " + phone.Name)
    full(poll(before.state, items=phone.Name))


# ---- StateInfo of applications


@check("C5 with the StateInfo of the last answer no application has changed, whatever devices do")
def _():
    please("next-minute")
    before = changed(cti("Provider"))
    please("unregister " + registered(poll())[1].Name)
    unchanged(cti("Provider", state=before.state), before, before.state)


@check("C5 an application that the query does not match is no change")
def _():
    please("next-minute")
    (node, mine), (_, other) = [(n, i) for n, i in cti("Provider").records if i.AppStatus == "Open"][:2]
    before = cti("Provider", apps=[mine.AppId])
    same([(n, i.AppId) for n, i in before.records], [(node, mine.AppId)], "applications")
    please("close " + other.AppId)
    same([i.AppStatus for _, i in cti("Provider", apps=[other.AppId]).records], ["Closed"], f"status of {other.AppId}")
    again = cti("Provider", apps=[mine.AppId], state=before.state)
    unchanged(again, before, again.state)


@check("C5 an application that closes brings the full answer")
def _():
    please("next-minute")
    before = changed(cti("Provider"))
    unchanged(cti("Provider", state=before.state), before, before.state)
    node, mine = next((n, i) for n, i in before.records if i.AppStatus == "Open")
    please("close " + mine.AppId)
    after = changed(cti("Provider", state=before.state), "the answer after the change")
    ok(after.state != before.state, "StateInfo is the same after the change")
    same([(n, i.AppStatus) for n, i in after.records if i.AppId == mine.AppId], [(node, "Closed")], f"status of {mine.AppId}")
    same([r for r in after.records if r[1].AppId != mine.AppId], [r for r in before.records if r[1].AppId != mine.AppId],
         "the other applications")
    unchanged(cti("Provider", state=after.state), after, after.state)


# ---- The limit of fifteen a minute


@check("T1 fifteen questions a minute, of all operations together")
def _():
    use_up_the_minute()
    fault(small, RATE)
    fault(lambda: small(ext=True), RATE)
    fault(lambda: cti("Provider"), RATE)


@check("T3 a question that cannot be answered does not count")
def _():
    please("next-minute")
    for _ in range(3):
        fault(lambda: poll(Protocol="H323"), "H323")
    ask(15)
    fault(small, RATE)


@check("T4 the rate fault has Cisco's words and code")
def _():
    please("next-minute")
    publisher = names(poll())[0]
    use_up_the_minute()
    for operation, question in [
        ("selectCmDevice", small), ("selectCmDeviceExt", lambda: small(ext=True)), ("selectCtiItem", lambda: cti("Provider")),
    ]:
        e = fault(question, RATE)
        action = stack.ris.last.request.headers["SOAPAction"].strip('"')
        same(action, operation, "SOAPAction as zeep sends it")
        same(e.message, f"AxisFault: {RATE}{action}" if DOCUMENTED else f"{RATE}RISService70", "text")
        same(e.code, "ns1:Server.RateControl", "code")
        (hostname,) = e.detail
        same((hostname.tag, hostname.text), ("{http://xml.apache.org/axis/}hostname", publisher), "detail")


@check("T2 the next minute answers again, and not a second before")
def _():
    please("next-minute")
    ask(7)
    please("advance 30s")
    ask(8)
    fault(small, RATE)
    please("advance 29s")
    fault(small, RATE)
    please("advance 1s")
    ask(15)
    fault(small, RATE)


# ---- Sessions


@check("H6 a session that idles for longer than half an hour ends in a fault, and a new log-in begins another")
def _():
    please("next-minute")
    first = connect(address=URL)
    ask(1, first)
    guest = connect(session_id=session_of(first), address=URL)
    for _ in range(2):  # each question begins the half hour anew
        please("advance 30m")
        ask(1, guest)
    please("advance 30m1s")
    for _ in range(2):
        fault(lambda: small(guest), "Error Code = 7", "needs SOAP clients to start a new session", client=guest)
    again = connect(address=URL)
    ask(1, again)
    ok(session_of(again) != session_of(first), "the new log-in has the old session")
    ask(1, connect(session_id=session_of(again), address=URL))


stack.ris = connect(address=URL)  # which need not be the one in the contract
stack.run()
