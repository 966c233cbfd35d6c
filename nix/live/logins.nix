# Who may log in to a live system, and by which lines of authorized_keys: the document "logins", version 1 (ARCHITECTURE.md). Only data: Rust reads the
# lines, because whether sshd takes one is decided in one place. `live` is the evaluated live system; null for one that has no users at all.
live:

let
  inherit (builtins)
    attrNames
    attrValues
    baseNameOf
    concatMap
    deepSeq
    filter
    isAttrs
    isList
    isString
    map
    pathExists
    readFile
    tryEval
    unsafeDiscardStringContext
    unsafeGetAttrPos
    ;

  plain = value: unsafeDiscardStringContext (toString value);

  # A definition without `mkIf`, `mkForce` and the like around it; null where its condition does not hold.
  unwrapped =
    value:
    if !(isAttrs value && value ? _type && value ? content) then
      value
    else if value._type == "if" && !value.condition then
      null
    else
      unwrapped value.content;

  # A list as far as it can be evaluated: a definition that another one overrides is none of the host's, and may be one that throws.
  evaluated =
    list:
    let
      tried = tryEval (deepSeq list list);
    in
    if tried.success then tried.value else null;

  # Where each line of `keys` is written, as far as definitions are plain enough to be read.
  written = concatMap (
    definition:
    let
      users = unwrapped definition.value;
      ofUser =
        name:
        let
          keys = (unwrapped users.${name}).openssh.authorizedKeys or { };
          list = evaluated (unwrapped (keys.keys or null));
          position = unsafeGetAttrPos "keys" keys;
        in
        if isAttrs keys && isList list then
          map (text: {
            inherit text;
            user = name;
            file = plain (if position == null then definition.file else position.file);
            line = if position == null then null else position.line;
          }) (filter isString list)
        else
          [ ];
    in
    if isAttrs users then concatMap ofUser (attrNames users) else [ ]
  ) (live.options.users.users.definitionsWithLocations or [ ]);

  position =
    text:
    let
      found = filter (one: one.text == text) written;
    in
    if found == [ ] then
      null
    else
      {
        inherit (builtins.head found) user file line;
      };

  # A shell is a path, or a package that has one.
  shell =
    user:
    let
      value = user.shell or null;
      path = if isAttrs value then value.shellPath or value.meta.mainProgram or value.pname or "sh" else value;
    in
    if value == null then null else baseNameOf (plain path);

  login = user: {
    inherit (user) name;
    enable = user.enable or true;
    shell = shell user;
    expires = user.expires or null;
    keys = map (text: {
      text = plain text;
      position = position text;
    }) user.openssh.authorizedKeys.keys;
    # A file that is missing is an error of the evaluation itself.
    keyFiles = map (file: {
      path = plain file;
      text = plain (readFile file);
    }) (filter pathExists user.openssh.authorizedKeys.keyFiles);
  };
in
if !(live ? config.users.users) then
  null
else
  {
    version = 1;
    inherit (live.config.flk.live) allowNoKeys;
    users = filter (user: user.keys != [ ] || user.keyFiles != [ ]) (
      map login (attrValues live.config.users.users)
    );
  }
