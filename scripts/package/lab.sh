#!/bin/sh
# Sets a machine up as the tests want it and runs them. It is in the test package, and
# needs root, a kernel of the series and nothing but what Debian has everywhere.
#
# usage: ./lab.sh [DAX] [-- OPTION OF run_kselftest.sh...]
#
# DAX, dax0.0 for instance, is a dax device whose memory the tests may have: it goes
# from kmem to private_dax. Without one, the tests of private nodes SKIP.
#
# KTAP goes to stdout. Under LAVA each result is also a test case. The status is that of
# run_kselftest.sh: 0 if nothing has failed; 2 if the machine could not be set up.

here=$(cd "$(dirname "$0")" && pwd) || exit 2
zswap=/sys/module/zswap/parameters
swap=/var/tmp/kselftest.swap

fail()
{
	echo "Bail out! lab.sh: $*"
	exit 2
}

# put VALUE FILE
put()
{
	echo "$1" 2>/dev/null >"$2" || fail "writing '$1' to $2 failed"
}

set_up_mounts()
{
	[ "$(id -u)" = 0 ] || fail "it must be run by root"
	[ -e /sys/fs/cgroup/cgroup.controllers ] ||
		fail "no cgroup v2 at /sys/fs/cgroup: boot with systemd.unified_cgroup_hierarchy=1"
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug ||
		fail "no debugfs: kernel without DEBUG_FS"
	[ ! -d /sys/kernel/tracing ] || mountpoint -q /sys/kernel/tracing ||
		mount -t tracefs tracefs /sys/kernel/tracing
}

# Any swap will do. A file of ours is taken away again.
set_up_swap()
{
	[ -d $zswap ] || fail "kernel without ZSWAP"
	if [ "$(wc -l </proc/swaps)" -lt 2 ]; then
		trap 'swapoff $swap 2>/dev/null; rm -f $swap' EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
		rm -f $swap
		(umask 077 && fallocate -l 2G $swap) ||
			fail "no room for 2 GiB of swap in ${swap%/*}: make room, or have swap on"
		{ mkswap $swap >/dev/null && swapon $swap; } ||
			fail "$swap: swapon failed: have swap on"
	fi
	put lzo $zswap/compressor
	# virtual machines are small: what does not fit into 20 % of them is soon too much
	put 50 $zswap/max_pool_percent
	put Y $zswap/enabled
}

# private_dax takes what it is told of only when kmem has let go of it.
set_up_private_node()
{
	dev=/sys/bus/dax/devices/$1
	driver=/sys/bus/dax/drivers/private_dax
	[ -d $driver ] || fail "kernel without DEV_DAX_PRIVATE"
	# found while the machine boots, but not by the time that we begin
	tries=600
	until [ -e "$dev/state" ] || [ $tries = 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	[ -e "$dev/state" ] || fail "no dax device $1 with a state: no soft-reserved memory?"
	[ ! -e "$driver/$1" ] || return 0
	put unplugged "$dev/state"
	put "$1" /sys/bus/dax/drivers/kmem/unbind
	put "$1" $driver/new_id
}

# LAVA has no nested results: they are told by name.
tell_lava()
{
	awk -f "$here/results.awk" "$1" | while read -r status name _; do
		lava-test-case "$(echo "$name" | tr -c 'A-Za-z0-9_.\n-' _)" --result "$status"
	done
}

dax=''
case ${1-} in
''|-*) ;;
*)
	dax=$1
	shift ;;
esac
[ "${1-}" != -- ] || shift

set_up_mounts
set_up_swap
[ -z "$dax" ] || set_up_private_node "$dax"

cd "$here" || exit 2
# Through a pipe: run_kselftest.sh opens its stdout again, which a port of virtio-serial
# refuses, and which writes over what is in a file.
# 45 seconds a program, the default, are few on an emulated machine.
{
	./run_kselftest.sh -o 3600 "$@" 2>&1
	echo $? >kselftest.status
} | tee kselftest.ktap
! command -v lava-test-case >/dev/null || tell_lava kselftest.ktap
exit "$(cat kselftest.status)"
