"""Boots a kernel, in QEMU or as User Mode Linux, and runs one command in it.

The guest's root is an initramfs: busybox, scripts/guest/init and the programs
of scripts/guest, then whatever the caller adds. The kernel log comes through
the first serial port, what the command prints through the second one, in the
frames described in scripts/guest/report.c.
"""

import os
import re
import selectors
import shlex
import shutil
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

import ztier
from ztier import BUILD, CACHE, TOP, say

TIMED_OUT = 124         # as timeout(1)
DIED = 125              # no exit status of the command, or none to be trusted

# Reports that leave a kernel running unless it is told to panic, or even then
# (lockdep's are no WARN).
SPLAT = re.compile(r'\b(BUG|WARNING|KASAN|UBSAN): |INFO: (possible|suspicious|task \S+ blocked)')
# The title of a report, which names the functions of both accesses
RACE = re.compile(r'BUG: KCSAN: (.*)')
RACE_AT = re.compile(r'\b(?:read|write|assert no accesses)[^\n]* to (0x[0-9a-f]+) of ')
PANIC = re.compile(r'Kernel panic - not syncing: (.*)')
# Where a report begins that ends in a panic
TROUBLE = re.compile(r'\b(BUG|WARNING|KASAN|UBSAN): |Oops|Unable to handle|general protection|'
                     r'INFO: (possible|suspicious|rcu|task)|Kernel panic')
# An INT3 that nobody wanted, and the byte that is in memory where it was
BREAKPOINT = re.compile(r'Oops: int3: .*?\bCode: [^<\n]*\b([0-9a-f]{2}) <', re.DOTALL)
REPORT_LINES = 45       # of them the stack is seldom further down


# A guest that has not begun with the command by then, never will, unless the host is
# so busy that it has hardly run: then five times as long. Seen once in some dozen boots
# under TCG on a busy host: all CPUs spin in stop_machine().
BOOT_TIME = 120
ATTEMPTS = 2


class GuestError(ztier.Failure):
    """There is no guest, or it ended in another way than by powering off."""

    def __init__(self, message, status=DIED):
        super().__init__(message, status)


class BootHang(GuestError):
    """The guest has not got as far as the command, and won't."""


class StaleBreakpoint(GuestError):
    """QEMU has run an INT3 that was no longer in memory.

    A kernel that patches its code, for a static key, puts an INT3 there until the rest is
    written. QEMU's TCG drops what it has translated before it writes a byte, not after
    (notdirty_write() in accel/tcg/cputlb.c): a CPU that translates the place again between
    the two keeps the INT3, which nobody handles by then. No kernel can do anything about
    that, and on no real CPU is there a breakpoint that memory does not have.
    """


def stale_breakpoint(log):
    """Whether the first that went wrong is an INT3 where memory has none."""
    first = TROUBLE.search(log)
    found = first and BREAKPOINT.match(log, first.start())
    return bool(found) and found[1] != 'cc'


