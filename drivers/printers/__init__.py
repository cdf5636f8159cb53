"""Badge printers: measuring, layout, bytes, and the connections that carry them."""
