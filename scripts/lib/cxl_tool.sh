# shellcheck shell=bash
# The program cxl of Debian, for guests. Sourced after common.sh.
# shellcheck source=debs.sh
. "$ZTIER_TOP/scripts/lib/debs.sh"

# cxl_tree: as guest_program; the suite is the first one whose cxl makes regions of RAM
cxl_tree()
{
	guest_program cxl trixie cxl
}
