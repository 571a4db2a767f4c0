#!/usr/bin/env python3
"""Tests of what `ztier test` and `ztier bench` make of results, as KTAP."""

import contextlib
import io
import random
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import guest                # noqa: E402
import results              # noqa: E402
import ztier                # noqa: E402
from results import need    # noqa: E402

SELFTEST = '''TAP version 13
1..3
# Starting 3 tests from 2 test cases.
#  RUN           zswap.good ...
# said by one that passes
#            OK  zswap.good
ok 1 zswap.good
#  RUN           zswap.bad ...
# no folio of 64 kB was stored as one
# zswap_nodes.c:1404:bad:Expected 0 (0) == store_folios(env, kb[i]) (-1)
# bad: Test terminated by assertion
#          FAIL  zswap.bad
not ok 2 zswap.bad
#  RUN           zswap.none ...
#      SKIP      none here
ok 3 zswap.none # SKIP none here
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
'''
# As from a guest, whose stderr comes after its stdout
APART = '''TAP version 13
1..2
#          FAIL  zswap.bad
not ok 1 zswap.bad
ok 2 zswap.good
# FAILED: 1 / 2 tests passed.
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0
# # zswap_nodes.c:1404:bad:Expected 0 (0) == store_folios(env, kb[i]) (-1)
# # bad: Test failed
# # zswap_nodes.c:99:good:said for some reason
'''
KUNIT = '''[    0.412] Linux version 7.3.4
[    0.500][    T1] KTAP version 1
[    0.500][    T1] 1..1
[    0.501][    T1]     KTAP version 1
[    0.501][    T1]     # Subtest: zsmalloc
[    0.501][    T1]     1..2
[    0.502][    T1]     # split: EXPECTATION FAILED at mm/tests/zsmalloc_kunit.c:77
[    0.502][    T1]     Expected a == b, but
[    0.503][    T1]     not ok 1 split
[    0.504][    T1]     ok 2 moves
[    0.505][    T1] # zsmalloc: pass:1 fail:1 skip:0 total:2
[    0.505][    T1] not ok 1 zsmalloc
'''


def test_reasons_selftest():
    need(results.reasons(SELFTEST) == {'zswap.bad': [
        'no folio of 64 kB was stored as one',
        'zswap_nodes.c:1404:bad:Expected 0 (0) == store_folios(env, kb[i]) (-1)']},
        results.reasons(SELFTEST))


def test_reasons_apart():
    found = results.reasons(APART)
    need(found == {'zswap.bad': [
        'zswap_nodes.c:1404:bad:Expected 0 (0) == store_folios(env, kb[i]) (-1)']}, found)


def test_reasons_kunit():
    found = results.reasons(KUNIT)
    need(set(found) == {'split', 'zsmalloc'}, found)
    need(found['split'][-2:] == ['split: EXPECTATION FAILED at mm/tests/zsmalloc_kunit.c:77',
                                 'Expected a == b, but'], found)


def test_reasons_are_few():
    text = ''.join(f'# line {n}\n' for n in range(100)) + 'not ok 1 - two words # TODO\n'
    found = results.reasons(text)
    need(list(found) == ['two words'], found)
    need(found['two words'][-1] == 'line 99' and len(found['two words']) == results.MAX_REASONS,
         found)


def test_reasons_beside_the_name():
    text = '# first\nnot ok 1 4k_again # 80 allocations failed; left: nothing\nnot ok 2 b # SKIP no\n'
    found = results.reasons(text)
    need(found == {'4k_again': ['first', '80 allocations failed; left: nothing'], 'b': []}, found)


def test_names_of_parser():
    """Each failed case that the kernel's parser names has its reasons."""
    if not (ztier.LINUX / 'tools/testing/kunit/kunit.py').exists():
        return 'there is no build/linux'
    path = ztier.BUILD / 'test/results-sample.ktap'
    path.parent.mkdir(parents=True, exist_ok=True)
    for text, name, counts in ((SELFTEST, 'zswap.bad', (1, 1, 1)), (KUNIT, 'split', (1, 1, 0))):
        path.write_text(text, encoding='utf-8')
        misc, output = results.count(path)
        path.unlink()
        names = list(results.failures(output))
        need(names == [name], names)
        need(results.reasons(text)[name], 'no reason')
        need(tuple(misc[key] for key in ('passed', 'failed', 'skipped')) == counts, misc)
    return None


OOPS = '''[   91.871764] Policy zone: DMA32
[   91.906252] Oops: int3: 0000 [#1] SMP
[   91.906625] CPU: 0 UID: 0 PID: 200 Comm: private_node Not tainted 7.3.4 #1 PREEMPTLAZY
[   91.906743] RIP: 0010:store_write+0x14c/0x2e0
[   91.906848] Code: 55 ac 44 88 70 10 49 c7 45 00 ed ff ff ff {} <90> 49 c7 c6 ed ff
[   91.907013] RSP: 0018:ffff8a61e62cfd90 EFLAGS: 00000282
[   91.910312] Kernel panic - not syncing: Fatal exception in interrupt
'''


