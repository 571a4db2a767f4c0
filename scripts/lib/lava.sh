# shellcheck shell=bash
# LAVA's own check of a job, from Debian's packages. Sourced after common.sh.
# shellcheck source=debs.sh
. "$ZTIER_TOP/scripts/lib/debs.sh"

# lava_env: prints NAME=VALUE lines with which /usr/bin/python3 runs $LAVA_SCHEMA
lava_env()
{
	local tree

	tree=$(deb_tree lava lava-common python3-jinja2 python3-voluptuous python3-yaml) || return
	echo "PYTHONPATH=$tree/usr/lib/python3/dist-packages"
	echo "PYTHONDONTWRITEBYTECODE=1"
	echo "LAVA_SCHEMA=$tree/usr/share/lava-common/lava-schema.py"
}
