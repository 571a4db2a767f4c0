# shellcheck shell=bash
# What "check --full" does beyond the static checks. Uses check() and the options
# of cmd/check.
# shellcheck disable=SC2154

matrix=$ZTIER_BUILD/matrix	# linux: work tree; NAME: object folders

# in_time: fails when --minutes have passed
in_time()
{
	((!minutes || SECONDS < minutes * 60))
}

# kmake FRAGMENT ARG...: make in the object folder of a fragment
kmake()
{
	local name make=() cc=gcc

	name=$(basename "$1" .config)
	read -ra make < <(sed -n 's/^# make: //p' "$1")
	cc=$(compiler "$1")
	! command -v ccache >/dev/null || cc="ccache $cc"
	env -u KBUILD_OUTPUT -u MAKEFLAGS -u ARCH -u CROSS_COMPILE \
		make -C "$matrix/linux" O="$matrix/$name" "${make[@]}" \
		CC="$cc" LOCALVERSION= "${@:2}" </dev/null
}

compiler()
{
	echo "$(sed -n 's/^# make:.*CROSS_COMPILE=\([^ ]*\).*/\1/p' "$1")gcc"
}

configure()
{
	local name

	name=$(basename "$1" .config)
	command -v "$(compiler "$1")" >/dev/null ||
		{ echo "no $(compiler "$1"): scripts/ztier setup --full"; return "$skip"; }
	mkdir -p "$matrix/$name" &&
	kmake "$1" -s tinyconfig &&
	"$matrix/linux/scripts/kconfig/merge_config.sh" -m -O "$matrix/$name" \
		"$matrix/$name/.config" "$1" >/dev/null &&
	kmake "$1" -s olddefconfig &&
	not_taken "$matrix/$name/.config" "$1" &&
	kmake "$1" -s -j "$ZTIER_JOBS" prepare &&
	objects "$1" >"$matrix/$name/objects"
}

# objects FRAGMENT: of the files the series touches, those this configuration
# builds; make itself knows best
objects()
{
	local sources dirs

	sources=$(zgit -C "$ZTIER_LINUX" diff --name-only base ztier -- '*.c' ':!tools' ':!Documentation' ':!samples')
	[ -n "$sources" ] || return 0
	mapfile -t dirs < <(xargs -n1 dirname <<<"$sources" | sort -u)
	kmake "$1" -n "${dirs[@]/%//}" 2>/dev/null |
		grep -oE -- '-o [a-z0-9/_.-]+\.o ' | sed 's/-o \(.*\)o $/\1c/' | sort -u |
		comm -12 - <(sort <<<"$sources") | sed 's/c$/o/'
}

