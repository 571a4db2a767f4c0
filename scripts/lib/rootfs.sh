# shellcheck shell=bash
# A Debian system from packages, as a disk image. Sourced after common.sh.
# shellcheck source=debs.sh
. "$ZTIER_TOP/scripts/lib/debs.sh"

# What the tests call that "important" does not have
rootfs_packages=systemd-sysv,udev,procps,util-linux,kmod,e2fsprogs,perl,bc

# rootfs SUITE: prints the path of an ext4 image, without a partition table, of Debian
# SUITE; root has no password. It is made once. The machine's apt is only read.
rootfs()
{
	local suite=$1 service=$ZTIER_TOP/scripts/package/kselftest.service image new scratch tree as=()

	# another service is another image
	image=$ZTIER_CACHE/rootfs-$suite-$(cat "$service" "${BASH_SOURCE[0]}" | cksum | cut -d' ' -f1).ext4
	[ -e "$image" ] && echo "$image" && return
	tree=$(deb_tree mmdebstrap mmdebstrap) || exit 1
	on_exit rm -rf "$ZTIER_CACHE/apt-rootfs"
	apt_open rootfs || die "$suite" "this machine has no apt-get to download it with" "Run it on Debian"
	apt_suite "$suite" || die "$suite" "no Debian mirror in the machine's apt sources" "Correct /etc/apt/sources.list.d"
	if [ "$(id -u)" != 0 ]; then
		command -v newuidmap >/dev/null ||
			die "$suite" "only root can make it, or who has newuidmap" "Install uidmap, or repeat as root"
		# all of a system's users, in a user namespace
		as=(unshare --map-root-user --map-auto)
		"${as[@]}" true || die "$suite" "this machine gives no user namespace to $(id -un)" \
			"See /etc/subuid and kernel.unprivileged_userns_clone, or repeat as root"
	fi
	find "$ZTIER_CACHE" -maxdepth 1 -name "rootfs-$suite-*" -user "$(id -un)" -delete
	new=$ZTIER_CACHE/rootfs.$$
	on_exit discard "$new" "${as[@]}"
	mkdir "$new" || die "$new" "can't be made" "Make room, then repeat"
	# mmdebstrap's own, whose users have to get there: not everybody gets into a home
	{ scratch=$(mktemp -d) && chmod 755 "$scratch"; } ||
		die "${TMPDIR:-/tmp}" "no folder can be made there" "Set TMPDIR to one where it can"
	on_exit discard "$scratch" "${as[@]}"
	run_step rootfs "Making a system of Debian $suite" make_rootfs ||
		die "$suite" "mmdebstrap or mkfs.ext4 failed" "Check the network and the room in $ZTIER_CACHE, then repeat"
	mv "$new/image" "$image" && echo "$image"
}

# discard FOLDER CMD...: of files that belong to others in a user namespace
discard()
{
	"${@:2}" rm -rf --one-file-system "$1"
	rm -rf --one-file-system "$1"
}

# shellcheck disable=SC2016 # for other shells
make_rootfs()
{
	export PATH=$tree/usr/bin:$PATH:/usr/sbin:/sbin TMPDIR=$scratch

	mmdebstrap --variant=important --include="$rootfs_packages" \
		--aptopt='Acquire::Languages none' --aptopt='Acquire::Retries 1' \
		--dpkgopt=force-unsafe-io \
		--customize-hook="copy-in $service /etc/systemd/system" \
		--customize-hook='chroot "$1" systemctl enable kselftest.service' \
		--customize-hook='chroot "$1" passwd --delete root' \
		--customize-hook='echo debian >"$1/etc/hostname"' \
		"$suite" "$new/root.tar" "$apt_state/parts/$suite.sources" || return
	# /dev is the kernel's, and a user namespace makes no devices. What a first boot does
	# (NeedsUpdate= in systemd.unit) takes minutes of an emulated CPU, and each boot of
	# this image is one.
	truncate -s 5G "$new/image" && mkdir "$new/root" &&
		"${as[@]}" sh -c 'tar -C "$1/root" --numeric-owner --exclude="./dev/*" -xpf "$1/root.tar" &&
			tr -d - </proc/sys/kernel/random/uuid >"$1/root/etc/machine-id" &&
			touch "$1/root/etc/.updated" "$1/root/var/.updated" &&
			exec mkfs.ext4 -q -L root -d "$1/root" "$1/image"' _ "$new"
}
