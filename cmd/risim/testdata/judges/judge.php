<?php
// PHP's SoapClient judges a running risim: it reads the contract that is served, asks, and asserts on what it decoded.
//
// It knows no name of the default cluster. It asks for everything first, class by class, and takes names, numbers and addresses
// from the answers; those records are also what the answers to narrower questions are compared with. Each check is named for
// the rule that it shows. judge.py and judge.js make the same checks under the same names.

declare(strict_types=1);

require __DIR__ . '/stack.php';

const CLASSES = ['Phone', 'Gateway', 'H323', 'Cti', 'VoiceMail', 'MediaResources', 'SIPTrunk', 'HuntList'];

/** The records whose device (and node) pass the test. */
function where(callable $test, ?array $records = null): array
{
    global $everything;
    return array_values(array_filter($records ?? $everything, static fn($r) => $test($r[1], $r[0])));
}

function any(callable $test, array $values): bool
{
    return array_filter($values, $test) !== [];
}

/** [[number, status]] as DirNumber says. */
function lines(object $d): array
{
    $parts = array_filter(explode(',', $d->DirNumber ?? ''));
    return array_map(static fn($p) => [substr($p, 0, strrpos($p, '-')), substr($p, strrpos($p, '-') + 1)], $parts);
}

function numbers(object $d): array
{
    return array_column(lines($d), 0);
}

function addresses(object $d, string $kind): array
{
    return array_column(array_filter($d->IPAddress->item ?? [], static fn($a) => $a->IPAddrType === $kind), 'IP');
}

function matching(string $pattern, string $text): bool
{
    return preg_match('/^' . str_replace('\*', '.*', preg_quote($pattern, '/')) . '$/is', $text) === 1;
}

/** The text of a StateInfo as [attributes of its root, attributes of each node], both in their order. */
function stateInfo(string $text): array
{
    ok(preg_match('~^<StateInfo([^>]*)>((?:<Node [^>]*/>)*)</StateInfo>$~', $text, $parts), "not a StateInfo: $text");
    $attributes = static function (string $tag): array {
        preg_match_all('/(\w+)="([^"]*)"/', $tag, $found);
        return array_combine($found[1], $found[2]);
    };
    preg_match_all('~<Node [^>]*/>~', $parts[2], $nodes);
    return [$attributes($parts[1]), array_map($attributes, $nodes[0])];
}

