"""What programs that act for people may ask: omc's readings over the Model Context Protocol. Nothing here changes
anything."""
