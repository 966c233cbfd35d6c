# What all hosts here have in common, the live systems included.
{ pkgs, ... }:
{
  time.timeZone = "UTC";
  i18n.defaultLocale = "en_US.UTF-8";

  environment.systemPackages = [
    pkgs.curl
    pkgs.git
    pkgs.vim
  ];

  # The users have keys and no passwords.
  security.sudo.wheelNeedsPassword = false;

  # The release that the hosts began with; it stays.
  system.stateVersion = "25.11";
}
