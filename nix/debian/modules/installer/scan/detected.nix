# What nixos-generate-config imports where it knows the hardware.
{ }
