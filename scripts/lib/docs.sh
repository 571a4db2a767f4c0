# shellcheck shell=bash
# What "check --docs" does: the documents, built by Sphinx for base and series, and whether
# there is one of all that userspace sees. Uses check() of cmd/check, and base.sh.

docs=$ZTIER_BUILD/docs		# base, ztier: the trees; their .findings; base.key
docs_own=ztier-touched		# a folder of our own for the comments in sources

# What make htmldocs wants of a tree. Of sources and of other folders' documents that are
# missing it says the same of base and series.
docs_parts=(COPYING CREDITS Kbuild Kconfig MAINTAINERS Makefile README scripts tools/docs
	tools/lib/python tools/net/ynl arch/x86/Makefile arch/x86/Makefile_32.cpu arch/x86/Makefile.um)
docs_common=(ABI features images netlink sphinx sphinx-includes sphinx-static)

series_files()
{
	zgit -C "$ZTIER_LINUX" diff --no-renames --name-only base ztier -- "$@"
}

# docs_folders: those of Documentation with something that the series changes, whole, as
# links within one are looked for. What is in ABI is shown in admin-guide.
docs_folders()
{
	series_files Documentation | sed -E 's,^Documentation/ABI/,Documentation/admin-guide/,' |
		sed -nE 's,^Documentation/([^/]+)/.*,\1,p' | sort -u
	echo "$docs_own"
}

# docs_tree REVISION: unpacks it to $docs/REVISION. All comments that document a function
# in a file that the series touches get a page of their own: no folder has them all.
docs_tree()
{
	local tree=$docs/$1 parts file

	rm -rf "$tree"
	mkdir -p "$tree/Documentation/$docs_own" || return
	mapfile -t parts < <({
		printf '%s\n' "${docs_parts[@]}"
		{ printf '%s\n' "${docs_common[@]}"; docs_folders; } | sed 's,^,Documentation/,'
		zgit -C "$ZTIER_LINUX" ls-tree "$1" Documentation/ | sed -n 's/^[0-9]* blob [^\t]*\t//p'
		series_files
	} | GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null xargs -d '\n' git -C "$ZTIER_LINUX" ls-tree --name-only "$1" --)
	zgit -C "$ZTIER_LINUX" archive "$1" -- "${parts[@]}" | tar -x -C "$tree" || return
	{
		printf 'Touched\n=======\n'
		series_files '*.c' '*.h' ':!tools' ':!samples' | while read -r file; do
			grep -qs '^/\*\*$' "$tree/$file" && printf '\n%s\n' ".. kernel-doc:: $file"
		done
	} >"$tree/Documentation/$docs_own/index.rst"
}

# docs_make REVISION FOLDER: what Sphinx says of it, without the place of the tree and the
# numbers of lines. Both builds of a folder are of the whole of it, so there is an output
# for each, which is not kept.
docs_make()
{
	local tree=$docs/$1 log=$ZTIER_BUILD/log/docs-$1-${2//\//-}.log rc

	rm -rf "$tree/Documentation/output"
	env -u MAKEFLAGS -u KBUILD_OUTPUT -u ARCH "${sphinx[@]}" LC_ALL=C.UTF-8 \
		make -C "$tree" -s -j "$ZTIER_JOBS" htmldocs "SPHINXDIRS=$2" >"$log" 2>&1 </dev/null
	rc=$?
	if ((rc)) || [ ! -f "$tree/Documentation/output/$2/index.html" ]; then
		echo "make htmldocs of Documentation/$2 of $1 fails, see $log:" >&2
		tail -n 10 "$log" >&2
		return 1
	fi
	rm -rf "$tree/Documentation/output"
	# of Documentation/ABI each of the processes that read complains anew: see abi()
	grep -E '(WARNING|ERROR|CRITICAL|SEVERE)\b|^(Warning|Error)\b' "$log" |
		grep -vE ' is defined [0-9]+ times: ' |
		sed -E "s,$tree/,,g; s/:[0-9]+(:[0-9]+)?:/:/g; s/(\.[a-z]+):[0-9]+/\1/g; s/\b(line|lines) [0-9]+/\1/g; s/^([^ ]+):[0-9]+/\1/" || true
}

# docs_findings REVISION: of all folders, to $docs/REVISION.findings
docs_findings()
{
	local folder

	docs_folders | while read -r folder; do
		[ -d "$docs/$1/Documentation/$folder" ] || continue
		docs_make "$1" "$folder" || exit 1
	done >"$docs/$1.new" && sort "$docs/$1.new" >"$docs/$1.findings" && rm -f "$docs/$1.new"
}

# Those of the base stay the same as long as it, and what is asked for, does
docs_base()
{
	local key

	key=$({ zgit -C "$ZTIER_LINUX" rev-parse base; series_files; docs_folders; printf '%s\n' "${sphinx[@]}"
		cat "$ZTIER_TOP/scripts/lib/docs.sh"; } | cksum)
	[ "$(cat "$docs/base.key" 2>/dev/null)" != "$key" ] || [ ! -f "$docs/base.findings" ] || return 0
	rm -f "$docs/base.key"
	docs_tree base && docs_findings base && echo "$key" >"$docs/base.key"
}

# elsewhere FINDING: whether it is of a link to a folder that was not built with it, where
# what it leads to is
elsewhere()
{
	local name

	case $1 in
	*"undefined label: '"*)
		name=${1##*undefined label: \'}
		zgit -C "$ZTIER_LINUX" grep -qiE "^ *\.\. _\`?${name%%\'*}\`?: *$" ztier -- Documentation ;;
	*"unknown document: '/"*)
		name=${1##*unknown document: \'/}
		zgit -C "$ZTIER_LINUX" cat-file -e "ztier:Documentation/${name%%\'*}.rst" 2>/dev/null ;;
	*)	false ;;
	esac
}

