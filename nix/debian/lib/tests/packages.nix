# Versions, packages, calling functions, paths, ordered texts.
{
  lib,
  is,
  fails,
}:
let
  inherit (lib)
    addMetaAttrs
    appendToName
    callPackageWith
    callPackagesWith
    cleanSourceFilter
    compareVersions
    fakeHash
    fakeSha256
    fakeSha512
    fullDepEntry
    getExe
    getExe'
    getLicenseFromSpdxId
    getLicenseFromSpdxIdOr
    id
    imap
    kernel
    makeOverridable
    makeScope
    meta
    misc
    noDepEntry
    nvs
    optionalDrvAttr
    packEntry
    path
    setPrio
    sourceTypes
    splitVersion
    stringAfter
    textClosureList
    textClosureMap
    versions
    ;
in
{
  compareVersions = [
    (is (compareVersions "1" "2") (-1))
  ];
  major = [
    (is (versions.major "1.2.3") "1")
  ];
  majorMinor = [
    (is (versions.majorMinor "1.2.3") "1.2")
  ];
  minor = [
    (is (versions.minor "1.2.3") "2")
  ];
  pad = [
    (is (versions.pad 3 "1.2") "1.2.0")
    (is (versions.pad 3 "1.3-rc1") "1.3.0-rc1")
    (is (versions.pad 3 "1.2.3.4") "1.2.3")
  ];
  patch = [
    (is (versions.patch "1.2.3") "3")
  ];
  splitVersion = [
    (is (splitVersion "1.2-a") [
      "1"
      "2"
      "a"
    ])
  ];
  addMetaAttrs = [
    (is (addMetaAttrs { a = 1; } { meta.b = 2; }) {
      meta = {
        a = 1;
        b = 2;
      };
    })
  ];
  appendToName = [
    (is (appendToName "x" { name = "a-1"; }) { name = "a-x-1"; })
  ];
  availableOn = [
    (is (meta.availableOn { system = "x"; } { meta.platforms = [ "y" ]; }) false)
  ];
  getExe = [
    (is (getExe {
      type = "derivation";
      outPath = "/s/x";
      name = "n-1";
      meta.mainProgram = "m";
    }) "/s/x/bin/m")
  ];
  getExe' = [
    (is (getExe' {
      type = "derivation";
      outPath = "/s/x";
      name = "n";
    } "foo") "/s/x/bin/foo")
    (fails (
      getExe' {
        type = "derivation";
        outPath = "/s/x";
      } "a/b"
    ))
  ];
  getLicenseFromSpdxId = [
    (is ((getLicenseFromSpdxId "mit").spdxId) "MIT")
  ];
  getLicenseFromSpdxIdOr = [
    (is (getLicenseFromSpdxIdOr "nope" null) null)
  ];
  platformMatch = [
    (is (meta.platformMatch { system = "x86_64-linux"; } "x86_64-linux") true)
  ];
  setPrio = [
    (is (setPrio 3 { }) {
      meta = {
        priority = 3;
      };
    })
  ];
  callPackageWith = [
    (is ((callPackageWith
      {
        a = 1;
        b = 2;
      }
      (
        {
          a,
          b,
          c ? 3,
        }:
        {
          x = a + b + c;
        }
      )
      { b = 5; }
    ).x
    ) 9)
    (is (((callPackageWith { a = 1; } ({ a }: { x = a; }) { }).override { a = 9; }).x) 9)
  ];
  callPackagesWith = [
    (is ((callPackagesWith { a = 1; } ({ a }: {
      p = {
        v = a;
      };
    }) { }).p.v
    ) 1)
    (is ((
      (callPackagesWith { a = 1; } ({ a }: {
        p = {
          v = a;
        };
      }) { }).p.override
      { a = 7; }
    ).v
    ) 7)
  ];
  makeOverridable = [
    (is ((
      (makeOverridable ({ a, b }: { r = a + b; }) {
        a = 1;
        b = 2;
      }).override
      (o: {
        a = o.a + 10;
      })
    ).r
    ) 13)
  ];
  makeScope = [
    (is ((makeScope (e: callPackageWith ({ q = 5; } // e)) (s: {
      w = 1;
      x = s.callPackage ({ w, q }: { v = w + q; }) { };
    })).x.v
    ) 6)
    (is ((
      (makeScope (e: callPackageWith ({ q = 5; } // e)) (s: {
        w = 1;
        x = s.callPackage ({ w, q }: { v = w + q; }) { };
      })).overrideScope
      (f: p: { w = p.w + 100; })
    ).x.v
    ) 106)
  ];
  cleanSourceFilter = [
    (is (cleanSourceFilter "/a/.git" "directory") false)
    (is (cleanSourceFilter "/a/x.o" "regular") false)
    (is (cleanSourceFilter "/a/result" "symlink") false)
    (is (cleanSourceFilter "/a/.x.swp" "regular") false)
    (is (cleanSourceFilter "/a/ok" "regular") true)
  ];
  optionalDrvAttr = [
    (is (optionalDrvAttr false 1) null)
  ];
  packEntry = [
    (is (packEntry [ "a" ]) {
      deps = [ "a" ];
      text = "";
    })
  ];
  textClosureList = [
    (is
      (textClosureList
        {
          a = fullDepEntry "A" [ "b" ];
          b = noDepEntry "B";
          c = stringAfter [ "a" ] "C";
        }
        [
          "c"
          "b"
          "a"
        ]
      )
      [
        "B"
        "A"
        "C"
      ]
    )
  ];
  textClosureMap = [
    (is (textClosureMap id {
      a = fullDepEntry "A" [ "b" ];
      b = noDepEntry "B";
    } [ "a" ]) "B\nA")
  ];
  closePropagation = [
    (is (misc.closePropagation [ ]) [ ])
  ];
  fakeHash = [
    (is fakeHash "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
  ];
  fakeSha256 = [
    (is fakeSha256 "0000000000000000000000000000000000000000000000000000000000000000")
  ];
  fakeSha512 = [
    (is fakeSha512 "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000")
  ];
  imap = [
    (is (imap (i: v: i) [ "a" ]) [ 1 ])
  ];
  nvs = [
    (is (nvs "a" 1) { a = 1; })
  ];
  other = [
    (is ("ab") "ab")
  ];
  subpath = [
    (is (path.subpath.join [
      "a"
      "./b/c"
    ]) "./a/b/c")
    (is (path.subpath.normalise "a//./b/") "./a/b")
    (is (path.subpath.components "./a/b") [
      "a"
      "b"
    ])
    (is (path.subpath.isValid "a/../b") false)
    (is (path.subpath.isValid "") false)
  ];
  option = [
    (is (kernel.option kernel.module) {
      optional = true;
      tristate = "m";
    })
  ];
  yes = [
    (is kernel.yes {
      optional = false;
      tristate = "y";
    })
  ];
  fromSource = [
    (is sourceTypes.fromSource {
      isSource = true;
      shortName = "fromSource";
    })
  ];
}
