# security.pki.*
{ config, lib, pkgs, ... }:

let
  cfg = config.security.pki;
  extra = cfg.certificateFiles ++ lib.imap1 (index: pkgs.writeText "certificate-${toString index}.pem") cfg.certificates;
in
{
  options.security.pki = {
    certificateFiles = lib.mkOption {
      type = lib.types.listOf lib.types.path;
      default = [ ];
      description = "Files of certificates (PEM) that are trusted besides Mozilla's.";
    };
    certificates = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Certificates (PEM) that are trusted besides Mozilla's.";
    };
  };

  config = {
    environment.systemPackages = [ pkgs.cacert ];
    environment.etc."ssl/certs/ca-certificates.crt" = lib.mkIf (extra != [ ]) {
      source = pkgs.runCommand "ca-certificates.crt" { } ''
        cat ${pkgs.debian.raws.ca-certificates}/usr/share/ca-certificates/mozilla/*.crt ${toString extra} > $out
      '';
    };
    environment.sessionVariables.SSL_CERT_FILE = lib.mkDefault "/etc/ssl/certs/ca-certificates.crt";
    environment.sessionVariables.NIX_SSL_CERT_FILE = lib.mkDefault "/etc/ssl/certs/ca-certificates.crt";
  };
}
