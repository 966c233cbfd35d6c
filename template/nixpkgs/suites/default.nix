# Names for what hosts import together: `{ suites, ... }: { imports = suites.base; }`. Every profile is in `profiles`, by its file's name.
{ profiles, ... }:
{
  base = [ profiles.ssh ];
}
