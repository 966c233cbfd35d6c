# Pieces of text that must come after others: activation scripts are made of them.
{ lib }:
let
  inherit (builtins) head isAttrs tail;
in
rec {
  noDepEntry = text: {
    inherit text;
    deps = [ ];
  };
  fullDepEntry = text: deps: { inherit text deps; };
  packEntry = deps: {
    text = "";
    inherit deps;
  };
  stringAfter = deps: text: { inherit text deps; };

  # The texts of `names`, each after those that it depends on, and once.
  textClosureList =
    entries: names:
    let
      visit =
        done: rest:
        let
          item = head rest;
          before = visit done item.deps;
          after = visit before.done (tail rest);
        in
        if rest == [ ] then
          {
            inherit done;
            texts = [ ];
          }
        else if isAttrs item then
          {
            inherit (after) done;
            texts = before.texts ++ [ item.text ] ++ after.texts;
          }
        else if done ? ${item} then
          visit done (tail rest)
        else
          visit (done // { ${item} = true; }) ([ entries.${item} ] ++ tail rest);
    in
    (visit { } names).texts;
  textClosureMap =
    f: entries: names:
    lib.concatMapStringsSep "\n" f (textClosureList entries names);
}
