// A RIS service as people write one with the npm package soap: the contract read, and devices looked up in a Map. It is
// measured beside risim. Arguments: node_modules, contract file, HOST:PORT, path, number of devices.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const [modules, contract, address, servicePath, count] = process.argv.slice(2);
const soap = require(path.join(modules, 'soap'));

const devices = new Map();
for (let i = 0; i < Number(count); i++) {
  const name = 'SEP' + i.toString(16).toUpperCase().padStart(12, '0');
  const number = String(1000000 + i);
  devices.set(name, {
    Name: name, DirNumber: `${number}-Registered`, DeviceClass: 'Phone', Model: 683, Product: 36241, BoxProduct: 0, Httpd: 'Yes',
    RegistrationAttempts: 0, IsCtiControllable: true, LoginUserId: '', Status: 'Registered', StatusReason: 0, PerfMonObject: 2, DChannel: 0,
    Description: `Phone ${i}`,
    H323Trunk: {
      ConfigName: '', TechPrefix: '', Zone: '', RemoteCmServer1: '', RemoteCmServer2: '', RemoteCmServer3: '', AltGkList: '', ActiveGk: '',
      CallSignalAddr: '', RasAddr: '',
    },
    TimeStamp: 1772438400, Protocol: 'SIP', NumOfLines: 1, LinesStatus: { item: [{ DirectoryNumber: number, Status: 'Registered' }] },
    ActiveLoadID: 'sip88xx.14-3-1-0001-60', InactiveLoadID: 'sip88xx.14-2-1-0002-49', DownloadStatus: 'Unknown', DownloadFailureReason: '',
    DownloadServer: '', IPAddress: { item: [{ IP: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, IPAddrType: 'ipv4', Attribute: 'Unknown' }] },
  });
}
const first = [...devices.values()].slice(0, 1000);

function select({ CmSelectionCriteria: criteria }) {
  const names = [criteria?.SelectItems?.item ?? []].flat().map((item) => item.Item);
  const found = names.includes('*') ? first : names.map((name) => devices.get(name)).filter(Boolean);
  return {
    selectCmDeviceReturn: {
      SelectCmDeviceResult: {
        TotalDevicesFound: found.length,
        CmNodes: { item: [{ ReturnCode: 'Ok', Name: 'cucm-pub', NoChange: false, CmDevices: { item: found } }] },
      },
      StateInfo: '',
    },
  };
}

// A service has the contract's ports, all of them with the same operations.
const ports = new Proxy({}, { get: () => ({ selectCmDevice: select }) });
const services = new Proxy({}, { get: () => ports });

const [host, port] = address.split(':');
const server = http.createServer((_, response) => response.writeHead(404).end());
soap.listen(server, { path: servicePath, services, xml: fs.readFileSync(contract, 'utf8'), enableChunkedEncoding: false });
server.listen(Number(port), host);
