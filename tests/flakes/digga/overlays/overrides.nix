channels: final: prev: { hostNameOfAnOverlay = "by-${if channels.latest ? hello then "channels" else "none"}"; }
