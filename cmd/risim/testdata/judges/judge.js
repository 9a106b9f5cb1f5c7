// The npm package soap judges a running risim: it reads the contract that is served, asks, and asserts on what it decoded.
//
// It knows no name of the default cluster. It asks for everything first, class by class, and takes names, numbers and addresses
// from the answers; those records are also what the answers to narrower questions are compared with. Each check is named for
// the rule that it shows. judge.py and judge.php make the same checks under the same names.
'use strict';

const assert = require('node:assert/strict');
const https = require('node:https');
const stack = require('./stack');
const { connect, sessionOf, devices, cti, fault, same, keys, URL: URL_, PASSWORD } = stack;

const CLASSES = ['Phone', 'Gateway', 'H323', 'Cti', 'VoiceMail', 'MediaResources', 'SIPTrunk', 'HuntList'];

const where = (test, records = everything) => keys(records.filter(([node, d]) => test(d, node)));
const lines = (d) => (d.DirNumber || '').split(',').filter(Boolean).map((part) => [part.slice(0, part.lastIndexOf('-')), part.slice(part.lastIndexOf('-') + 1)]);
const addresses = (d, kind) => (d.IPAddress?.item ?? []).filter((a) => a.IPAddrType === kind).map((a) => a.IP);
const matching = (pattern, text) =>
  new RegExp('^' + pattern.split('*').map((s) => s.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*') + '$', 'is').test(text);

/** stateInfo reads the text of a StateInfo: the attributes of its root and of its nodes, in their order. */
function stateInfo(text) {
  const attributes = (tag) => [...tag.matchAll(/([A-Za-z]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]);
  const [, root, inner] = /^<StateInfo([^>]*)>(.*)<\/StateInfo>$/s.exec(text);
  const tags = [...inner.matchAll(/<Node [^>]*\/>/g)].map(([tag]) => tag);
  same(tags.join(''), inner, 'StateInfo holds more than nodes');
  return { root: Object.fromEntries(attributes(root)), nodes: tags.map((tag) => Object.fromEntries(attributes(tag))) };
}

// What discovery finds.
let byClass, everything, phones, nodeNames, onNodes, withIPv6, moved, phoneNode, phone, providers, opened, openedLines;

async function discover() {
  byClass = {};
  for (const c of CLASSES) byClass[c] = await devices('*', { DeviceClass: c });
  everything = CLASSES.flatMap((c) => byClass[c].records);
  phones = byClass.Phone.records;
  nodeNames = byClass.Phone.nodes.map((n) => n.Name);
  onNodes = new Map();
  for (const [, d] of everything) onNodes.set(d.Name, (onNodes.get(d.Name) ?? 0) + 1);
  withIPv6 = everything.filter(([, d]) => addresses(d, 'ipv6').length);
  const several = everything.filter(([, d]) => onNodes.get(d.Name) > 1);
  moved = new Set(several.filter(([, old]) => old.Status === 'UnRegistered' &&
    several.some(([, d]) => d.Name === old.Name && d.Status === 'Registered' && Number(d.TimeStamp) > Number(old.TimeStamp))).map(([, d]) => d.Name));
  // A registered phone with a plain number and an address, and the only record of its device.
  [phoneNode, phone] = phones.find(([, d]) => d.Status === 'Registered' && onNodes.get(d.Name) === 1 && d.Name.startsWith('SEP') &&
    /^\d+$/.test(lines(d)[0]?.[0] ?? '') && addresses(d, 'ipv4').length);
  [providers, opened, openedLines] = [(await cti('Provider')).records, (await cti('Device')).records, (await cti('Line')).records];
}

const CHECKS = {
  // ---- The connection

  'H1 without the authority\'s certificate the connection is refused': async () => {
    await assert.rejects(connect({ agent: new https.Agent() }), (e) => {
      assert.match(e.code ?? '', /CERT|VERIFY_LEAF/, e.message);
      return true;
    });
  },

  'H2 the contract needs no credentials and leads back to where it was read': async () => {
    const { RISService70: service, ...others } = stack.ris.wsdl.services;
    same(others, {}, 'other services');
    same(Object.keys(service.ports), ['RisPort70'], 'ports');
    same(service.ports.RisPort70.location, URL_, 'address in the contract');
    same(Object.keys(stack.ris.describe().RISService70.RisPort70).sort(), ['selectCmDevice', 'selectCmDeviceExt', 'selectCtiItem'], 'operations');
  },

  'H5 a wrong password is answered with 401': async () => {
    const client = await connect({ password: PASSWORD + 'x' });
    await assert.rejects(devices('*', { client }), (e) => {
      same(e.response?.status, 401, 'HTTP status');
      return true;
    });
  },

  'H6 the session cookie alone is enough for the next question': async () => {
    await devices(phone.Name);
    const client = await connect({ session: sessionOf(stack.ris) });
    same((await devices(phone.Name, { client })).names, new Set([phone.Name]), 'names');
  },

  // ---- The default cluster

  'R3 three nodes answer, always in the same order': async () => {
    same(nodeNames.length, 3, 'nodes');
    for (const c of CLASSES) same(byClass[c].nodes.map((n) => n.Name), nodeNames, `nodes of the ${c} answer`);
  },

  'R10 every class is there, about a thousand records in all': async () => {
    for (const c of CLASSES) {
      assert.ok(byClass[c].records.length, `no ${c}`);
      assert.ok(byClass[c].total < 1000, `${c} reaches the limit`);
    }
    assert.ok(everything.length >= 800 && everything.length <= 1400, `${everything.length} records`);
  },

  'R1 a device that failed over has a record on each node': async () => {
    assert.ok(moved.size, 'no device has an UnRegistered record and a newer Registered one');
    for (const name of moved) {
      const got = await devices(name);
      same(keys(got.records), where((d) => d.Name === name), 'records');
      same(new Set(got.records.map(([n]) => n)).size, got.records.length, 'each record on a node of its own');
    }
  },

  // ---- Items and wildcards

  'W1 a name finds its device': async () => {
    const got = await devices(phone.Name);
    same(got.names, new Set([phone.Name]), 'names');
    same(got.total, got.records.length, 'total');
    same(keys(got.records), where((d) => d.Name === phone.Name), 'records');
  },

  'Q9 several items are alternatives': async () => {
    const names = [...onNodes.keys()].sort().filter((_, i) => i % 100 === 0);
    assert.ok(names.length > 3, 'too few names to choose from');
    same((await devices(names)).names, new Set(names), 'names');
    const prefix = phone.Name.slice(0, -1) + '*';
    same((await devices([phone.Name, prefix])).total, (await devices(prefix)).total, 'a device that matches two items');
  },

  'Q9 no items means all': async () => {
    same(keys((await devices([], { DeviceClass: 'HuntList' })).records), keys(byClass.HuntList.records), 'records');
  },

  'W2 a star alone finds all, SEP* by prefix': async () => {
    same((await devices('*')).records.length, Math.min(1000, everything.length), 'records');
    const want = where((d) => d.Name.startsWith('SEP'), phones);
    assert.ok(want.length > 0 && want.length < phones.length, 'the default cluster has phones of several prefixes');
    same(keys((await devices('SEP*', { DeviceClass: 'Phone' })).records), want, 'records');
  },

  'W3 a star may stand anywhere, and twice': async () => {
    const n = phone.Name;
    for (const pattern of [n.slice(0, 3) + '*' + n.slice(-2), '*' + n.slice(-3), '*' + n.slice(4, 6) + '*' + n.slice(-1)]) {
      const want = where((d) => matching(pattern, d.Name), phones);
      assert.ok(want.length, `${pattern} should match ${n}`);
      same(keys((await devices(pattern, { DeviceClass: 'Phone' })).records), want, pattern);
    }
    same((await devices(n.slice(0, -1) + '?')).total, 0, 'a question mark is no wildcard');
  },

  'W7 DirNumber finds a line\'s number': async () => {
    const [[number]] = lines(phone);
    same(keys((await devices(number, { SelectBy: 'DirNumber' })).records), where((d) => lines(d).some(([n]) => n === number)), `records with ${number}`);
    same((await devices(number + '-Registered', { SelectBy: 'DirNumber' })).total, 0, 'the status is no part of the number');
  },

  'W4 DirNumber with a star': async () => {
    const pattern = lines(phone)[0][0].slice(0, -1) + '*';
    const want = where((d) => lines(d).some(([n]) => matching(pattern, n)), phones);
    same(keys((await devices(pattern, { SelectBy: 'DirNumber', DeviceClass: 'Phone' })).records), want, `records with ${pattern}`);
  },

  'W7 IPV4Address finds an address': async () => {
    const [address] = addresses(phone, 'ipv4');
    same(keys((await devices(address, { SelectBy: 'IPV4Address' })).records), where((d) => addresses(d, 'ipv4').includes(address)), `records with ${address}`);
  },

  'W4 IPV4Address with a star': async () => {
    const pattern = addresses(phone, 'ipv4')[0].replace(/\.\d+$/, '.*');
    const want = where((d) => addresses(d, 'ipv4').some((a) => matching(pattern, a)), phones);
    same(keys((await devices(pattern, { SelectBy: 'IPV4Address', DeviceClass: 'Phone' })).records), want, `records with ${pattern}`);
  },

  'W7 IPV6Address finds an address, however it is written': async () => {
    assert.ok(withIPv6.length, 'no device has an ipv6 address');
    const [printed] = addresses(withIPv6[0][1], 'ipv6');
    const compressed = new URL(`http://[${printed}]/`).hostname.slice(1, -1).toUpperCase();
    assert.notEqual(compressed, printed);
    for (const written of [printed, compressed]) {
      same(keys((await devices(written, { SelectBy: 'IPV6Address' })).records), where((d) => addresses(d, 'ipv6').includes(printed)), `records with ${written}`);
    }
  },

  'W4 Description with a star': async () => {
    const pattern = phones.find(([, d]) => d.Description)[1].Description.slice(0, 6) + '*';
    const want = where((d) => matching(pattern, d.Description ?? ''), phones);
    same(keys((await devices(pattern, { SelectBy: 'Description', DeviceClass: 'Phone' })).records), want, `records with ${pattern}`);
  },

  // ---- Filters

  'Q4 DeviceClass filters': async () => {
    for (const c of CLASSES) same(new Set(byClass[c].records.map(([, d]) => d.DeviceClass)), new Set([c]), 'classes in the answer');
    same((await devices('*', { DeviceClass: 'Toaster' })).total, 0, 'a class that does not exist');
  },

  'Q4 Status filters': async () => {
    for (const status of ['Registered', 'UnRegistered', 'Rejected', 'PartiallyRegistered']) {
      const want = where((d) => d.Status === status, phones);
      assert.ok(want.length, `the default cluster has no ${status} phone`);
      same(keys((await devices('*', { DeviceClass: 'Phone', Status: status })).records), want, status);
    }
    same((await devices('*', { Status: 'Sleeping' })).total, 0, 'a status that does not exist');
  },

  'Q5 Model filters': async () => {
    const want = where((d) => d.Model === phone.Model, phones);
    assert.ok(want.length > 0 && want.length < phones.length, 'phones of several models');
    same(keys((await devices('*', { DeviceClass: 'Phone', Model: phone.Model })).records), want, `model ${phone.Model}`);
    same((await devices('*', { DeviceClass: 'Phone', Model: 0 })).total, phones.length, 'model 0 is any');
  },

  'Q6 Protocol filters': async () => {
    for (const protocol of ['SIP', 'SCCP']) {
      const want = where((d) => d.Protocol === protocol, phones);
      assert.ok(want.length > 0 && want.length < phones.length, `the default cluster has ${protocol} phones and others`);
      same(keys((await devices('*', { DeviceClass: 'Phone', Protocol: protocol })).records), want, protocol);
    }
  },

  'Q10 filters narrow together': async () => {
    const want = where((d, node) => d.Model === phone.Model && d.Status === 'Registered' && node === phoneNode, phones);
    same(keys((await devices('*', { DeviceClass: 'Phone', Model: phone.Model, Status: 'Registered', NodeName: phoneNode })).records), want, 'records');
  },

  'X6 nil criteria are no filter': async () => {
    const got = await devices(phone.Name, {
      MaxReturnedDevices: null, DeviceClass: null, Model: null, Status: null, NodeName: null, SelectBy: null, Protocol: null, DownloadStatus: null,
    });
    assert.match(stack.ris.lastRequest, /<Model xsi:nil="true">/, 'the package sends nil for null');
    same(keys(got.records), where((d) => d.Name === phone.Name), 'records');
  },

  'Q2 MaxReturnedDevices is kept to, and the totals count what is returned': async () => {
    const got = await devices('*', { MaxReturnedDevices: 7 });
    same([got.records.length, got.total], [7, 7], 'records and total');
    same(stateInfo(got.state).nodes.reduce((sum, n) => sum + Number(n.TotalItemsFound), 0), 7, 'found, by StateInfo');
  },

  // ---- Questions that cannot be answered

  'Q6 a Protocol outside the enumeration is a fault that names it': async () => {
    await fault(devices('*', { Protocol: 'H323' }), 'H323', 'SCCP');
  },

  'Q7 a SelectBy outside the enumeration is a fault that names it': async () => {
    await fault(devices('*', { SelectBy: 'Colour' }), 'Colour');
    await fault(devices('*', { SelectBy: 'SIPStatus' }), 'SIPStatus');
  },

  // ---- What the nodes answer

  'Q8 NodeName asks one node': async () => {
    for (const name of nodeNames) {
      const got = await devices('*', { NodeName: name.toUpperCase() });
      same(got.nodes.map((n) => n.Name), [name], 'nodes');
      same(keys(got.records), where((_, node) => node === name), 'records');
    }
  },

  'Q8 an unknown node is one item InvalidNodeName': async () => {
    const got = await devices('*', { NodeName: 'no-such-node' });
    same(got.nodes.map((n) => [n.ReturnCode, n.Name, n.CmDevices]), [['InvalidNodeName', 'no-such-node', null]], 'nodes');
    same(got.total, 0, 'total');
  },

  'R3 a node that was asked in vain says NotFound': async () => {
    const [, once] = phones.find(([, d]) => onNodes.get(d.Name) === 1 && d.Status === 'Registered');
    const got = await devices(once.Name);
    same(got.nodes.map((n) => n.ReturnCode).sort(), ['NotFound', 'NotFound', 'Ok'], 'return codes');
    same(got.nodes.map((n) => n.NoChange), [false, false, false], 'NoChange');
    same(got.nodes.map((n) => n.CmDevices === null), got.nodes.map((n) => n.ReturnCode === 'NotFound'), 'CmDevices is nil');
  },

  'R4 nothing matched anywhere: no nodes and an empty StateInfo': async () => {
    const got = await devices('NO-SUCH-DEVICE');
    same([got.total, got.nodes, got.state], [0, [], ''], 'total, nodes and StateInfo');
  },

  'R2 selectCmDeviceExt has one record of a device, the newest': async () => {
    const names = [...new Set([...[...onNodes.keys()].sort().slice(0, 900), ...moved])].sort();
    const got = await devices(names, { ext: true });
    same(got.records.map(([, d]) => d.Name).sort(), names, 'one record for each name');
    for (const [node, d] of got.records) {
      const newest = Math.max(...everything.filter(([, r]) => r.Name === d.Name).map(([, r]) => Number(r.TimeStamp)));
      same(Number(d.TimeStamp), newest, `time stamp of ${d.Name} on ${node}`);
    }
    for (const name of moved) same((await devices(name, { ext: true, Status: 'UnRegistered' })).total, 0, `${name} through its older record`);
  },

  'W5 in selectCmDeviceExt a star is no wildcard': async () => {
    for (const item of ['*', 'SEP*']) {
      const got = await devices(item, { ext: true });
      same([got.total, got.nodes], [0, []], `total and nodes for ${item}`);
    }
  },

  // ---- Records

  'R7 DirNumber, NumOfLines and LinesStatus agree': async () => {
    assert.ok(phones.some(([, d]) => Number(d.NumOfLines) > 1), 'no phone has several lines');
    for (const [node, d] of phones) {
      const listed = (d.LinesStatus?.item ?? []).map((s) => [s.DirectoryNumber, s.Status]);
      same(lines(d), listed, `lines of ${d.Name} on ${node}`);
      same(Number(d.NumOfLines ?? 0), listed.length, `NumOfLines of ${d.Name} on ${node}`);
    }
  },

  'R8 a registered device has reason 0, a rejected one has another': async () => {
    for (const [node, d] of everything) {
      if (d.Status === 'Registered') same(Number(d.StatusReason), 0, `reason of ${d.Name} on ${node}`);
      if (d.Status === 'Rejected') assert.ok(Number(d.StatusReason), `${d.Name} on ${node} is rejected for no reason`);
    }
  },

  'R9 TimeStamp is a second of the recent past': async () => {
    const now = Date.now() / 1000;
    for (const [node, d] of everything) {
      assert.ok(now - 10 * 365 * 86400 < d.TimeStamp && d.TimeStamp <= now + 1, `time stamp ${d.TimeStamp} of ${d.Name} on ${node}`);
    }
  },

  'X3 absent values are nil, H323Trunk has its ten children': async () => {
    const parts = ['ConfigName', 'TechPrefix', 'Zone', 'RemoteCmServer1', 'RemoteCmServer2', 'RemoteCmServer3', 'AltGkList', 'ActiveGk', 'CallSignalAddr', 'RasAddr'];
    same(Object.entries(phone.H323Trunk), parts.map((p) => [p, null]), 'children of a phone\'s H323Trunk');
    assert.ok(everything.every(([, d]) => d.H323Trunk), 'H323Trunk is there for every class');
    same(byClass.HuntList.records.map(([, d]) => d.ActiveLoadID).filter((l) => l !== null), [], 'loads of hunt lists');
  },

  'X5 the contract\'s spellings': async () => {
    for (const [, d] of withIPv6) {
      for (const a of addresses(d, 'ipv6')) assert.match(a, /^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/, `${a} of ${d.Name} is not eight full groups`);
    }
    const all = everything.flatMap(([, d]) => d.IPAddress?.item ?? []);
    same(new Set(all.map((a) => a.IPAddrType)), new Set(['ipv4', 'ipv6']), 'address types');
    const odd = all.filter((a) => !['Unknown', 'Adminstrative', 'Signaling', 'AdministrativeAndSignaling', null].includes(a.Attribute));
    same(odd, [], 'attributes');
  },

  // ---- StateInfo

  'N1 StateInfo is a string with one Node for each node that answered': async () => {
    same(typeof byClass.Phone.state, 'string', 'type of StateInfo');
    const { root, nodes } = stateInfo(byClass.Phone.state);
    same(root, { ClusterWide: '1' }, 'attributes of the root');
    same(nodes.map((n) => n.Name), nodeNames, 'nodes');
    for (const n of nodes) {
      same(Object.keys(n), ['Name', 'SubsystemStartTime', 'StateId', 'TotalItemsFound', 'TotalItemsReturned'], 'attributes');
      same(Number(n.TotalItemsReturned), phones.filter(([node]) => node === n.Name).length, `items of ${n.Name}`);
    }
    const one = stateInfo((await devices('*', { NodeName: nodeNames[0] })).state);
    same([one.nodes.length, one.root], [1, {}], 'nodes and attributes of a question to one node');
  },

  'N4 with the StateInfo of the last answer nothing has changed': async () => {
    const before = await devices('*', { DeviceClass: 'Phone' });
    const got = await devices('*', { DeviceClass: 'Phone', state: before.state });
    same([got.total, got.records], [0, []], 'total and records');
    same(got.nodes.map((n) => [n.Name, n.NoChange, n.CmDevices]), nodeNames.map((n) => [n, true, null]), 'nodes');
    same(got.state, before.state, 'StateInfo');
  },

  // ---- CTI

  'C1 Provider lists five applications, some of them not open': async () => {
    same(new Set(providers.map(([, i]) => i.AppId.split('-').slice(0, -2).join('-'))).size, 5, 'applications');
    const statuses = new Set(providers.map(([, i]) => i.AppStatus));
    assert.ok(statuses.has('Open') && (statuses.has('Closed') || statuses.has('OpenFailed')), `statuses ${[...statuses]}`);
    for (const [, i] of providers) assert.ok(i.AppId.includes(i.AppIpAddr) && i.UserId, `AppId ${i.AppId} of ${i.UserId} has not the address ${i.AppIpAddr}`);
  },

  'C2 Provider items have neither device nor line, Device items no line, Line items both': async () => {
    for (const [, i] of providers) same([i.CtiDevice, i.CtiLine], [null, null], `device and line of ${i.AppId}`);
    for (const [, i] of opened) {
      assert.ok(i.CtiDevice.DeviceName && i.CtiDevice.DeviceStatus, `device of ${i.AppId}`);
      same(i.CtiLine, null, 'line of a Device item');
    }
    for (const [, i] of openedLines) {
      assert.ok(i.CtiDevice.DeviceName && i.CtiLine.DirNumber && i.CtiLine.LineStatus, `device and line of ${i.AppId}`);
      same([i.CtiDevice.DeviceStatusReason, i.CtiDevice.DeviceTimeStamp], [null, null], 'reason and time of a Line item\'s device');
    }
  },

  'C3 AppId and UserId find, also with a star': async () => {
    const [[, one]] = providers;
    const found = async (field, item, criteria = {}) => new Set((await cti('Provider', { apps: [item], ...criteria })).records.map(([, i]) => i[field]));
    same(await found('AppId', one.AppId), new Set([one.AppId]), 'by AppId');
    const prefix = one.AppId.slice(0, -1);
    same(await found('AppId', prefix + '*'), new Set(providers.map(([, i]) => i.AppId).filter((a) => a.startsWith(prefix))), 'by AppId with a star');
    same(await found('UserId', one.UserId, { SelectAppBy: 'UserId' }), new Set([one.UserId]), 'by UserId');
    same(await found('AppIpAddr', one.AppIpAddr, { SelectAppBy: 'AppIPV4Address' }), new Set([one.AppIpAddr]), 'by address');
  },

  'C4 DevNames narrow devices, DirNumbers narrow lines': async () => {
    assert.ok(opened.length && openedLines.length, 'the applications have opened devices and lines');
    const apps = (records) => records.map(([node, i]) => [node, i.AppId]);
    const name = opened[0][1].CtiDevice.DeviceName;
    same(apps((await cti('Device', { names: [name] })).records), apps(opened.filter(([, i]) => i.CtiDevice.DeviceName === name)), `applications that opened ${name}`);
    const number = openedLines[0][1].CtiLine.DirNumber;
    same(apps((await cti('Line', { numbers: [number] })).records), apps(openedLines.filter(([, i]) => i.CtiLine.DirNumber === number)), `applications that opened ${number}`);
  },

  'C5 Status filters, nodes and StateInfo are as for devices': async () => {
    for (const status of ['Open', 'Closed', 'OpenFailed']) {
      same((await cti('Provider', { Status: status })).records.map(([, i]) => i.AppId), providers.filter(([, i]) => i.AppStatus === status).map(([, i]) => i.AppId), status);
    }
    const unknown = await cti('Provider', { NodeName: 'no-such-node' });
    same(unknown.nodes.map((n) => [n.ReturnCode, n.Name, n.CtiItems]), [['InvalidNodeName', 'no-such-node', null]], 'unknown node');
    same((await cti('Line', { MaxReturnedItems: 1 })).records.length, 1, 'MaxReturnedItems');
    const before = await cti('Provider');
    same(stateInfo(before.state).nodes.map((n) => n.Name).sort(), [...nodeNames].sort(), 'nodes in StateInfo');
    const again = await cti('Provider', { state: before.state });
    same([again.total, again.state], [0, before.state], 'total and StateInfo of an unchanged answer');
  },
};

(async () => {
  stack.ris = await connect();
  await discover();
  await stack.run(CHECKS);
})();
