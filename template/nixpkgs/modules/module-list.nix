# Your own modules, for every host: options that hosts and profiles may set.
[ ]
