<?php
// PHP's SoapClient polls a risim whose cluster and time change between its questions: StateInfo there and back, the limit of fifteen
// questions a minute, the end of a session.
//
// The test that runs it makes the changes: a line "> ORDER" on stdout asks for one, and is answered by a line on stdin, "done" or why
// not. Like judge.php it knows no name of the cluster, and poll.py and poll.js make the same checks under the same names. Every check
// begins in a minute of its own.
//
// Environment: also RISIM_PROFILE, the profile that decides where the rules say so.

declare(strict_types=1);

require __DIR__ . '/stack.php';

define('DOCUMENTED', getenv('RISIM_PROFILE') === 'documented');
const RATE = 'Exceeded allowed rate for Reatime information. Current allowed rate for realtime information is 15 requests per minute.';

function please(string $order): void
{
    echo "> $order\n";
    same(rtrim((string) fgets(STDIN), "\n"), 'done', $order);
}

/** The query that is repeated: one phone in sixteen, on several nodes. */
function poll(string $state = '', string $items = 'SEP*0', array $criteria = []): Answer
{
    return devices($items, $criteria + ['DeviceClass' => 'Phone'], state: $state);
}

/** Several nodes have records, and say that there was a change. What other nodes say in NoChange is rule R3. */
function changed(Answer $answer, string $what = 'a full answer'): Answer
{
    same(array_column($answer->nodes, 'ReturnCode'),
        array_map(static fn($n) => in_array($n, $answer->without, true) ? 'NotFound' : 'Ok', $answer->nodeNames()), "return codes of $what");
    $found = array_filter($answer->nodes, static fn($n) => $n->ReturnCode === 'Ok');
    ok(count($found) > 1, "$what has records of " . count($found) . ' nodes');
    same(array_values(array_unique(array_column($found, 'NoChange'))), [false], "NoChange of $what");
    same($answer->total, count($answer->records), "total of $what");
    ok(is_string($answer->state) && $answer->state !== '', "StateInfo of $what is " . json_encode($answer->state));
    return $answer;
}

/** Every node says that there was no change since the full answer, and the StateInfo is the one that is given. */
function unchanged(Answer $answer, Answer $full, string $state): void
{
    same([$answer->total, $answer->records, $answer->without], [0, [], $full->nodeNames()], 'total, records and nodes without records');
    same(array_map(static fn($n) => [$n->Name, $n->ReturnCode, $n->NoChange], $answer->nodes),
        array_map(static fn($n) => [$n->Name, $n->ReturnCode, true], $full->nodes), 'nodes');
    same($answer->state, $state, 'StateInfo');
}

/** The records that pass the test. */
function where(callable $test, Answer $answer): array
{
    return array_values(array_filter($answer->records, static fn($r) => $test($r[1], $r[0])));
}

function of(string $name, Answer $answer): array
{
    return where(static fn($d) => $d->Name === $name, $answer);
}

function but(string $name, Answer $answer): array
{
    return where(static fn($d) => $d->Name !== $name, $answer);
}

/** A registered phone that has no other record in the answer: its node and its record. */
function registered(Answer $answer): array
{
    return where(static fn($d) => $d->Status === 'Registered' && count(of($d->Name, $answer)) === 1, $answer)[0];
}

/** Records as values, which can be compared. */
function values(array $records): array
{
    return json_decode(json_encode($records), true);
}

function small(?SoapClient $client = null, bool $ext = false): Answer
{
    return devices('*', ['DeviceClass' => 'HuntList'], ext: $ext, client: $client);
}

function ask(int $times, ?SoapClient $client = null): void
{
    for ($i = 0; $i < $times; $i++) {
        ok(small($client)->total, 'no hunt list');
    }
}

/** Fifteen questions, of all operations. */
function useUpTheMinute(): void
{
    please('next-minute');
    for ($i = 0; $i < 5; $i++) {
        ask(1);
        same(small(ext: true)->total, 0, 'hunt lists by a wildcard in selectCmDeviceExt');
        ok(cti('Provider')->total, 'no application');
    }
}

