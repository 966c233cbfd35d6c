{ environment.etc."core".text = "in every system"; }
