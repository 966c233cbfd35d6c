# Licenses under nixpkgs' names.
{ lib }:
let
  license =
    free: redistributable: spdxId: fullName: shortName:
    {
      inherit
        shortName
        fullName
        free
        redistributable
        ;
      deprecated = false;
    }
    // lib.optionalAttrs (spdxId != null) {
      inherit spdxId;
      url = "https://spdx.org/licenses/${spdxId}.html";
    };

  free = license true true;
  redistributable = license false true;
  unfree = license false false;
  older =
    spdxId: fullName: shortName:
    free spdxId fullName shortName // { deprecated = true; };
in
builtins.mapAttrs (shortName: named: named shortName) {
  afl20 = free "AFL-2.0" "Academic Free License v2.0";
  afl21 = free "AFL-2.1" "Academic Free License v2.1";
  afl3 = free "AFL-3.0" "Academic Free License v3.0";
  agpl3Only = free "AGPL-3.0-only" "GNU Affero General Public License v3.0 only";
  agpl3Plus = free "AGPL-3.0-or-later" "GNU Affero General Public License v3.0 or later";
  apple-psl20 = free "APSL-2.0" "Apple Public Source License 2.0";
  artistic1 = free "Artistic-1.0" "Artistic License 1.0";
  artistic2 = free "Artistic-2.0" "Artistic License 2.0";
  asl20 = free "Apache-2.0" "Apache License 2.0";
  blueOak100 = free "BlueOak-1.0.0" "Blue Oak Model License 1.0.0";
  boost = free "BSL-1.0" "Boost Software License 1.0";
  bsd0 = free "0BSD" "BSD Zero Clause License";
  bsd1 = free "BSD-1-Clause" "BSD 1-Clause License";
  bsd2 = free "BSD-2-Clause" "BSD 2-clause \"Simplified\" License";
  bsd3 = free "BSD-3-Clause" "BSD 3-clause \"New\" or \"Revised\" License";
  bsdOriginal = free "BSD-4-Clause" "BSD 4-clause \"Original\" or \"Old\" License";
  bsl11 = redistributable "BUSL-1.1" "Business Source License 1.1";
  bzip2 = free "bzip2-1.0.6" "bzip2 and libbzip2 License v1.0.6";
  cc-by-10 = free "CC-BY-1.0" "Creative Commons Attribution 1.0";
  cc-by-30 = free "CC-BY-3.0" "Creative Commons Attribution 3.0";
  cc-by-40 = free "CC-BY-4.0" "Creative Commons Attribution 4.0";
  cc-by-nc-40 = unfree "CC-BY-NC-4.0" "Creative Commons Attribution Non Commercial 4.0 International";
  cc-by-nc-sa-30 = unfree "CC-BY-NC-SA-3.0" "Creative Commons Attribution Non Commercial Share Alike 3.0";
  cc-by-nc-sa-40 = unfree "CC-BY-NC-SA-4.0" "Creative Commons Attribution Non Commercial Share Alike 4.0";
  cc-by-nd-30 = unfree "CC-BY-ND-3.0" "Creative Commons Attribution-No Derivative Works v3.00";
  cc-by-sa-20 = free "CC-BY-SA-2.0" "Creative Commons Attribution Share Alike 2.0";
  cc-by-sa-25 = free "CC-BY-SA-2.5" "Creative Commons Attribution Share Alike 2.5";
  cc-by-sa-30 = free "CC-BY-SA-3.0" "Creative Commons Attribution Share Alike 3.0";
  cc-by-sa-40 = free "CC-BY-SA-4.0" "Creative Commons Attribution Share Alike 4.0";
  cc0 = free "CC0-1.0" "Creative Commons Zero v1.0 Universal";
  cddl = free "CDDL-1.0" "Common Development and Distribution License 1.0";
  cecill20 = free "CECILL-2.0" "CeCILL Free Software License Agreement v2.0";
  cecill21 = free "CECILL-2.1" "CeCILL Free Software License Agreement v2.1";
  cpl10 = free "CPL-1.0" "Common Public License 1.0";
  curl = free "curl" "curl License";
  elastic20 = unfree "Elastic-2.0" "Elastic License 2.0";
  epl10 = free "EPL-1.0" "Eclipse Public License 1.0";
  epl20 = free "EPL-2.0" "Eclipse Public License 2.0";
  eupl11 = free "EUPL-1.1" "European Union Public License 1.1";
  eupl12 = free "EUPL-1.2" "European Union Public License 1.2";
  fdl12Plus = free "GFDL-1.2-or-later" "GNU Free Documentation License v1.2 or later";
  fdl13Only = free "GFDL-1.3-only" "GNU Free Documentation License v1.3 only";
  fdl13Plus = free "GFDL-1.3-or-later" "GNU Free Documentation License v1.3 or later";
  gpl1Only = free "GPL-1.0-only" "GNU General Public License v1.0 only";
  gpl1Plus = free "GPL-1.0-or-later" "GNU General Public License v1.0 or later";
  gpl2Only = free "GPL-2.0-only" "GNU General Public License v2.0 only";
  gpl2Plus = free "GPL-2.0-or-later" "GNU General Public License v2.0 or later";
  gpl3Only = free "GPL-3.0-only" "GNU General Public License v3.0 only";
  gpl3Plus = free "GPL-3.0-or-later" "GNU General Public License v3.0 or later";
  hpnd = free "HPND" "Historic Permission Notice and Disclaimer";
  ijg = free "IJG" "Independent JPEG Group License";
  imagemagick = free "ImageMagick" "ImageMagick License";
  isc = free "ISC" "ISC License";
  lgpl21Only = free "LGPL-2.1-only" "GNU Lesser General Public License v2.1 only";
  lgpl21Plus = free "LGPL-2.1-or-later" "GNU Lesser General Public License v2.1 or later";
  lgpl2Only = free "LGPL-2.0-only" "GNU Library General Public License v2 only";
  lgpl2Plus = free "LGPL-2.0-or-later" "GNU Library General Public License v2 or later";
  lgpl3Only = free "LGPL-3.0-only" "GNU Lesser General Public License v3.0 only";
  lgpl3Plus = free "LGPL-3.0-or-later" "GNU Lesser General Public License v3.0 or later";
  libpng = free "Libpng" "libpng License";
  libpng2 = free "libpng-2.0" "libpng License v2";
  libtiff = free "libtiff" "libtiff License";
  lppl13c = free "LPPL-1.3c" "LaTeX Project Public License v1.3c";
  mit = free "MIT" "MIT License";
  mit0 = free "MIT-0" "MIT No Attribution";
  mpl10 = free "MPL-1.0" "Mozilla Public License 1.0";
  mpl11 = free "MPL-1.1" "Mozilla Public License 1.1";
  mpl20 = free "MPL-2.0" "Mozilla Public License 2.0";
  mspl = free "MS-PL" "Microsoft Public License";
  ncsa = free "NCSA" "University of Illinois/NCSA Open Source License";
  ofl = free "OFL-1.1" "SIL Open Font License 1.1";
  openldap = free "OLDAP-2.8" "Open LDAP Public License v2.8";
  openssl = free "OpenSSL" "OpenSSL License";
  osl3 = free "OSL-3.0" "Open Software License 3.0";
  php301 = free "PHP-3.01" "PHP License v3.01";
  postgresql = free "PostgreSQL" "PostgreSQL License";
  psfl = free "Python-2.0" "Python Software Foundation License version 2";
  qpl = free "QPL-1.0" "Q Public License 1.0";
  ruby = free "Ruby" "Ruby License";
  sgi-b-20 = free "SGI-B-2.0" "SGI Free Software License B v2.0";
  sleepycat = free "Sleepycat" "Sleepycat License";
  sspl = redistributable "SSPL-1.0" "Server Side Public License";
  tcltk = free "TCL" "TCL/TK License";
  unicode-dfs-2016 = free "Unicode-DFS-2016" "Unicode License Agreement - Data Files and Software (2016)";
  unlicense = free "Unlicense" "The Unlicense";
  upl = free "UPL-1.0" "Universal Permissive License";
  vim = free "Vim" "Vim License";
  w3c = free "W3C" "W3C Software Notice and License";
  wtfpl = free "WTFPL" "Do What The F*ck You Want To Public License";
  x11 = free "X11" "X11 License";
  zlib = free "Zlib" "zlib License";
  zpl21 = free "ZPL-2.1" "Zope Public License 2.1";

  # No single text.
  free = free null "Unspecified free software license";
  publicDomain = free null "Public Domain";
  unfree = unfree null "Unfree";
  unfreeRedistributable = redistributable null "Unfree redistributable";
  unfreeRedistributableFirmware = free null "Unfree redistributable firmware";

  # Names that leave open whether later versions are meant.
  agpl3 = older "AGPL-3.0" "GNU Affero General Public License v3.0";
  gpl2 = older "GPL-2.0" "GNU General Public License v2.0";
  gpl3 = older "GPL-3.0" "GNU General Public License v3.0";
  lgpl2 = older "LGPL-2.0" "GNU Library General Public License v2";
  lgpl21 = older "LGPL-2.1" "GNU Lesser General Public License v2.1";
  lgpl3 = older "LGPL-3.0" "GNU Lesser General Public License v3.0";
}
