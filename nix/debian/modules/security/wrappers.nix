# security.wrappers
{ config, lib, ... }:

let
  wrapperType =
    { name, ... }:
    {
      options = {
        enable = lib.mkOption {
          type = lib.types.bool;
          default = true;
          description = "Whether it is there.";
        };
        program = lib.mkOption {
          type = lib.types.str;
          default = name;
          description = "Its name in /run/wrappers/bin.";
        };
        source = lib.mkOption {
          type = lib.types.either lib.types.path lib.types.str;
          description = "The program.";
        };
        owner = lib.mkOption {
          type = lib.types.str;
          default = "root";
          description = "Its owner.";
        };
        group = lib.mkOption {
          type = lib.types.str;
          default = "root";
          description = "Its group.";
        };
        permissions = lib.mkOption {
          type = lib.types.str;
          default = "u+rx,g+x,o+x";
          description = "Its mode, symbolic or octal.";
        };
        setuid = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether it runs as its owner.";
        };
        setgid = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether it runs as its group.";
        };
        capabilities = lib.mkOption {
          type = lib.types.commas;
          default = "";
          description = "Capabilities that it gets.";
        };
      };
    };

  octal =
    wrapper:
    let
      special = (if wrapper.setuid then 4 else 0) + (if wrapper.setgid then 2 else 0);
      permissions =
        {
          "u+rx,g+x,o+x" = "511";
          "u+rx,g+x" = "510";
          "u+rx,g+rx,o+rx" = "555";
          "u+rx,g+rx" = "550";
        }
        .${wrapper.permissions} or (
          if builtins.match "0?[0-7]{3}" wrapper.permissions != null then
            lib.substring (lib.stringLength wrapper.permissions - 3) 3 wrapper.permissions
          else
            throw "security.wrappers.${wrapper.program}.permissions: `${wrapper.permissions}' is not understood: give an octal mode such as \"0511\""
        );
    in
    "${toString special}${permissions}";

  setuidRoot = source: {
    source = lib.mkDefault source;
    setuid = true;
  };
in
{
  options.security.wrappers = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule wrapperType);
    default = { };
    description = "Programs that run with another's rights, in /run/wrappers/bin.";
  };

  config = {
    security.wrappers = {
      mount = setuidRoot "/usr/bin/mount";
      umount = setuidRoot "/usr/bin/umount";
      su = setuidRoot "/usr/bin/su";
      passwd = setuidRoot "/usr/bin/passwd";
      chsh = setuidRoot "/usr/bin/chsh";
      newgrp = setuidRoot "/usr/bin/newgrp";
      unix_chkpwd = {
        source = "/usr/sbin/unix_chkpwd";
        group = "shadow";
        setgid = true;
      };
    };

    system.build.wrappers = map (wrapper: {
      name = wrapper.program;
      source = toString wrapper.source;
      inherit (wrapper) owner group;
      mode = octal wrapper;
      capabilities = if wrapper.capabilities == "" then null else wrapper.capabilities;
    }) (lib.filter (wrapper: wrapper.enable) (lib.attrValues config.security.wrappers));
  };
}
