# The firewall's rules (nft(8)) from `networking.firewall`.
{ lib }:

firewall:

let
  ports = lib.concatMapStringsSep ", " toString;
  ranges = lib.concatMapStringsSep ", " (range: "${toString range.from}-${toString range.to}");

  open =
    match: protocol: singles: spans:
    lib.optionalString (singles != [ ] || spans != [ ]) (
      "    ${match}${protocol} dport { "
      + lib.concatStringsSep ", " (
        lib.optional (singles != [ ]) (ports singles) ++ lib.optional (spans != [ ]) (ranges spans)
      )
      + " } accept\n"
    );

  # A trailing `+` is iptables' way to say `*`.
  interface = name: builtins.toJSON (if lib.hasSuffix "+" name then lib.removeSuffix "+" name + "*" else name);
in
''
  #!/usr/sbin/nft -f
  flush ruleset

  table inet filter {
    chain input {
      type filter hook input priority filter; policy drop;
      ct state { established, related } accept
      ct state invalid drop
      iifname "lo" accept
      icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
      ip6 saddr fe80::/10 udp dport 546 accept
''
+ lib.concatMapStrings (name: "    iifname ${interface name} accept\n") firewall.trustedInterfaces
+ lib.optionalString firewall.allowPing "    icmp type echo-request accept\n    icmpv6 type echo-request accept\n"
+ open "" "tcp" firewall.allowedTCPPorts firewall.allowedTCPPortRanges
+ open "" "udp" firewall.allowedUDPPorts firewall.allowedUDPPortRanges
+ lib.concatStrings (
  lib.mapAttrsToList (
    name: rules:
    open "iifname ${interface name} " "tcp" rules.allowedTCPPorts [ ]
    + open "iifname ${interface name} " "udp" rules.allowedUDPPorts [ ]
  ) firewall.interfaces
)
+ firewall.extraInputRules
+ lib.optionalString firewall.logRefusedConnections "    tcp flags syn limit rate 10/second log prefix \"refused connection: \"\n"
+ lib.optionalString firewall.rejectPackets "    reject\n"
+ ''
    }
  }
''
