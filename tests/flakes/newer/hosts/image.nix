# An appliance: no users but root and a service's, an /etc that nobody writes, its disk partitioned as it starts, no shell; and some of what a server has.
{
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "btrfs";
  };
  fileSystems."/data" = {
    device = "/dev/disk/by-label/data";
    fsType = "bcachefs";
  };
  swapDevices = [ { device = "/dev/disk/by-label/swap"; } ];
  boot.zswap.enable = true;
  disko.enableConfig = true;
  preservation.enable = true;
  environment.persistence."/persist".files = [ "/etc/machine-id" ];
  services.btrfs.autoScrub.enable = true;
  services.bcachefs.autoScrub.enable = true;
  zramSwap.writebackDevice = "/dev/disk/by-label/spare";
  boot.iscsi-initiator.name = "iqn.2026-11.example:image";

  # As CIS's benchmarks want it.
  boot.blacklistedKernelModules = [
    "usb-storage"
    "pcspkr"
  ];
  boot.extraModprobeConfig = ''
    install squashfs /bin/false
    options loop max_loop=8
  '';

  boot.initrd = {
    network.enable = true;
    network.ssh.enable = true;
    unl0kr.enable = true;
    systemd = {
      enable = true;
      network.enable = true;
      repart.enable = true;
      root = "gpt-auto";
      # Its root is made anew with each start; of udev it only says when.
      services.rollback = {
        requiredBy = [ "initrd-root-fs.target" ];
        script = "btrfs subvolume delete /disk/root";
      };
      services.systemd-udevd.wantedBy = [ "initrd.target" ];
    };
  };
  systemd.repart.enable = true;
  systemd.mounts = [
    {
      what = "/dev/disk/by-label/data";
      where = "/data";
      wantedBy = [ "multi-user.target" ];
    }
  ];
  flk.live.disable = [ "data.mount" ];
  # As greetd has it, and whoever lets GNOME log in by itself.
  systemd.services."autovt@tty1".enable = false;
  systemd.sysusers.enable = true;
  system.etc.overlay = {
    enable = true;
    mutable = false;
  };

  system.nixos-init.enable = true;
  system.activatable = false;
  system.forbiddenDependenciesRegexes = [ "bash" ];
  environment.shell.enable = false;
  programs.bash.enable = false;
  console.enable = false;
  services.getty.enable = false;
  services.kmscon.enable = true;
  security.enableWrappers = false;
  security.lockKernelModules = true;
  security.sudo.enable = false;
  security.run0.enable = true;
  security.run0.sudo-shim.enable = true;
  services.usbguard.enable = true;
  systemd.sysupdate.enable = true;
  services.comin.enable = true;
  services.self-deploy.enable = true;

  networking.useNetworkd = false;
  networking.fooOverUDP.tunnel.local = "192.0.2.1";
  networking.ifstate.enable = true;
  boot.initrd.network.ifstate.enable = true;
  services.firewalld.enable = true;
  services.cloud-init.enable = true;
  services.connman.enable = true;
  users.users.connman.extraGroups = [ "video" ];
}
