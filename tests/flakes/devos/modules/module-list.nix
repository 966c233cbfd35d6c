[ { _module.args.marker = "a module's "; } ]
