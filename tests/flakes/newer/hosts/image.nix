# An appliance: no users but root, an /etc that nobody writes, its disk partitioned as it starts.
{
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };

  boot.initrd = {
    network.enable = true;
    network.ssh.enable = true;
    unl0kr.enable = true;
    systemd = {
      enable = true;
      network.enable = true;
      repart.enable = true;
      root = "gpt-auto";
      # Its root is made anew with each start; udev it only has a word for.
      services.rollback = {
        requiredBy = [ "initrd-root-fs.target" ];
        script = "btrfs subvolume delete /disk/root";
      };
      services.systemd-udevd.script = "true";
    };
  };
  systemd.repart.enable = true;
  systemd.sysusers.enable = true;
  system.etc.overlay = {
    enable = true;
    mutable = false;
  };

  networking.useNetworkd = false;
  networking.fooOverUDP.tunnel.local = "192.0.2.1";
  networking.ifstate.enable = true;
  boot.initrd.network.ifstate.enable = true;
  services.firewalld.enable = true;
}
