"""What every Python command shares: paths, messages, the other commands."""

import contextlib
import importlib.machinery
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / 'build'
LINUX = BUILD / 'linux'
CACHE = Path(os.environ.get('ZTIER_CACHE') or
             Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'ztier')
VERBOSE = os.environ.get('ZTIER_VERBOSE') == '1'
COMMAND = Path(sys.argv[0]).name


def say(message):
    print(f'ztier: {message}', file=sys.stderr, flush=True)


def die(what, why, next_step, status=1):
    say(f'{what}: {why}. {next_step}')
    sys.exit(status)


def usage_error(message):
    say(f'{COMMAND}: {message}. See: scripts/ztier {COMMAND} --help')
    sys.exit(2)


def usage():
    """The comment block at the head of a command is its help text."""
    lines = Path(sys.argv[0]).read_text().splitlines()[1:]
    for line in lines:
        if not line.startswith('#'):
            break
        print(line[2:])
    sys.exit(0)


class Failure(Exception):
    """What ends a command with a message."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def main(command):
    """Ends the program with the status that command() returns, or fails with."""
    stop_on_signals()
    try:
        sys.exit(command())
    except Failure as failure:
        say(f'{COMMAND}: {failure}')
        sys.exit(failure.status)
    except BrokenPipeError:
        # our reader has had enough (| head); Python would complain at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        die(COMMAND, f'{error.filename or BUILD}: {error.strerror}', 'Put that right, then repeat')


def stop_on_signals():
    """INT, TERM and HUP end the command through its `finally` clauses."""
    def stop(number, _frame):
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        say(f'{COMMAND}: interrupted')
        sys.exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup is meant
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


@contextlib.contextmanager
def progress(label):
    """From the fifth second on, a line on stderr that says how long it takes."""
    done = threading.Event()
    in_place = sys.stderr.isatty()

    def tick():
        start = time.monotonic()
        pause = 5
        while not done.wait(pause):
            line = f'ztier: {label}, {time.monotonic() - start:.0f} s'
            print(f'\r\033[K{line}' if in_place else line, end='' if in_place else '\n',
                  file=sys.stderr, flush=True)
            pause = 1 if in_place else 30
        if in_place and pause == 1:
            print('\r\033[K', end='', file=sys.stderr, flush=True)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def stop_group(process):
    """Ends a process that was started with start_new_session, with all it started."""
    # a command in bash gives each of its own groups 5 s (common.sh)
    for number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        # the leader is gone; what it left behind goes now
        if number == signal.SIGTERM:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return


def call(*argv, **kwargs):
    """Runs a program to its end; nothing of it survives a signal to us."""
    process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.DEVNULL,
                               start_new_session=True, **kwargs)
    try:
        out, _ = process.communicate()
    except BaseException:
        stop_group(process)
        raise
    return subprocess.CompletedProcess(argv, process.returncode, out)


def ztier(*argv):
    """Runs another ztier command, returns the last line of its stdout."""
    done = call(TOP / 'scripts/ztier', *argv, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return (done.stdout.splitlines() or [''])[-1]


def build(base, config):
    """The kernel of a configuration, built as far as it isn't yet."""
    return Path(ztier('build', *(['--base'] if base else []), '--config', config))


def image(base, config):
    """The kernel of a configuration as it is; built when there is none."""
    top = BUILD / 'base' if base else BUILD
    for path in ('linux', 'arch/x86/boot/bzImage', 'arch/arm64/boot/Image'):
        if (top / 'kernel' / config / path).exists():
            return top / 'kernel' / config / path
    return build(base, config)


def arch_of(kernel):
    """The architecture of what `ztier build` has built, as the kernel calls it."""
    if kernel.name in ('linux', 'Image'):
        return {'linux': 'um', 'Image': 'arm64'}[kernel.name]
    config = (kernel.parents[3] / '.config').read_text(encoding='utf-8')
    return 'i386' if 'CONFIG_X86_32=y\n' in config else 'x86_64'


def make(log, folder, *argv, **environment):
    """make in a folder, with all CPUs; what it prints is in build/log/LOG.log."""
    log = BUILD / 'log' / f'{log}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'wb') as file, progress(f'make in {folder.name}'):
        done = call('env', '-u', 'MAKEFLAGS', '-u', 'KBUILD_OUTPUT',
                    *(f'{name}={value}' for name, value in environment.items()),
                    'make', '-C', folder,
                    '-j', os.environ.get('ZTIER_JOBS') or os.cpu_count(), *argv,
                    stdout=None if VERBOSE else file,
                    stderr=None if VERBOSE else subprocess.STDOUT)
    if done.returncode:
        raise Failure(f'make -C {folder} {" ".join(map(str, argv))} failed. Full log: {log}')


def need_x86(config, kernel):
    """What counts instructions or shows figures has its programs for x86 only."""
    if arch_of(kernel) != 'x86_64':
        usage_error(f'--config {config}: it is a kernel for {arch_of(kernel)}, and x86_64 is needed')


def command(name):
    """The program of a command, as a module."""
    loader = importlib.machinery.SourceFileLoader(f'ztier_{name}', str(TOP / 'scripts/cmd' / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    # what dataclasses look themselves up in
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def library(script, *argv):
    """What a function of scripts/lib prints, without the last newline; None if it fails."""
    done = call('bash', '-c', '. "$0/common.sh" && . "$0/$1" && "${@:2}"', TOP / 'scripts/lib',
                script, *argv, stdout=subprocess.PIPE, text=True)
    return None if done.returncode else done.stdout.rstrip('\n')


def environment(script, *argv):
    """The same of a function that prints NAME=VALUE lines: a dictionary."""
    lines = library(script, *argv)
    return None if lines is None else dict(line.split('=', 1) for line in lines.splitlines())


def need_tools(*tools):
    """As need_tools in common.sh."""
    done = call('bash', '-c', '. "$0" && need_tools "$@"', TOP / 'scripts/lib/common.sh', *tools)
    if done.returncode:
        sys.exit(done.returncode)


def need_tree():
    """As need_tree in common.sh."""
    done = call('bash', '-c', '. "$0" && need_tree', TOP / 'scripts/lib/common.sh')
    if done.returncode:
        sys.exit(done.returncode)


def positive(text):
    """An argparse type."""
    if not re.fullmatch('[1-9][0-9]*', text):
        raise ValueError
    return int(text)
