// How a judge asks risim through the npm package soap, and how it says what it found. stack.py and stack.php are the same for
// other stacks.
//
// Environment: RISIM_URL, RISIM_USER, RISIM_PASSWORD, RISIM_CA_FILE. One line per check on stdout; exit 1 if any failed.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const https = require('node:https');
const { inspect } = require('node:util');
const soap = require('soap');

const { RISIM_URL: URL_, RISIM_USER: USER, RISIM_PASSWORD: PASSWORD, RISIM_CA_FILE: CA_FILE } = process.env;
const trusting = new https.Agent({ ca: fs.readFileSync(CA_FILE), keepAlive: true });

/**
 * connect reads the contract without credentials. Questions go with the password or, when a session is named, with its cookie
 * alone, and to where the contract leads, when no address is named.
 */
async function connect({ password = PASSWORD, session, address, agent = trusting } = {}) {
  const client = await soap.createClientAsync(URL_ + '?wsdl', { handleNilAsNull: true, disableCache: true, wsdl_options: { httpsAgent: agent } });
  if (address) client.setEndpoint(address);
  if (session) {
    client.addHttpHeader('Cookie', `JSESSIONIDSSO=${session}`);
    client.setSecurity({ addHeaders() {}, toXML: () => '', addOptions: (options) => Object.assign(options, { httpsAgent: agent }) });
  } else {
    client.setSecurity(new soap.BasicAuthSecurity(USER, password, { httpsAgent: agent }));
  }
  return client;
}

/** sessionOf is the id of the session that the last answer to the client has set. */
function sessionOf(client) {
  const set = [client.lastResponseHeaders['set-cookie'] ?? ''].flat().join('\n');
  const [, id] = /\bJSESSIONIDSSO=([0-9A-F]{32})(;|$)/.exec(set) ?? [];
  assert.ok(id, `Set-Cookie is ${set}`);
  return id;
}

/** answer makes one shape of both kinds of answers. records are [name of the node, device or item] in the answer's order. */
function answer(total, nodes, part, state) {
  nodes = nodes?.item ?? [];
  const records = nodes.flatMap((n) => (n[part]?.item ?? []).map((r) => [n.Name, r]));
  const without = nodes.filter((n) => n[part] === null).map((n) => n.Name); // the nodes that have no records
  return { total: Number(total), nodes, state, records, without, names: new Set(records.map(([, r]) => r.Name)) };
}

async function devices(items, { client = stack.ris, ext = false, state = '', ...criteria } = {}) {
  const [{ selectCmDeviceReturn: got }] = await client[ext ? 'selectCmDeviceExtAsync' : 'selectCmDeviceAsync']({
    StateInfo: state,
    CmSelectionCriteria: {
      MaxReturnedDevices: 1000, DeviceClass: 'Any', Model: 255, Status: 'Any', NodeName: '', SelectBy: 'Name',
      SelectItems: { item: [items].flat().map((i) => ({ Item: i })) }, Protocol: 'Any', DownloadStatus: 'Any',
      ...criteria,
    },
  });
  return answer(got.SelectCmDeviceResult.TotalDevicesFound, got.SelectCmDeviceResult.CmNodes, 'CmDevices', got.StateInfo);
}

async function cti(manager, { apps = [], names = [], numbers = [], state = '', ...criteria } = {}) {
  const [{ selectCtiItemReturn: got }] = await stack.ris.selectCtiItemAsync({
    StateInfo: state,
    CtiSelectionCriteria: {
      MaxReturnedItems: 1000, CtiMgrClass: manager, Status: 'Any', NodeName: '', SelectAppBy: 'AppId',
      AppItems: { item: apps.map((i) => ({ AppItem: i })) },
      DevNames: { item: names.map((i) => ({ DevName: i })) },
      DirNumbers: { item: numbers.map((i) => ({ DirNumber: i })) },
      ...criteria,
    },
  });
  return answer(got.SelectCtiItemResult.TotalItemsFound, got.SelectCtiItemResult.CtiNodes, 'CtiItems', got.StateInfo);
}

/** fault expects the question to end in a SOAP fault, as the package rejects it, whose text has these words. */
async function fault(question, ...words) {
  let said;
  await assert.rejects(question, (e) => {
    assert.equal(e.response?.status, 500, `HTTP status of a fault: ${e.message}`);
    said = e.root.Envelope.Body.Fault;
    for (const word of words) assert.ok(said.faultstring.includes(word), `the fault does not say ${word}: ${e.message}`);
    return true;
  });
  return said;
}

const same = assert.deepEqual;
const keys = (records) => records.map(([node, d]) => `${node} ${d.Name}`).sort();

/** run makes the checks in their order; the program exits with 1 if any failed. */
async function run(checks) {
  let failed = 0;
  for (const [name, make] of Object.entries(checks)) {
    try {
      await make();
      console.log('ok', name);
    } catch (e) { // a check that breaks has failed, and the others still run
      failed++;
      const said = String(e?.message ?? inspect(e, { depth: 1 })).slice(0, 3000); // the package also rejects with what is no Error
      const places = String(e?.stack ?? '').split('\n').filter((l) => l.includes('/judges/') && !l.includes('node_modules'));
      console.log('FAILED', name, '\n   ', said, '\n', places.join('\n'));
    }
  }
  trusting.destroy();
  process.exitCode = failed ? 1 : 0;
}

// ris is the client of every question that names no other; the judge connects it.
const stack = { ris: null, connect, sessionOf, devices, cti, fault, same, keys, run, URL: URL_, PASSWORD };
module.exports = stack;
