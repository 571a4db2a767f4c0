#!/bin/sh
# Sets a machine up as the tests want it and runs them. It is in the test package, and
# needs root, a kernel of the series and nothing but what Debian has everywhere.
#
# usage: ./lab.sh [DAX] [-- OPTION OF run_kselftest.sh...]
#
# DAX, dax0.0 for instance, is a dax device whose memory the tests may have: it goes
# from kmem to private_dax, and stays there. "soft-reserved" is the first one of such
# memory, whatever its name: that depends on what else the machine has. Without DAX, the
# tests of private nodes SKIP.
#
# KTAP goes to stdout. Under LAVA each result is also a test case. The status is 0 if
# nothing has failed, 1 if something has, 2 if the machine could not be set up. Swap and
# the parameters of zswap are in the end as they were.

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

# shellcheck disable=SC2317 # by a trap
put_back()
{
	for parameter in compressor max_pool_percent enabled; do
		eval "value=\${old_$parameter-}"
		[ -z "$value" ] || echo "$value" >"$zswap/$parameter"
	done
	[ -n "${own_swap-}" ] || return 0
	swapoff "$own_swap" 2>/dev/null
	[ "$own_swap" = "$swap" ] || losetup --detach "$own_swap"
	rm -f "$swap"
}

# Any swap will do. A file of ours is taken away again.
set_up_swap()
{
	[ -d $zswap ] || fail "kernel without ZSWAP"
	trap put_back EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	if [ "$(wc -l </proc/swaps)" -lt 2 ]; then
		own_swap=$swap
		rm -f $swap
		(umask 077 && fallocate -l 2G $swap) ||
			fail "no room for 2 GiB of swap in ${swap%/*}: make room, or have swap on"
		mkswap $swap >/dev/null || fail "$swap: mkswap failed: have swap on"
		# swap in a file takes no large folios
		own_swap=$(losetup --find --show $swap 2>/dev/null) || own_swap=$swap
		swapon "$own_swap" || fail "$own_swap: swapon failed: have swap on"
	fi
	for parameter in compressor max_pool_percent enabled; do
		read -r "old_$parameter" <"$zswap/$parameter"
	done
	put lzo $zswap/compressor
	# virtual machines are small: what does not fit into 20 % of them is soon too much
	put 50 $zswap/max_pool_percent
	put Y $zswap/enabled
}

# find_dax NAME: sets dev to the folder of the device, which has a state
find_dax()
{
	case $1 in
	soft-reserved)
		for dev in /sys/devices/platform/hmem_platform.*/hmem.*/dax*/state; do
			[ ! -e "$dev" ] || break
		done
		dev=${dev%/state} ;;
	*)
		dev=/sys/bus/dax/devices/$1 ;;
	esac
	[ -e "$dev/state" ]
}

# private_dax takes what it is told of only when kmem has let go of it.
set_up_private_node()
{
	driver=/sys/bus/dax/drivers/private_dax
	[ -d $driver ] || fail "kernel without DEV_DAX_PRIVATE"
	# found while the machine boots, but not by the time that we begin
	tries=600
	until find_dax "$1" || [ $tries = 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	[ $tries != 0 ] || fail "no dax device $1 with a state. There are: $(echo /sys/bus/dax/devices/*)"
	name=${dev##*/}
	[ ! -e "$driver/$name" ] || return 0
	put unplugged "$dev/state"
	put "$name" /sys/bus/dax/drivers/kmem/unbind
	put "$name" $driver/new_id
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
-h|--help)
	sed -n '2,${/^#/!q;s/^# \{0,1\}//;p}' "$0"
	exit ;;
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
status=$(cat kselftest.status)
# not everything that fails says so by its status
! awk -f results.awk kselftest.ktap | grep -q '^fail ' || [ "$status" != 0 ] || status=1
exit "$status"
