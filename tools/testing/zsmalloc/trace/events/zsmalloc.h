/* SPDX-License-Identifier: GPL-2.0 */

/* Nobody looks at tracepoints in userland. */
#define trace_zs_retire(...)	do { } while (0)
#define trace_zs_drain(...)	do { } while (0)
