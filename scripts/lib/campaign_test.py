#!/usr/bin/env python3
"""Tests of `ztier campaign` on rows of its own, as KTAP.

    campaign_test.py
    campaign_test.py --campaign FOLDER [ARGUMENT]...    the command, with these rows and
                                                        with its table in FOLDER
"""

import functools
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import ztier                # noqa: E402
from results import need, run_case # noqa: E402

FAILS = '''echo "FAIL  torture: 3 passed, 1 failed, 0 skipped (3 s)"
echo "      failed: counters_at_rest"
echo "      the guest panicked: *foo* bar_ |x| \\`y\\` - z"
echo "3 passed, 1 failed, 0 skipped"; exit 1'''
# Prints a figure for a test of the same name as another row's
FIGURE = ('mkdir -p "$ZTIER_RESULTS"; echo "# figure: of {0}" >"$ZTIER_RESULTS/torture.ktap"; sleep 1; '
          'echo "ok    torture: 1 passed, 0 failed, 0 skipped (1 s)"; echo "1 passed, 0 failed, 0 skipped"')
ROWS = {
    'this': FIGURE.format('this'),
    'that': FIGURE.format('that'),
    'good': 'echo "again zswap: a_case failed"; echo "5 passed, 0 failed, 3 skipped"',
    'bad': ' ; '.join(FAILS.splitlines()),
    'missing': 'echo "SKIP  newer: no such thing_"; echo "0 passed, 0 failed, 1 skipped"',
    'died': 'echo "ztier: tree: no network. Check it" >&2; exit 3',
    'lies': 'echo "1 passed, 0 failed, 0 skipped"; exit 1',
    'slow': 'sleep 60; echo "1 passed, 0 failed, 0 skipped"',
    'never': 'false',
}


def campaign(folder, *args):
    """The command itself, in this process."""
    module = ztier.command('campaign')
    module.TABLE, module.FOLDER = Path(folder, 'CAMPAIGN.rst'), Path(folder)
    module.ROWS = tuple(module.Row(name, '', command) for name, command in ROWS.items())
    sys.argv = ['campaign', *args]
    ztier.COMMAND = 'campaign'
    ztier.main(module.main)


