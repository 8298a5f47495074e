/* SPDX-License-Identifier: GPL-2.0 */
/* Whether a VM's interrupts are seen: asked when it is attached and ever after. */
#ifndef DVMM_IPI_HEALTH_H
#define DVMM_IPI_HEALTH_H

struct dvmm_ipi;

/**
 * dvmm_ipi_health_first - does the hook fire for this VM
 * @a: watched, with its hooks in place
 *
 * Return: 0 or -ENODEV, after a line in the kernel log.  Process context.
 */
int dvmm_ipi_health_first(struct dvmm_ipi *a);

/** dvmm_ipi_health_start - ask again once a second; a bad answer stops the machine */
void dvmm_ipi_health_start(struct dvmm_ipi *a);

/** dvmm_ipi_health_stop - ask no more; process context, waits for a question that runs */
void dvmm_ipi_health_stop(struct dvmm_ipi *a);

#endif
