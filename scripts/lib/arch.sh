# shellcheck shell=bash
# What kernels and programs of other architectures are built with. Sourced after
# common.sh.
# shellcheck source=debs.sh
. "$ZTIER_TOP/scripts/lib/debs.sh"

# by the kernel's name of an architecture: the prefix of the tools, where the kernel is
declare -A cross_prefix=([i386]=i686-linux-gnu- [arm64]=aarch64-linux-gnu-)
# shellcheck disable=SC2034 # for cmd/build
declare -A kernel_image=([um]=linux [x86_64]=arch/x86/boot/bzImage
	[i386]=arch/x86/boot/bzImage [arm64]=arch/arm64/boot/Image)

# fragment_arch FILE...: the architecture that fragments of scripts/config ask for
fragment_arch()
{
	local arch

	arch=$(sed -n 's/^# arch: //p' "$@" | tail -n 1)
	echo "${arch:-x86_64}"
}

# cross_env ARCH: prints NAME=VALUE lines with which make and gcc build for ARCH. A
# compiler that is not installed, with its libc, is unpacked in the cache.
cross_env()
{
	local prefix=${cross_prefix[$1]-} tree

	[ -n "$prefix" ] || return 0
	echo "CROSS_COMPILE=$prefix"
	echo 'int main(void) { return 0; }' |
		"${prefix}gcc" -x c -static -o /dev/null - 2>/dev/null && return
	tree=$(deb_tree "cross-$1" "gcc-${prefix%-}" "libc6-dev-$1-cross") || return
	echo "PATH=$tree/usr/bin:$PATH"
	echo "LD_LIBRARY_PATH=$(deb_libraries "$tree")"
}

# Before, the board virt had one serial port.
qemu_arm64_min=9.1

# qemu_env ARCH: prints NAME=VALUE lines with QEMU, which runs guests of another
# architecture than x86. Where it is not installed it is unpacked in the cache, in the
# version of the one for x86, with which it shares files.
qemu_env()
{
	local program=qemu-system-aarch64 version tree have deb_options=()

	[ "$1" = arm64 ] || die "$1" "no QEMU is known for it" "Use arm64"
	if command -v "$program" >/dev/null &&
	   printf '%s\n' "$qemu_arm64_min" "$(tool_version "$program")" | sort -VC; then
		echo "QEMU=$program"
		return
	fi
	version=$(dpkg-query -W -f '${Version}' qemu-system-x86 2>/dev/null)
	[[ $version != *~bpo* ]] || deb_options=(-t "$(os_release VERSION_CODENAME)-backports")
	tree=$(deb_tree "$program" "qemu-system-arm${version:+=$version}") || return
	have=$(LD_LIBRARY_PATH=$(deb_libraries "$tree") tool_version "$tree/usr/bin/$program")
	printf '%s\n' "$qemu_arm64_min" "${have:-0}" | sort -VC ||
		die "$program" "of this machine's packages: ${have:-it does not start}, $qemu_arm64_min is needed" \
			"Install a newer qemu-system-arm"
	echo "QEMU=$tree/usr/bin/$program"
	echo "LD_LIBRARY_PATH=$(deb_libraries "$tree")"
}
