# Each way to open ports that NixOS's firewall has (services/networking/firewall.nix).
{
  networking.firewall = {
    allowedTCPPorts = [ 80 ];
    allowedUDPPorts = [ 53 ];
    allowedTCPPortRanges = [
      {
        from = 1714;
        to = 1764;
      }
    ];
    allowedUDPPortRanges = [
      {
        from = 60000;
        to = 61000;
      }
    ];
    interfaces.eth1.allowedTCPPorts = [ 8080 ];
    trustedInterfaces = [ "eth0" ];
  };
}