$checks = [
    // ---- The contract

    "H2 the address in the contract is the profile's" => function () {
        // SoapClient does not show the address, and is given another here.
        $wsdl = file_get_contents(URL . '?wsdl', false, stream_context_create(['ssl' => ['cafile' => getenv('RISIM_CA_FILE')]]));
        ok(preg_match('/ location="([^"]*)"/', $wsdl, $location), 'the contract has an address');
        same($location[1], DOCUMENTED ? URL : 'https://localhost:8443/realtimeservice2/services/RISService70', 'address');
    },

    // ---- StateInfo of devices

    'N4 with the StateInfo of the last answer nothing has changed, also a minute later' => function () {
        please('next-minute');
        $before = changed(poll());
        unchanged(poll($before->state), $before, $before->state);
        please('next-minute');
        unchanged(poll($before->state), $before, $before->state);
    },

    'N3 a change that the query does not match is none' => function () {
        please('next-minute');
        $before = changed(poll());
        $other = where(static fn($d) => $d->Status === 'Registered' && !str_ends_with($d->Name, '0'), poll(items: '*'))[0][1];
        please("unregister $other->Name");
        same(array_map(static fn($r) => $r[1]->Status, poll(items: $other->Name)->records), ['UnRegistered'], "status of $other->Name");
        $again = poll($before->state);
        unchanged($again, $before, $again->state);
        ok($again->state !== $before->state, 'StateInfo is the same after a change on a node');
        unchanged(poll($again->state), $before, $again->state);
    },

    'N5 a change that the query matches brings the full answer' => function () {
        please('next-minute');
        $before = changed(poll());
        [$node, $phone] = registered($before);
        please('next-minute');
        please("unregister $phone->Name");
        $after = changed(poll($before->state), 'the answer after the change');
        ok($after->state !== $before->state, 'StateInfo is the same after the change');
        same(values(but($phone->Name, $after)), values(but($phone->Name, $before)), 'records of the other devices');
        $found = of($phone->Name, $after);
        same(array_map(static fn($r) => [$r[0], $r[1]->Status, $r[1]->StatusReason], $found), [[$node, 'UnRegistered', 13]], 'the device that changed');
        $now = $found[0][1]->TimeStamp;
        ok($now > $phone->TimeStamp, "time stamp of $phone->Name: $now, not later than $phone->TimeStamp");
        unchanged(poll($after->state), $after, $after->state);
        same(values(changed(poll($before->state))->records), values($after->records), 'records for the older StateInfo');
    },

    'N3 a device that leaves the match is a change' => function () {
        please('next-minute');
        $before = changed(poll(criteria: ['Status' => 'Registered']));
        [, $phone] = registered($before);
        unchanged(poll($before->state, criteria: ['Status' => 'Registered']), $before, $before->state);
        please("unregister $phone->Name");
        $after = changed(poll($before->state, criteria: ['Status' => 'Registered']), 'the answer without the device');
        same(values($after->records), values(but($phone->Name, $before)), 'records');
    },

    'V2 after a failover the full answer has the device on both nodes' => function () {
        please('next-minute');
        $before = changed(poll());
        [$node, $phone] = registered($before);
        please('next-minute');
        please("failover $phone->Name");
        $after = changed(poll($before->state), 'the answer after the failover');
        $left = $taken = [];
        foreach (of($phone->Name, $after) as [$n, $d]) {
            $n === $node ? $left[] = $d : $taken[] = $d;
        }
        same(array_column($left, 'Status'), ['UnRegistered'], 'records on the node that was left');
        same(array_column($taken, 'Status'), ['Registered'], 'records on other nodes');
        ok($taken[0]->TimeStamp > $phone->TimeStamp, "time stamp there: {$taken[0]->TimeStamp}, not later than $phone->TimeStamp");
    },

    "R3 NoChange of a NotFound node in a full answer is the profile's" => function () {
        please('next-minute');
        [$node, $phone] = registered(poll());
        $full = static function (Answer $answer) use ($node): Answer {
            same(array_map(static fn($n) => [$n->ReturnCode, $n->NoChange], $answer->nodes),
                array_map(static fn($n) => $n === $node ? ['Ok', false] : ['NotFound', !DOCUMENTED], $answer->nodeNames()), 'nodes');
            same([$answer->total, $answer->without], [1, array_values(array_diff($answer->nodeNames(), [$node]))], 'total and nodes without records');
            return $answer;
        };
        $before = $full(poll(items: $phone->Name));
        ok(count($before->nodes) > 1, 'one node answers');
        unchanged(poll($before->state, $phone->Name), $before, $before->state);
        please("unregister $phone->Name");
        $full(poll($before->state, $phone->Name));
    },

    // ---- StateInfo of applications

    'C5 with the StateInfo of the last answer no application has changed, whatever devices do' => function () {
        please('next-minute');
        $before = changed(cti('Provider'));
        please('unregister ' . registered(poll())[1]->Name);
        unchanged(cti('Provider', state: $before->state), $before, $before->state);
    },

    'C5 an application that the query does not match is no change' => function () {
        please('next-minute');
        [[$node, $mine], [, $other]] = where(static fn($i) => $i->AppStatus === 'Open', cti('Provider'));
        $before = cti('Provider', apps: [$mine->AppId]);
        same(array_map(static fn($r) => [$r[0], $r[1]->AppId], $before->records), [[$node, $mine->AppId]], 'applications');
        please("close $other->AppId");
        same(array_map(static fn($r) => $r[1]->AppStatus, cti('Provider', apps: [$other->AppId])->records), ['Closed'], "status of $other->AppId");
        $again = cti('Provider', apps: [$mine->AppId], state: $before->state);
        unchanged($again, $before, $again->state);
    },

    'C5 an application that closes brings the full answer' => function () {
        please('next-minute');
        $before = changed(cti('Provider'));
        unchanged(cti('Provider', state: $before->state), $before, $before->state);
        [$node, $mine] = where(static fn($i) => $i->AppStatus === 'Open', $before)[0];
        $others = static fn(Answer $a) => values(where(static fn($i) => $i->AppId !== $mine->AppId, $a));
        please("close $mine->AppId");
        $after = changed(cti('Provider', state: $before->state), 'the answer after the change');
        ok($after->state !== $before->state, 'StateInfo is the same after the change');
        $closed = where(static fn($i) => $i->AppId === $mine->AppId, $after);
        same(array_map(static fn($r) => [$r[0], $r[1]->AppStatus], $closed), [[$node, 'Closed']], "status of $mine->AppId");
        same($others($after), $others($before), 'the other applications');
        unchanged(cti('Provider', state: $after->state), $after, $after->state);
    },

    // ---- The limit of fifteen a minute

    'T1 fifteen questions a minute, of all operations together' => function () {
        useUpTheMinute();
        fault(static fn() => small(), RATE);
        fault(static fn() => small(ext: true), RATE);
        fault(static fn() => cti('Provider'), RATE);
    },

    'T3 a question that cannot be answered does not count' => function () {
        please('next-minute');
        for ($i = 0; $i < 3; $i++) {
            fault(static fn() => poll(criteria: ['Protocol' => 'H323']), 'H323');
        }
        ask(15);
        fault(static fn() => small(), RATE);
    },

    "T4 the rate fault has Cisco's words and code" => function () {
        global $ris;
        please('next-minute');
        $publisher = poll()->nodeNames()[0];
        useUpTheMinute();
        $questions = ['selectCmDevice' => fn() => small(), 'selectCmDeviceExt' => fn() => small(ext: true), 'selectCtiItem' => fn() => cti('Provider')];
        foreach ($questions as $operation => $question) {
            $e = fault($question, RATE);
            ok(preg_match('/^SOAPAction: "?([^"\r\n]*)/m', $ris->__getLastRequestHeaders(), $action), 'SoapClient sends a SOAPAction');
            same($action[1], $operation, 'SOAPAction as SoapClient sends it');
            same($e->faultstring, DOCUMENTED ? 'AxisFault: ' . RATE . $action[1] : RATE . 'RISService70', 'text');
            same($e->faultcode, 'ns1:Server.RateControl', 'code');
            same((array) $e->detail, ['hostname' => $publisher], 'detail');
        }
    },

    'T2 the next minute answers again, and not a second before' => function () {
        please('next-minute');
        ask(7);
        please('advance 30s');
        ask(8);
        fault(static fn() => small(), RATE);
        please('advance 29s');
        fault(static fn() => small(), RATE);
        please('advance 1s');
        ask(15);
        fault(static fn() => small(), RATE);
    },

    // ---- Sessions

    'H6 a session that idles for longer than half an hour ends in a fault, and a new log-in begins another' => function () {
        please('next-minute');
        $first = connect(['location' => URL]);
        ask(1, $first);
        $guest = connect(['location' => URL], session: sessionOf($first));
        for ($i = 0; $i < 2; $i++) { // each question begins the half hour anew
            please('advance 30m');
            ask(1, $guest);
        }
        please('advance 30m1s');
        for ($i = 0; $i < 2; $i++) {
            fault(static fn() => small($guest), ['Error Code = 7', 'needs SOAP clients to start a new session'], $guest);
        }
        $again = connect(['location' => URL]);
        ask(1, $again);
        ok(sessionOf($again) !== sessionOf($first), 'the new log-in has the old session');
        ask(1, connect(['location' => URL], session: sessionOf($again)));
    },
];

$ris = connect(['location' => URL]); // which need not be the one in the contract
run($checks);