$checks = [
    // ---- The connection

    "H1 without the authority's certificate the connection is refused" => function () {
        $warnings = [];
        set_error_handler(static function (int $level, string $text) use (&$warnings) {
            $warnings[] = $text;
            return true;
        });
        try {
            connect(trusting: false);
        } catch (SoapFault) { // only the warnings before it say why
            ok(str_contains(implode($warnings), 'certificate verify failed'), 'refused for another reason: ' . implode($warnings));
            return;
        } finally {
            restore_error_handler();
        }
        throw new Exception('connected to a server with a certificate of an unknown authority');
    },

    'H2 the contract needs no credentials and leads back to where it was read' => function () {
        $client = connect(['login' => null, 'password' => null]);
        $operations = array_map(static fn($f) => preg_replace('/^\S+ (\w+)\(.*$/', '$1', $f), $client->__getFunctions());
        same(unique($operations), ['selectCmDevice', 'selectCmDeviceExt', 'selectCtiItem'], 'operations');
        // SoapClient does not show the address; it is given none here, so each question of this judge goes where the contract leads.
        same($client->__setLocation(), null, 'location that overrides the contract');
        $wsdl = file_get_contents(URL . '?wsdl', false, stream_context_create(['ssl' => ['cafile' => getenv('RISIM_CA_FILE')]]));
        ok(preg_match('/ location="([^"]*)"/', $wsdl, $location), 'the contract has an address');
        same($location[1], URL, 'address in the contract');
    },

    'H5 a wrong password is answered with 401' => function () {
        try {
            $client = connect(['password' => getenv('RISIM_PASSWORD') . 'x']);
            devices('*', client: $client);
        } catch (SoapFault $e) {
            same([$e->faultcode, $e->faultstring], ['HTTP', 'Unauthorized'], 'fault');
            ok(preg_match('~^HTTP/1\.1 401~', $client->__getLastResponseHeaders()), 'HTTP status');
            return;
        }
        throw new Exception('a wrong password was accepted');
    },

    'H6 the session cookie alone is enough for the next question' => function () {
        global $ris, $phone;
        $client = connect(session: sessionOf($ris));
        same(devices($phone->Name, client: $client)->names(), [$phone->Name], 'names');
    },

    // ---- The default cluster

    'R3 three nodes answer, always in the same order' => function () {
        global $nodeNames, $byClass;
        same(count($nodeNames), 3, 'nodes');
        foreach (CLASSES as $c) {
            same($byClass[$c]->nodeNames(), $nodeNames, "nodes of the $c answer");
        }
    },

    'R10 every class is there, about a thousand records in all' => function () {
        global $byClass, $everything;
        foreach (CLASSES as $c) {
            ok($byClass[$c]->records, "no $c");
            ok($byClass[$c]->total < 1000, "$c reaches the limit");
        }
        ok(count($everything) >= 800 && count($everything) <= 1400, count($everything) . ' records');
    },

    'R1 a device that failed over has a record on each node' => function () {
        global $moved;
        ok($moved, 'no device has an UnRegistered record and a newer Registered one');
        foreach ($moved as $name) {
            $got = devices($name);
            same(keys($got->records), keys(where(static fn($d) => $d->Name === $name)), 'records');
            same(count(unique(array_column($got->records, 0))), count($got->records), 'each record on a node of its own');
        }
    },

    // ---- Items and wildcards

    'W1 a name finds its device' => function () {
        global $phone;
        $got = devices($phone->Name);
        same($got->names(), [$phone->Name], 'names');
        same($got->total, count($got->records), 'total');
        same(keys($got->records), keys(where(static fn($d) => $d->Name === $phone->Name)), 'records');
    },

    'Q9 several items are alternatives' => function () {
        global $allNames, $phone;
        $names = array_values(array_filter($allNames, static fn($i) => $i % 100 === 0, ARRAY_FILTER_USE_KEY));
        ok(count($names) > 3, 'too few names to choose from');
        same(devices($names)->names(), $names, 'names');
        $prefix = substr($phone->Name, 0, -1) . '*';
        same(devices([$phone->Name, $prefix])->total, devices($prefix)->total, 'a device that matches two items');
    },

    'Q9 no items means all' => function () {
        global $byClass;
        same(keys(devices([], ['DeviceClass' => 'HuntList'])->records), keys($byClass['HuntList']->records), 'records');
    },

    'W2 a star alone finds all, SEP* by prefix' => function () {
        global $everything, $phones;
        same(count(devices('*')->records), min(1000, count($everything)), 'records');
        $want = where(static fn($d) => str_starts_with($d->Name, 'SEP'), $phones);
        ok($want && count($want) < count($phones), 'the default cluster has phones of several prefixes');
        same(keys(devices('SEP*', ['DeviceClass' => 'Phone'])->records), keys($want), 'records');
    },

    'W3 a star may stand anywhere, and twice' => function () {
        global $phones, $phone;
        $n = $phone->Name;
        foreach ([substr($n, 0, 3) . '*' . substr($n, -2), '*' . substr($n, -3), '*' . substr($n, 4, 2) . '*' . substr($n, -1)] as $pattern) {
            $want = where(static fn($d) => matching($pattern, $d->Name), $phones);
            ok($want, "$pattern should match $n");
            same(keys(devices($pattern, ['DeviceClass' => 'Phone'])->records), keys($want), $pattern);
        }
        same(devices(substr($n, 0, -1) . '?')->total, 0, 'a question mark is no wildcard');
    },

    "W7 DirNumber finds a line's number" => function () {
        global $phone;
        $number = numbers($phone)[0];
        $want = where(static fn($d) => in_array($number, numbers($d), true));
        same(keys(devices($number, ['SelectBy' => 'DirNumber'])->records), keys($want), "records with $number");
        same(devices("$number-Registered", ['SelectBy' => 'DirNumber'])->total, 0, 'the status is no part of the number');
    },

    'W4 DirNumber with a star' => function () {
        global $phone, $phones;
        $pattern = substr(numbers($phone)[0], 0, -1) . '*';
        $want = where(static fn($d) => any(static fn($n) => matching($pattern, $n), numbers($d)), $phones);
        same(keys(devices($pattern, ['SelectBy' => 'DirNumber', 'DeviceClass' => 'Phone'])->records), keys($want), "records with $pattern");
    },

    'W7 IPV4Address finds an address' => function () {
        global $phone;
        $address = addresses($phone, 'ipv4')[0];
        $want = where(static fn($d) => in_array($address, addresses($d, 'ipv4'), true));
        same(keys(devices($address, ['SelectBy' => 'IPV4Address'])->records), keys($want), "records with $address");
    },

    'W4 IPV4Address with a star' => function () {
        global $phone, $phones;
        $pattern = preg_replace('/\.\d+$/', '.*', addresses($phone, 'ipv4')[0]);
        $want = where(static fn($d) => any(static fn($a) => matching($pattern, $a), addresses($d, 'ipv4')), $phones);
        same(keys(devices($pattern, ['SelectBy' => 'IPV4Address', 'DeviceClass' => 'Phone'])->records), keys($want), "records with $pattern");
    },

    'W7 IPV6Address finds an address, however it is written' => function () {
        global $withIPv6;
        ok($withIPv6, 'no device has an ipv6 address');
        $printed = array_values(addresses($withIPv6[0][1], 'ipv6'))[0];
        $want = where(static fn($d) => in_array($printed, addresses($d, 'ipv6'), true));
        foreach ([$printed, strtoupper(inet_ntop(inet_pton($printed)))] as $written) {
            same(keys(devices($written, ['SelectBy' => 'IPV6Address'])->records), keys($want), "records with $written");
        }
    },

    'W4 Description with a star' => function () {
        global $phones;
        $pattern = substr(where(static fn($d) => $d->Description, $phones)[0][1]->Description, 0, 6) . '*';
        $want = where(static fn($d) => matching($pattern, $d->Description ?? ''), $phones);
        same(keys(devices($pattern, ['SelectBy' => 'Description', 'DeviceClass' => 'Phone'])->records), keys($want), "records with $pattern");
    },

    // ---- Filters

    'Q4 DeviceClass filters' => function () {
        global $byClass;
        foreach (CLASSES as $c) {
            same(unique(array_map(static fn($r) => $r[1]->DeviceClass, $byClass[$c]->records)), [$c], 'classes in the answer');
        }
        same(devices('*', ['DeviceClass' => 'Toaster'])->total, 0, 'a class that does not exist');
    },

    'Q4 Status filters' => function () {
        global $phones;
        foreach (['Registered', 'UnRegistered', 'Rejected', 'PartiallyRegistered'] as $status) {
            $want = where(static fn($d) => $d->Status === $status, $phones);
            ok($want, "the default cluster has no $status phone");
            same(keys(devices('*', ['DeviceClass' => 'Phone', 'Status' => $status])->records), keys($want), $status);
        }
        same(devices('*', ['Status' => 'Sleeping'])->total, 0, 'a status that does not exist');
    },

    'Q5 Model filters' => function () {
        global $phones, $phone;
        $want = where(static fn($d) => $d->Model === $phone->Model, $phones);
        ok($want && count($want) < count($phones), 'phones of several models');
        same(keys(devices('*', ['DeviceClass' => 'Phone', 'Model' => $phone->Model])->records), keys($want), "model $phone->Model");
        same(devices('*', ['DeviceClass' => 'Phone', 'Model' => 0])->total, count($phones), 'model 0 is any');
    },

    'Q6 Protocol filters' => function () {
        global $phones;
        foreach (['SIP', 'SCCP'] as $protocol) {
            $want = where(static fn($d) => $d->Protocol === $protocol, $phones);
            ok($want && count($want) < count($phones), "the default cluster has $protocol phones and others");
            same(keys(devices('*', ['DeviceClass' => 'Phone', 'Protocol' => $protocol])->records), keys($want), $protocol);
        }
    },

    'Q10 filters narrow together' => function () {
        global $phones, $phone, $phoneNode;
        $want = where(static fn($d, $node) => $d->Model === $phone->Model && $d->Status === 'Registered' && $node === $phoneNode, $phones);
        $got = devices('*', ['DeviceClass' => 'Phone', 'Model' => $phone->Model, 'Status' => 'Registered', 'NodeName' => $phoneNode]);
        same(keys($got->records), keys($want), 'records');
    },

    'X6 nil criteria are no filter' => function () {
        global $ris, $phone;
        $got = devices($phone->Name, array_fill_keys(
            ['MaxReturnedDevices', 'DeviceClass', 'Model', 'Status', 'NodeName', 'SelectBy', 'Protocol', 'DownloadStatus'], null));
        ok(str_contains($ris->__getLastRequest(), ':Model xsi:nil="true"/>'), 'SoapClient sends nil for null');
        same(keys($got->records), keys(where(static fn($d) => $d->Name === $phone->Name)), 'records');
    },

    'Q2 MaxReturnedDevices is kept to, and the totals count what is returned' => function () {
        $got = devices('*', ['MaxReturnedDevices' => 7]);
        same([count($got->records), $got->total], [7, 7], 'records and total');
        same(array_sum(array_column(stateInfo($got->state)[1], 'TotalItemsFound')), 7, 'found, by StateInfo');
    },

    // ---- Questions that cannot be answered

    'Q6 a Protocol outside the enumeration is a fault that names it' => function () {
        fault(static fn() => devices('*', ['Protocol' => 'H323']), ['H323', 'SCCP']);
    },

    'Q7 a SelectBy outside the enumeration is a fault that names it' => function () {
        fault(static fn() => devices('*', ['SelectBy' => 'Colour']), 'Colour');
        fault(static fn() => devices('*', ['SelectBy' => 'SIPStatus']), 'SIPStatus');
    },

    // ---- What the nodes answer

    'Q8 NodeName asks one node' => function () {
        global $nodeNames;
        foreach ($nodeNames as $name) {
            $got = devices('*', ['NodeName' => strtoupper($name)]);
            same($got->nodeNames(), [$name], 'nodes');
            same(keys($got->records), keys(where(static fn($d, $node) => $node === $name)), 'records');
        }
    },

    'Q8 an unknown node is one item InvalidNodeName' => function () {
        $got = devices('*', ['NodeName' => 'no-such-node']);
        same(array_map(static fn($n) => [$n->ReturnCode, $n->Name, $n->CmDevices], $got->nodes), [['InvalidNodeName', 'no-such-node', null]], 'nodes');
        same($got->total, 0, 'total');
    },

    'R3 a node that was asked in vain says NotFound' => function () {
        global $phones, $onNodes;
        $once = where(static fn($d) => $onNodes[$d->Name] === 1 && $d->Status === 'Registered', $phones)[0][1];
        $got = devices($once->Name);
        $codes = array_column($got->nodes, 'ReturnCode');
        sort($codes);
        same($codes, ['NotFound', 'NotFound', 'Ok'], 'return codes');
        foreach ($got->nodes as $n) {
            same([$n->NoChange, $n->CmDevices === null], [false, $n->ReturnCode === 'NotFound'], "NoChange and nil CmDevices of $n->Name");
        }
    },

    'R4 nothing matched anywhere: no nodes and an empty StateInfo' => function () {
        $got = devices('NO-SUCH-DEVICE');
        same([$got->total, $got->nodes, $got->state], [0, [], ''], 'total, nodes and StateInfo');
    },

    'R2 selectCmDeviceExt has one record of a device, the newest' => function () {
        global $allNames, $moved, $everything;
        $names = unique([...array_slice($allNames, 0, 900), ...$moved]);
        $got = devices($names, ext: true);
        $found = array_map(static fn($r) => $r[1]->Name, $got->records);
        sort($found);
        same($found, $names, 'one record for each name');
        $newest = [];
        foreach ($everything as [, $d]) {
            $newest[$d->Name] = max($newest[$d->Name] ?? 0, $d->TimeStamp);
        }
        foreach ($got->records as [$node, $d]) {
            same($d->TimeStamp, $newest[$d->Name], "time stamp of $d->Name on $node");
        }
        foreach ($moved as $name) {
            same(devices($name, ['Status' => 'UnRegistered'], ext: true)->total, 0, "$name through its older record");
        }
    },

    'W5 in selectCmDeviceExt a star is no wildcard' => function () {
        foreach (['*', 'SEP*'] as $item) {
            $got = devices($item, ext: true);
            same([$got->total, $got->nodes], [0, []], "total and nodes for $item");
        }
    },

    // ---- Records

    'R7 DirNumber, NumOfLines and LinesStatus agree' => function () {
        global $phones;
        ok(where(static fn($d) => $d->NumOfLines > 1, $phones), 'no phone has several lines');
        foreach ($phones as [$node, $d]) {
            $listed = array_map(static fn($s) => [$s->DirectoryNumber, $s->Status], $d->LinesStatus->item ?? []);
            same(lines($d), $listed, "lines of $d->Name on $node");
            same($d->NumOfLines ?? 0, count($listed), "NumOfLines of $d->Name on $node");
        }
    },

    'R8 a registered device has reason 0, a rejected one has another' => function () {
        global $everything;
        foreach ($everything as [$node, $d]) {
            if ($d->Status === 'Registered') {
                same($d->StatusReason, 0, "reason of $d->Name on $node");
            }
            if ($d->Status === 'Rejected') {
                ok($d->StatusReason, "$d->Name on $node is rejected for no reason");
            }
        }
    },

    'R9 TimeStamp is a second of the recent past' => function () {
        global $everything;
        $now = time();
        foreach ($everything as [$node, $d]) {
            ok($now - 10 * 365 * 86400 < $d->TimeStamp && $d->TimeStamp <= $now + 1, "time stamp $d->TimeStamp of $d->Name on $node");
        }
    },

    'X3 absent values are nil, H323Trunk has its ten children' => function () {
        global $phone, $everything, $byClass;
        $parts = ['ConfigName', 'TechPrefix', 'Zone', 'RemoteCmServer1', 'RemoteCmServer2', 'RemoteCmServer3', 'AltGkList', 'ActiveGk',
            'CallSignalAddr', 'RasAddr'];
        same((array) $phone->H323Trunk, array_fill_keys($parts, null), "children of a phone's H323Trunk");
        same(where(static fn($d) => !is_object($d->H323Trunk)), [], 'records without H323Trunk');
        same(where(static fn($d) => $d->ActiveLoadID !== null, $byClass['HuntList']->records), [], 'loads of hunt lists');
    },

    "X5 the contract's spellings" => function () {
        global $withIPv6, $everything;
        foreach ($withIPv6 as [, $d]) {
            foreach (addresses($d, 'ipv6') as $a) {
                ok(preg_match('/^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/', $a), "$a of $d->Name is not eight full groups");
            }
        }
        $all = array_merge(...array_map(static fn($r) => $r[1]->IPAddress->item ?? [], $everything));
        same(unique(array_column($all, 'IPAddrType')), ['ipv4', 'ipv6'], 'address types');
        same(array_diff(array_filter(array_column($all, 'Attribute')),
            ['Unknown', 'Adminstrative', 'Signaling', 'AdministrativeAndSignaling']), [], 'other attributes');
    },

    // ---- StateInfo

    'N1 StateInfo is a string with one Node for each node that answered' => function () {
        global $byClass, $nodeNames, $phones;
        ok(is_string($byClass['Phone']->state), 'StateInfo is a ' . gettype($byClass['Phone']->state));
        [$root, $nodes] = stateInfo($byClass['Phone']->state);
        same($root, ['ClusterWide' => '1'], 'attributes of the root');
        same(array_column($nodes, 'Name'), $nodeNames, 'nodes');
        foreach ($nodes as $n) {
            same(array_keys($n), ['Name', 'SubsystemStartTime', 'StateId', 'TotalItemsFound', 'TotalItemsReturned'], 'attributes');
            same((int) $n['TotalItemsReturned'], count(where(static fn($d, $node) => $node === $n['Name'], $phones)), "items of $n[Name]");
        }
        [$root, $nodes] = stateInfo(devices('*', ['NodeName' => $nodeNames[0]])->state);
        same([count($nodes), $root], [1, []], 'nodes and attributes of a question to one node');
    },

    'N4 with the StateInfo of the last answer nothing has changed' => function () {
        global $nodeNames;
        $before = devices('*', ['DeviceClass' => 'Phone']);
        $got = devices('*', ['DeviceClass' => 'Phone'], state: $before->state);
        same([$got->total, $got->records], [0, []], 'total and records');
        same(array_map(static fn($n) => [$n->Name, $n->NoChange, $n->CmDevices], $got->nodes),
            array_map(static fn($n) => [$n, true, null], $nodeNames), 'nodes');
        same($got->state, $before->state, 'StateInfo');
    },

    // ---- CTI

    'C1 Provider lists five applications, some of them not open' => function () {
        global $providers;
        $apps = array_map(static fn($r) => implode('-', array_slice(explode('-', $r[1]->AppId), 0, -2)), $providers);
        same(count(unique($apps)), 5, 'applications');
        $statuses = unique(array_map(static fn($r) => $r[1]->AppStatus, $providers));
        ok(in_array('Open', $statuses, true) && array_intersect($statuses, ['Closed', 'OpenFailed']), 'statuses ' . implode(' ', $statuses));
        foreach ($providers as [, $i]) {
            ok(str_contains($i->AppId, $i->AppIpAddr) && $i->UserId, "AppId $i->AppId of $i->UserId has not the address $i->AppIpAddr");
        }
    },

    'C2 Provider items have neither device nor line, Device items no line, Line items both' => function () {
        global $providers, $opened, $openedLines;
        foreach ($providers as [, $i]) {
            same([$i->CtiDevice, $i->CtiLine], [null, null], "device and line of $i->AppId");
        }
        foreach ($opened as [, $i]) {
            ok($i->CtiDevice->DeviceName && $i->CtiDevice->DeviceStatus, "device of $i->AppId");
            same($i->CtiLine, null, 'line of a Device item');
        }
        foreach ($openedLines as [, $i]) {
            ok($i->CtiDevice->DeviceName && $i->CtiLine->DirNumber && $i->CtiLine->LineStatus, "device and line of $i->AppId");
            same([$i->CtiDevice->DeviceStatusReason, $i->CtiDevice->DeviceTimeStamp], [null, null], "reason and time of a Line item's device");
        }
    },

    'C3 AppId and UserId find, also with a star' => function () {
        global $providers;
        $one = $providers[0][1];
        $found = static fn(string $field, string $item, string $by) => unique(array_map(static fn($r) => $r[1]->$field,
            cti('Provider', apps: [$item], criteria: ['SelectAppBy' => $by])->records));
        same($found('AppId', $one->AppId, 'AppId'), [$one->AppId], 'by AppId');
        $prefix = substr($one->AppId, 0, -1);
        $want = where(static fn($i) => str_starts_with($i->AppId, $prefix), $providers);
        same($found('AppId', "$prefix*", 'AppId'), unique(array_map(static fn($r) => $r[1]->AppId, $want)), 'by AppId with a star');
        same($found('UserId', $one->UserId, 'UserId'), [$one->UserId], 'by UserId');
        same($found('AppIpAddr', $one->AppIpAddr, 'AppIPV4Address'), [$one->AppIpAddr], 'by address');
    },

    'C4 DevNames narrow devices, DirNumbers narrow lines' => function () {
        global $opened, $openedLines;
        ok($opened && $openedLines, 'the applications have opened devices and lines');
        $apps = static fn($records) => array_map(static fn($r) => [$r[0], $r[1]->AppId], $records);
        $name = $opened[0][1]->CtiDevice->DeviceName;
        $want = where(static fn($i) => $i->CtiDevice->DeviceName === $name, $opened);
        same($apps(cti('Device', names: [$name])->records), $apps($want), "applications that opened $name");
        $number = $openedLines[0][1]->CtiLine->DirNumber;
        $want = where(static fn($i) => $i->CtiLine->DirNumber === $number, $openedLines);
        same($apps(cti('Line', numbers: [$number])->records), $apps($want), "applications that opened $number");
    },

    'C5 Status filters, nodes and StateInfo are as for devices' => function () {
        global $providers, $nodeNames;
        $apps = static fn($records) => array_map(static fn($r) => $r[1]->AppId, $records);
        foreach (['Open', 'Closed', 'OpenFailed'] as $status) {
            $want = where(static fn($i) => $i->AppStatus === $status, $providers);
            same($apps(cti('Provider', criteria: ['Status' => $status])->records), $apps($want), $status);
        }
        $unknown = cti('Provider', criteria: ['NodeName' => 'no-such-node']);
        same(array_map(static fn($n) => [$n->ReturnCode, $n->Name, $n->CtiItems], $unknown->nodes), [['InvalidNodeName', 'no-such-node', null]], 'unknown node');
        same(count(cti('Line', criteria: ['MaxReturnedItems' => 1])->records), 1, 'MaxReturnedItems');
        $before = cti('Provider');
        same(unique(array_column(stateInfo($before->state)[1], 'Name')), unique($nodeNames), 'nodes in StateInfo');
        $again = cti('Provider', state: $before->state);
        same([$again->total, $again->state], [0, $before->state], 'total and StateInfo of an unchanged answer');
    },
];

