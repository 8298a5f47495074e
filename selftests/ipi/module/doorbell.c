// SPDX-License-Identifier: GPL-2.0
/* In a guest: how often QEMU's ivshmem device has interrupted it.  Nothing of dvmm. */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>

static unsigned long rung;
module_param(rung, ulong, 0444);

static irqreturn_t doorbell_rung(int irq, void *unused)
{
	rung++;
	return IRQ_HANDLED;
}

static int doorbell_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	int ret = pci_enable_device(dev);

	if (ret)
		return ret;
	pci_set_master(dev);
	ret = pci_alloc_irq_vectors(dev, 1, 1, PCI_IRQ_MSIX);
	if (ret > 0)
		ret = request_irq(pci_irq_vector(dev, 0), doorbell_rung, 0, "doorbell", dev);
	if (!ret)
		return 0;
	pci_free_irq_vectors(dev);
	pci_disable_device(dev);
	return ret;
}

static void doorbell_remove(struct pci_dev *dev)
{
	free_irq(pci_irq_vector(dev, 0), dev);
	pci_free_irq_vectors(dev);
	pci_disable_device(dev);
}

static const struct pci_device_id doorbell_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{}
};
MODULE_DEVICE_TABLE(pci, doorbell_ids);

static struct pci_driver doorbell_driver = {
	.name = "dvmm-doorbell",
	.id_table = doorbell_ids,
	.probe = doorbell_probe,
	.remove = doorbell_remove,
};
module_pci_driver(doorbell_driver);

MODULE_DESCRIPTION("Counts the interrupts of an ivshmem device");
MODULE_LICENSE("GPL");