# build_patch FRAGMENT COMMIT: the touched objects as of COMMIT
build_patch()
{
	local name todo

	name=$(basename "$1" .config)
	# again, as what comes with a later patch was dropped with an earlier one
	zgit -C "$matrix/linux" checkout -q -f --detach "$2" &&
	cat "$1" >>"$matrix/$name/.config" &&
	kmake "$1" -s olddefconfig || return
	mapfile -t todo < <(while read -r file; do
		[ ! -f "$matrix/linux/${file%o}c" ] || echo "$file"
	done <"$matrix/$name/objects")
	((${#todo[@]})) || return 0
	kmake "$1" -s -j "$ZTIER_JOBS" W=1e "${todo[@]}"
}

link_kernel()
{
	local targets

	read -ra targets < <(sed -n 's/^# link: //p' "$1")
	kmake "$1" -s -j "$ZTIER_JOBS" KBUILD_MODPOST_WARN= "${targets[@]}"
}

matrix_worktree()
{
	mkdir -p "$matrix"
	zgit -C "$ZTIER_LINUX" worktree prune
	if [ -e "$matrix/linux/.git" ] && zgit -C "$matrix/linux" rev-parse -q --verify HEAD >/dev/null; then
		return
	fi
	rm -rf "$matrix/linux"
	run_step matrix-tree "Checking out a tree for the builds" \
		zgit -C "$ZTIER_LINUX" worktree add -q --force --detach "$matrix/linux" ztier
}

matrix_builds()
{
	local fragment name commits number

	need_tools make gcc bc bison flex perl libelf.h openssl/opensslv.h
	need_tree
	matrix_worktree || die "$matrix/linux" "can't be checked out" "See the log"
	mapfile -t commits < <(zgit -C "$ZTIER_LINUX" rev-list --reverse base..ztier)
	((last && last <= ${#commits[@]})) || last=${#commits[@]}
	for fragment in "$ZTIER_TOP"/scripts/config/matrix/*.config; do
		name=$(basename "$fragment" .config)
		if ((${#configs[@]})) && [[ " ${configs[*]} " != *" $name "* ]]; then
			continue
		fi
		if ! in_time; then
			check "build $name" left_out
			continue
		fi
		zgit -C "$matrix/linux" checkout -q -f --detach ztier
		check "configure $name" configure "$fragment"
		((!result)) || continue
		for ((number = first; number <= last; number++)); do
			if ! in_time; then
				check "build $name, patches $number to $last" left_out
				continue 2
			fi
			check "build $name, patch $number" build_patch "$fragment" "${commits[number - 1]}"
		done
		if ((last == ${#commits[@]})) && grep -q '^# link: ' "$fragment"; then
			if in_time; then
				check "link $name" link_kernel "$fragment"
			else
				check "link $name" left_out
			fi
		fi
	done
}

left_out()
{
	echo "no time left (--minutes $minutes)"
	return "$skip"
}

# ---- other checkers -------------------------------------------------------------

# series_findings CMD...: what CMD says of the last patch and not of the base, line
# numbers aside. CMD gets a tree's files as arguments, in a work tree of it.
series_findings()
{
	local tree

	for tree in base ztier; do
		zgit -C "$matrix/linux" checkout -q -f --detach "$tree" || return
		"$@" | sed -E 's/:[0-9]+(:[0-9]+)?:/:/; s/(:|line )[0-9]+/\1/g' | sort -u >"$matrix/$tree.findings"
	done
	comm -13 "$matrix/base.findings" "$matrix/ztier.findings" | grep . && return 1
	return 0
}

sources()
{
	zgit -C "$ZTIER_LINUX" diff --name-only base ztier -- '*.c' ':!tools' |
		while read -r file; do
			[ ! -f "$matrix/linux/$file" ] || echo "$file"
		done
}

run_sparse()
{
	local list

	mapfile -t list < <(sources | sed 's/c$/o/' | grep -xFf "$matrix/feature/objects")
	kmake "$ZTIER_TOP/scripts/config/matrix/feature.config" -s olddefconfig >&2
	kmake "$ZTIER_TOP/scripts/config/matrix/feature.config" -s -j "$ZTIER_JOBS" C=2 "${list[@]}" 2>&1
}

sparse()
{
	command -v sparse >/dev/null || { echo "sparse is not installed"; return "$skip"; }
	# the kernel's own test of the version accepts a sparse that fails otherwise
	sparse --version >/dev/null || { echo "sparse doesn't run"; return "$skip"; }
	sh "$matrix/linux/scripts/checker-valid.sh" sparse 2>/dev/null | grep -qx 1 ||
		{ echo "this sparse is too old for the kernel (0.6.5 is needed)"; return "$skip"; }
	series_findings run_sparse
}

run_cocci()
{
	local list script

	mapfile -t list < <(sources)
	((${#list[@]})) || return 0
	cd "$matrix/linux" || return
	for script in $(find scripts/coccinelle -name '*.cocci' | sort); do
		spatch -D report --very-quiet --no-show-diff --include-headers-for-types \
			-I include --cocci-file "$script" "${list[@]}" 2>/dev/null
	done
}

cocci()
{
	command -v spatch >/dev/null ||
		{ echo "coccinelle is not installed: scripts/ztier setup --full"; return "$skip"; }
	series_findings run_cocci
}

full_checks()
{
	need_tools make gcc bc bison flex perl libelf.h openssl/opensslv.h
	need_tree
	matrix_worktree || die "$matrix/linux" "can't be checked out" "See the log"
	check "configure feature" configure "$ZTIER_TOP/scripts/config/matrix/feature.config"
	check "sparse" sparse
	check "coccinelle" cocci
}
