import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, humanDuration, parseDuration } from './duration.ts';
import { describeTabs, laidOut, TabWriter, tableTabs } from './tabs.ts';

test('columns are as wide as their widest cell', () => {
  assert.equal(
    laidOut(describeTabs, 'Name:\tweb\nNamespace:\tdefault\n'),
    'Name:       web\nNamespace:  default\n',
  );
  assert.equal(laidOut(tableTabs, 'NAME\tAGE\nweb-server\t5s\n'), 'NAME         AGE\nweb-server   5s\n');
});

test('a line without a cell ends the column', () => {
  assert.equal(
    laidOut(describeTabs, 'a:\t1\nHeader:\n  long name:\t2\n'),
    'a:  1\nHeader:\n  long name:  2\n',
  );
});

test('cells count characters, and the last one of a line has no width', () => {
  assert.equal(
    laidOut(describeTabs, 'é:\tx\tend\nab:\tyyyy\tlonger end\n'),
    'é:   x     end\nab:  yyyy  longer end\n',
  );
});

test('a table that goes on keeps its widths', () => {
  let out = '';
  const writer = new TabWriter(tableTabs, (text) => {
    out += text;
  });
  writer.line('NAME', 'STATUS', 'AGE');
  writer.line('a-long-name', 'Running', '5s');
  writer.flush();
  writer.line('b', 'ok', '6s');
  writer.flush();
  assert.equal(out, 'NAME          STATUS    AGE\na-long-name   Running   5s\nb             ok        6s\n');
});

test('durations', () => {
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('1.5s'), 1500);
  assert.equal(parseDuration('0'), 0);
  assert.throws(() => parseDuration('5'), /missing unit in duration "5"/);
  assert.throws(() => parseDuration('x'), /invalid duration "x"/);
  assert.deepEqual([0, 500, 90_000, 3_600_000].map(formatDuration), ['0s', '500ms', '1m30s', '1h0m0s']);
  const shown: [seconds: number, text: string][] = [
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [200, '3m20s'],
    [700, '11m'],
    [10_799, '179m'],
    [11_000, '3h3m'],
    [100_000, '27h'],
    [200_000, '2d7h'],
    [800_000, '9d'],
    [90_000_000, '2y311d'],
  ];
  for (const [seconds, text] of shown) assert.equal(humanDuration(seconds * 1000), text);
});
