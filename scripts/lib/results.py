"""Results of tests, as KTAP: what a file says of them, and writing one."""

import json
import re
import subprocess
import sys

import ztier

MISSING = 'missing expected subtest'
MAX_REASONS = 8

RESULT = re.compile(r'(not )?ok \d+ *(?:- )?(.*?)(?: +#(.*))?$')
# what follows the name of a result that is not the case's own words
DIRECTIVE = re.compile(r'(SKIP|TODO|XFAIL|TIMEOUT|ERROR)\b', re.IGNORECASE)
# what a harness says of each case beside what the case says
FRAME = re.compile(r'(RUN|OK|FAIL) +\S+( \.\.\.)?$|\S+: Test (failed|terminated)')


def count(path):
    """What the kernel's own parser makes of a file: its counts, and its output."""
    result = path.with_suffix('.json')
    # its summary is for people; the series may have no newer parser than base
    done = ztier.call(sys.executable, ztier.LINUX / 'tools/testing/kunit/kunit.py', 'parse',
                      f'--json={result}', path, stdout=subprocess.PIPE, text=True)
    if ztier.VERBOSE:
        sys.stderr.write(done.stdout)
    try:
        return json.loads(result.read_text())['misc'], done.stdout
    finally:
        result.unlink(missing_ok=True)


def failures(output):
    """The names of failed test cases in what that parser has printed."""
    for line in output.splitlines():
        for mark in ('[FAILED] ', '[CRASHED] ', '[ERROR] '):
            if mark in line and not line.rstrip().endswith('='):
                name = line.split(mark, 1)[1].strip()
                # a case that was announced and never came has none
                if name and MISSING not in name:
                    yield name


def reasons(text):
    """What is said in a KTAP of its failed cases: the last lines before each, by name.

    The last of these is what stands beside its name.
    A suite that failed for its cases is there with no line. Of cases of one name in several
    suites, the lines follow each other. Assertions of the kselftest harness, which has them
    on stderr, come after all results, if that was kept apart: they name their function.
    """
    found, said, more = {}, [], False
    for line in text.splitlines():
        # a kernel log has its own time before each line
        line = re.sub(r'^\[ *\d+\.\d+\] ?(\[ *[TC]\d+\] )?', '', line).strip()
        result = RESULT.match(line)
        if result:
            if result[1]:
                beside = (result[3] or '').strip()
                if beside and not DIRECTIVE.match(beside):
                    said.append(beside)
                found.setdefault(result[2], []).extend(said[-MAX_REASONS:])
            said, more = [], False
        elif line.startswith('#'):
            more = ' FAILED at ' in line
            if not FRAME.match(line.lstrip('# ')):
                said.append(line.lstrip('# '))
        elif more:
            # KUnit has the values on lines of their own
            said.append(line)
    for name, lines in found.items():
        mark = f':{name.rpartition(".")[2]}:'
        lines += [line for line in said if mark in line and line not in lines][:MAX_REASONS]
    return found


class Failed(Exception):
    """What is wrong."""


def need(true, *words):
    if not true:
        raise Failed(' '.join(map(str, words)))


def run_case(number, name, test):
    """Prints the result of calling @test, which raises what is wrong. Whether it is not.

    What @test returns, or is if it can't be called, is why it is skipped.
    """
    try:
        skipped = test() if callable(test) else test
        print(f'ok {number} {name}' + (f' # SKIP {skipped}' if skipped else ''), flush=True)
        return True
    except Exception as error:          # also what should not happen at all
        said = ''.join(f'# {line}\n' for line in f'{type(error).__name__}: {error}'.splitlines())
        print(f'{said}not ok {number} {name}', flush=True)
        return False
