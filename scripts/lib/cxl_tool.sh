# shellcheck shell=bash
# The program cxl of Debian, for guests. Sourced after common.sh.
# shellcheck source=apt.sh
. "$ZTIER_TOP/scripts/lib/apt.sh"

# The first release whose cxl makes regions of RAM.
cxl_suite=trixie

# cxl_tree: prints a folder, to be put over a guest's root, with cxl and the
# libraries that it needs. It is made once.
cxl_tree()
{
	local tree=$ZTIER_CACHE/cxl-$cxl_suite new=$ZTIER_CACHE/cxl.$$ linker file

	[ -d "$tree" ] && echo "$tree" && return
	apt_open cxl || die cxl "this machine has no apt-get to download it with" "Use the topology without it"
	apt_suite "$cxl_suite" ||
		die cxl "no Debian mirror in the machine's apt sources" "Use the topology without it"
	mkdir -p "$new"/{all,tree/bin,tree/lib64,tree/lib/x86_64-linux-gnu} && on_exit rm -rf "$new"
	# none of the machine's packages counts as installed
	{ run_step cxl "Reading the package list of $cxl_suite" apt_own apt-get update &&
	  run_step cxl "Downloading cxl" apt_own apt-get install --download-only \
		--no-install-recommends -o Dir::State::status=/dev/null -o Debug::NoLocking=1 cxl; } ||
		die cxl "$cxl_suite of this mirror can't be had" "Check the network, or use the topology without it"
	for file in "$apt_state"/cache/archives/*.deb; do
		dpkg-deb -x "$file" "$new/all" || die "${file##*/}" "can't be unpacked" "Delete $apt_state and repeat"
	done
	rm -rf "$apt_state/cache"

	linker=$new/all/usr/lib64/ld-linux-x86-64.so.2
	"$linker" --library-path "$new/all/usr/lib/x86_64-linux-gnu" --list "$new/all/usr/bin/cxl" |
		awk '$3 ~ /^\// && !/ld-linux/ { print $3 }' >"$new/libraries"
	[ -s "$new/libraries" ] || die cxl "its libraries are not found" "Delete $apt_state and repeat"
	xargs cp -L -t "$new/tree/lib/x86_64-linux-gnu" <"$new/libraries" &&
		cp -L "$linker" "$new/tree/lib64" && cp "$new/all/usr/bin/cxl" "$new/tree/bin" &&
		mv -T "$new/tree" "$tree" && rm -rf "$new" && echo "$tree"
}