@dataclass
class Guest:
    kernel: Path
    arch: str = 'x86_64'        # as the kernel calls it; 'um' has no QEMU
    topology: str = 'uma'
    cpus: int = 0               # 0: the topology's default
    mem: str = ''
    icount: bool = False        # CPUs take turns, time is instructions; one by default
    plugin: str = ''            # of QEMU, with its arguments
    adds: list = field(default_factory=list)        # host files, to /mnt
    trees: list = field(default_factory=list)       # host folders, over /
    kernel_args: list = field(default_factory=list)
    panic_on_warn: bool = True
    # on a kernel with KCSAN: (title, address) -> whether a race is a failure
    races: object = None
    timeout: int = 600
    show_log: bool = False
    name: str = 'run'           # of the log
    accelerator: str = 'tcg'    # what QEMU had for the last run
    libraries: dict = field(default_factory=dict)   # environment that QEMU needs

    def run(self, argv, out=None):
        """The exit status of argv. What it prints goes to out('o' or 'e', bytes)."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return self.attempt(argv, out)
            except BootHang as error:
                if not left:
                    raise
                say(f'{error.args[0].splitlines()[0]}. Booting again')

    def attempt(self, argv, out):
        with Workspace() as work:
            initramfs = work.initramfs(self.arch, argv, self.adds, self.trees)
            swap = work.swap()
            return self.start(work, lambda port: self.command(initramfs, swap, f'fd:{port}'),
                              out or to_stdio)

    def start(self, work, command, out):
        """Starts command(PORT) and passes on to out what its guest sends to that descriptor."""
        self.log = BUILD / 'log' / f'{self.name}.log'
        self.log.parent.mkdir(parents=True, exist_ok=True)
        reader, writer = os.pipe()
        try:
            process = subprocess.Popen(
                command(writer), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, pass_fds=[writer], start_new_session=True,
                env=self.environment(work))
            try:
                os.close(writer)
                writer = -1
                return self.follow(process, reader, out)
            finally:
                ztier.stop_group(process)
                process.stdout.close()
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)

    def interact(self):
        """A shell on the guest's console, until it powers off."""
        with Workspace() as work:
            command = self.command(work.initramfs(self.arch, None, self.adds, self.trees),
                                   work.swap(), 'null', interactive=True)
            terminal = termios.tcgetattr(0) if os.isatty(0) else None
            process = subprocess.Popen(command, env=self.environment(work))
            try:
                return process.wait()
            finally:
                process.kill()
                process.wait()
                if terminal:
                    termios.tcsetattr(0, termios.TCSADRAIN, terminal)

    def environment(self, work):
        # where User Mode Linux puts its memory, and QEMU what it must write
        return dict(os.environ, TMPDIR='/dev/shm' if self.arch == 'um' else str(work.path),
                    **self.libraries)

    def command(self, initramfs, swap, channel, interactive=False):
        append = ['panic=-1', 'oops=panic', 'kunit.enable=0', *self.kernel_args]
        # any race would be a panic
        if self.panic_on_warn and not self.races:
            append.append('panic_on_warn=1')
        # what a race is on is found by its address
        if self.races:
            append.append('nokaslr')
        if interactive:
            append += ['quiet', 'loglevel=4']
        if self.arch == 'um':
            return self.um_command(initramfs, swap, channel, append, interactive)
        return self.qemu_command(initramfs, swap, channel, append, interactive)

    def um_command(self, initramfs, swap, channel, append, interactive):
        if self.topology != 'uma' or self.icount:
            raise GuestError('User Mode Linux has one node and no instruction counter', 2)
        if not os.access(self.kernel, os.X_OK):
            raise GuestError(f'{self.kernel} is not an executable User Mode Linux', 2)
        return pdeathsig([
            self.kernel, f'mem={self.mem or "1G"}', f'ncpus={self.cpus or 2}', 'noreboot', 'seccomp=on',
            f'initrd={initramfs}', f'ubd0={swap}', 'con=null',
            f'con0={"fd:0" if interactive else "null"},fd:1',
            f'ssl0=null,{channel}' if channel != 'null' else 'ssl0=null',
            'ztier.port=ttyS0', 'ztier.swap=ubda', 'ztier.nodes=1', *append])

    def qemu_command(self, initramfs, swap, channel, append, interactive):
        check_image(self.kernel, self.arch)
        qemu, self.libraries = find_qemu(self.arch)
        consoles, cpu = BOARDS[self.arch]
        cpus = self.cpus or (1 if self.icount else 2)
        topology = ['--arch', self.arch, '--cpus', str(cpus)]
        if self.mem:
            topology += ['--mem', self.mem]
        topology.append(self.topology)

        append += [f'console={consoles}0', f'ztier.port={consoles}1', 'ztier.swap=vda',
                   f'ztier.topology={self.topology}',
                   f'ztier.nodes={topology_output("--nodes", *topology)}',
                   topology_output('--kernel-args', *topology)]
        if self.icount:
            # the same addresses, the same hash chains, the same count
            append.append('nokaslr')
            accel = ['-accel', 'tcg', '-icount', 'shift=0,sleep=off']
        else:
            self.accelerator = accelerator(qemu, self.kernel, self.topology, self.arch)
            accel = ['-accel', self.accelerator]
            # While 7.3.4 finds out what the boot CPU can do (identify_cpu()), it does
            # not know for a moment that page tables have five levels. KASAN then takes
            # what an interrupt reads for a wild access: 3 of 5 boots on a busy host.
            if self.arch == 'x86_64':
                cpu += ',la57=off'
        if self.plugin:
            accel += ['-plugin', self.plugin]
        if channel == 'null':
            port = 'null,id=report'
        else:
            port = f'file,id=report,path=/dev/fd/{channel[3:]}'
        return pdeathsig([
            qemu, *accel, '-cpu', cpu, *topology_output(*topology).split(),
            '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-net', 'none',
            # Ctrl-C belongs to the guest's shell
            '-chardev', f'stdio,id=console,signal={"off" if interactive else "on"}',
            '-serial', 'chardev:console', '-chardev', port, '-serial', 'chardev:report',
            # A full host disk is an I/O error in the guest. QEMU would rather
            # stop the guest and wait for more room.
            '-drive', f'file={escape(swap)},format=raw,if=none,id=swap,cache=unsafe,'
                      'discard=unmap,werror=report',
            '-device', 'virtio-blk-pci,drive=swap,bus=pcie.0',
            '-kernel', self.kernel, '-initrd', initramfs, '-append', ' '.join(append)])

    def follow(self, process, channel, out):
        """Passes on what the guest sends until it is off; the exit status."""
        deadline = time.monotonic() + self.timeout
        began = time.monotonic()
        boot_deadline = began + BOOT_TIME
        frames = Frames()
        status = None
        begun = False
        with open(self.log, 'wb') as log, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(channel, selectors.EVENT_READ)
            while selector.get_map():
                left = min(deadline, boot_deadline) - time.monotonic()
                if left <= 0:
                    if (boot_deadline >= min(deadline, began + 5 * BOOT_TIME) or
                            cpu_seconds(process) >= BOOT_TIME):
                        break
                    boot_deadline += BOOT_TIME / 4
                    continue
                for key, _ in selector.select(left):
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fd == channel:
                        for kind, payload in frames.feed(data):
                            if kind == 'f':
                                raise GuestError('the guest could not be set up: ' +
                                                 payload.decode(errors='replace') +
                                                 self.last_lines())
                            if kind == 'b':
                                begun = True
                                boot_deadline = deadline
                            elif kind == 'x':
                                status = int(payload)
                                # all that is left is to power off
                                deadline = min(deadline, time.monotonic() + 20)
                            else:
                                out(kind, payload)
                    else:
                        log.write(data)
                        log.flush()
                        if self.show_log:
                            sys.stderr.buffer.write(data)
                            sys.stderr.flush()
            timed_out = bool(selector.get_map())
        if timed_out and boot_deadline < deadline:
            raise BootHang(f'the guest hung in its boot, {boot_deadline - began:.0f} s long' +
                           self.last_lines(),
                           TIMED_OUT)
        if status is None and not timed_out and process.wait() != 0:
            raise GuestError(f'{process.args[3]} ended with status {process.returncode}' +
                             self.last_lines())
        return self.verdict(status, timed_out, begun)

    def verdict(self, status, timed_out, begun=True):
        text = self.log.read_text(errors='replace').replace('\r', '')
        panic = PANIC.search(text)
        if panic and self.accelerator == 'tcg' and stale_breakpoint(text):
            raise (StaleBreakpoint if begun else BootHang)(
                'QEMU ran a breakpoint that was no longer in memory, an error of its TCG' +
                self.report(text))
        if panic:
            raise GuestError(f'the guest panicked: {panic[1]}' + self.report(text))
        if status is None and timed_out:
            raise GuestError(f'no end after {self.timeout} s (--timeout)' + self.last_lines(),
                             TIMED_OUT)
        if status is None:
            raise GuestError('the guest stopped before the command had ended' + self.last_lines())
        if self.races:
            text = self.without_other_races(text)
        splat = SPLAT.search(text)
        if splat and self.panic_on_warn:
            line = text[text.rfind('\n', 0, splat.start()) + 1:].splitlines()[0]
            raise GuestError(f'the kernel reported: {line}' + self.report(text, splat))
        return status

    def without_other_races(self, text):
        """A kernel log less the titles of races that are not looked for, which are told."""
        others = []

        def drop(report):
            at = RACE_AT.search(text, report.end())
            if self.races(report[1], int(at[1], 16) if at else 0):
                return report[0]
            others.append(report[1])
            return ''

        text = RACE.sub(drop, text)
        if others:
            say(f'{len(others)} reports of races elsewhere in the kernel:')
        for title in sorted(set(others)):
            say(f'  {others.count(title)} times {title}')
        return text

    def last_lines(self):
        return self.quote(self.log.read_text(errors='replace').replace('\r', '').splitlines()[-20:])

    def report(self, text, found=None):
        """The first that went wrong: what is printed last is its consequence."""
        begin = (found or TROUBLE.search(text)).start()
        return self.quote(text[text.rfind('\n', 0, begin) + 1:].splitlines()[:REPORT_LINES])

    def quote(self, lines):
        return ''.join(f'\n  | {line}' for line in lines) + f'\n  whole kernel log: {self.log}'