def test_stale_breakpoint():
    """One that memory has, or another oops, is the kernel's own."""
    need(guest.stale_breakpoint(OOPS.format(66)), 'not seen')
    need(not guest.stale_breakpoint(OOPS.format('cc')), 'a breakpoint of the kernel')
    need(not guest.stale_breakpoint(OOPS.format(66).replace('int3', 'general protection fault')),
         'another oops')
    need(not guest.stale_breakpoint('[   91.8] BUG: KASAN: use-after-free\n' + OOPS.format(66)),
         'what came before')


def test_stale_breakpoint_in_boot():
    """Nothing has begun that could not begin again."""
    machine = guest.Guest(kernel=Path('none'))
    machine.log = ztier.BUILD / 'test/results-sample.log'
    machine.log.parent.mkdir(parents=True, exist_ok=True)
    for byte, begun, accelerator, expected in (
            (66, False, 'tcg', guest.BootHang), (66, True, 'tcg', guest.StaleBreakpoint),
            (66, False, 'kvm', guest.GuestError), ('cc', False, 'tcg', guest.GuestError)):
        machine.log.write_text(OOPS.format(byte), encoding='utf-8')
        machine.accelerator = accelerator
        try:
            machine.verdict(None, False, begun)
            found = None
        except guest.GuestError as error:
            found = type(error)
        need(found is expected, byte, begun, accelerator, found)
    machine.log.unlink()


def test_repeats_after_stale_breakpoint():
    """QEMU's error is no failure of a test, unless it comes each time."""
    if not (ztier.LINUX / 'tools/testing/kunit/kunit.py').exists():
        return 'there is no build/linux'
    command = ztier.command('test')
    subject = command.Subject('results-', None, None)
    for times, expected in ((1, (1, 0, 0)), (command.ATTEMPTS, (0, 1, 0))):
        left, written = [guest.StaleBreakpoint('Oops: int3')] * times, []

        def run(_test, _subject, ktap, left=left, written=written):
            if left:
                raise left.pop()
            written.append(ktap)
            ktap.write_text('TAP version 13\n1..1\nok 1 one\n', encoding='utf-8')
            return ()

        command.run = run
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            counts = command.report(command.Test('sample', 'of nothing', None), subject)
        need(counts == expected, counts, said.getvalue())
        need(said.getvalue().count('again results-sample (attempt') ==
             min(times, command.ATTEMPTS - 1), said.getvalue())
        for ktap in written:
            ktap.unlink()
    return None


def rounds(rng, per_page, fixed, pages, noise):
    """What a kernel takes in rounds that store so many pages."""
    return {'told': {'pages_stored': pages},
            'each': [fixed + per_page * n + rng.gauss(0, noise) for n in pages]}


def test_equal_pages():
    """Series takes 3 % less for a page, but has stored more pages."""
    at_equal = ztier.command('bench').at_equal
    rng = random.Random(1)
    figures = {'base': rounds(rng, 100, 1e6, [34000, 36000, 38000, 40000], 0),
               'series': rounds(rng, 100, 1e6 - 130000, [38000, 40000, 42000, 44000], 0)}
    found = at_equal(figures, 'pages_stored')
    need(found['at'] == 39000, found)
    need(abs(found['base'] - 4.9e6) < 1 and abs(found['series'] - 4.77e6) < 1, found)
    need(abs(found['ratio'] - 4.77 / 4.9) < 1e-9 and found['error'] < 1e-9, found)


def test_equal_pages_error():
    """Two kernels that are the same differ by 1 or 2 standard errors, and seldom by 3."""
    at_equal = ztier.command('bench').at_equal
    rng = random.Random(2)
    far = []
    for _ in range(400):
        pages = [[rng.randrange(34000, 44000) for _ in range(5)] for _ in range(2)]
        found = at_equal({name: rounds(rng, 100, 1e6, each, 50000)
                          for name, each in zip(('base', 'series'), pages)}, 'pages_stored')
        far.append(abs(found['ratio'] - 1) / found['error'])
    # t of 7 degrees of freedom: 35 % and 2 %
    for limit, least, most in ((1, 0.27, 0.43), (3, 0, 0.05)):
        share = sum(each > limit for each in far) / len(far)
        need(least <= share <= most, f'{share} of all are {limit} errors off')


def test_equal_pages_cannot_tell():
    at_equal = ztier.command('bench').at_equal
    rng = random.Random(3)
    good = rounds(rng, 100, 1e6, [1, 2, 3], 0)
    for other in ({}, {'each': [1, 2, 3]}, rounds(rng, 100, 1e6, [1, 2], 0),
                  {'told': {'other': [1, 2, 3]}, 'each': [1, 2, 3]}):
        need(at_equal({'base': good, 'series': other}, 'pages_stored') is None, other)
    same = rounds(rng, 100, 1e6, [7, 7, 7], 0)
    need(at_equal({'base': same, 'series': same}, 'pages_stored') is None, 'of one number of pages')


TESTS = [(name.removeprefix('test_'), test) for name, test in list(globals().items())
         if name.startswith('test_')]


def main():
    print(f'TAP version 13\n1..{len(TESTS)}', flush=True)
    good = [results.run_case(number, *each) for number, each in enumerate(TESTS, 1)]
    return 0 if all(good) else 1


if __name__ == '__main__':
    ztier.main(main)
