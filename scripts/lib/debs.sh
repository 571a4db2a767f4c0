# shellcheck shell=bash
# Debian packages for one use, unpacked into the cache. Sourced after common.sh.
# shellcheck source=apt.sh
. "$ZTIER_TOP/scripts/lib/apt.sh"

# deb_tree NAME PACKAGE...: prints a folder with the packages of the machine's own
# release, and with those that they need and the machine has not installed. It is
# made once, by any user; nothing is installed.
deb_tree()
{
	local name=$1 codename tree new file

	shift
	codename=$(os_release VERSION_CODENAME)
	tree=$ZTIER_CACHE/debs-$name-${codename:-unknown} new=$ZTIER_CACHE/debs-$name.$$
	[ -d "$tree" ] && echo "$tree" && return
	apt_open "debs-$name" ||
		die "$1" "this machine has no apt-get to download it with" "Install it by other means"
	machine_sources "^${codename:-none}(-updates|-security)?\$" >"$apt_state/parts/machine.sources"
	[ -s "$apt_state/parts/machine.sources" ] ||
		machine_sources '^(stable|oldstable|testing|unstable|sid)' >"$apt_state/parts/machine.sources"
	[ -s "$apt_state/parts/machine.sources" ] ||
		die "$1" "no Debian mirror in the machine's apt sources" "Install: $*"
	mkdir -p "$new" && on_exit rm -rf "$new"
	{ run_step "debs-$name" "Reading the package lists" apt_own apt-get update &&
	  run_step "debs-$name" "Downloading $1" apt_own apt-get install --download-only \
		--reinstall --no-install-recommends -o Debug::NoLocking=1 "$@"; } ||
		die "$1" "it can't be had from this mirror" "Check the network, or install: $*"
	for file in "$apt_state"/cache/archives/*.deb; do
		dpkg-deb -x "$file" "$new" || die "${file##*/}" "can't be unpacked" "Delete $apt_state and repeat"
	done
	# the packages, and lists that are read anew each time
	rm -rf "$apt_state"
	# or another one was there first
	mv -T "$new" "$tree" 2>/dev/null || [ -d "$tree" ] || die "$tree" "can't be made" "Make room, then repeat"
	echo "$tree"
}

# deb_libraries TREE: the folders of its libraries, as LD_LIBRARY_PATH has them. Some
# packages leave links to be made by what is not run here.
deb_libraries()
{
	find "$1/usr/lib" -name '*.so*' -path "*/$(gcc_triplet)/*" -printf '%h\n' | sort -u | paste -sd:
}

gcc_triplet()
{
	echo "$(uname -m)-linux-gnu"
}

# matplotlib_env: prints NAME=VALUE lines with which python3 finds matplotlib
matplotlib_env()
{
	local tree

	tree=$(deb_tree matplotlib python3-matplotlib) || return
	# Debian's looks for its fonts and styles where they would be installed
	sed -i "s,'/usr/share/matplotlib,'$tree/usr/share/matplotlib," \
		"$tree/usr/lib/python3/dist-packages/matplotlib/__init__.py" || return
	echo "PYTHONPATH=$tree/usr/lib/python3/dist-packages"
	echo "LD_LIBRARY_PATH=$(deb_libraries "$tree")"
	echo "MATPLOTLIBRC=$tree/etc/matplotlibrc"
}

# chromium_env: the same for chromium and its driver, CHROMIUM and CHROMEDRIVER, and FONTS
chromium_env()
{
	local tree

	tree=$(deb_tree chromium chromium chromium-driver fonts-dejavu-core) || return
	echo "CHROMIUM=$tree/usr/lib/chromium/chromium"
	echo "CHROMEDRIVER=$tree/usr/bin/chromedriver"
	echo "FONTS=$tree/usr/share/fonts"
	echo "LD_LIBRARY_PATH=$(deb_libraries "$tree")"
}