def start(folder, *args):
    return subprocess.Popen([sys.executable, __file__, '--campaign', folder, *args], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def run(folder, *args):
    """Its status, last line and stderr."""
    process = start(folder, *args)
    out, said = process.communicate()
    return process.returncode, (out.splitlines() or [''])[-1], said


def table(folder):
    """The cells of each row, read in another way than the command does."""
    text = Path(folder, 'CAMPAIGN.rst').read_text(encoding='utf-8')
    rows = [row.split('\n     -') for row in text.split('\n   * - ')[1:]]
    return {row[0]: [cell.strip() for cell in row[1:]] for row in rows}


def test_verdicts(folder):
    status, last, _ = run(folder, 'good', 'bad', 'missing', 'died', 'lies')
    need(status == 1 and last == '1 passed, 3 failed, 1 skipped', status, last)
    rows = table(folder)
    need(list(rows) == ['Row', *ROWS], 'rows:', list(rows))
    need(all(len(cells) == 6 for cells in rows.values()), 'cells')
    need(rows['good'][3] == '5 passed, 0 failed, 3 skipped' and not rows['good'][5], rows['good'])
    need(re.match('1 repeated', rows['good'][4]), rows['good'])
    need('failed: counters_at_rest' in rows['bad'][5] and r'\*foo\* bar\_ \|x\|' in rows['bad'][5],
         rows['bad'])
    need('newer skipped: no such thing' in rows['missing'][5], rows['missing'])
    need(rows['died'][3] == 'no result' and 'no network' in rows['died'][5], rows['died'])
    need('status 1' in rows['lies'][5], rows['lies'])
    need(rows['never'][3] == 'not run', rows['never'])
    need(re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d', rows['good'][1]), rows['good'])
    need(re.search(r'\d+ patches$', rows['good'][2]), rows['good'])


def test_others_stay(folder):
    run(folder, 'bad')
    run(folder, '--why', 'bad', 'for a *reason*')
    before = table(folder)['bad']
    need(before[5] == r'for a \*reason\*', before)
    run(folder, 'good')
    need(table(folder)['bad'] == before, 'a row that was not run has changed')
    run(folder, 'bad')
    need('counters_at_rest' in table(folder)['bad'][5], 'the reason of the last run is still there')


def test_interrupted(folder):
    process = start(folder, 'good', 'slow', 'never')
    while 'good' not in (table(folder) if Path(folder, 'CAMPAIGN.rst').exists() else ()) or \
            not Path(folder, 'slow.log').exists():
        need(process.poll() is None, 'it has ended')
        time.sleep(0.1)
    before = Path(folder, 'CAMPAIGN.rst').read_text(encoding='utf-8')
    process.send_signal(signal.SIGINT)
    out, said = process.communicate()
    need(process.returncode == 130, process.returncode)
    need(out.splitlines()[-1] == '1 passed, 0 failed, 0 skipped', out)
    need('row slow was interrupted: it stays as it was' in said, said)
    need(Path(folder, 'CAMPAIGN.rst').read_text(encoding='utf-8') == before, 'the table has changed')
    need([path.name for path in Path(folder).glob('.*')] == [], 'something is left behind')


def test_side_by_side(folder):
    processes = [start(folder, name) for name in ('good', 'bad', 'missing', 'died') * 3]
    for process in processes:
        process.communicate()
    rows = table(folder)
    need(not [name for name in ('good', 'bad', 'missing', 'died') if rows[name][3] == 'not run'],
         'rows were lost')
    process = start(folder, 'slow')
    while not Path(folder, 'slow.log').exists():
        need(process.poll() is None, 'it has ended')
        time.sleep(0.1)
    status, last, _ = run(folder, 'slow')
    need(status == 0 and last == '0 passed, 0 failed, 1 skipped', status, last)
    process.terminate()
    process.communicate()


def test_own_figures(folder):
    for process in [start(folder, name) for name in ('this', 'that')]:
        process.communicate()
    rows = table(folder)
    for name in ('this', 'that'):
        need(rows[name][4].startswith(f'of {name}; '), rows[name])


def test_damaged(folder):
    run(folder, 'good')
    path = Path(folder, 'CAMPAIGN.rst')
    path.write_text(path.read_text(encoding='utf-8').replace('     - not run\n', '', 1), encoding='utf-8')
    before = path.read_bytes()
    status, _, said = run(folder, 'good')
    need(status == 1 and 'has 6 cells, not 7' in said, status, said)
    need(path.read_bytes() == before, 'the table was written')


def test_valid_rst(folder):
    try:
        import docutils         # noqa: F401
    except ImportError:
        tree = ztier.library('debs.sh', 'deb_tree', 'docutils', 'python3-docutils')
        if not tree:
            return 'docutils cannot be had'
        sys.path.append(f'{tree}/usr/lib/python3/dist-packages')
    from docutils.core import publish_doctree
    run(folder, 'good', 'bad', 'missing', 'died')
    for path in (Path(folder, 'CAMPAIGN.rst'), ztier.TOP / 'CAMPAIGN.rst'):
        if path.exists():
            # any complaint is an error
            tree = publish_doctree(path.read_text(encoding='utf-8'), str(path),
                                   settings_overrides={'halt_level': 1, 'report_level': 1})
            need(len(list(tree.findall(lambda node: node.tagname == 'row'))) > 2,
                 'there is no table')
    return None


def test_commands(_):
    """What the rows run exists."""
    module = ztier.command('campaign')
    names = module.load_tests()
    for row in module.ROWS:
        words = shlex.split(row.command)
        for word in words[words.index('test') + 1:] if 'test' in words else ():
            name = word.partition(':')[0]
            need(word.startswith('--') or word.isdecimal() or name in names or
                 f'build/{word}/linux' in words, f'row {row.name}: there is no test {word}')
    need(len({row.name for row in module.ROWS}) == len(module.ROWS), 'a row is there twice')


TESTS = [(name.removeprefix('test_'), test) for name, test in list(globals().items())
         if name.startswith('test_')]


def main():
    print(f'TAP version 13\n1..{len(TESTS)}', flush=True)
    failed = 0
    for number, (name, test) in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory(prefix='campaign-') as folder:
            failed += not run_case(number, name, functools.partial(test, folder))
    return 1 if failed else 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['--campaign']:
        campaign(*sys.argv[2:])
    else:
        ztier.main(main)