htmldocs()
{
	local line rc=0

	docs_base && docs_tree ztier && docs_findings ztier || return
	while read -r line; do
		elsewhere "$line" && continue
		echo "$line"
		rc=1
	done < <(comm -13 "$docs/base.findings" "$docs/ztier.findings")
	((!rc)) || echo "make htmldocs has not said this of the base. Folders: $(docs_folders | paste -sd' ')"
	return "$rc"
}

# abi_findings TREE
abi_findings()
{
	(cd "$1" && python3 tools/docs/get_abi.py --dir Documentation/ABI validate 2>&1 |
		sed -E "s,$1/,,g; s/:[0-9]+\b//g" | sort)
}

# abi_gaps TREE: entries of the files that the series touches, without what each must have,
# which get_abi.py does not ask for
abi_gaps()
{
	series_files Documentation/ABI | while read -r file; do
		[ ! -f "$1/$file" ] || awk -v file="$file" '
		function complete() {
			if (what != "" && !(date && contact && text))
				print file ": " what ": lacks" (date ? "" : " Date") \
					(contact ? "" : " Contact") (text ? "" : " Description")
			date = contact = text = 0
		}
		# several may share what follows
		/^What:/	{ if (!together) complete(); what = $2; together = 1; next }
		/^[A-Z][a-z]+:/	{ together = 0 }
		/^Date:/	{ date = 1 }
		/^Contact:/	{ contact = 1 }
		/^Description:/	{ text = 1 }
		END		{ complete() }' "$1/$file"
	done | sort
}

abi()
{
	local tree

	for tree in base ztier; do
		[ -f "$docs/$tree/tools/docs/get_abi.py" ] || {
			echo "there is no $docs/$tree to look at: see make htmldocs"
			return 1
		}
		abi_findings "$docs/$tree" | grep -A20 '^Traceback' && return 1
	done
	{
		comm -13 <(abi_findings "$docs/base") <(abi_findings "$docs/ztier")
		comm -13 <(abi_gaps "$docs/base") <(abi_gaps "$docs/ztier")
	} | grep . && return 1
	return 0
}

# What the series says of other documents must lead somewhere
references()
{
	local name rc=0

	while read -r name; do
		zgit -C "$ZTIER_LINUX" cat-file -e "ztier:$name" 2>/dev/null && continue
		echo "$name: the series refers to it, and it is not there"
		rc=1
	done < <(zgit -C "$ZTIER_LINUX" diff base ztier | sed -n 's/\\-/-/g; s/^+//p' |
		grep -oE '\bDocumentation/[A-Za-z0-9_/.-]*[A-Za-z0-9_]' | sort -u)
	return "$rc"
}

documented()
{
	zgit -C "$ZTIER_LINUX" diff --no-renames base ztier | python3 "$ZTIER_TOP/scripts/lib/documented.py" "$docs/ztier"
}

docs_checks()
{
	local sphinx line

	need_tools make gcc python3
	need_tree
	sphinx=(PYTHON3=python3)
	# a Sphinx of the user's own comes first
	if ! command -v sphinx-build >/dev/null || ! python3 -c 'import yaml' 2>/dev/null; then
		# shellcheck source=debs.sh
		. "$ZTIER_TOP/scripts/lib/debs.sh"
		line=$(sphinx_env) || die "htmldocs" "there is no Sphinx" \
			"See above, or install the Debian packages python3-sphinx and python3-yaml"
		mapfile -t sphinx <<<"$line"
	fi
	check "make htmldocs" htmldocs
	check "Documentation/ABI" abi
	check "references to documents" references
	check "documented for userspace" documented
}
