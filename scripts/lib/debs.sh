# shellcheck shell=bash
# Debian packages for one use, unpacked into the cache. Sourced after common.sh.
# shellcheck source=apt.sh
. "$ZTIER_TOP/scripts/lib/apt.sh"

# deb_there NAME TREE: prints TREE if it has been made, after waiting for whoever makes it;
# else it is for the caller to make, and others wait
deb_there()
{
	local lock

	[ ! -d "$2" ] || { echo "$2" && return; }
	{ mkdir -p "$ZTIER_CACHE" && exec {lock}>"$ZTIER_CACHE/$1.lock"; } ||
		die "$ZTIER_CACHE" "can't be written to" "Set ZTIER_CACHE to a folder you may write to"
	flock "$lock"
	[ ! -d "$2" ] || { exec {lock}>&- && echo "$2" && return; }
	return 1
}

# deb_open NAME LABEL: apt on the package sources of the machine's own release, and on its
# backports if deb_options ask for them
deb_open()
{
	local codename

	codename=$(os_release VERSION_CODENAME)
	apt_open "$1" ||
		die "$2" "this machine has no apt-get to download it with" "Install it by other means"
	machine_sources "^${codename:-none}(-updates|-security)?\$" >"$apt_state/parts/machine.sources"
	[ -s "$apt_state/parts/machine.sources" ] ||
		machine_sources '^(stable|oldstable|testing|unstable|sid)' >"$apt_state/parts/machine.sources"
	[ -s "$apt_state/parts/machine.sources" ] ||
		die "$2" "no Debian mirror in the machine's apt sources" "Install it by other means"
	[[ ${deb_options[*]} != *-backports ]] || apt_suite "$codename-backports" ||
		die "$2" "no Debian mirror in the machine's apt sources" "Install it by other means"
}

# deb_unpack NAME LABEL FOLDER ARG...: unpacks into FOLDER what apt-get install ARG...
# would install, from the sources that were opened
deb_unpack()
{
	local name=$1 label=$2 folder=$3 file

	shift 3
	mkdir -p "$folder" || die "$folder" "can't be made" "Set ZTIER_CACHE to a folder you may write to"
	# of an earlier version, or of a run that was cut short
	rm -f "$apt_state"/cache/archives/*.deb
	{ run_step "$name" "Reading the package lists" apt_own apt-get update "${deb_options[@]}" &&
	  run_step "$name" "Downloading $label" apt_own apt-get install --download-only \
		--no-install-recommends -o Debug::NoLocking=1 "${deb_options[@]}" "$@"; } ||
		die "$label" "it can't be had from this mirror" "Check the network, or install it by other means"
	for file in "$apt_state"/cache/archives/*.deb; do
		[ -e "$file" ] || die "$label" "apt-get has downloaded nothing" "Install it by other means"
		dpkg-deb -x "$file" "$folder" || die "${file##*/}" "can't be unpacked" "Delete $apt_state and repeat"
	done
	# the packages, and lists that are read anew each time
	rm -rf "$apt_state"
}
deb_options=()

# deb_keep NEW TREE: prints TREE, which NEW becomes, unless another one was there first
deb_keep()
{
	mv -T "$1" "$2" 2>/dev/null || [ -d "$2" ] || die "$2" "can't be made" "Make room, then repeat"
	echo "$2"
}

# deb_tree NAME PACKAGE...: prints a folder with the packages of the machine's own
# release, and with those that they need and the machine has not installed. It is
# made once, by any user; nothing is installed.
deb_tree()
{
	local name=$1 codename tree new=$ZTIER_CACHE/debs-$1.$$

	shift
	codename=$(os_release VERSION_CODENAME)
	tree=$ZTIER_CACHE/debs-$name-${codename:-unknown}
	deb_there "debs-$name" "$tree" && return
	on_exit rm -rf "$new"
	deb_open "debs-$name" "$1"
	deb_unpack "debs-$name" "$1" "$new" --reinstall "$@"
	deb_keep "$new" "$tree"
}

# foreign_tree ARCH PACKAGE: the same of a package of another architecture, for guests
foreign_tree()
{
	local tree new=$ZTIER_CACHE/debs-$2.$$ codename
	local deb_options=(-o "APT::Architecture=$1" -o Dir::State::status=/dev/null)

	codename=$(os_release VERSION_CODENAME)
	tree=$ZTIER_CACHE/debs-$2-$1-${codename:-unknown}
	deb_there "debs-$2-$1" "$tree" && return
	on_exit rm -rf "$new"
	apt_open "debs-$2-$1" ||
		die "$2:$1" "this machine has no apt-get to download it with" "Do without it"
	apt_suite "$codename" ||
		die "$2:$1" "no Debian mirror in the machine's apt sources" "Do without it"
	deb_unpack "debs-$2-$1" "$2:$1" "$new" "$2"
	deb_keep "$new" "$tree"
}

# guest_program NAME SUITE PACKAGE: prints a folder, to be put over a guest's root, with
# /usr/bin/NAME of a package of SUITE and the libraries that it needs. It is made once.
guest_program()
{
	local name=$1 tree=$ZTIER_CACHE/$1-$2 new=$ZTIER_CACHE/$1.$$ linker
	# none of the machine's packages counts as installed
	local deb_options=(-o Dir::State::status=/dev/null)

	deb_there "$name" "$tree" && return
	apt_open "$name" || die "$name" "this machine has no apt-get to download it with" "Do without it"
	apt_suite "$2" || die "$name" "no Debian mirror in the machine's apt sources" "Do without it"
	on_exit rm -rf "$new"
	deb_unpack "$name" "$name" "$new/all" "$3"
	mkdir -p "$new"/tree/{bin,lib64,lib/x86_64-linux-gnu}

	linker=$new/all/usr/lib64/ld-linux-x86-64.so.2
	"$linker" --library-path "$new/all/usr/lib/x86_64-linux-gnu" --list "$new/all/usr/bin/$name" |
		awk '$3 ~ /^\// && !/ld-linux/ { print $3 }' >"$new/libraries"
	[ -s "$new/libraries" ] || die "$name" "its libraries are not found" "Repeat; else report it"
	xargs cp -L -t "$new/tree/lib/x86_64-linux-gnu" <"$new/libraries" &&
		cp -L "$linker" "$new/tree/lib64" && cp "$new/all/usr/bin/$name" "$new/tree/bin" &&
		deb_keep "$new/tree" "$tree" && rm -rf "$new"
}

# deb_libraries TREE: the folders of its libraries, as LD_LIBRARY_PATH has them. Some
# packages leave links to be made by what is not run here.
deb_libraries()
{
	[ ! -d "$1/usr/lib" ] ||
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

# send_email_env: where git finds git-send-email
send_email_env()
{
	local tree

	tree=$(deb_tree send-email git-email libmailtools-perl) || return
	echo "PATH=$tree/usr/lib/git-core:$PATH"
	echo "PERL5LIB=$tree/usr/share/perl5"
}

# sphinx_env: the same for sphinx-build, as `make htmldocs` uses it
sphinx_env()
{
	local tree

	tree=$(deb_tree sphinx python3-sphinx python3-yaml libjs-sphinxdoc libjs-jquery libjs-underscore) ||
		return
	# Debian's look for their templates where they would be installed
	sed -i "s,'/usr/share/,'$tree/usr/share/," \
		"$tree"/usr/lib/python3/dist-packages/{sphinx,docutils}/__init__.py || return
	echo "PATH=$tree/usr/bin:$PATH"
	echo "PYTHONPATH=$tree/usr/lib/python3/dist-packages"
	echo "PYTHON3=/usr/bin/python3"
}
