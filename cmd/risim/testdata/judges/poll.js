// The npm package soap polls a risim whose cluster and time change between its questions: StateInfo there and back, the limit of
// fifteen questions a minute, the end of a session.
//
// The test that runs it makes the changes: a line "> ORDER" on stdout asks for one, and is answered by a line on stdin, "done" or
// why not. Like judge.js it knows no name of the cluster, and poll.py and poll.php make the same checks under the same names. Every
// check begins in a minute of its own.
//
// Environment: also RISIM_PROFILE, the profile that decides where the rules say so.
'use strict';

const assert = require('node:assert/strict');
const readline = require('node:readline');
const stack = require('./stack');
const { connect, sessionOf, devices, cti, fault, same, URL: URL_ } = stack;

const DOCUMENTED = process.env.RISIM_PROFILE === 'documented';
const RATE = 'Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute.';

const input = readline.createInterface({ input: process.stdin });
const replies = input[Symbol.asyncIterator]();

async function please(order) {
  console.log('>', order);
  same((await replies.next()).value, 'done', order);
}

/** poll is the query that is repeated: one phone in sixteen, on several nodes. */
const poll = (state = '', { items = 'SEP*0', ...criteria } = {}) => devices(items, { state, DeviceClass: 'Phone', ...criteria });
const names = (answer) => answer.nodes.map((n) => n.Name);

/** changed: several nodes have records, and say that there was a change. What other nodes say in NoChange is rule R3. */
function changed(answer, what = 'a full answer') {
  same(answer.nodes.map((n) => n.ReturnCode), names(answer).map((n) => answer.without.includes(n) ? 'NotFound' : 'Ok'), `return codes of ${what}`);
  const found = answer.nodes.filter((n) => n.ReturnCode === 'Ok').map((n) => n.NoChange);
  assert.ok(found.length > 1, `${what} has records of ${found.length} nodes`);
  same(found, found.map(() => false), `NoChange of ${what}`);
  same(answer.total, answer.records.length, `total of ${what}`);
  assert.ok(typeof answer.state === 'string' && answer.state, `StateInfo of ${what} is ${answer.state}`);
  return answer;
}

/** unchanged: every node says that there was no change since the full answer, and the StateInfo is the one that is given. */
function unchanged(answer, full, state) {
  same([answer.total, answer.records, answer.without], [0, [], names(full)], 'total, records and nodes without records');
  same(answer.nodes.map((n) => [n.Name, n.ReturnCode, n.NoChange]), full.nodes.map((n) => [n.Name, n.ReturnCode, true]), 'nodes');
  same(answer.state, state, 'StateInfo');
}

const of = (name, answer) => answer.records.filter(([, d]) => d.Name === name);
const but = (name, answer) => answer.records.filter(([, d]) => d.Name !== name);
const open = (answer) => answer.records.filter(([, i]) => i.AppStatus === 'Open');

/** registered is a registered phone that has no other record in the answer: its node and its record. */
const registered = (answer) => answer.records.find(([, d]) => d.Status === 'Registered' && of(d.Name, answer).length === 1);

const small = (options = {}) => devices('*', { DeviceClass: 'HuntList', ...options });

async function ask(times, options) {
  for (let i = 0; i < times; i++) assert.ok((await small(options)).total, 'no hunt list');
}

/** useUpTheMinute asks fifteen questions, of all operations. */
async function useUpTheMinute() {
  await please('next-minute');
  for (let i = 0; i < 5; i++) {
    await ask(1);
    same((await small({ ext: true })).total, 0, 'hunt lists by a wildcard in selectCmDeviceExt');
    assert.ok((await cti('Provider')).total, 'no application');
  }
}

