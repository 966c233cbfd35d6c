{
  systemd.services.server = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/true";
  };
}
