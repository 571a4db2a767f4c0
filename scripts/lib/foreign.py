"""Boots a distribution's disk image in QEMU, which runs the test package by itself.

The image has a service (scripts/package/kselftest.service) that takes the package from
the second disk and sends its KTAP through a virtio port. Nothing else of ours is in there.
"""

import os
import re
import selectors
import time
from dataclasses import dataclass
from pathlib import Path

import guest
from guest import BootHang, escape, topology_output

# To the first test. A distribution has a few hundred programs to start before.
BOOT_TIME = 900
STATUS = re.compile(rb'^# status (\d+)\n', re.M)


def kernel_args(topology):
    """Of a machine that scripts/topology describes, by its arguments."""
    return ['console=ttyS0', 'root=/dev/vda', 'rw', 'kunit.enable=0',
            *topology_output('--kernel-args', *topology).split()]


@dataclass
class Foreign(guest.Guest):
    image: Path = None          # not written to
    tarball: Path = None
    lab_args: tuple = ()        # of lab.sh

    def attempt(self, _, out):
        with guest.Workspace() as work:
            return self.start(work, lambda port: self.disk_command(f'/dev/fd/{port}'), out)

    def disk_command(self, port):
        guest.check_image(self.kernel, self.arch)
        qemu, _ = guest.find_qemu(self.arch)
        topology = ['--cpus', str(self.cpus or 2), '--mem', self.mem, self.topology]
        append = [*kernel_args(topology), 'panic=-1', 'oops=panic', 'panic_on_warn=1',
                  # an emulated CPU on a busy host is none that systemd would wait for
                  'systemd.default_timeout_start_sec=1800',
                  'systemd.default_device_timeout_sec=1800', 'systemd.show_status=error',
                  f'systemd.setenv="KSELFTEST={" ".join(self.lab_args)}"', *self.kernel_args]
        self.accelerator = guest.accelerator(qemu, self.kernel, self.topology, self.arch)
        return guest.pdeathsig([
            # la57: see guest.py
            qemu, '-accel', self.accelerator, '-cpu', 'max,la57=off',
            *topology_output(*topology).split(),
            '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-net', 'none',
            '-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console',
            '-device', 'virtio-serial-pci,bus=pcie.0',
            '-chardev', f'file,id=port,path={port}',
            '-device', 'virtserialport,chardev=port,name=kselftest',
            '-drive', f'file={escape(self.image)},format=raw,if=none,id=root,snapshot=on,'
                      'cache=unsafe,discard=unmap',
            '-device', 'virtio-blk-pci,drive=root,bus=pcie.0',
            '-drive', f'file={escape(self.tarball)},format=raw,if=none,id=tests,readonly=on',
            '-device', 'virtio-blk-pci,drive=tests,bus=pcie.0,serial=kselftest',
            '-kernel', self.kernel, '-append', ' '.join(append)])

    def follow(self, process, port, out):
        """Passes on what comes through the port until the machine is off; lab.sh's status."""
        deadline = time.monotonic() + self.timeout
        boot_deadline = min(deadline, time.monotonic() + BOOT_TIME)
        said = b''
        with open(self.log, 'wb') as log, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(port, selectors.EVENT_READ)
            while selector.get_map():
                left = (deadline if said else boot_deadline) - time.monotonic()
                if left <= 0:
                    break
                for key, _ in selector.select(left):
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fd == port:
                        said += data
                        out('o', data)
                    else:
                        log.write(data)
                        log.flush()
                        if self.show_log:
                            os.write(2, data)
            timed_out = bool(selector.get_map())
        if timed_out and not said and boot_deadline < deadline:
            raise BootHang(f'the system has not come up in {BOOT_TIME} s' + self.last_lines(),
                           guest.TIMED_OUT)
        if not timed_out and process.wait() != 0:
            raise guest.GuestError(f'{process.args[3]} ended with status {process.returncode}' +
                                   self.last_lines())
        # the service's comes last, whatever a test may print
        status = STATUS.findall(said)
        return self.verdict(int(status[-1]) if status else None, timed_out)