$ris = connect();
$byClass = [];
foreach (CLASSES as $c) {
    $byClass[$c] = devices('*', ['DeviceClass' => $c]);
}
$everything = array_merge(...array_map(static fn($a) => $a->records, array_values($byClass)));
$phones = $byClass['Phone']->records;
$nodeNames = $byClass['Phone']->nodeNames();
$onNodes = array_count_values(array_map(static fn($r) => $r[1]->Name, $everything));
$allNames = unique(array_map('strval', array_keys($onNodes)));
$withIPv6 = where(static fn($d) => addresses($d, 'ipv6'));
$several = where(static fn($d) => $onNodes[$d->Name] > 1);
$moved = unique(array_map(static fn($r) => $r[1]->Name, where(static fn($old) => $old->Status === 'UnRegistered'
    && where(static fn($d) => $d->Name === $old->Name && $d->Status === 'Registered' && $d->TimeStamp > $old->TimeStamp, $several), $several)));
// A registered phone with a plain number and an address, and the only record of its device.
[$phoneNode, $phone] = where(static fn($d) => $d->Status === 'Registered' && $onNodes[$d->Name] === 1 && str_starts_with($d->Name, 'SEP')
    && preg_match('/^\d+$/', numbers($d)[0] ?? '') && addresses($d, 'ipv4'), $phones)[0];
[$providers, $opened, $openedLines] = array_map(static fn($m) => cti($m)->records, ['Provider', 'Device', 'Line']);

run($checks);
