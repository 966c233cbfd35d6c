# A virtual machine of QEMU: the drivers of its devices are in the initrd. Debian's kernel has some of them built in.
{
  boot.initrd.availableKernelModules = [
    "9p"
    "9pnet_virtio"
    "virtio_blk"
    "virtio_gpu"
    "virtio_mmio"
    "virtio_net"
    "virtio_pci"
    "virtio_scsi"
    "virtio_balloon"
    "virtio_console"
    "virtio_rng"
  ];
}