const CHECKS = {
  // ---- The contract

  'H2 the address in the contract is the profile\'s': async () => {
    same(stack.ris.wsdl.services.RISService70.ports.RisPort70.location,
      DOCUMENTED ? URL_ : 'https://localhost:8443/realtimeservice2/services/RISService70', 'address');
  },

  // ---- StateInfo of devices

  'N4 with the StateInfo of the last answer nothing has changed, also a minute later': async () => {
    await please('next-minute');
    const before = changed(await poll());
    unchanged(await poll(before.state), before, before.state);
    await please('next-minute');
    unchanged(await poll(before.state), before, before.state);
  },

  'N3 a change that the query does not match is none': async () => {
    await please('next-minute');
    const before = changed(await poll());
    const all = await poll('', { items: '*' });
    const [, other] = all.records.find(([, d]) => d.Status === 'Registered' && !d.Name.endsWith('0'));
    await please(`unregister ${other.Name}`);
    same((await poll('', { items: other.Name })).records.map(([, d]) => d.Status), ['UnRegistered'], `status of ${other.Name}`);
    const again = await poll(before.state);
    unchanged(again, before, again.state);
    assert.notEqual(again.state, before.state, 'StateInfo is the same after a change on a node');
    unchanged(await poll(again.state), before, again.state);
  },

  'N5 a change that the query matches brings the full answer': async () => {
    await please('next-minute');
    const before = changed(await poll());
    const [node, phone] = registered(before);
    await please('next-minute');
    await please(`unregister ${phone.Name}`);
    const after = changed(await poll(before.state), 'the answer after the change');
    assert.notEqual(after.state, before.state, 'StateInfo is the same after the change');
    same(but(phone.Name, after), but(phone.Name, before), 'records of the other devices');
    const [[nowNode, now], ...more] = of(phone.Name, after);
    same([nowNode, now.Status, Number(now.StatusReason), more], [node, 'UnRegistered', 13, []], 'the device that changed');
    assert.ok(Number(now.TimeStamp) > Number(phone.TimeStamp), `time stamp of ${phone.Name}: ${now.TimeStamp}, not later than ${phone.TimeStamp}`);
    unchanged(await poll(after.state), after, after.state);
    same(changed(await poll(before.state)).records, after.records, 'records for the older StateInfo');
  },

  'N3 a device that leaves the match is a change': async () => {
    await please('next-minute');
    const before = changed(await poll('', { Status: 'Registered' }));
    const [, phone] = registered(before);
    unchanged(await poll(before.state, { Status: 'Registered' }), before, before.state);
    await please(`unregister ${phone.Name}`);
    const after = changed(await poll(before.state, { Status: 'Registered' }), 'the answer without the device');
    same(after.records, but(phone.Name, before), 'records');
  },

  'V2 after a failover the full answer has the device on both nodes': async () => {
    await please('next-minute');
    const before = changed(await poll());
    const [node, phone] = registered(before);
    await please('next-minute');
    await please(`failover ${phone.Name}`);
    const after = changed(await poll(before.state), 'the answer after the failover');
    const found = of(phone.Name, after);
    same(found.filter(([n]) => n === node).map(([, d]) => d.Status), ['UnRegistered'], 'records on the node that was left');
    const [[there, taken], ...more] = found.filter(([n]) => n !== node);
    same([taken.Status, more], ['Registered', []], `record on ${there}`);
    assert.ok(Number(taken.TimeStamp) > Number(phone.TimeStamp), `time stamp on ${there}: ${taken.TimeStamp}, not later than ${phone.TimeStamp}`);
  },

  'R3 NoChange of a NotFound node in a full answer is the profile\'s': async () => {
    await please('next-minute');
    const [node, phone] = registered(await poll());
    const full = (answer) => {
      same(answer.nodes.map((n) => [n.ReturnCode, n.NoChange]), names(answer).map((n) => n === node ? ['Ok', false] : ['NotFound', !DOCUMENTED]), 'nodes');
      same([answer.total, answer.without], [1, names(answer).filter((n) => n !== node)], 'total and nodes without records');
      return answer;
    };
    const before = full(await poll('', { items: phone.Name }));
    assert.ok(before.nodes.length > 1, 'one node answers');
    unchanged(await poll(before.state, { items: phone.Name }), before, before.state);
    await please(`unregister ${phone.Name}`);
    full(await poll(before.state, { items: phone.Name }));
  },

  // ---- StateInfo of applications

  'C5 with the StateInfo of the last answer no application has changed, whatever devices do': async () => {
    await please('next-minute');
    const before = changed(await cti('Provider'));
    await please(`unregister ${registered(await poll())[1].Name}`);
    unchanged(await cti('Provider', { state: before.state }), before, before.state);
  },

  'C5 an application that the query does not match is no change': async () => {
    await please('next-minute');
    const [[node, mine], [, other]] = open(await cti('Provider'));
    const before = await cti('Provider', { apps: [mine.AppId] });
    same(before.records.map(([n, i]) => [n, i.AppId]), [[node, mine.AppId]], 'applications');
    await please(`close ${other.AppId}`);
    same((await cti('Provider', { apps: [other.AppId] })).records.map(([, i]) => i.AppStatus), ['Closed'], `status of ${other.AppId}`);
    const again = await cti('Provider', { apps: [mine.AppId], state: before.state });
    unchanged(again, before, again.state);
  },

  'C5 an application that closes brings the full answer': async () => {
    await please('next-minute');
    const before = changed(await cti('Provider'));
    unchanged(await cti('Provider', { state: before.state }), before, before.state);
    const [[node, mine]] = open(before);
    await please(`close ${mine.AppId}`);
    const after = changed(await cti('Provider', { state: before.state }), 'the answer after the change');
    assert.notEqual(after.state, before.state, 'StateInfo is the same after the change');
    same(after.records.filter(([, i]) => i.AppId === mine.AppId).map(([n, i]) => [n, i.AppStatus]), [[node, 'Closed']], `status of ${mine.AppId}`);
    same(after.records.filter(([, i]) => i.AppId !== mine.AppId), before.records.filter(([, i]) => i.AppId !== mine.AppId), 'the other applications');
    unchanged(await cti('Provider', { state: after.state }), after, after.state);
  },

  // ---- The limit of fifteen a minute

  'T1 fifteen questions a minute, of all operations together': async () => {
    await useUpTheMinute();
    await fault(small(), RATE);
    await fault(small({ ext: true }), RATE);
    await fault(cti('Provider'), RATE);
  },

  'T3 a question that cannot be answered does not count': async () => {
    await please('next-minute');
    for (let i = 0; i < 3; i++) await fault(poll('', { Protocol: 'H323' }), 'H323');
    await ask(15);
    await fault(small(), RATE);
  },

  'T4 the rate fault has Cisco\'s words and code': async () => {
    await please('next-minute');
    const [publisher] = names(await poll());
    await useUpTheMinute();
    const questions = { selectCmDevice: () => small(), selectCmDeviceExt: () => small({ ext: true }), selectCtiItem: () => cti('Provider') };
    for (const [operation, question] of Object.entries(questions)) {
      const { faultcode, faultstring, detail } = await fault(question(), RATE);
      const action = stack.ris.lastRequestHeaders.SOAPAction.replaceAll('"', '');
      same(action, operation, 'SOAPAction as the package sends it');
      same(faultstring, DOCUMENTED ? `AxisFault: ${RATE}${action}` : `${RATE}RISService70`, 'text');
      same(faultcode, 'ns1:Server.RateControl', 'code');
      same(detail, { hostname: publisher }, 'detail');
    }
  },

  'T2 the next minute answers again, and not a second before': async () => {
    await please('next-minute');
    await ask(7);
    await please('advance 30s');
    await ask(8);
    await fault(small(), RATE);
    await please('advance 29s');
    await fault(small(), RATE);
    await please('advance 1s');
    await ask(15);
    await fault(small(), RATE);
  },

  // ---- Sessions

  'H6 a session that idles for longer than half an hour ends in a fault, and a new log-in begins another': async () => {
    await please('next-minute');
    const first = await connect({ address: URL_ });
    await ask(1, { client: first });
    const session = sessionOf(first);
    const guest = await connect({ session, address: URL_ });
    for (let i = 0; i < 2; i++) { // each question begins the half hour anew
      await please('advance 30m');
      await ask(1, { client: guest });
    }
    await please('advance 30m1s');
    for (let i = 0; i < 2; i++) await fault(small({ client: guest }), 'Error Code = 7', 'needs SOAP clients to start a new session');
    const again = await connect({ address: URL_ });
    await ask(1, { client: again });
    assert.notEqual(sessionOf(again), session, 'the new log-in has the old session');
    await ask(1, { client: await connect({ session: sessionOf(again), address: URL_ }) });
  },
};

(async () => {
  stack.ris = await connect({ address: URL_ }); // which need not be the one in the contract
  await stack.run(CHECKS);
  input.close();
})();
