<?php
// How a judge asks risim through PHP's SoapClient, and how it says what it found. stack.py and stack.js are the same for other
// stacks.
//
// Environment: RISIM_URL, RISIM_USER, RISIM_PASSWORD, RISIM_CA_FILE. One line per check on stdout; exit 1 if any failed.

declare(strict_types=1);

set_error_handler(static fn(int $level, string $text, string $file, int $line) => throw new ErrorException($text, 0, $level, $file, $line));

define('URL', getenv('RISIM_URL'));

/**
 * Reads the contract. Questions go with name and password or, when a session is named, with its cookie alone, and to where the
 * contract leads, when no location is among the options.
 */
function connect(array $options = [], bool $trusting = true, ?string $session = null): SoapClient
{
    if ($session !== null) {
        $options += ['login' => null, 'password' => null];
    }
    $client = new SoapClient(URL . '?wsdl', $options + [
        'login' => getenv('RISIM_USER'),
        'password' => getenv('RISIM_PASSWORD'),
        'stream_context' => stream_context_create([
            'ssl' => ($trusting ? ['cafile' => getenv('RISIM_CA_FILE')] : []) + ['verify_peer' => true, 'verify_peer_name' => true],
        ]),
        'cache_wsdl' => WSDL_CACHE_NONE,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'connection_timeout' => 20,
        'trace' => true,
    ]);
    if ($session !== null) {
        $client->__setCookie('JSESSIONIDSSO', $session);
    }
    return $client;
}

/** The id of the session that the answers to this client have set. */
function sessionOf(SoapClient $client): string
{
    $id = $client->__getCookies()['JSESSIONIDSSO'][0] ?? '';
    ok(preg_match('/^[0-9A-F]{32}$/', $id), 'cookies are ' . json_encode($client->__getCookies()));
    return $id;
}

/** An answer about devices or CTI items. records are [name of the node, device or item] in the order of the answer. */
final class Answer
{
    public array $nodes;
    public array $records = [];
    public array $without = []; // the nodes that have no records

    public function __construct(public int $total, ?object $nodes, string $part, public mixed $state)
    {
        $this->nodes = $nodes->item ?? [];
        foreach ($this->nodes as $n) {
            if ($n->$part === null) {
                $this->without[] = $n->Name;
            }
            foreach ($n->$part->item ?? [] as $r) {
                $this->records[] = [$n->Name, $r];
            }
        }
    }

    public function names(): array
    {
        return unique(array_map(static fn($r) => $r[1]->Name, $this->records));
    }

    public function nodeNames(): array
    {
        return array_column($this->nodes, 'Name');
    }
}

function devices(array|string $items, array $criteria = [], bool $ext = false, string $state = '', ?SoapClient $client = null): Answer
{
    global $ris;
    $got = ($client ?? $ris)->{$ext ? 'selectCmDeviceExt' : 'selectCmDevice'}([
        'StateInfo' => $state,
        'CmSelectionCriteria' => $criteria + [
            'MaxReturnedDevices' => 1000,
            'DeviceClass' => 'Any',
            'Model' => 255,
            'Status' => 'Any',
            'NodeName' => '',
            'SelectBy' => 'Name',
            'SelectItems' => ['item' => array_map(static fn($i) => ['Item' => $i], (array) $items)],
            'Protocol' => 'Any',
            'DownloadStatus' => 'Any',
        ],
    ])->selectCmDeviceReturn;
    return new Answer($got->SelectCmDeviceResult->TotalDevicesFound, $got->SelectCmDeviceResult->CmNodes, 'CmDevices', $got->StateInfo);
}

function cti(string $manager, array $apps = [], array $names = [], array $numbers = [], array $criteria = [], string $state = ''): Answer
{
    global $ris;
    $got = $ris->selectCtiItem([
        'StateInfo' => $state,
        'CtiSelectionCriteria' => $criteria + [
            'MaxReturnedItems' => 1000,
            'CtiMgrClass' => $manager,
            'Status' => 'Any',
            'NodeName' => '',
            'SelectAppBy' => 'AppId',
            'AppItems' => ['item' => array_map(static fn($i) => ['AppItem' => $i], $apps)],
            'DevNames' => ['item' => array_map(static fn($i) => ['DevName' => $i], $names)],
            'DirNumbers' => ['item' => array_map(static fn($i) => ['DirNumber' => $i], $numbers)],
        ],
    ])->selectCtiItemReturn;
    return new Answer($got->SelectCtiItemResult->TotalItemsFound, $got->SelectCtiItemResult->CtiNodes, 'CtiItems', $got->StateInfo);
}

function same(mixed $got, mixed $want, string $what): void
{
    if ($got !== $want) {
        $show = static fn($v) => substr(json_encode($v), 0, 1500);
        throw new Exception("$what: got {$show($got)}, want {$show($want)}");
    }
}

function ok(mixed $condition, string $what): void
{
    $condition or throw new Exception($what);
}

/** The question must end in a SOAP fault, as SoapClient throws it, whose text has these words. */
function fault(callable $question, array|string $words, ?SoapClient $client = null): SoapFault
{
    global $ris;
    $client ??= $ris;
    try {
        $question();
    } catch (SoapFault $e) {
        foreach ((array) $words as $word) {
            ok(str_contains($e->faultstring, $word), "the fault does not say $word: {$e->faultcode} {$e->faultstring}");
        }
        ok(preg_match('~^HTTP/1\.1 500~', $client->__getLastResponseHeaders()), 'HTTP status of a fault: ' . $client->__getLastResponseHeaders());
        return $e;
    }
    throw new Exception('no fault was thrown');
}

function unique(array $values): array
{
    $values = array_values(array_unique($values));
    sort($values);
    return $values;
}

function keys(array $records): array
{
    $keys = array_map(static fn($r) => "$r[0] {$r[1]->Name}", $records);
    sort($keys);
    return $keys;
}

/** Makes the checks in their order and ends the program: with 1 if any failed. */
function run(array $checks): never
{
    $failed = 0;
    foreach ($checks as $name => $make) {
        try {
            $make();
            echo "ok $name\n";
        } catch (Throwable $e) { // a check that breaks has failed, and the others still run
            $failed++;
            $place = $e->getTrace()[0] + ['file' => $e->getFile(), 'line' => $e->getLine()];
            echo "FAILED $name\n    ", $e::class, ": {$e->getMessage()}  (", basename($place['file']), ":$place[line])\n";
        }
    }
    exit($failed ? 1 : 0);
}
