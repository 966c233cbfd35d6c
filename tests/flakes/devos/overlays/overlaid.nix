_final: _prev: { overlaid = "overlay"; }
