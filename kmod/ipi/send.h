/* SPDX-License-Identifier: GPL-2.0 */
/* Messages between nodes. */
#ifndef DVMM_IPI_SEND_H
#define DVMM_IPI_SEND_H

struct dvmm_channel_ops;
struct dvmm_ipi;

/** dvmm_ipi_send_start - start the thread that sends; 0 or -errno */
int dvmm_ipi_send_start(struct dvmm_ipi *a);

/** dvmm_ipi_send_stop - stop it; what waits in the ring is dropped */
void dvmm_ipi_send_stop(struct dvmm_ipi *a);

/** dvmm_ipi_channel_ops - what a struct dvmm_ipi does on its channel */
extern const struct dvmm_channel_ops dvmm_ipi_channel_ops;

#endif