def cpu_seconds(process):
    """What a process has had of the CPUs."""
    stat = Path(f'/proc/{process.pid}/stat').read_text(encoding='utf-8', errors='replace')
    return sum(map(int, stat.rpartition(')')[2].split()[11:13])) / os.sysconf('SC_CLK_TCK')


class Frames:
    """Takes the stream of scripts/guest/report.c apart."""

    def __init__(self):
        self.data = b''

    def feed(self, data):
        self.data += data
        while len(self.data) >= 5:
            end = 5 + int.from_bytes(self.data[1:5], 'little')
            if len(self.data) < end:
                return
            frame, self.data = self.data[:end], self.data[end:]
            yield chr(frame[0]), frame[5:]


def to_stdio(kind, data):
    stream = sys.stdout if kind == 'o' else sys.stderr
    stream.buffer.write(data)
    stream.flush()


class Workspace:
    """A folder for one run: initramfs and swap disk. Goes with the run."""

    def __enter__(self):
        parent = BUILD / 'tmp'
        parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix='run-', dir=parent))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def swap(self):
        path = self.path / 'swap'
        with open(path, 'wb') as disk:
            disk.truncate(2 << 30)      # sparse
        return path

    def initramfs(self, arch, argv, adds, trees):
        """Archives one after the other are one archive to the kernel."""
        stage = self.path / 'stage'
        mnt = stage / 'mnt'
        mnt.mkdir(parents=True)
        for add in map(Path, adds):
            if not add.exists():
                raise GuestError(f'--add {add}: there is no such file', 2)
            if (mnt / add.name).is_symlink():
                raise GuestError(f'--add {add}: there is a /mnt/{add.name} already', 2)
            (mnt / add.name).symlink_to(add.resolve())
        if argv:
            (stage / 'ztier').mkdir()
            (stage / 'ztier/argv').write_bytes(b''.join(os.fsencode(arg) + b'\0' for arg in argv))
        path = self.path / 'initramfs'
        with open(path, 'wb') as archive:
            with open(base_initramfs(arch), 'rb') as base:
                shutil.copyfileobj(base, archive)
            for tree in trees:
                cpio(tree, archive)
            cpio(stage, archive, '--dereference')
        return path


