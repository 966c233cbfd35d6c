# Registries of the built-in channel's modules: what only one can have is refused at a second, and a number out of range before it is in any document.
{ lib, is, ... }:
let
  anything = lib.mkOption {
    type = lib.types.lazyAttrsOf lib.types.raw;
    default = { };
  };
  # What the modules below define elsewhere.
  stubs = {
    options = {
      environment.etc = anything;
      environment.systemPackages = lib.mkOption {
        type = lib.types.listOf lib.types.raw;
        default = [ ];
      };
      system.build = anything;
      systemd = anything;
      services = anything;
      boot = anything;
      networking.networkmanager.enable = lib.mkOption { default = false; };
    };
  };
  evaluated =
    module: host:
    (lib.evalModules {
      specialArgs.pkgs = { };
      modules = [
        module
        ../../modules/misc/assertions.nix
        stubs
        host
      ];
    }).config;
  failed =
    module: host:
    map (assertion: assertion.message) (
      lib.filter (assertion: !assertion.assertion) (evaluated module host).assertions
    );

  users = ../../modules/users/users-groups.nix;
  network = ../../modules/networking/networking.nix;
  fileSystems = ../../modules/boot/file-systems.nix;

  person = {
    isNormalUser = true;
  };
  isAccepted = value: (builtins.tryEval (builtins.deepSeq value value)).success;
  uid = value: isAccepted (evaluated users { users.users.a = person // { uid = value; }; }).users.users.a.uid;
  gid = value: isAccepted (evaluated users { users.groups.a.gid = value; }).users.groups.a.gid;
  interface = value: (evaluated network { networking.interfaces.a = value; }).networking.interfaces.a;
  mac = value: isAccepted (interface { macAddress = value; }).macAddress;
  mtu = value: isAccepted (interface { mtu = value; }).mtu;
  address =
    family: value:
    isAccepted
      (lib.head (interface {
        ${family}.addresses = [
          {
            address = value;
            prefixLength = 24;
          }
        ];
      }).${family}.addresses).address;
  addresses = list: {
    ipv4.addresses = map (address: {
      inherit address;
      prefixLength = 24;
    }) list;
  };
in
{
  users = [
    (is (failed users { users.users.a = person // { uid = 1001; }; users.users.b = person // { uid = 1002; }; users.groups.c.gid = 1001; }) [ ])
    (is (failed users { users.users.a = person // { uid = 1001; }; users.users.b = person // { uid = 1001; }; }) [ "users.users: a and b have one uid, 1001: change one of them" ])
    (is (failed users { users.users.a = person // { uid = 33; }; }) [ "users.users: a and www-data have one uid, 33: change one of them" ])
    (is (failed users { users.groups.x.gid = 990; users.groups.y.gid = 990; }) [ "users.groups: x and y have one gid, 990: change one of them" ])
    (is (failed users { users.groups.x.gid = 199; }) [ "users.groups: wheel and x have one gid, 199: change one of them" ])
    (is (failed users { users.enforceIdUniqueness = false; users.groups.x.gid = 199; users.users.a = person // { uid = 33; }; }) [ ])
    # One that is off holds nothing.
    (is (failed users { users.users.a = person // { uid = 1001; enable = false; }; users.users.b = person // { uid = 1001; }; }) [ ])
    (is (failed users { users.users.a = person // { name = "c"; }; users.users.b = person // { name = "c"; }; }) [ "users.users: a and b have one name, c: change one of them" ])
    (is (failed users { users.groups.a.name = "wheel"; }) [ "users.groups: a and wheel have one name, wheel: change one of them" ])
    (is (lib.length (failed users { users.users."a b" = person; })) 1)
    (is (lib.filter (name: failed users { users.groups.${name} = { }; } != [ ]) [ "a" "_a-b.c" "A1" "machine$" ]) [ ])
    (is (lib.filter (name: failed users { users.groups.${name} = { }; } == [ ]) [ "1a" "a/b" "-a" "a%i" "ä" "a b" "abcdefghijklmnopqrstuvwxyzabcdef" ]) [ ])
  ];
  numbers = [
    (is (map uid [ 0 4294967294 null ]) [ true true true ])
    (is (map uid [ (-1) 4294967295 99999999999 ]) [ false false false ])
    (is (map gid [ 0 4294967294 null (-1) 4294967295 ]) [ true true true false false ])
    (is (map mtu [ null 68 1500 65535 67 65536 (-1) ]) [ true true true true false false false ])
  ];
  addresses = [
    (is (map mac [ "52:54:00:12:34:56" "02:AB:cd:00:00:01" null ]) [ true true true ])
    (is (map mac [ "53:54:00:12:34:56" "00:00:00:00:00:00" "52:54:00:12:34" "52-54-00-12-34-56" "52:54:00:12:34:5g" "" ]) [ false false false false false false ])
    (is (map (address "ipv4") [ "10.0.0.1" "255.255.255.255" "0.0.0.0" ]) [ true true true ])
    (is (map (address "ipv4") [ "10.0.0.256" "10.0.0" "10.0.0.1/24" "010.0.0.1" "::1" "" "a" ]) [ false false false false false false false ])
    (is (map (address "ipv6") [ "::" "::1" "fe80::47" "2001:db8:0:1:2:3:4:5" "2001:db8::" "1::2:3:4:5:6:7" "::ffff:10.0.0.1" "FE80::1" ]) [ true true true true true true true true ])
    (is (map (address "ipv6") [ ":::" "1" "1:2:3:4:5:6:7" "1:2:3:4:5:6:7:8:9" "1::2::3" "fe80::1%eth0" "12345::" "g::" "10.0.0.1" ":1:2:3:4:5:6:7:8" "1:2:3:4:5:6:7:8:" "1:2:3:4:5:6:7::8:9" "" ]) (lib.genList (_: false) 13))
    (is (failed network { networking.interfaces.eno1.macAddress = "52:54:00:12:34:56"; networking.interfaces.eno2.macAddress = "52:54:00:12:34:57"; }) [ ])
    (is (failed network { networking.interfaces.eno1.macAddress = "52:54:00:ab:34:56"; networking.interfaces.eno2.macAddress = "52:54:00:AB:34:56"; }) [ "networking.interfaces: eno1 and eno2 have one MAC address, 52:54:00:ab:34:56: change one of them" ])
    (is (failed network { networking.interfaces.a = addresses [ "10.0.0.1" ]; networking.interfaces.b = addresses [ "10.0.0.2" "10.0.0.1" ]; }) [ "networking.interfaces: a and b have one address, 10.0.0.1: change one of them" ])
    (is (failed network { networking.interfaces.a = addresses [ "10.0.0.1" "10.0.0.2" ]; }) [ ])
  ];
  mountPoints =
    let
      root = { device = "/dev/a"; fsType = "ext4"; };
      with' = further: failed fileSystems { fileSystems = { "/" = root; } // further; };
      swaps = list: failed fileSystems { fileSystems."/" = root; swapDevices = list; };
    in
    [
      (is (with' { "/home" = root; "/home/a" = root; }) [ ])
      (is (with' { "/home" = root; "/home/" = root; }) [ "fileSystems: \"/home\" and \"/home/\" have one mount point, /home: change one of them" ])
      (is (with' { "data" = root // { mountPoint = "/"; }; }) [ "fileSystems: \"/\" and \"data\" have one mount point, /: change one of them" ])
      (is (with' { "home" = root; }) [ "fileSystems.\"home\": the mount point \"home\" is not an absolute path" ])
      (is (with' { "/home" = root; "/home/" = root // { enable = false; }; }) [ ])
      (is (swaps [ { device = "/dev/b"; } { device = "/dev/c"; } ]) [ ])
      (is (swaps [ { device = "/dev/disk/by-label/b"; } { label = "b"; } ]) [ "swapDevices: 2 entries have one device, /dev/disk/by-label/b: remove all but one" ])
    ];
}