def cpio(folder, archive, *options):
    """Appends what is in a folder to an open archive, owned by root."""
    names = sorted(str(Path(root, name).relative_to(folder))
                   for root, folders, files in os.walk(folder, followlinks=bool(options))
                   for name in folders + files)
    done = subprocess.run(['cpio', '--quiet', '--create', '--null', '--format=newc',
                           '--owner=+0:+0', *options],
                          cwd=folder, input=b''.join(os.fsencode(name) + b'\0' for name in names),
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise GuestError(f'the initramfs could not be made: cpio failed in {folder}')
    archive.write(done.stdout)


def guest_programs(arch):
    """busybox and the programs of scripts/guest, as far as there are for an architecture."""
    ztier.need_tools('busybox', 'cpio')
    if arch in ('um', 'x86_64'):
        ztier.ztier('build', '--guest')
        return (Path(shutil.which('busybox')),
                [BUILD / 'guest' / source.stem for source in (TOP / 'scripts/guest').glob('*.c')])
    ztier.ztier('build', '--guest', '--arch', arch)
    tree = ztier.library('debs.sh', 'foreign_tree', arch, 'busybox-static')
    if not tree:
        raise GuestError(f'busybox of {arch} cannot be had, see above')
    # in /usr/bin of newer releases
    return (next(path for path in (Path(tree, 'bin/busybox'), Path(tree, 'usr/bin/busybox'))
                 if path.exists()), [BUILD / 'guest' / arch / 'report'])


def base_initramfs(arch):
    """busybox, init and the guest's programs; made again when one has changed."""
    busybox, programs = guest_programs(arch)
    path = programs[0].parent / 'initramfs.cpio'
    sources = {'bin/busybox': busybox, 'init': TOP / 'scripts/guest/init',
               'bin/private-node': TOP / 'scripts/guest/private-node',
               **{f'bin/{program.name}': program for program in programs}}
    if path.exists() and all(source.stat().st_mtime < path.stat().st_mtime
                             for source in [*sources.values(), Path(__file__)]):
        return path
    with tempfile.TemporaryDirectory(dir=BUILD / 'guest') as folder:
        root = Path(folder, 'root')
        for name in ('bin', 'dev', 'etc', 'mnt', 'proc', 'root', 'sys', 'tmp'):
            (root / name).mkdir(parents=True)
        for name, source in sources.items():
            shutil.copy(source, root / name)
        # those of the host's own, which can be asked
        applets = subprocess.run(['busybox', '--list'], capture_output=True, text=True, check=True)
        for applet in applets.stdout.split():
            if not (root / 'bin' / applet).exists():
                (root / 'bin' / applet).symlink_to('busybox')
        for name in ('sbin', 'usr'):
            (root / name).symlink_to('bin' if name == 'sbin' else '.')
        (root / 'etc/passwd').write_text('root::0:0:root:/root:/bin/sh\n')
        (root / 'etc/group').write_text('root:x:0:\n')
        new = Path(folder, 'initramfs')
        with open(new, 'wb') as archive:
            cpio(root, archive)
        new.rename(path)
    return path


def topology_output(*argv):
    done = subprocess.run([TOP / 'scripts/topology', *argv], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise GuestError(done.stderr.strip().removeprefix('topology: '), 2)
    return done.stdout.strip()


# By architecture: what the serial ports are called, and a CPU
BOARDS = {'x86_64': ('ttyS', 'max'), 'i386': ('ttyS', 'max,vendor=GenuineIntel'), 'arm64': ('ttyAMA', 'cortex-a57')}


def check_image(path, arch):
    at, magic, name = (0x38, b'ARM\x64', 'Image') if arch == 'arm64' else (0x202, b'HdrS', 'bzImage')
    try:
        with open(path, 'rb') as file:
            head = file.read(at + len(magic))
    except OSError as error:
        raise GuestError(f'kernel {path}: {error.strerror}', 2) from error
    if head[at:] != magic:
        raise GuestError(f'kernel {path}: is not a {name}', 2)


def find_qemu(arch):
    """QEMU for an architecture, and what it needs in its environment."""
    if arch == 'arm64':
        found = ztier.environment('arch.sh', 'qemu_env', arch)
        if not found:
            raise GuestError('QEMU for arm64 cannot be had, see above')
        return found.pop('QEMU'), found
    asked = os.environ.get('QEMU')
    if asked and not shutil.which(asked):
        raise GuestError(f'QEMU={asked}: there is no such program. Correct or unset QEMU', 2)
    if not asked:
        ztier.need_tools('qemu-system-x86_64')
    return asked or 'qemu-system-x86_64', {}


def qemu_version(qemu):
    done = subprocess.run([qemu, '--version'], capture_output=True, text=True, check=False)
    match = re.search(r'version (\d+)\.(\d+)', done.stdout)
    if not match:
        raise GuestError(f'{qemu} does not tell its version', 2)
    return int(match[1]), int(match[2])


def accelerator(qemu, kernel, topology, arch):
    """KVM where a guest really boots under it: there are /dev/kvm where none does."""
    if arch == 'arm64':
        name, why = 'tcg', 'the guest is of another architecture'
    elif not re.search(r'\b(vmx|svm)\b', Path('/proc/cpuinfo').read_text()):
        name, why = 'tcg', 'the CPU has neither vmx nor svm'
    elif not os.access('/dev/kvm', os.R_OK | os.W_OK):
        name, why = 'tcg', '/dev/kvm is not accessible'
    elif topology in ('tiered', 'cxl') and qemu_version(qemu) < (11, 1):
        name, why = 'tcg', 'KVM cannot use CXL memory of QEMU before 11.1'
    elif not kvm_boots(qemu, kernel):
        name, why = 'tcg', 'a trial guest did not boot under KVM'
    else:
        name, why = 'kvm', 'a trial guest booted'
    say(f'accelerator {name}: {why}')
    return name


def kvm_boots(qemu, kernel):
    """Tried once per boot of the host. Without a root the guest panics: good enough."""
    boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    cache = CACHE / f'kvm-{boot}'
    if not cache.exists():
        command = [qemu, '-accel', 'kvm', '-cpu', 'max', '-machine', 'q35', '-m', '256M',
                   '-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'stdio',
                   '-kernel', kernel, '-append', 'console=ttyS0 panic=-1']
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=10, check=False)
            booted = b'Linux version' in done.stdout
        except subprocess.TimeoutExpired:
            booted = False
        CACHE.mkdir(parents=True, exist_ok=True)
        cache.write_text('yes' if booted else 'no')
    return cache.read_text() == 'yes'


def escape(path):
    """A comma ends an option's value in QEMU."""
    return str(path).replace(',', ',,')


def pdeathsig(argv):
    """The guest goes when we are killed, however that is done."""
    return ['setpriv', '--pdeathsig', 'KILL', *map(str, argv)]
